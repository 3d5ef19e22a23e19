"""What people call a metric, and how they write its values: for text and pictures. Tables for programs keep the short
names and all digits."""

import numpy as np

WORDS = {
    "pearson": "Pearson r", "spearman": "Spearman ρ", "mse": "mean squared error (MSE)", "auroc": "AUROC",
    "auprc": "AUPRC", "accuracy": "accuracy", "f1": "F1", "precision": "precision", "recall": "recall",
    "prevalence": "prevalence",
}  # fmt: skip
OF_PAIRS = {"_abs": "alternate alleles", "_delta": "effects"}


def word(metric: str) -> str:
    """The words for a metric, without what it is computed on in a panel of pairs."""
    return WORDS[metric.removesuffix("_abs").removesuffix("_delta")]


def called(metric: str) -> str:
    """The words for a metric and, in a panel of pairs, what it is computed on."""
    return word(metric) + next((f" ({of})" for suffix, of in OF_PAIRS.items() if metric.endswith(suffix)), "")


def in_brackets(low: float, high: float, sign: str = "", digits: int = 4) -> str:
    """An interval in brackets, behind the value that it belongs to; empty if there is none."""
    return f" [{low:{sign}.{digits}f}, {high:{sign}.{digits}f}]" if np.isfinite(low) else ""


def rounded(value: float, digits: int = 4) -> str:
    """A value with a fixed number of digits behind the point."""
    return f"{value:.{digits}f}"
