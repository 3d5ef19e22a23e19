"""The study: defaults at every depth, and every mistake caught at the door with the name of its key."""

import copy
import re

import pytest
import yaml

from helpers.minimal_study import MINIMAL, changed
from s2f.common.errors import InputError
from s2f.study import validate


def test_defaults_are_filled_in_at_every_depth():
    checked = validate.validated(MINIMAL)
    assert checked["training"]["epochs"] == 50
    assert checked["datasets"]["simulated_d"]["strand_rule"] == "mean"
    assert checked["datasets"]["simulated_d"]["source"]["rows"] == 3000
    assert checked["splits"]["chromosome"]["test"] == ["chr7", "chr13"]
    assert "training" not in MINIMAL  # the given config is not changed


@pytest.mark.parametrize(
    ("path", "value", "message"),
    [
        (["seeds"], 3, "seeds: 3 is not of type 'array'; write [1, 2, 3] for 3 trainings, or [3] for one alone (exp"),
        (["seeds"], 42, "seeds: 42 is not of type 'array'; write a list: [42] (expected"),
        (["seeds"], "1, 2", "seeds: '1, 2' is not of type 'array'; write a list: [1, 2] (expected"),
        (["constructs", "c"], {"length": 9}, "constructs.c: give either 'flanks' (a name) or both 'upstream'"),
        (
            ["constructs", "c"],
            {"length": 9, "upstream": "ACG…", "downstream": "A"},
            "constructs.c.upstream: holds '…' (letter 4 of 4), expected only the letters A, C, G, T",
        ),
        (["studdy"], "x", "key 'studdy' is unknown; did you mean 'study'?"),
        (["study"], None, "key 'study' is missing"),
        (["training"], {"epoch": 3}, "training: key 'epoch' is unknown; did you mean 'epochs'?"),
        (["training"], {"epochs": 0}, "training.epochs: 0 is less than the minimum of 1"),
        (["training"], {"epochs": "many"}, "training.epochs: 'many' is not of type 'integer'"),
        (
            ["datasets", "simulated_d", "construct"],
            "nope",
            "datasets.simulated_d.construct: 'nope' is not in the section 'constructs'",
        ),
        (["datasets", "simulated_d", "splits"], ["chromosom"], "did you mean 'chromosome'?"),
        (
            ["datasets", "simulated_d", "source"],
            {"kind": "simulatd"},
            "datasets.simulated_d.source.kind: 'simulatd' is unknown",
        ),
        (
            ["datasets", "simulated_d", "source"],
            {"kind": "simulated", "row": 9},
            "datasets.simulated_d.source: key 'row' is unknown",
        ),
        (["augmentations"], {"m": {"kind": "multi_shift", "shift": 3}}, "augmentations.m: key 'shift' is unknown"),
        (
            ["augmentations"],
            {"m": {"kind": "multi_shift", "shifts": 4}},
            "augmentations.m: augmentation multi_shift: 4",
        ),
        (
            ["augmentations"],
            {"full": {"kind": "random_rc"}},
            "its kind is random_rc, but 'full' is the name of another",
        ),
        (["models", 0, "augmentations"], ["full"], "but encoder 'onehot' (kind onehot) cannot"),
        (["datasets", "simulated_d", "strand_rule"], "forward", "its strand_rule is forward"),
        (["encoders", "onehot"], {"kind": "onehott"}, "encoders.onehot.kind: 'onehott' is unknown"),
        (["encoders", "x"], {"kind": "alphagenome"}, "encoders.x: key 'weights' is missing"),
        (["models", 0, "heads"], ["boda-flatn-512"], "head 'boda-flatn-512' is unknown"),
        (["models", 0, "encoders"], ["onehop"], "models.0.encoders: 'onehop' is not in the section 'encoders'"),
        (["models", 0, "heads"], [], "encoders and heads go together"),
        (["models", 1, "baselines"], ["meen"], "models.1.baselines: 'meen' is not in the section 'baselines'"),
        (["comparison"], {"against": "malinois"}, "comparison.against: 'malinois' is not among the models"),
        (["models"], [{}], "no model is named"),
        (
            ["models", 0, "augmentations"],
            ["no_shfit"],
            "augmentation 'no_shfit' is unknown; did you mean 'no_shift'? known: compact, full",
        ),
        (
            ["splits", "chromosome"],
            {"kind": "chromosome", "val": ["chr7"]},
            "splits.chromosome: 'chr7' is listed in two",
        ),
        (
            ["splits", "chromosome"],
            {"kind": "hashfrag", "val": 0.6, "test": 0.4},
            "splits.chromosome: val 0.6 and test 0.4 are 1 of the rows, expected less than 1",
        ),
        (["heads"], {"boda-flaten-512-512": {"epochs": 1}}, "head 'boda-flaten-512-512' is unknown"),
        (["heads"], {"boda-max-512-512": {"epochs": 1}}, "heads.boda-max-512-512: no entry of models uses this head"),
        (["baselines", "onehot"], {"kind": "mean"}, "an encoder has the same name"),
        (
            ["datasets", "simulated_d", "panels", "snv"],
            {"kind": "pairs", "match": "window"},
            "datasets.simulated_d.panels.snv.match: 'window' is not one of pair_id, variant_key",
        ),
    ],
)
def test_each_mistake_names_its_key(path, value, message):
    with pytest.raises(InputError) as caught:
        validate.validated(changed(path, value))
    assert message in str(caught.value)


