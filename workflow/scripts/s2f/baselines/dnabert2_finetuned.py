"""Baseline `dnabert2_finetuned`: DNABERT-2 fine-tuned on the rows, with a head on `[CLS]` (see `_finetuning`).

The windows of a batch are padded to the one with the most pieces. The head and the share of units dropped in training
(a tenth) are those of the published code (see `language_model.dnabert2`); the step size and the number of epochs are
those of its use on eCLIP sites (maxlwnii/tapt, commit 9030fac2).
"""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from s2f.baselines import _finetuned
from s2f.sequences.constructs import Construct

KIND = "dnabert2_finetuned"
PACKAGES = ("numpy", "torch", "tokenizers", "safetensors", "peft")


def train(
    train: Any, val: Any, construct: Construct, spec: dict[str, Any], seed: int, directory: str | Path
) -> tuple[list[dict[str, Any]], dict[str, Any]]:
    """Fine-tune and write the folder, see `_finetuned.train`."""
    return _finetuned.train(KIND, train, val, construct, spec, seed, directory)


def load(directory: str | Path, record: dict[str, Any]) -> Callable[..., np.ndarray]:
    """``predict(inserts, strand="forward") -> float64 (N,)``, see `_finetuned.load`."""
    return _finetuned.load(KIND, directory, record)


def logits(directory: str | Path, record: dict[str, Any]) -> Callable[[Sequence[str], str], np.ndarray]:
    """``logits(inserts, strand) -> float64 (N,)``; for a regression, the predicted values."""
    return _finetuned.logits(KIND, directory, record)
