"""Baselines: models that read the sequence itself. One module per kind; a module is loaded only when it is asked for.

Each has two functions. ``train(train, val, construct, spec, seed, directory) -> (history, validation)`` takes canonical
row frames, a `Construct` and the baseline's config section, and writes its weights and `details.json` into
`directory`; `history` is one dict per epoch (epoch, train_loss, val_METRIC, seconds, rows_per_second) and
`validation` is {"metric", "value" (None where undefined), "epoch" (0 where there are none)}.
``load(directory, record) -> predict`` returns ``predict(inserts, strand="forward") -> float32 (N,)``; `record` is the
checkpoint's `model.json`, from which the construct is taken. A module that needs other libraries than most names those
whose versions belong into the record in `PACKAGES`.
"""

import importlib
import pkgutil
from pathlib import Path

from s2f.common.errors import InputError
from s2f.common.files import read_json, write_json

STRANDS = ("forward", "reverse")


def kinds():
    """Names of the baselines: the modules of this package, but for those whose name begins with an underscore."""
    return sorted(module.name for module in pkgutil.iter_modules(__path__) if not module.name.startswith("_"))


def get(kind):
    """The module of a baseline, with `train` and `load`. Raises `InputError` for an unknown kind."""
    if kind not in kinds():
        raise InputError(f"baseline: kind is {kind!r}, expected one of: {', '.join(kinds())}")
    return importlib.import_module(f"s2f.baselines.{kind}")


def check_keys(spec, allowed):
    """Raise `InputError` when a baseline's section holds a key outside `allowed` (`kind` is always allowed)."""
    unknown = sorted(set(spec) - {"kind", *allowed})
    if unknown:
        raise InputError(
            f"baseline {spec.get('kind', '')}: unknown key {unknown[0]!r}; known: {', '.join(['kind', *allowed])}"
        )


def check_strand(strand):
    """Raise `InputError` unless `strand` is forward or reverse."""
    if strand not in STRANDS:
        raise InputError(f"strand is {strand!r}, expected one of: {', '.join(STRANDS)}")


def write_details(directory, **details):
    """Write `details.json`: what a baseline needs to be loaded and what its record must say.

    Every baseline gives `parameters` (int: numbers fitted), `provenance` and `licence` (text).
    """
    missing = {"parameters", "provenance", "licence"} - set(details)
    if missing:
        raise ValueError(f"details.json lacks {sorted(missing)}")
    write_json(Path(directory) / "details.json", details)


def read_details(directory):
    """Parse the `details.json` of a baseline. Raises `InputError` as `files.read_json`."""
    return read_json(Path(directory) / "details.json")
