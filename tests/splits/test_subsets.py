"""Parts of the training rows: nested, drawn by units, like the whole; and what is refused."""

import numpy as np
import pandas as pd
import pytest

import make_subset as make_subset_program
from helpers.linked_rows import unlinked
from helpers.programs import call
from s2f.common.errors import InputError
from s2f.common.tables import read_table, write_table
from s2f.rows.canonical import write_rows
from s2f.splits.subsets import LARGEST, kept, make_subset, seed_of_subset
from s2f.splits.table import parts_of


def units_with(locus, unit):
    return pd.DataFrame({"locus": locus, "unit": unit})


def test_parts_of_one_seed_are_nested_whole_units_and_those_of_another_seed_others():
    unit = np.arange(3000) // 3
    units, before = units_with(np.arange(3000), unit), np.zeros(3000, bool)
    for wanted in (30, 31, 90, 300, 1500, 3000):
        chosen = kept(np.zeros(3000, int), units, wanted, seed=4)
        assert abs(chosen.sum() - wanted) <= 1 and (before <= chosen).all()
        assert set(np.bincount(unit[chosen])) <= {0, 3}
        before = chosen
    assert before.all()
    one, other = (kept(np.zeros(3000, int), units, 300, seed) for seed in (4, 5))
    assert not np.array_equal(one, other) and np.array_equal(one, kept(np.zeros(3000, int), units, 300, 4))


def test_a_large_family_is_drawn_by_its_loci_so_that_every_part_has_its_share():
    unit = np.where(np.arange(2000) < 400, 0, np.arange(2000) // 2)  # a fifth of all rows in one
    locus = np.arange(2000) // 2
    for wanted in (100, 400):
        chosen = kept(np.zeros(2000, int), units_with(locus, unit), wanted, seed=0)
        assert abs(chosen.sum() - wanted) <= 1
        assert 0.1 < (unit[chosen] == 0).mean() < 0.3
        assert set(np.bincount(locus[chosen])) <= {0, 2}
    assert 400 > LARGEST * 2000 > 2


def test_classes_are_mixed_as_they_are_also_where_units_hold_both():
    classes = (np.arange(2400) % 4 == 0).astype(int)
    unit = np.where(np.arange(2400) < 1200, np.arange(2400) // 4, np.arange(2400))  # half of them in units of both
    for wanted in (40, 200):
        chosen = kept(classes, units_with(unit, unit), wanted, seed=1)
        assert abs(chosen.sum() - wanted) <= 2 and abs(classes[chosen].mean() - 0.25) < 2 / wanted + 0.02


@pytest.fixture
def split(tmp_path):
    """120 rows in pairs of a locus: 80 of train, the others val and test; in files."""
    rows = unlinked(120, pair_id=[f"p{i // 2}" for i in range(120)])
    rows["label"] = np.arange(120) / 7
    units = {"row_id": rows["row_id"], "locus": np.arange(120) // 2, "homology": np.arange(120)}
    units = pd.DataFrame({**units, "unit": np.arange(120) // 2, "threshold": 60})
    table = pd.DataFrame({"row_id": rows["row_id"], "split": ["train"] * 80 + ["val"] * 20 + ["test"] * 20})
    table["reason"] = ""
    write_rows(tmp_path / "rows.parquet", rows)
    write_table(tmp_path / "units.tsv", units)
    write_table(tmp_path / "split.tsv", table.sample(frac=1, random_state=0))
    return rows, table, units


def test_the_program_leaves_out_training_rows_alone(split, tmp_path, monkeypatch):
    rows, _, _ = split
    given = [f"--{name}={tmp_path / file}" for name, file in
             {"rows": "rows.parquet", "units": "units.tsv", "split": "split.tsv"}.items()]  # fmt: skip
    given += ["--dataset", "d", "--split-name", "s", "--study-seed", 3]
    parts = {}
    for fraction, seed in ((0.25, 1), (0.5, 1), (0.5, 2)):
        out = tmp_path / f"{fraction}.{seed}.tsv"
        call(monkeypatch, make_subset_program, *given, "--fraction", fraction, "--seed", seed, "--out", out)
        parts[fraction, seed] = parts_of(rows, out)
        table = read_table(out).set_index("row_id").loc[rows["row_id"]]
        assert (table["split"].iloc[80:] == ["val"] * 20 + ["test"] * 20).all()
        assert set(table["reason"].iloc[:80]) == {"", "subsample"}
    train = {key: set(found["train"]["row_id"]) for key, found in parts.items()}
    assert [len(found) for found in train.values()] == [20, 40, 40]
    assert train[0.25, 1] < train[0.5, 1] != train[0.5, 2]
    assert seed_of_subset(3, "d", "s", 1) != seed_of_subset(3, "d", "s", 2)


@pytest.mark.parametrize(
    ("fraction", "labels", "message"),
    [
        (0.1, None, "learning_curve: 10 % of 80 training rows are 8, expected 10 or more; take larger fractions"),
        (0.2, [1.0, 1.0] + [0.0] * 118, "learning_curve: 20 % of 80 training rows are of one class"),
    ],
)
def test_parts_from_which_no_model_can_be_trained_are_refused(split, fraction, labels, message):
    rows, table, units = split
    rows = rows if labels is None else rows.assign(label=labels)
    with pytest.raises(InputError, match=message):
        make_subset(rows, table, units, fraction, seed=0)


def test_a_part_in_which_a_cell_has_no_labels_is_refused(split):
    rows, table, units = split
    rows = rows.assign(**{"label.K562": rows["label"], "label.HepG2": [1.0] * 4 + [np.nan] * 76 + [1.0] * 40})
    with pytest.raises(InputError, match="20 % of 80 training rows: part train: 0 of 16 rows have a label of HepG2"):
        make_subset(rows, table, units, 0.2, seed=0)
