"""Baseline `mean`: predicts the mean label of the training rows for every sequence. The floor under all models."""

import numpy as np

from s2f.baselines import check_keys, check_strand, read_details, write_details


def train(train, val, construct, spec, seed, directory):
    """Store the mean training label. A constant has no correlation, so the validation value is None."""
    check_keys(spec, ())
    write_details(
        directory, mean=float(train["label"].mean()), parameters=1,
        provenance=f"mean label of {len(train)} training rows", licence="none: made from the labels alone",
    )  # fmt: skip
    return [], {"metric": "pearson", "value": None, "epoch": 0}


def load(directory, record):
    """``predict(inserts, strand="forward") -> float32 (N,)``, the same number for every insert and strand."""
    mean = read_details(directory)["mean"]

    def predict(inserts, strand="forward"):
        check_strand(strand)
        return np.full(len(inserts), mean, np.float32)

    return predict
