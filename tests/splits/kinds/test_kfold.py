"""Grouped k-fold: every row is test once, groups and links stay whole, classes are balanced; limited training rows."""

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import roc_auc_score
from sklearn.model_selection import StratifiedGroupKFold

from helpers.linked_rows import units_of
from s2f.common.errors import InputError
from s2f.rows.canonical import canonical
from s2f.rows.sources import fasta_pairs
from s2f.splits.kinds.kfold import deal
from s2f.splits.linked_rows import loci
from s2f.splits.make import make_split
from s2f.splits.table import check_split
from s2f.splits.units import make_units

SPEC = {"kind": "kfold", "folds": 3, "by": "locus", "inner": 0.2, "seed": 0}


def rows_of(count, labels=0.0, seed=0, **columns):
    """Canonical rows with random sequences that nothing links."""
    codes = np.random.Generator(np.random.PCG64(seed)).integers(0, 4, (count, 40))
    sequences = ["".join("ACGT"[code] for code in line) for line in codes]
    ids = [f"r{i}" for i in range(count)]
    return canonical(pd.DataFrame({"row_id": ids, "sequence": sequences, "label": labels, **columns}), "rows")


def alternating(count):
    return np.arange(count) % 2.0


def folds_of(rows, seed=0, **changes):
    spec = {**SPEC, **changes}
    return [make_split(rows, {**spec, "fold": fold}, seed, units_of(rows)) for fold in range(spec["folds"])]


def parts_of(table):
    return table["split"].to_numpy(object)


@settings(deadline=None, max_examples=30)
@given(st.data(), st.integers(2, 4), st.sampled_from(["locus", "chromosome"]), st.integers(0, 3))
def test_every_row_is_test_in_one_fold_and_nothing_leaks(data, folds, by, seed):
    count = data.draw(st.integers(40, 80))
    chrom = data.draw(st.lists(st.sampled_from([f"chr{i}" for i in range(1, 13)]), min_size=count, max_size=count))
    group = data.draw(st.lists(st.sampled_from(["", "", "", "a", "b", "c"]), min_size=count, max_size=count))
    rows = rows_of(count, alternating(count), chrom=chrom, group=group)
    try:
        tables = folds_of(rows, seed, folds=folds, by=by)
    except InputError as error:  # few and large groups
        assert any(
            words in str(error) for words in ("expected at least one", "is empty", "expected 0 and 1", "too few")
        )
        return
    tested = np.stack([parts_of(table) == "test" for table in tables])
    assert (tested.sum(axis=0) == 1).all()
    label = loci(rows)
    for table in tables:
        parts = parts_of(table)
        assert (table["reason"] == "").all()
        assert pd.Series(parts).groupby(label).nunique().eq(1).all()
        check_split(rows, table)
        for part in ("train", "val", "test"):
            assert set(rows["label"][parts == part]) == {0, 1}


def test_by_homology_relatives_lie_in_one_part():
    random = np.random.Generator(np.random.PCG64(5))
    founders = random.integers(0, 4, (30, 51))
    codes = np.repeat(founders, 4, axis=0)
    changed = random.random(codes.shape) < 0.05
    codes[changed] = random.integers(0, 4, changed.sum())
    rows = rows_of(120, alternating(120)).assign(sequence=["".join("ACGT"[code] for code in line) for line in codes])
    family = np.arange(120) // 4
    spec, units = {**SPEC, "by": "homology"}, make_units(rows, 0.3)
    tables = [make_split(rows, {**spec, "fold": fold}, 0, units) for fold in range(3)]
    for table in tables:
        assert pd.Series(parts_of(table)).groupby(family).nunique().eq(1).all()
    assert (np.stack([parts_of(table) == "test" for table in tables]).sum(axis=0) == 1).all()
    assert pd.Series(parts_of(folds_of(rows)[0])).groupby(family).nunique().gt(1).any()  # by loci alone


def test_whole_chromosomes_lie_in_one_part_and_rows_without_one_are_excluded():
    chrom = [f"chr{1 + i % 12}" for i in range(240)] + [""] * 5
    rows = rows_of(245, alternating(245), chrom=chrom)
    for table in folds_of(rows, by="chromosome", folds=4):
        placed = table[rows["chrom"] != ""]
        assert placed.groupby(rows["chrom"])["split"].nunique().eq(1).all()
        assert set(placed["split"]) == {"train", "val", "test"}
        assert set(table["split"][240:]) == {"excluded"} and set(table["reason"][240:]) == {"no chromosome"}


