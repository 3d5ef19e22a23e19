"""Kinds: a module and a schema of one name each, facts that some code reads, and options with their defaults."""

import jsonschema
import pytest

from s2f.common import kinds
from s2f.common.errors import InputError

KINDS = [(section, kind) for section in kinds.FOLDERS for kind in kinds.names(section)]


@pytest.mark.parametrize(("section", "kind"), KINDS)
def test_a_kind_is_a_module_and_a_schema(section, kind):
    assert (kinds.S2F / kinds.FOLDERS[section] / f"{kind}.py").is_file()
    rules = kinds.schema(section, kind)
    jsonschema.Draft202012Validator.check_schema(rules)
    found, known = kinds.facts(section, kind), kinds.FACTS[section]
    assert {name: type(fact) for name, fact in found.items()} == {name: type(fact) for name, fact in known.items()}
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


def test_an_unknown_key_is_refused_at_any_depth():
    entry = {"negatives": {"kind": "flank", "distanse": 3}}
    with pytest.raises(InputError, match=r"source encode_eclip: negatives: unknown key 'distanse'; did you mean 'dist"):
        kinds.settings("sources", "encode_eclip", entry)


def test_what_the_workflow_reads_itself_is_no_option_of_another_section():
    for section, kind in KINDS:
        options = kinds.schema(section, kind).get("properties", {})
        for key in {"kind", "seeds", "fold"} - set(kinds.SECTIONS[section]["of_workflow"]):
            assert key not in options, (section, kind, key)


def test_facts_that_programs_read_are_known_by_the_name_of_the_module():
    assert kinds.behaviour("s2f.heads.augmentations.hybrid") == {"encodes": True, "reads_caches": True}
    assert kinds.behaviour("s2f.heads.networks.chip_cnn")["min_tokens"] == 32
    assert kinds.behaviour("train_head") == kinds.behaviour("s2f.heads.training") == {}
    every = {fact for facts in kinds.FACTS.values() for fact in facts}
    assert set(kinds.READ_BY_PROGRAMS) <= every
