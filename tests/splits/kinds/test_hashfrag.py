"""The split `hashfrag`: homologs and alleles of a locus never lie in two parts; the draw of whole groups."""

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from helpers.homologs import hashfrag_example, needs_blast
from s2f.common.errors import InputError
from s2f.rows.canonical import canonical
from s2f.sequences import dna
from s2f.splits.audit import audit
from s2f.splits.homology.groups import best_scores
from s2f.splits.kinds.hashfrag import draw_groups
from s2f.splits.make import make_split
from s2f.splits.table import check_split
from s2f.splits.units import make_units

SPEC = {"kind": "hashfrag", "val": 0.2, "test": 0.2, "seed": 0}
BACKENDS = ["exact", pytest.param("blast", marks=needs_blast)]


@pytest.fixture(scope="module")
def families():
    """120 families of 4 relatives with 5 % changed bases, half of them reversed; families 0 and 1 share a locus."""
    random = np.random.Generator(np.random.PCG64(3))
    rows = []
    for family in range(120):
        founder = random.integers(0, 4, 200).astype(np.uint8)
        for member in range(4):
            codes = np.where(random.random(200) < 0.05, random.integers(0, 4, 200), founder).astype(np.uint8)
            codes = dna.reverse_complement(codes) if member % 2 else codes
            group = "locus" if family < 2 and member == 0 else ""
            rows.append((f"f{family}_{member}", dna.decode(codes), 0.5, group))
    return canonical(pd.DataFrame(rows, columns=["row_id", "sequence", "label", "group"]), "test")


@pytest.mark.parametrize("backend", BACKENDS)
def test_families_and_loci_stay_whole(families, backend):
    table = make_split(families, SPEC, 1, make_units(families, 0.3, backend))
    family = table["row_id"].str.split("_").str[0].replace("f1", "f0")
    assert (table.groupby(family)["split"].nunique() == 1).all()
    shares = table["split"].value_counts(normalize=True)
    assert abs(shares["test"] - 0.2) < 0.05 and abs(shares["val"] - 0.2) < 0.05


def test_designed_rows_join_families_and_may_have_relatives_in_train(families):
    """They are test and no other row is kept from train for them: the audit says which of them have relatives there."""
    designed = families[families["row_id"].str.endswith("_3")].assign(published="ood:toy")
    bridge = families["sequence"][8][:100] + families["sequence"][12][100:]  # of families 2 and 3, not reversed
    designed = pd.concat([designed, designed[:1].assign(row_id="bridge", sequence=bridge)], ignore_index=True)
    rows = canonical(
        pd.concat([families[~families["row_id"].str.endswith("_3")], designed], ignore_index=True), "designed"
    )
    units = make_units(rows, 0.3)
    table = make_split(rows, SPEC, 1, units)
    library = rows["published"] == ""
    family = table["row_id"].str.split("_").str[0].replace({"f1": "f0", "f3": "f2"})
    assert (table[library].groupby(family[library])["split"].nunique() == 1).all()
    assert (table["split"][~library] == "test").all() and (table["split"][library] == "train").any()
    found = audit(rows, table, units, report=lambda text: None)
    found = found[found["against"] == "train"].groupby("part")["homologous"].mean()
    in_train = family.replace("bridge", "f2").isin(family[library & (table["split"] == "train")])[~library]
    assert found["test"] == found["val"] == 0 and found["designed"] == in_train.mean() > 0.4


def test_the_draw_follows_the_seed(families):
    units = make_units(families, 0.3)
    first, again, other = (make_split(families, SPEC, seed, units)["split"] for seed in (1, 1, 2))
    assert first.equals(again) and not first.equals(other)


@pytest.fixture(scope="module")
def real(shared):
    """Rows of hashFrag's example: its 120 first groups of several sequences and 300 that are alone; `group` unused."""
    sequence, group = hashfrag_example(shared)
    groups = pd.DataFrame(group.items(), columns=["name", "homologous"])
    size = groups.groupby("homologous")["name"].transform("size")
    several = groups["homologous"].isin(groups["homologous"][(size > 1) & (size < 50)].unique()[:120])
    chosen = pd.concat([groups[several], groups[size == 1][:300]])
    table = pd.DataFrame({"row_id": chosen["name"], "sequence": chosen["name"].map(sequence), "label": 0.5})
    return canonical(table, "example"), chosen["homologous"].to_numpy()


