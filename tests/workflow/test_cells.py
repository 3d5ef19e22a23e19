"""A study of rows with several cells, from the table to the pictures."""

import numpy as np
import pandas as pd
import pytest
import yaml

from helpers.forked_snakemake import snakemake

CELLS = ["K562", "HepG2", "WTC11"]
NARROW = {
    "conv1_channels": 16, "conv2_channels": 8, "conv3_channels": 8, "linear_channels": 16, "branched_channels": 8,
    "batch_size": 32, "epochs": 2, "min_epochs": 0,
}  # fmt: skip
STUDY = {
    "study": "cells",
    "datasets": {
        "lenti": {
            "source": {"kind": "lentimpra", "files": {"rows": "lenti.tsv"}},
            "cells": CELLS,
            "construct": "lentimpra_281",
            "splits": ["random"],
            "panels": {"id": {"kind": "rows"}},
        }
    },
    "constructs": {"lentimpra_281": {"flanks": "lentimpra", "length": 281, "layout": "whole"}},
    "splits": {"random": {"kind": "random", "val": 0.2, "test": 0.3}},
    "encoders": {"kmer3": {"kind": "kmer", "k": 3}},
    "training": {"epochs": 2},
    "heads": {"encoder-16-dropout": {"outputs": "first"}},
    "baselines": {
        "kmer-ridge": {"kind": "kmer_ridge", "k": [2]},
        "malinois-narrow": {"kind": "malinois", **NARROW},
        "malinois-1cell-narrow": {"kind": "malinois_1cell", **NARROW},
    },
    "models": [
        {"encoders": ["kmer3"], "heads": ["boda-mean-16", "encoder-16-dropout"]},
        {"baselines": ["kmer-ridge", "malinois-narrow", "malinois-1cell-narrow"]},
    ],
    "comparison": {"against": "kmer-ridge", "resamples": 100},
}


@pytest.mark.slow
def test_a_study_of_three_cells_with_gaps(root, tmp_path):
    random = np.random.default_rng(0)
    inserts = ["".join(row) for row in random.choice(list("ACGT"), (160, 200))]
    table = pd.DataFrame({"name": [f"s{i}" for i in range(160)], "insert_200": inserts})
    for place, cell in enumerate(CELLS):
        label = (table["insert_200"].str.count("G") - 50) / 8 + place * random.normal(size=160)
        table[f"{cell}_log2"] = label.where(random.random(160) > 0.15).round(3)
    table.to_csv(tmp_path / "lenti.tsv", sep="\t", index=False, na_rep="NA")
    (tmp_path / "study.yaml").write_text(yaml.safe_dump(STUDY))
    snakemake(root, tmp_path, "--configfile", "study.yaml")
    results = tmp_path / "results"
    compared = pd.read_csv(results / "compare.tsv", sep="\t", keep_default_na=False, na_values=[""])
    views = [*CELLS, *(f"{cell}-{other}" for cell in CELLS for other in ("mean", "max"))]
    lines = compared[compared["metric"] == "mse"].set_index(["cell", "model"])
    assert list(dict.fromkeys(compared["cell"])) == views and len(lines) == 9 * 5
    measured = table[[f"{cell}_log2" for cell in CELLS]].notna()
    assert lines["n"].groupby("cell").nunique().max() == 1  # all models on the same rows
    for model in ("kmer3/no_shift/encoder-16-dropout", "malinois-1cell-narrow"):
        assert "not comparable: it predicts only K562" in lines.loc[("HepG2", model), "note"]
        assert lines.loc[("K562", model), "n"] == lines.loc[("K562", "kmer-ridge"), "n"]
    rows = pd.read_parquet(results / "lenti" / "rows.parquet")
    assert len(rows) == measured.any(axis=1).sum() and rows["label"].isna().sum() > 0
    plots = results / "plots" / "lenti" / "random"
    assert {path.name for path in plots.glob("*.png")} == {
        "audit.png", "calibration.png", "id.comparison.png", "id.predictions.png", "training.png",
    }  # fmt: skip