def test_all_that_breaks_a_schema_is_said_at_once():
    """Of the study and of its kinds, one problem per line and place, at most ten."""
    config = changed(["training"], {"epoch": 3, "epochs": "5", "droput": 0})
    config["encoders"] |= {"onehot": {"kind": "onehott"}, "k": {"kind": "kmer", "k": "four"}, "no": {}}
    del config["study"]
    with pytest.raises(InputError) as caught:
        validate.validated(config)
    first, *lines = str(caught.value).splitlines()
    assert first == "7 problems:"
    beginnings = (
        "the study: key 'study' is missing", "training: key 'epoch' is unknown", "training: key 'droput' is unknown",
        "training.epochs: '5' is not of type 'integer'", "encoders.no: key 'kind' is missing",
        "encoders.onehot.kind: 'onehott' is unknown", "encoders.k.k: 'four' is not of type 'integer'",
    )  # fmt: skip
    assert sorted(
        line.startswith("  ") and next(b for b in beginnings if line[2:].startswith(b)) for line in lines
    ) == (sorted(beginnings))
    assert config["encoders"]["k"] == {"kind": "kmer", "k": "four"}  # the given config is not changed
    config["training"] |= {f"x{number}": 0 for number in range(6)}
    with pytest.raises(InputError) as caught:
        validate.validated(config)
    lines = str(caught.value).splitlines()
    assert (len(lines), lines[0], lines[-1]) == (12, "13 problems:", "  and 3 more")


@pytest.mark.parametrize("section", ["encoders", "datasets", "heads", "stage2", "splits"])
@pytest.mark.parametrize("value", [[1], "x", {"a": [1]}, {"a": {"source": [], "panels": 3, "augmentation": ""}}])
def test_a_section_of_any_shape_is_a_problem_of_that_section(section, value):
    with pytest.raises(InputError, match=section):
        validate.validated(changed([section], value))


def test_data_dir_is_put_into_file_names_or_asked_for():
    source = {"kind": "lentimpra", "files": {"rows": "{data_dir}/x.tsv"}}
    with pytest.raises(InputError, match="add --config data_dir=FOLDER"):
        validate.validated(changed(["datasets", "simulated_d", "source"], source))
    config = changed(["datasets", "simulated_d", "source"], source) | {"data_dir": "there"}
    assert validate.validated(config)["datasets"]["simulated_d"]["source"]["files"] == {"rows": "there/x.tsv"}


def test_every_study_of_the_project_is_valid(root):
    paths = [root / "config" / "config.yaml", *sorted((root / "config" / "studies").glob("*.yaml"))]
    assert len(paths) >= 2
    for path in paths:
        validate.validated(yaml.safe_load(path.read_text()) | {"data_dir": "data"})


