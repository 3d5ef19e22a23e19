"""Baseline `gc`: logistic regression on only the GC content of the insert, for classification.

Its score is what a model can reach from composition: the share of G and C separates binding sites from many negatives.
The prediction is monotone in the GC content; its direction is learned.
"""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from scipy.special import expit
from sklearn.linear_model import LogisticRegression

from s2f.baselines import check_strand, read_details, write_details
from s2f.baselines.kmer_logistic import classes
from s2f.common import kinds
from s2f.models.validation import auroc
from s2f.sequences import dna
from s2f.sequences.constructs import Construct


def gc_content(inserts: Sequence[str]) -> np.ndarray:
    """Share of G and C among the A, C, G and T of each insert: float64 (N,), NaN for an insert without any of these."""
    codes = dna.encode("".join(inserts))
    owner = np.repeat(np.arange(len(inserts)), [len(insert) for insert in inserts])
    known, strong = (
        np.bincount(owner, weights=w, minlength=len(inserts)) for w in (codes < 4, (codes == 1) | (codes == 2))
    )
    return np.divide(strong, known, out=np.full(len(inserts), np.nan), where=known > 0)


def train(
    train: Any, val: Any, construct: Construct, spec: dict[str, Any], seed: int, directory: str | Path
) -> tuple[list[dict[str, Any]], dict[str, Any]]:
    """Fit on `train` and write the two numbers; `val` is only scored. Nothing is random; `seed` is not used."""
    kinds.settings("baselines", "gc", spec)  # has no options
    labels = classes(train, "gc")
    content = gc_content(list(train["sequence"]))
    centre, scale = float(np.nanmean(content)), float(np.nanstd(content)) or 1.0
    standard = np.nan_to_num((content - centre) / scale)  # an insert of N gets the mean
    model = LogisticRegression().fit(standard[:, None], labels)
    slope = float(model.coef_[0, 0]) / scale
    intercept = float(model.intercept_[0]) - slope * centre
    value = auroc(val["label"], slope * np.nan_to_num(gc_content(list(val["sequence"])), nan=centre))
    print(f"{len(train)} rows, slope {slope:.3g}: validation AUROC {'undefined' if value is None else f'{value:.4f}'}")
    write_details(
        directory, slope=slope, intercept=intercept, centre=centre, parameters=2,
        provenance=f"trained from scratch on {len(train)} rows", licence="as the training data",
    )  # fmt: skip
    return [], {"metric": "auroc", "value": value, "epoch": 0, "ended": "solved"}


def load(directory: str | Path, record: dict[str, Any]) -> Callable[..., np.ndarray]:
    """``predict(inserts, strand="forward") -> float64 (N,)``, the same for both strands."""
    of = logits(directory, record)
    return lambda inserts, strand="forward": expit(of(inserts, strand))


def logits(directory: str | Path, record: dict[str, Any]) -> Callable[[Sequence[str], str], np.ndarray]:
    """``logits(inserts, strand) -> float64 (N,)`` from the fit in a folder."""
    details = read_details(directory)

    def of(inserts: Sequence[str], strand: str) -> np.ndarray:
        check_strand(strand)
        content = np.nan_to_num(gc_content(inserts), nan=details["centre"])
        return details["slope"] * content + details["intercept"]

    return of
