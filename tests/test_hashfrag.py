"""The split `hashfrag`: homologous inserts and the alleles of a locus never lie in two parts."""

import gzip
import shutil

import numpy as np
import pandas as pd
import pytest

from s2f.rows.canonical import canonical
from s2f.sequences import dna
from s2f.splits.homology.groups import best_scores
from s2f.splits.make import make_split
from s2f.splits.table import check_split

SPEC = {"kind": "hashfrag", "threshold": 60, "backend": "exact", "val": 0.2, "test": 0.2, "seed": 0}
needs_blast = pytest.mark.skipif(shutil.which("blastn") is None, reason="needs NCBI BLAST+ (blastn) on PATH")
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
    table = make_split(families, {**SPEC, "backend": backend}, 1)
    family = table["row_id"].str.split("_").str[0].replace("f1", "f0")
    assert (table.groupby(family)["split"].nunique() == 1).all()
    shares = table["split"].value_counts(normalize=True)
    assert abs(shares["test"] - 0.2) < 0.05 and abs(shares["val"] - 0.2) < 0.05


def test_the_draw_follows_the_seed(families):
    first, again, other = (make_split(families, SPEC, seed)["split"] for seed in (1, 1, 2))
    assert first.equals(again) and not first.equals(other)


@pytest.fixture(scope="module")
def real(shared):
    """Rows of hashFrag's example: its 120 first groups of several sequences and 300 that are alone; `group` unused."""
    folder = shared / "data" / "mpra" / "hashfrag_example"
    with gzip.open(folder / "groups_threshold60.tsv.gz", "rt") as stream:
        groups = pd.DataFrame([line.split() for line in stream], columns=["name", "homologous"])
    with gzip.open(folder / "sequences.fa.gz", "rt") as stream:
        records = stream.read().split(">")[1:]
    sequence = {name: "".join(lines) for name, *lines in map(str.split, records)}
    groups = groups[~groups["name"].str.endswith("_Reversed")]
    size = groups.groupby("homologous")["name"].transform("size")
    several = groups["homologous"].isin(groups["homologous"][(size > 1) & (size < 50)].unique()[:120])
    chosen = pd.concat([groups[several], groups[size == 1][:300]])
    table = pd.DataFrame({"row_id": chosen["name"], "sequence": chosen["name"].map(sequence), "label": 0.5})
    return canonical(table, "example"), chosen["homologous"].to_numpy()


@pytest.mark.parametrize("backend", BACKENDS)
def test_what_hashfrag_groups_lies_in_one_part(real, backend):
    rows, homologous = real
    table = make_split(rows, {**SPEC, "backend": backend}, 1)
    parts = check_split(rows, table)
    assert (pd.Series(parts).groupby(homologous).nunique() == 1).all()
    assert pd.Series(parts).value_counts().to_dict() == pytest.approx(
        {"train": 0.6 * len(rows), "val": 0.2 * len(rows), "test": 0.2 * len(rows)}, abs=2
    )
    inserts = {part: rows["sequence"][parts == part].tolist() for part in ("train", "val", "test")}
    for other in ("train", "val"):
        best = best_scores(inserts["test"], inserts[other]).max()
        assert best < 60 if backend == "exact" else best < 100  # blastn overlooks a few pairs
