"""Datasets with cells: which sources, heads and baselines fit them, and names that say what a baseline is."""

import copy

import pytest

from helpers.minimal_study import MINIMAL
from s2f.common import kinds
from s2f.common.errors import InputError
from s2f.evaluation.cells import COMBINED
from s2f.study import validate
from s2f.study.cells import OF_DIFFERENCES
from s2f.study.comparison import comparison_spec
from s2f.study.interpretation import unit_of


def study(**changes):
    """A study of lentiMPRA with three cells; `changes` of its dataset, or of another section under its name."""
    config = copy.deepcopy(MINIMAL)
    dataset = config["datasets"]["d"] = config["datasets"].pop("simulated_d")
    dataset["source"] = {"kind": "lentimpra", "files": {"rows": "x.tsv"}}
    dataset["cells"] = ["K562", "HepG2", "WTC11"]
    for key, value in changes.items():
        place = config if key in ("baselines", "models", "heads", "training") else dataset
        place[key] = value
        if value is None:
            del place[key]
    return config


def baseline(kind, name="m", cells=("K562", "HepG2")):
    return study(
        baselines={name: {"kind": kind}}, models=[{"baselines": [name]}], cells=list(cells) if cells else None
    )  # fmt: skip


def test_cells_are_optional_and_kept_in_order():
    assert validate.validated(MINIMAL)["datasets"]["simulated_d"]["cells"] == []
    checked = validate.validated(study(cells=["WTC11", "K562"]))
    assert checked["datasets"]["d"]["cells"] == ["WTC11", "K562"]
    assert unit_of(checked, "d") == "log2FC (RNA/DNA), WTC11"
    assert unit_of(validate.validated(MINIMAL), "simulated_d") == "log2FC (RNA/DNA)"
    assert "cells" not in comparison_spec(checked)["datasets"]["d"]  # rows and runs tell them


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        (
            {"cells": ["K562"]},
            r"datasets\.d\.cells: K562 is one cell, expected two or more; for one cell, omit",
        ),
        (
            {"cells": ["K562", "mean"]},
            r"datasets\.d\.cells: a cell cannot be called 'mean': in tables A-mean means the difference between",
        ),
        ({"cells": ["max", "K562"]}, r"datasets\.d\.cells: a cell cannot be called 'max'"),
        ({"cells": ["K562", "K562"]}, r"datasets\.d\.cells: .* has non-unique elements"),
        ({"cells": ["K562", "A-B"]}, r"datasets\.d\.cells\.1: 'A-B' is not a name that begins"),
        (
            {"cells": ["K562", "HepG3"]},
            r"datasets\.d\.cells: 'HepG3' is not a cell of source lentimpra; did you mean 'Hep",
        ),
        (
            {"source": {"kind": "gosai_sample", "files": {"rows": "x", "pairs": "y"}}},
            r"d\.cells: source gosai_sample has one label per row; sources with several cells: gosai, lenti",
        ),
        (
            {"source": {"kind": "lentimpra", "files": {"rows": "x"}, "label": "HepG2_log2"}},
            r"datasets\.d\.source\.label: 'HepG2_log2' chooses one label, but cells choose several; omit it",
        ),
        ({"task": "classification"}, r"datasets\.d\.cells: the task is classification, expected regression"),
        ({"series": "s"}, r"datasets\.d\.series"),
    ],
)
def test_cells_that_a_dataset_cannot_have_are_named(changes, message):
    with pytest.raises(InputError, match=message):
        validate.validated(study(**changes))


OWN = {"kind": "table", "files": {"rows": "x"}}


@pytest.mark.parametrize(
    ("columns", "message"),
    [
        ({"label": "y"}, r"d\.source\.columns: 'label\.K562' is missing: give the name of its column in the file"),
        (
            {f"label.{cell}": cell for cell in ("K562", "HepG2", "WTC11", "HeLa")},
            r"d\.source\.columns: 'label\.HeLa' belongs to no label of the rows; the cells of the dataset are K562",
        ),
        (
            {"label.K562": "a", "label.WTC11": "b", "label.HepG3": "c"},
            r"'label\.HepG2' is missing: .*; 'label\.HepG3' belongs to none of its cells: did you mean 'label\.H",
        ),
        (
            {"label.K562": "a", "label.HepG2": "b", "label.WTC11": "a"},
            r"columns: label\.K562 and label\.WTC11 are both read from the column 'a'",
        ),
    ],
)
def test_columns_of_an_own_table_are_those_of_its_cells(columns, message):
    with pytest.raises(InputError, match=message):
        validate.validated(study(source=OWN | {"columns": {"sequence": "s"} | columns}))


def test_an_own_table_can_have_cells():
    columns = {"sequence": "s"} | {f"label.{cell}": cell for cell in ("K562", "HepG2", "WTC11")}
    assert validate.validated(study(source=OWN | {"columns": columns}))["datasets"]["d"]["cells"]
    own = OWN | {"columns": columns}
    with pytest.raises(
        InputError,
        match=r"d\.source\.columns: has label\.K562 and label\.HepG2 and label\.WTC11, but the dataset has no "
        r"cells: add "
        r"cells: \[K562, HepG2, WTC11\] to the dataset, or write label",
    ):
        validate.validated(study(source=own, cells=None))
    one = OWN | {"columns": {"sequence": "s", "label.K562": "a"}}
    with pytest.raises(InputError, match=r"has label\.K562, but the dataset has no cells: write label"):
        validate.validated(study(source=one, cells=None))
    with pytest.raises(InputError, match="'label' is missing"):
        validate.validated(study(source=OWN | {"columns": {"sequence": "s"}}, cells=None))


