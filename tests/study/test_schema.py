"""The file of a study, and --config: names and values that YAML reads as something else than was meant."""

import copy

import pytest
import yaml
from snakemake.cli import parse_config
from snakemake.utils import update_config

from helpers.minimal_study import MINIMAL, changed
from s2f.common import kinds
from s2f.common.errors import InputError
from s2f.study import schema
from s2f.study.validate import validated


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("a: 1\nb: 2\na: 3\n", "s.yaml: line 3: key 'a' is already on line 1"),
        ("x:\n  - k: 1\n    l: {m: 1,\n    m: 2}\n", "s.yaml: line 4: key 'm' is already on line 3"),
        ("datasets:\n  k562:\n    a: 1\n  hepg2: {}\n  k562: {}\n", "line 5: key 'k562' is already on line 2"),
    ],
)
def test_a_key_that_occurs_twice_in_a_study_is_named(tmp_path, text, message):
    (tmp_path / "s.yaml").write_text(text)
    with pytest.raises(InputError, match=message):
        schema.check_keys(tmp_path / "s.yaml")


@pytest.mark.parametrize("text", ["", "a: [", "a: &x {b: 1}\nc: *x\n", "a: {b: 1}\nc: {b: 1}\n", "- a\n- a\n"])
def test_other_yaml_passes(tmp_path, text):
    (tmp_path / "s.yaml").write_text(text)
    schema.check_keys(tmp_path / "s.yaml")


def test_the_studies_of_the_project_name_no_key_twice(root):
    for path in (root / "config").rglob("*.yaml"):
        schema.check_keys(path)


@pytest.mark.parametrize(
    ("name", "taken_for"),
    [("2024", "a number"), ("1.5", "a number"), ("no", "true or false"), ("~", "nothing"), ("2024-01-01", "a date")],
)
def test_a_name_that_yaml_reads_as_something_else_is_named(tmp_path, name, taken_for):
    path = tmp_path / "s.yaml"
    path.write_text(f"study: a\ndatasets:\n  d:\n    panels: {{{name}: {{kind: rows}}}}\n")
    with pytest.raises(InputError) as error:
        schema.check_keys(path)
    assert (
        str(error.value) == f"{path}: line 4: YAML takes the name {name} for {taken_for}; write it in quotes: '{name}'"
    )


@pytest.mark.parametrize(
    ("path", "value", "message"),
    [
        (["training"], {"learning_rate": "1e-3"},
         "training.learning_rate: '1e-3' is not of type 'number', because YAML reads it as text; write 1.0e-3 "
         "(expected: AdamW step size)"),
        (["training"], {"learning_rate": "1.5E-3"}, "YAML reads it as text; write 1.5e-3 "),
        (["training"], {"weight_decay": "1e5"}, "YAML reads it as text; write 1.0e+5 "),
        (["baselines", "mean"], {"kind": "kmer_ridge", "alphas": [1, "1e2"]},
         "baselines.mean.alphas.1: '1e2' is not of type 'number', because YAML reads it as text; write 1.0e+2"),
        (["seeds"], ["1"], "seeds.0: '1' is not of type 'integer', because it is text in quotes; remove the quotes"),
        (["train_together"], "yes",
         "'yes' is not one of false, true, caches, apart, because it is text in quotes; write true"),
        (["datasets", "simulated_d", "splits"], [False],
         "splits.0: False is not of type 'string', as read by YAML; write it in quotes"),
        (["splits", "chromosome"], {"kind": "chromosome", "test": [7]},
         "splits.chromosome.test.0: 7 is not of type 'string'; write chr7"),
        (["splits", "chromosome"], {"kind": "chromosome", "test": ["CHR19"]},
         "splits.chromosome.test.0: 'CHR19' is not the name of a chromosome; write chr19"),
        (["splits", "chromosome"], {"kind": "chromosome", "val": ["chr1", "Chrom x"]}, "chromosome; write chrX"),
        (["splits", "chromosome"], {"kind": "chromosome", "val": ["ch7"]},
         "splits.chromosome.val.0: 'ch7' is not the name of a chromosome; did you mean chr7?"),
        (["splits", "chromosome"], {"kind": "chromosome", "val": ["c x"]}, "chromosome; did you mean chrX?"),
        (["splits", "chromosome"], {"kind": "chromosome", "val": ["scaffold_1"]}, "; write chrscaffold_1"),
        (["datasets", "simulated_d", "motif"], "UGua", "motif: holds 'u' (letter 3 of 4), expected only IUPAC letters"),
        (["datasets", "simulated_d", "motif"], "", "motif: is empty, expected only IUPAC letters"),
        (["seeds"], [1, 2.0], "seeds.1: 2.0 is not of type 'integer'; write 2"),
        (["seeds"], [True], "seeds.0: True is not of type 'integer'"),
        (["training"], {"batch_size": 1e2}, "training.batch_size: 100.0 is not of type 'integer'; write 100"),
        (["datasets", "simulated_d", "construct"], "{datadir}/c",
         "datasets.simulated_d.construct: '{datadir}/c': {datadir} is not a known placeholder; known: {data_dir}"),
        (["baselines", "mean"], {"kind": "malinois_published", "artifact": "{home}/x.tar.gz"}, "baselines.mean"),
    ],
)  # fmt: skip
def test_a_value_that_is_something_else_than_was_meant_comes_with_the_mend(path, value, message):
    with pytest.raises(InputError) as error:
        validated(changed(path, value))
    assert message in str(error.value)


