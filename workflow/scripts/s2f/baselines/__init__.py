"""Baselines: models that read the sequence itself. There is one module per kind, loaded only when it is asked for.

Each module has two functions. ``train(train, val, construct, spec, seed, directory) -> (history, validation)`` takes
canonical row frames, a `Construct` and the baseline's config section, and writes its weights and `details.json` into
`directory`. `history` is one dict per epoch (epoch, train_loss, val_METRIC, seconds, rows_per_second). `validation` is
{"metric", "value" (None if undefined), "epoch" (0 if there are none), "ended"}. "ended" is there for what is trained
here: by `patience`, at the `limit` of epochs, with the `schedule` of step sizes, whose length is their number, or
`solved`, without epochs. A kind with an `x-grid` option adds "tried": pairs of a value of that option and its
validation value.
``load(directory, record) -> predict`` returns ``predict(inserts, strand="forward") -> float32 (N,)``; `record` is the
checkpoint's `model.json`, from which the construct is taken. A module that needs other libraries than most lists in
`PACKAGES` those whose versions belong in the record. A module that predicts probabilities also has ``logits(directory,
record)``, which works like `load` but computes logits directly: a probability near 0 or 1 has lost its digits.

A kind with the fact `cells` may be given rows with several labels (`canonical.labels_of`, NaN for a missing one). It
then predicts float32 (N, C), and its validation value is the mean over cells if the metric is one per cell.
"""

from pathlib import Path
from types import ModuleType
from typing import Any

from s2f.common import kinds
from s2f.common.errors import InputError
from s2f.common.files import read_json, write_json

STRANDS = ("forward", "reverse")


def get(kind: str) -> ModuleType:
    """The module of a baseline, with `train` and `load`. Raises `InputError` for an unknown kind."""
    return kinds.module("baselines", kind)


def check_strand(strand: str) -> None:
    """Raise `InputError` unless `strand` is forward or reverse."""
    if strand not in STRANDS:
        raise InputError(f"strand is {strand!r}, expected one of: {', '.join(STRANDS)}")


def write_details(directory: str | Path, **details: Any) -> None:
    """Write `details.json`: what is needed to load a baseline, and what its record must say.

    Every baseline gives `parameters` (int: numbers fitted), `provenance` and `licence` (text).
    """
    missing = {"parameters", "provenance", "licence"} - set(details)
    if missing:
        raise ValueError(f"details.json lacks the keys {sorted(missing)}")
    write_json(Path(directory) / "details.json", details)


def read_details(directory: str | Path) -> dict[str, Any]:
    """Parse the `details.json` of a baseline. Raises `InputError` as `files.read_json`."""
    return read_json(Path(directory) / "details.json")
