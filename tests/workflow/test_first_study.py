"""Studies that `s2f.study.new` writes, run as they are: from a user's table to the comparison."""

import random

import pandas as pd
import pytest

from helpers.forked_snakemake import snakemake
from helpers.programs import call
from s2f.study import new

CHROMOSOMES = ["chr7", "chr19", "chr1", "chr2", "chr3"]


def dna(count, length, seed):
    """Random sequences, whose share of G is what their labels are made of."""
    draw = random.Random(seed)
    return ["".join(draw.choices("ACGT", (1, 1, g, 1), k=length)) for g in (draw.uniform(0.3, 3) for _ in range(count))]


@pytest.mark.slow
@pytest.mark.parametrize("shape", ["chromosomes", "classes of RNA"])
def test_a_study_runs_as_it_is_written(root, tmp_path, monkeypatch, shape):
    sequences = pd.Series(dna(150, 60, 1))
    label = sequences.str.count("G") / 10
    if shape == "chromosomes":
        table = pd.DataFrame({"oligo name": [f"o{i}" for i in range(150)], "sequence": sequences, "log2FC": label})
        table["chr"] = [CHROMOSOMES[i % 5] for i in range(150)]
        table.to_csv(tmp_path / "mine.csv", sep=";", index=False)
    else:
        table = pd.DataFrame({"rna": sequences.str.replace("T", "U"), "bound": (label > label.median()).astype(int)})
        table.to_csv(tmp_path / "mine.csv", sep="\t", index=False)
    monkeypatch.chdir(tmp_path)
    call(monkeypatch, new, "mine.csv")
    snakemake(root, tmp_path, "results/compare.tsv", "--configfile", "my_study.yaml")
    compared = pd.read_csv("results/compare.tsv", sep="\t").set_index(["metric", "model"])
    if shape == "chromosomes":
        assert compared.loc[("pearson", "kmer-ridge"), "value"] > 0.5
        assert compared.loc[("pearson", "kmer4/no_shift/boda-mean-512-512"), "n"] == 30
    else:
        assert compared.loc[("auroc", "kmer-logistic"), "value"] > 0.8
        assert ("auroc", "kmer4/none/boda-mean-512-512") in compared.index
