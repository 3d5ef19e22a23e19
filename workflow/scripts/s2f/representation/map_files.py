"""Files of dependency maps: which rows are mapped, and the HDF5 file of their maps. Needs no torch."""

import json
import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import h5py
import numpy as np

from s2f.common import files
from s2f.common.errors import InputError
from s2f.common.hdf5 import open_hdf5
from s2f.rows.stages import Stages

FORMAT = "s2f-dependency-maps-1"
DEFINITION = (
    "map[s, i, j]: largest |log2 odds ratio| of a letter at j when letter i is substituted (row i, column j, diagonal "
    "0); influence[s, i, k]: mean over j != i of that of the substitution of i by ACGT[k], 0 for the letter itself"
)


@dataclass(frozen=True)
class MappedSequence:
    """A sequence of L letters, its `map` (L, L) and the `influence` of its variants (L, 4), float32, log2 odds."""

    row_id: str
    sequence: str
    label: float
    map: np.ndarray
    influence: np.ndarray


def select(rows: Any, task: str, count: int, ids: Sequence[str] = (), stages: Stages | None = None) -> Any:
    """The rows of a panel to map: those in `ids`, in that order, or the first `count` by label, highest first, then by
    row_id; in a classification only positives. Rows with N and rows without a label (in a dataset with cells, a label
    in the first cell) are skipped and counted in `stages`, but not rows in `ids`: if one of those has an N, the model
    refuses it by name. Raises `InputError` for a missing id and for too few rows."""
    stages = stages or Stages()
    stages.left("rows of the panel", len(rows))
    if ids:
        missing = [row for row in ids if row not in set(rows["row_id"])]
        if missing:
            raise InputError(f"ids: row {missing[0]!r} is not in the panel, which has {len(rows)} rows")
        stages.choose("named by ids", len(ids))
        return rows.set_index("row_id").loc[list(ids)].reset_index()
    kept = stages.keep("without N", rows, ~rows["sequence"].str.contains("N"))
    kept = stages.keep("with a label", kept, kept["label"].notna())
    if task == "classification":
        kept = kept[kept["label"] == 1]
        stages.choose("positives", len(kept))
    if len(kept) < count:
        what = "positive rows" if task == "classification" else "rows with a label"
        raise InputError(
            f"rows: expected {count} rows to map, but the panel has only {len(kept)} {what} without N ({stages})"
        )
    stages.choose("first by label", count)
    return kept.sort_values(["label", "row_id"], ascending=[False, True]).head(count).reset_index(drop=True)


def write(path: str | Path, rows: Any, results: Iterable[tuple[np.ndarray, np.ndarray]], **about: Any) -> None:
    """Write maps and influences of rows (`row_id`, `sequence`, `label`) to HDF5 as the iterator `results` yields these
    pairs.

    Datasets: `row_id`, `sequence` (text), `label`, `length` (n,), `map` (n, L, L) and `influence` (n, L, 4) float32
    where L is the longest length; positions beyond a shorter sequence are NaN. Attributes: `format`, `definition`, and
    those in `about`, in which dicts become JSON.
    """
    lengths = rows["sequence"].str.len().to_numpy(np.int32)
    longest, text = int(lengths.max()), h5py.string_dtype("utf-8")
    whole = {"compression": "gzip", "compression_opts": 4, "shuffle": True, "fillvalue": math.nan, "dtype": "f4"}
    with files.atomic(path) as temporary, open_hdf5(temporary, "w") as file:
        for name in ("row_id", "sequence"):
            file[name] = rows[name].to_numpy(object).astype(text)
        file["label"], file["length"] = rows["label"].to_numpy(np.float64), lengths
        maps = file.create_dataset("map", (len(rows), longest, longest), chunks=(1, longest, longest), **whole)
        influences = file.create_dataset("influence", (len(rows), longest, 4), chunks=(1, longest, 4), **whole)
        for index, ((dependency, influence), length) in enumerate(zip(results, lengths, strict=True)):
            maps[index, :length, :length], influences[index, :length] = dependency, influence
        file.attrs.update(format=FORMAT, definition=DEFINITION)
        for key, value in about.items():
            file.attrs[key] = json.dumps(value, sort_keys=True) if isinstance(value, dict) else value


def read(path: str | Path) -> tuple[list[MappedSequence], dict[str, Any]]:
    """The mapped sequences and attributes of a file. Raises `InputError` if it is missing or was not written by
    `write`."""
    try:
        with open_hdf5(path) as file:
            about = dict(file.attrs)
            if about.get("format") != FORMAT:
                raise InputError(f"{path}: format is {about.get('format')!r}, expected {FORMAT!r}")
            names, sequences = file["row_id"].asstr()[:], file["sequence"].asstr()[:]
            mapped = []
            for index, length in enumerate(file["length"][:]):
                dependency, influence = file["map"][index, :length, :length], file["influence"][index, :length]
                mapped.append(
                    MappedSequence(names[index], sequences[index], float(file["label"][index]), dependency, influence)
                )
            return mapped, about
    except FileNotFoundError:
        raise InputError(f"{path}: no such file; it is made by the rule dependency_map") from None
    except (OSError, KeyError) as error:
        raise InputError(
            f"{path}: is broken or not a file of dependency maps ({error}); delete it and run again"
        ) from None
