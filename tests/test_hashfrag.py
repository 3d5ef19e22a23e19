"""The split `hashfrag`: homologous inserts and the alleles of a locus never lie in two parts."""

import numpy as np
import pandas as pd
import pytest

from s2f import dna
from s2f.rows import canonical
from s2f.splits import make_split

SPEC = {"kind": "hashfrag", "threshold": 60, "backend": "exact", "val": 0.2, "test": 0.2, "seed": 0}


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


def test_families_and_loci_stay_whole(families):
    table = make_split(families, SPEC, 1)
    family = table["row_id"].str.split("_").str[0].replace("f1", "f0")
    assert (table.groupby(family)["split"].nunique() == 1).all()
    shares = table["split"].value_counts(normalize=True)
    assert abs(shares["test"] - 0.2) < 0.05 and abs(shares["val"] - 0.2) < 0.05


def test_the_draw_follows_the_seed(families):
    first, again, other = (make_split(families, SPEC, seed)["split"] for seed in (1, 1, 2))
    assert first.equals(again) and not first.equals(other)
