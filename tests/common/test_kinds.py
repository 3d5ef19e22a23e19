"""Kinds: a module and a schema of one name each, facts that some code reads, and options with their defaults."""

import jsonschema
import pytest

from s2f.common import kinds
from s2f.common.errors import InputError

KINDS = [(section, kind) for section in kinds.FOLDERS for kind in kinds.names(section)]


@pytest.mark.parametrize(("section", "kind"), KINDS)
def test_a_kind_is_a_module_and_a_schema(section, kind):
    assert (kinds.LIBRARY / kinds.FOLDERS[section] / f"{kind}.py").is_file()
    rules = kinds.schema(section, kind)
    jsonschema.Draft202012Validator.check_schema(rules)
    assert set(kinds.facts(section, kind)) == set(kinds.FACTS[section])
    assert rules["description"]
    assert section == "heads" or rules["additionalProperties"] is False  # the name of a head says it all
    for name, rule in rules.get("properties", {}).items():
        assert "description" in rule or name == "kind", name
        if "default" in rule:
            jsonschema.validate(rule["default"], rule)


def test_each_section_has_kinds_and_each_fact_holds_for_one():
    assert {section for section, _ in KINDS} == set(kinds.FOLDERS)
    for section, facts in kinds.FACTS.items():
        for fact, otherwise in facts.items():
            found = [kinds.facts(section, kind)[fact] for kind in kinds.names(section)]
            assert any(value != otherwise for value in found), f"{section}: no kind states {fact}"


def test_options_are_filled_and_those_of_the_workflow_left_out():
    given = {"kind": "kmer_logistic", "seeds": 1, "C": [1.0]}
    found = kinds.settings("baselines", "kmer_logistic", given)
    assert found == {"k": [1, 2, 3, 4], "C": [1.0], "scaling": "count", "reverse_complement": False}
    assert given == {"kind": "kmer_logistic", "seeds": 1, "C": [1.0]}


def test_mistakes_are_named_with_what_is_near():
    with pytest.raises(InputError, match=r"baseline kmer_ridge: unknown key 'alpa'; did you mean 'alphas'\? known: "):
        kinds.settings("baselines", "kmer_ridge", {"alpa": 1})
    with pytest.raises(
        InputError, match=r"baselines: kind 'kmer_rigde' is unknown; did you mean 'kmer_ridge'\? known: "
    ):
        kinds.module("baselines", "kmer_rigde")
