"""Baseline `lamar_finetuned`: LAMAR fine-tuned on the rows, with a head on `<cls>` (see `_finetuning`).

`AutoModelForSequenceClassification.from_pretrained` of transformers can read the folder.
"""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from s2f.baselines import _finetuned
from s2f.sequences.constructs import Construct

KIND = "lamar_finetuned"
PACKAGES = ("numpy", "torch", "transformers", "safetensors", "peft")


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