def test_rows_linked_over_chromosomes_go_where_most_of_them_are(capsys):
    chrom = [f"chr{1 + i % 6}" for i in range(60)]
    group = ["family" if i in (0, 6, 1) else "" for i in range(60)]  # two on chr1, one on chr2
    rows = rows_of(60, np.arange(60) // 6 % 2.0, chrom=chrom, group=group)
    tested = {
        fold: set(rows["row_id"][parts_of(t) == "test"]) for fold, t in enumerate(folds_of(rows, by="chromosome"))
    }
    of_first = next(ids for ids in tested.values() if "r0" in ids)
    assert {"r1", "r6", "r12", "r18"} <= of_first
    assert "1 rows of 6 chromosomes are dealt together with rows on other chromosomes" in capsys.readouterr().out


def test_the_deal_follows_both_seeds_and_nothing_else():
    rows = rows_of(90, alternating(90))
    first, again = folds_of(rows), folds_of(rows)
    assert all(a.equals(b) for a, b in zip(first, again, strict=True))
    assert not first[0].equals(folds_of(rows, seed=1)[0])
    assert not first[0].equals(folds_of(rows, **{"seed": 0} | {"inner": 0.2})[1])
    assert not first[0].equals(make_split(rows, {**SPEC, "seed": 1, "fold": 0}, 0, units_of(rows)))
    # another inner share does not move a test row
    other = make_split(rows, {**SPEC, "inner": 0.5, "fold": 0}, 0, units_of(rows))
    assert np.array_equal(parts_of(other) == "test", parts_of(first[0]) == "test")


def test_val_has_its_share_of_the_rest_and_differs_between_folds():
    rows = rows_of(600, alternating(600))
    tables = folds_of(rows, folds=3, inner=0.1)
    for table in tables:
        assert table["split"].value_counts().to_dict() == {"test": 200, "train": 360, "val": 40}
        assert rows["label"][table["split"] == "val"].mean() == 0.5
    val = [set(table["row_id"][table["split"] == "val"]) for table in tables]
    assert len(val[0] | val[1] | val[2]) > 80


def spread(dealt, classes, folds):
    """Largest distance of a fold's share of a class from 1 / folds."""
    shares = np.stack([np.bincount(dealt[classes == c], minlength=folds) / (classes == c).sum() for c in set(classes)])
    return np.abs(shares - 1 / folds).max()


@pytest.mark.parametrize("kind", ["balanced groups", "groups of one class", "one class"])
def test_folds_are_at_least_as_even_as_those_of_scikit_learn(kind):
    rng = np.random.default_rng(0)
    mine, theirs = [], []
    for seed in range(10):
        groups = rng.choice(24, p=rng.dirichlet(np.ones(24)), size=1500)
        classes = {
            "balanced groups": rng.integers(0, 2, 1500),
            "groups of one class": (groups % 2),
            "one class": groups * 0,
        }
        classes = classes[kind]
        mine.append(spread(deal(groups, classes, 5, seed), classes, 5))
        dealt = np.empty(1500, int)
        splitter = StratifiedGroupKFold(5, shuffle=True, random_state=seed)
        for fold, (_, test) in enumerate(splitter.split(groups, classes, groups)):
            dealt[test] = fold
        theirs.append(spread(dealt, classes, 5))
    assert np.mean(mine) <= np.mean(theirs) + 0.005


def test_no_signal_gives_an_auroc_of_a_half_over_folds():
    """Labels drawn anew: what one fold learned must not help in another."""
    rng = np.random.default_rng(3)
    rows = rows_of(1500, rng.integers(0, 2, 1500).astype(float), chrom=[f"chr{1 + i % 22}" for i in range(1500)])
    x = np.stack([rows["sequence"].str.count(word) for word in ("A", "C", "G", "AC", "GT", "TTA", "GAC")], axis=1)
    values = []
    for table in folds_of(rows, folds=5, by="chromosome"):
        train, test = (parts_of(table) == part for part in ("train", "test"))
        model = LogisticRegression().fit(x[train], rows["label"][train])
        values.append(roc_auc_score(rows["label"][test], model.predict_proba(x[test])[:, 1]))
    assert abs(np.mean(values) - 0.5) < 0.04


@pytest.mark.parametrize(
    ("rows", "changes", "message"),
    [
        (rows_of(30, alternating(30)), {"fold": 3}, "split: fold is 3, expected 0 to 2, because there are 3 folds"),
        (rows_of(30, alternating(30)), {"fold": -1}, "split: fold is -1, expected 0 to 2"),
        (rows_of(30, alternating(30)), {}, "split: fold is None, expected 0 to 2"),
        (
            rows_of(30, alternating(30)),
            {"fold": 0, "by": "cluster"},
            "split: by is 'cluster', expected chromosome, locus or homology; it is now called locus",
        ),
        (
            rows_of(30, alternating(30), chrom=["chr1", "chr2"] * 15),
            {"fold": 1, "by": "chromosome"},
            "split: fold 1 of 3: the rows lie in 2 chromosomes, expected at least one for each fold",
        ),
        (rows_of(30, alternating(30)), {"fold": 0, "by": "chromosome"}, "the rows lie in 0 chromosomes"),
        (
            rows_of(30, alternating(30), chrom=["chr1", "chr2"] * 15),
            {"fold": 1, "by": "chromosome", "folds": 2},
            "fold 1 of 2: the other folds hold 1 chromosomes, expected at least one for train and one for val",
        ),
        (
            rows_of(40, alternating(40), chrom=["chr1", "chr2", "chr3", "chr4"] * 10),
            {"fold": 0, "by": "chromosome"},
            r"fold 0 of 3: every label of part '\w+' is [01], expected 0 and 1; take fewer folds",
        ),
    ],
)
def test_impossible_folds_are_refused(rows, changes, message):
    with pytest.raises(InputError, match=message):
        make_split(rows, {**SPEC, **changes}, 0, units_of(rows))


def test_folds_of_real_windows_are_whole_chromosomes_and_even(shared):
    folder = shared / "data" / "eclip" / "fasta_w51"
    files = {"positives": folder / "QKI_K562_IDR.positives.fa", "negatives": folder / "QKI_K562_IDR.negatives_flank.fa"}
    rows = canonical(fasta_pairs.read(files, {})[0], "QKI", "classification")
    tables = folds_of(rows, folds=5, by="chromosome", inner=0.1)
    assert sum((parts_of(table) == "test").astype(int) for table in tables).tolist() == [1] * len(rows)
    for table in tables:
        test = parts_of(table) == "test"
        assert abs(test.mean() - 0.2) < 0.02
        assert abs(rows["label"][test].mean() - rows["label"].mean()) < 0.03
        assert 0.04 < (parts_of(table) == "val").mean() < 0.14
        assert table.groupby(rows["chrom"])["split"].nunique().eq(1).all()


# --- limited training rows


RANDOM = {"kind": "random", "val": 0.2, "test": 0.2, "seed": 0}


def kept(rows, count, spec=RANDOM, seed=0):
    return make_split(rows, {**spec, "train_rows": count}, seed, units_of(rows))


def test_training_rows_are_nested_balanced_and_the_other_parts_stay():
    labels = (np.arange(500) % 4 == 0).astype(float)  # a quarter is positive
    rows = rows_of(500, labels)
    full = make_split(rows, RANDOM, 0, units_of(rows))
    before = set()
    for count in (4, 40, 41, 200, 300):
        table = kept(rows, count)
        train = set(table["row_id"][table["split"] == "train"])
        assert len(train) == count and before <= train
        share = rows["label"][(table["split"] == "train") & (full["split"] == "train")].sum()
        expected = count * rows["label"][full["split"] == "train"].mean()
        assert abs(share - expected) <= 1
        evaluated = full["split"].isin(["val", "test"])
        assert table[evaluated].equals(full[evaluated])
        dropped = (full["split"] == "train") & (table["split"] == "excluded")
        assert set(table["reason"][dropped]) <= {"subsample"} and dropped.sum() == 300 - count
        before = train


def test_training_rows_follow_the_seed_in_every_kind_of_split():
    rows = rows_of(60, chrom=["chr1", "chr2", "chr3"] * 20, published=["train", "val", "test"] * 20)
    specs = (
        RANDOM,
        {"kind": "chromosome", "val": ["chr2"], "test": ["chr3"]},
        {"kind": "published", "train": ["train"], "val": ["val"], "test": ["test"]},
        {**SPEC, "fold": 1},
    )
    for spec in specs:
        first, again, other = kept(rows, 9, spec), kept(rows, 9, spec), kept(rows, 9, spec, seed=1)
        assert (first["split"] == "train").sum() == 9
        assert first.equals(again) and not first["split"].equals(other["split"])


@pytest.mark.parametrize(
    ("count", "message"),
    [
        (301, "split: train_rows is 301, but the split has 300 training rows"),
        (1, "split: train_rows is 1, which leaves one class of training rows; take more"),
    ],
)
def test_impossible_numbers_of_training_rows_are_refused(count, message):
    with pytest.raises(InputError, match=message):
        kept(rows_of(500, alternating(500)), count)


def test_another_seed_deals_other_folds_of_whole_chromosomes():
    sizes = np.random.default_rng(0).integers(200, 2000, 23)
    groups = np.repeat(np.arange(23), sizes)
    classes = np.arange(len(groups)) % 2
    dealt = [deal(groups, classes, 5, seed) for seed in range(6)]
    assert len({fold.tobytes() for fold in dealt}) == 6
    for fold in dealt:
        assert np.bincount(fold).min() > 0.17 * len(groups)