@pytest.mark.parametrize("backend", BACKENDS)
def test_what_hashfrag_groups_lies_in_one_part(real, backend):
    rows, homologous = real
    table = make_split(rows, SPEC, 1, make_units(rows, 0.3, backend))
    parts = check_split(rows, table)
    assert (pd.Series(parts).groupby(homologous).nunique() == 1).all()
    assert pd.Series(parts).value_counts().to_dict() == pytest.approx(
        {"train": 0.6 * len(rows), "val": 0.2 * len(rows), "test": 0.2 * len(rows)}, abs=2
    )
    inserts = {part: rows["sequence"][parts == part].tolist() for part in ("train", "val", "test")}
    for other in ("train", "val"):
        best = best_scores(inserts["test"], inserts[other]).max()
        assert best < 60 if backend == "exact" else best < 100  # blastn overlooks a few pairs


@pytest.mark.parametrize("length", [51, 101])
def test_families_of_short_inserts_stay_whole(length):
    """100 families of ten inserts, two letters of each changed: a fixed score of 60 saw none of them at 51 nt."""
    random = np.random.default_rng(0)
    codes = np.repeat(random.integers(0, 4, (100, length), np.uint8), 10, axis=0)
    for line in codes:
        place = random.choice(length, 2, replace=False)
        line[place] = (line[place] + 1) % 4
    table = {"row_id": [f"r{i}" for i in range(1000)], "sequence": [dna.decode(line) for line in codes], "label": 0.5}
    rows = canonical(pd.DataFrame(table), "families")
    units = make_units(rows, 0.3)
    assert units["unit"].tolist() == (np.arange(1000) // 10).tolist()
    parts = make_split(rows, {**SPEC, "val": 0.1, "test": 0.1}, 0, units)["split"]
    assert parts.groupby(np.arange(1000) // 10).nunique().eq(1).all() and (parts == "test").sum() == 100


@settings(max_examples=30, deadline=None)
@given(st.integers(0, 10**6), st.integers(60, 300))
def test_a_draw_divides_no_unit_and_keeps_to_the_shares(seed, n):
    rng = np.random.default_rng(seed)
    groups = np.where(rng.random(n) < 0.3, 0, rng.integers(1, n, n))  # one giant group
    fractions = {"train": 0.6, "val": 0.2, "test": 0.2}
    try:
        parts, report = draw_groups(groups, fractions, seed)
    except InputError as error:
        assert "is empty" in str(error)
        return
    assert pd.Series(parts).groupby(groups).nunique().max() == 1
    assert (parts[groups == 0] == "train").all()
    counts = report["rows"]
    assert counts == {part: int((parts == part).sum()) for part in fractions}
    assert counts["val"] <= round(0.2 * n) and counts["test"] <= round(0.2 * n)


def test_a_draw_is_seeded_and_exact_with_single_rows():
    groups = np.r_[np.zeros(400, int), np.arange(1, 601)]
    fractions = {"train": 0.8, "val": 0.1, "test": 0.1}
    parts, report = draw_groups(groups, fractions, 7)
    assert report["rows"] == {"train": 800, "val": 100, "test": 100}
    assert report["too_large_to_evaluate"] == {"units": 1, "rows": 400} and report["largest_unit"] == 400
    assert (parts == draw_groups(groups, fractions, 7)[0]).all()
    assert (parts != draw_groups(groups, fractions, 8)[0]).any()


def test_a_draw_refuses_what_cannot_be():
    with pytest.raises(InputError, match="expected train, val and test that sum to 1"):
        draw_groups([0, 1], {"train": 0.8, "test": 0.1, "val": 0.2}, 0)
    with pytest.raises(
        InputError, match="part 'val' is empty: it takes units of at most 1 rows, but the smallest of 1 units has 9"
    ):
        draw_groups([0] * 9, {"train": 0.8, "test": 0.1, "val": 0.1}, 0)