def test_every_pattern_of_the_schemas_is_a_list_of_words_or_has_its_meaning_in_words():
    def patterns(rules):
        inner = rules.values() if isinstance(rules, dict) else rules if isinstance(rules, list) else ()
        found = [rules] if isinstance(rules, dict) and isinstance(rules.get("pattern"), str) else []
        return found + [rules for item in inner for rules in patterns(item)]

    found = [rules for path in kinds.S2F.rglob("*.yaml") for rules in patterns(yaml.safe_load(path.read_text()))]
    unexplained = [rules["pattern"] for rules in found if "x-pattern" not in rules]
    assert len(found) > 15 and all(map(schema.WORDS.fullmatch, unexplained))


@pytest.mark.parametrize(
    ("text", "found", "number"),
    [
        ("seed: 010", "010", "8"), ("seeds: [1, 1:30]", "1:30", "90"), ("a: {b: -1:30:00}", "-1:30:00", "-5400"),
        ("x: 1:30.5", "1:30.5", "90.5"),
    ],
)  # fmt: skip
def test_a_number_that_yaml_does_not_read_as_it_looks_is_named(tmp_path, text, found, number):
    path = tmp_path / "s.yaml"
    path.write_text(f"study: a\n{text}\n")
    with pytest.raises(InputError) as error:
        schema.check_keys(path)
    assert str(error.value) == (
        f"{path}: line 2: YAML takes {found} for the number {number}; write that number, or put text in quotes: "
        f"'{found}'"
    )
    path.write_text("a: [0, -0, 10, 1.30, 0.05, 1e5, 0x10, '010', 1:30 h, 2024-01-01, 08, ~]\n")
    schema.check_keys(path)


def test_a_path_below_the_home_of_the_user_is_found(monkeypatch):
    monkeypatch.setenv("HOME", "/home/ann")
    files = {"rows": "~/mine.tsv", "other": "{data_dir}/a~b.tsv"}
    for given, data_dir in (("~/data", "/home/ann/data"), ("/data", "/data")):
        found = schema.with_data_dir({"files": files, "description": "~ 5"}, given, "datasets")
        assert found["files"] == {"rows": "/home/ann/mine.tsv", "other": f"{data_dir}/a~b.tsv"}
        assert found["description"] == "~ 5"


def test_braces_are_words_for_people_in_texts():
    dataset = validated(changed(["datasets", "simulated_d", "measured"], "log2 {RNA/DNA}"))["datasets"]["simulated_d"]
    assert dataset["measured"] == "log2 {RNA/DNA}"


def given_by(*words):
    """(The minimal study with --config WORDS as Snakemake puts it in, what was given)."""
    config, given = copy.deepcopy(MINIMAL), parse_config(words)
    update_config(config, given)
    return config, given


def test_values_of_config_have_the_types_of_the_schema():
    config, given = given_by(
        "seeds=[1,2]", "train_together=true", "training={epochs: 3, learning_rate: 1e-3}", "study=2024", "mirror=",
        "baselines={mean: {kind: kmer_ridge, alphas: [1e-1, 10]}}", "heads={boda-mean-512-512: {epochs: 2}}",
        "datasets={simulated_d: {source: {rows: 50}, panels: {chromosome: {kind: rows, published: [7]}}}}",
        "search={trials: 2, ranges: {heads: {learning_rate: {from: 1e-4, to: 0.01, scale: log}}}}", "description=yes",
    )  # fmt: skip
    study = validated(schema.with_types(config, given))
    assert study["seeds"] == [1, 2] and study["train_together"] is True
    assert (study["training"]["epochs"], study["training"]["learning_rate"]) == (3, 0.001)
    assert (study["study"], study["mirror"], study["description"]) == ("2024", "", "yes")
    assert study["baselines"]["mean"]["alphas"] == [0.1, 10]
    assert study["heads"]["boda-mean-512-512"] == {"epochs": 2}
    dataset = study["datasets"]["simulated_d"]
    assert dataset["source"]["rows"] == 50 and dataset["panels"]["chromosome"]["published"] == ["7"]
    assert dataset["construct"] == "c"
    assert study["search"]["ranges"]["heads"]["learning_rate"]["from"] == 0.0001


@pytest.mark.parametrize(
    ("word", "value"), [("false", False), ("true", True), ("caches", "caches"), ("apart", "apart")]
)
def test_a_value_of_config_that_is_a_word_or_true_or_false(word, value):
    config, given = given_by(f"train_together={word}")
    found = validated(schema.with_types(config, given))["train_together"]
    assert found == value and type(found) is type(value)


def test_a_value_of_config_of_no_such_type_is_refused():
    config, given = given_by("seeds=[a]")
    with pytest.raises(InputError, match=r"seeds.0: 'a' is not of type 'integer'"):
        validated(schema.with_types(config, given))


def test_text_in_the_file_of_a_study_stays_text():
    config, given = given_by("study=x")
    config["seeds"] = ["1"]
    assert schema.with_types(config, given)["seeds"] == ["1"]
