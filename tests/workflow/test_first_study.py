"""Studies that `s2f.study.new` writes, run to the comparison."""

import random

import pandas as pd
import pytest
import yaml

from helpers.forked_snakemake import snakemake
from s2f.study import new

CHROMOSOMES = ["chr7", "chr19", "chr1", "chr2", "chr3"]


def sequences(count, length):
    """Random sequences with various shares of G, of which their labels are made."""
    draw = random.Random(1)
    shares = [draw.uniform(0.3, 3) for _ in range(count)]
    return pd.Series(["".join(draw.choices("ACGT", (1, 1, share, 1), k=length)) for share in shares])


@pytest.mark.slow
def test_first_studies_run_to_the_comparison(root, tmp_path, monkeypatch):
    """Two studies at once, as most of the time is that of Snakemake; their heads, which train long, are left out."""
    monkeypatch.chdir(tmp_path)
    inserts = sequences(100, 60)
    label = inserts.str.count("G") / 10
    chromosomes = [CHROMOSOMES[i % 5] for i in range(100)]
    names = [f"my oligo {i}" for i in range(100)]
    table = pd.DataFrame({"oligo name": names, "insert": inserts, "log2FC: mean": label, "chr": chromosomes})
    table.to_csv("enhancers.csv", sep=";", index=False)
    bound = (label > label.median()).astype(int)
    pd.DataFrame({"rna": inserts.str.replace("T", "U"), "bound": bound}).to_csv("rna.tsv.gz", sep="\t", index=False)
    both = {"study": "both", "models": [], "comparison": {"resamples": 100}}
    for path, name in (("enhancers.csv", "enhancers"), ("rna.tsv.gz", "rna")):
        study = yaml.safe_load(new.drafted([tmp_path / path], "x").text())
        study["datasets"][name]["against"] = study["comparison"]["against"]
        both["models"].append({"datasets": [name], "baselines": study["models"][1]["baselines"]})
        for section in ("datasets", "constructs", "splits", "baselines"):
            both[section] = both.get(section, {}) | study[section]
    (tmp_path / "my_study.yaml").write_text(yaml.safe_dump(both))
    snakemake(root, tmp_path, "results/compare.tsv", "--configfile", "my_study.yaml")
    compared = pd.read_csv("results/compare.tsv", sep="\t").set_index(["dataset", "metric", "model"])
    ridge = compared.loc[("enhancers", "pearson", "kmer-ridge")]
    assert ridge["split"] == "chromosome" and ridge["n"] == 20 and ridge["value"] > 0.5
    logistic = compared.loc[("rna", "auroc", "kmer-logistic")]
    assert logistic["split"] == "hashfrag" and logistic["n"] == 10 and logistic["value"] > 0.7