def test_a_limit_of_standard_errors_needs_them_all():
    columns = {"sequence": "s", "label.K562": "a", "label.HepG2": "b", "stderr.K562": "e"}
    own = OWN | {"columns": columns}
    cells = ["K562", "HepG2"]
    assert validate.validated(study(source=own, cells=cells))
    with pytest.raises(InputError, match=r"columns: 'stderr\.HepG2' is missing, which max_stderr needs"):
        validate.validated(study(source=own | {"max_stderr": 0.2}, cells=cells))
    columns["stderr.HepG2"] = "f"
    assert validate.validated(study(source=own | {"max_stderr": 0.2}, cells=cells))
    one = OWN | {"columns": {"sequence": "s", "label": "y"}, "max_stderr": 0.2}
    with pytest.raises(InputError, match="'stderr' is missing, which max_stderr needs"):
        validate.validated(study(source=one, cells=None))


def test_names_of_differences_are_those_that_no_cell_may_have():
    assert set(OF_DIFFERENCES) == set(COMBINED)


def test_heads_of_one_output_are_refused_unless_the_first_cell_is_asked_for(monkeypatch):
    facts = kinds.facts

    def one_output(section, kind):
        return facts(section, kind) | ({"cells": False} if kind == "chip_cnn" else {})

    models = [{"encoders": ["onehot"], "heads": ["chip-cnn"]}]
    assert validate.validated(study(models=models))["models"]
    monkeypatch.setattr(kinds, "facts", one_output)
    with pytest.raises(
        InputError, match=r"head 'chip-cnn' has one output, but dataset 'd' has the cells K562, HepG2, WTC11"
    ):
        validate.validated(study(models=models))
    with pytest.raises(
        InputError, match=r"heads with an output for each: boda-.*; or write heads: {chip-cnn: {outputs"
    ):
        validate.validated(study(models=models))
    for changes in ({"heads": {"chip-cnn": {"outputs": "first"}}}, {"training": {"outputs": "first"}}):
        assert validate.validated(study(models=models, **changes))["models"]


def test_every_head_has_several_outputs():
    for kind in kinds.names("heads"):
        assert kinds.facts("heads", kind)["cells"], kind


def test_labels_of_several_cells_are_weighed_where_a_loss_takes_them_one_by_one():
    weighted = {"weighting": "stderr"}
    for kind, name in (("kmer_ridge", "ridge"), ("malinois_1cell", "m-1cell")):
        config = baseline(kind, name)
        config["baselines"][name] |= weighted
        assert validate.validated(config)["baselines"][name]["weighting"] == "stderr"
    config = baseline("malinois", "malinois")
    config["baselines"]["malinois"] |= weighted
    with pytest.raises(
        InputError, match=r"baselines\.malinois\.weighting: is stderr, expected equal: the published loss"
    ):
        validate.validated(config)


@pytest.mark.parametrize("kind", ["mean", "kmer_ridge", "malinois", "malinois_1cell", "legnet", "dream_rnn"])
def test_baselines_of_several_cells_and_of_the_first(kind):
    name = kind + ("-1cell" if kind == "malinois_1cell" else "")
    assert validate.validated(baseline(kind, name))["datasets"]["d"]["cells"] == ["K562", "HepG2"]


def test_other_baselines_are_refused_with_those_that_can():
    config = baseline("lamar_finetuned")
    config["baselines"]["m"]["weights"] = {"random": 0}
    with pytest.raises(
        InputError,
        match=r"baselines\.m: kind lamar_finetuned has one output, but dataset 'd' has the cells K562, HepG2; kinds "
        r"with an output for each: dream_rnn, kmer_ridge, legnet, malinois, malinois_published, mean; for the first "
        r"cell only: malinois_1",
    ):
        validate.validated(config)


def test_the_published_malinois_of_one_label_is_told_what_to_write():
    with pytest.raises(
        InputError,
        match=r"baselines\.m: kind malinois has an output for each of several cells, but dataset 'd' has one label; "
        r"give the dataset cells, or write kind: malinois_1cell, its variant of one output, with '1cell' in the name",
    ):
        validate.validated(baseline("malinois", cells=None))


def test_the_name_of_a_one_output_malinois_says_so():
    with pytest.raises(
        InputError, match=r"baselines\.m: it is of kind malinois_1cell: its name must say so, with '1cell'"
    ):
        validate.validated(baseline("malinois_1cell", cells=None))
    assert validate.validated(baseline("malinois_1cell", "malinois-1cell-narrow", cells=None))
    for kind in ("malinois", "kmer_ridge"):
        with pytest.raises(
            InputError,
            match=rf"baselines\.m-1cell: it is of kind {kind}, but '1cell' in a name says that a baseline is of",
        ):
            validate.validated(baseline(kind, "m-1cell"))


def test_published_weights_are_told_which_cell_of_one_label_and_must_predict_those_of_several():
    config = baseline("malinois_published", cells=None)
    config["baselines"]["m"]["path"] = "x"
    with pytest.raises(
        InputError, match=r"m: kind malinois_published: output is missing, expected one of K562, HepG2, SKNSH"
    ):
        validate.validated(config)
    config["baselines"]["m"]["output"] = "HepG2"
    assert validate.validated(config)
    config["datasets"]["d"]["cells"] = ["K562", "HepG2"]
    assert validate.validated(config)
    config["datasets"]["d"]["cells"] = ["K562", "WTC11"]
    with pytest.raises(
        InputError, match=r"predicts K562, HepG2, SKNSH, but dataset 'd' has the cell 'WTC11'; remove the cell"
    ):
        validate.validated(config)