def test_simulated_rows_must_be_called_so():
    config = copy.deepcopy(MINIMAL)
    config["datasets"]["k562"] = config["datasets"].pop("simulated_d")
    with pytest.raises(InputError, match="the name of the dataset must contain 'simulated'"):
        validate.validated(config)


@pytest.mark.parametrize(
    ("mode", "layout", "message"),
    [
        ("compact", "centered", "its construct has layout centered, expected compact"),
        ("full", "whole", "layout whole, whose window cannot be shifted"),
        ("multi_shift", "whole", "layout whole, whose window cannot be shifted"),
    ],
)
def test_a_mode_that_the_construct_does_not_allow_is_refused(mode, layout, message):
    config = changed(["encoders", "onehot"], {"kind": "kmer"})
    config["constructs"]["c"]["layout"] = layout
    config["models"][0]["augmentations"] = [mode]
    with pytest.raises(InputError, match=message):
        validate.validated(config)


@pytest.mark.parametrize("name", ["..", ".", "-x", "_x", "a b", "a/b", "simulated\n", ""])
def test_names_begin_with_a_letter_or_digit_and_end_with_no_line_break(name):
    for section, entry in (("datasets", MINIMAL["datasets"]["simulated_d"]), ("encoders", {"kind": "onehot"})):
        with pytest.raises(InputError, match=f"{section}: .* is not a name that begins with a letter or digit"):
            validate.validated(changed([section, name], entry))


@pytest.mark.parametrize(
    ("section", "name", "entry"),
    [
        ("datasets", "compare.tsv", MINIMAL["datasets"]["simulated_d"]),
        ("splits", "rows.parquet", {"kind": "chromosome"}),
        ("splits", "chromosome.audit", {"kind": "chromosome"}),
        ("splits", "chromosome.stages", {"kind": "chromosome"}),
        ("encoders", "interpretation", {"kind": "onehot"}),
        ("baselines", "dependency_maps", {"kind": "mean"}),
        ("downloads", "rows.tsv.sha256", {"urls": ["https://example.org/x"]}),
    ],
)
def test_names_of_other_results_are_refused(section, name, entry):
    config = copy.deepcopy(MINIMAL)
    config.setdefault(section, {})[name] = entry
    with pytest.raises(InputError, match=rf"{section}\.{re.escape(name)}: other results are called"):
        validate.validated(config)


@pytest.mark.parametrize("section", ["datasets", "constructs", "splits", "encoders", "baselines", "heads", "training"])
def test_a_name_that_yaml_does_not_read_as_text_is_named(section):
    config = copy.deepcopy(MINIMAL)
    config.setdefault(section, {})[5] = {}
    with pytest.raises(InputError, match=f"{section}: YAML does not read the name 5 as text; write it in quotes"):
        validate.validated(config)


def test_a_baseline_of_one_dataset_is_named_by_its_key():
    with pytest.raises(InputError, match=r"datasets\.simulated_d\.against: 'meen' is not among .* did you mean 'mean'"):
        validate.validated(changed(["datasets", "simulated_d", "against"], "meen"))


def test_sequences_of_an_rna_need_the_forward_strand_alone():
    source = {"kind": "fasta_pairs", "files": {"positives": "p.fa", "negatives": "n.fa"}}
    place, where = (
        ["datasets", "simulated_d"],
        "datasets.simulated_d.strand_rule: expected forward, because windows of an RNA",
    )
    dataset = MINIMAL["datasets"]["simulated_d"] | {"source": source, "task": "classification"}
    with pytest.raises(InputError) as error:
        validate.validated(changed(place, dataset))
    assert str(error.value) == f"{where} have one strand; for DNA say molecule: DNA in its source"
    dataset = dataset | {"source": source | {"molecule": "DNA"}}
    checked = validate.validated(changed(place, dataset))
    assert checked["datasets"]["simulated_d"]["strand_rule"] == "mean"
    assert checked["warn_dropped"] == 0.5
