"""Checkpoints: `best_model/` holds the weights and `model.json`, the record of everything that prediction must
match."""

import hashlib
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any, NamedTuple

import pandas as pd

from s2f.common.errors import InputError
from s2f.common.files import read_json, write_json
from s2f.common.provenance import versions
from s2f.rows.canonical import cells_of, labels_sha256

FORMAT = 1
ENSEMBLE = "ensemble"  # kind of a checkpoint that holds others
REQUIRED = (
    "format", "name", "kind", "task", "dataset", "split", "model", "encoder", "augmentation", "head", "seed",
    "strand_rule", "construct", "insert_bp", "spec", "train_rows", "train_rows_sha256", "val_rows", "val_rows_sha256",
    "validation", "parameters", "provenance", "licence", "versions",
)  # fmt: skip


def head_name(manifest: Mapping[str, Any], slug: str) -> str:
    """Name of a head in its checkpoint: the published scheme (K562 heads of ALBench-S2F) on published AlphaGenome
    weights, which are recognised by the licence in the manifest of a cache; otherwise the encoder's name and the
    slug."""
    arch = slug.replace("-", "_")
    published = manifest["encoder_kind"] == "alphagenome" and not manifest["licence"].startswith("none")
    return f"alphagenome_k562_head_{arch}_v4" if published else f"{manifest['encoder']}_head_{arch}"


def write_record(
    directory: str | Path,
    parts: Mapping[str, Any],
    packages: Iterable[str],
    used: Mapping[str, Any] | None = None,
    **record: Any,
) -> None:
    """Write model.json into the folder of a checkpoint.

    `parts` {"train": rows, "val": rows} of the split enter as fingerprints, which show whether models of one split were
    trained on the same table. The rows that the model `used` (if absent, all; a model of only the first cell uses rows
    with a label for it) enter as their number and, if they have cells, the number of labels of each cell. `packages`
    enter as installed versions. `insert_bp` are the lengths of the inserts that the model was trained on, unless given,
    as the fingerprints may be (`train_rows_sha256`, `val_rows_sha256`) by a program that writes many records. The other
    keys are `REQUIRED`, and more may be given, such as `cells`, the cells that the model predicts, if rows have
    several. Raises `ValueError` if a key is missing.
    """
    used = used or parts
    for part in ("train", "val"):
        record[f"{part}_rows"] = len(used[part])
        if f"{part}_rows_sha256" not in record:
            record[f"{part}_rows_sha256"] = labels_sha256(parts[part])
        cells = cells_of(used[part])
        if cells:
            record[f"{part}_rows_of_cells"] = {cell: int(used[part][f"label.{cell}"].notna().sum()) for cell in cells}
    lengths = used["train"]["sequence"].str.len()
    bp = {"shortest": int(lengths.min()), "commonest": int(lengths.mode().iloc[0]), "longest": int(lengths.max())}
    record.setdefault("insert_bp", bp)
    record = {
        "format": FORMAT,
        "encoder": "",
        "augmentation": "",
        "head": "",
        "versions": versions(*packages),
        **record,
    }
    missing = [key for key in REQUIRED if key not in record]
    if missing:
        raise ValueError(f"model.json lacks the keys {missing}")
    write_json(Path(directory) / "model.json", record)


def predicted_cells(directory: str | Path, record: Mapping[str, Any], rows: pd.DataFrame) -> list[str]:
    """The cells of `rows` that the model of a record predicts; none if rows have one label.

    Raises `InputError` for a model that was trained on rows with other cells.
    """
    cells, there = record.get("cells", []), cells_of(rows)
    if bool(cells) != bool(there) or not set(cells) <= set(there):
        raise InputError(
            f"{Path(directory) / 'model.json'}: the cells of the model are {', '.join(cells) or 'none'}, but those "
            f"of the rows are {', '.join(there) or 'none'}; train this model again"
        )
    return cells


def check_record(directory: str | Path, expected: Mapping[str, Any], caches: Iterable[str | Path]) -> None:
    """Refuse a checkpoint that was not trained on these caches, before anybody suspects the caches themselves.

    `expected` are values in model.json that the manifest beside each cache must also have.
    """
    for cache in caches:
        manifest = read_json(Path(cache).with_suffix(".json"))
        for key, value in expected.items():
            found = manifest.get(key)
            if found != value:
                raise InputError(
                    f"{Path(directory) / 'model.json'}: {key} is {value!r}, but the cache {cache} has {found!r}: "
                    "this model was trained on other embeddings, or they have changed since; train it again "
                    "(--forcerun)"
                )


def read_record(directory: str | Path, **expected: Any) -> dict[str, Any]:
    """Read model.json and compare it with what the caller has; each mismatch is an `InputError` that names both
    values."""
    path = Path(directory) / "model.json"
    if not Path(directory).exists():
        raise InputError(f"{directory}: no such folder, expected the folder best_model of a run")
    if not path.exists():
        below = path.with_name("best_model")
        hint = f"; did you mean {below}?" if below.is_dir() else "; copy all files of the folder"
        raise InputError(f"{directory}: has no model.json, expected the folder best_model of a run{hint}")
    record = read_json(path)
    for key in REQUIRED:
        if key not in record:
            raise InputError(
                f"{path}: key {key!r} is missing, so the checkpoint is not complete; train this model again"
            )
    for key, value in {"format": FORMAT, **expected}.items():
        if record[key] != value:
            raise InputError(f"{path}: {key} is {record[key]!r}, expected {value!r}; train this model again")
    return record


class Part(NamedTuple):
    """One trained model of a checkpoint: its own folder and model.json; `number` is its place in the study's list."""

    folder: Path
    record: dict[str, Any]
    number: int


def parts(directory: str | Path, record: dict[str, Any]) -> list[Part]:
    """The trained models of a checkpoint with this model.json: the model itself, or the members of an ensemble."""
    if record["kind"] != ENSEMBLE:
        return [Part(Path(directory), record, 0)]
    folders = [(Path(directory) / member["folder"], member["number"]) for member in record["members"]]
    return [Part(folder, read_record(folder), number) for folder, number in folders]


def fingerprint(directory: str | Path) -> str:
    """SHA-256 (hexadecimal) over names and bytes of all files of a checkpoint, except hidden ones."""
    digest, top = hashlib.sha256(), Path(directory)
    for path in sorted(file for file in top.rglob("*") if file.is_file() and not file.name.startswith(".")):
        digest.update(f"{path.relative_to(top).as_posix()}\n".encode())
        digest.update(path.read_bytes())
    return digest.hexdigest()


def check_members(directory: str | Path, record: Mapping[str, Any]) -> None:
    """Raise `InputError` if an ensemble with this model.json holds a model other than those it was made from:
    exchanged, changed in place, or only partly copied. Other checkpoints always pass."""
    for member in record["members"] if record["kind"] == ENSEMBLE else ():
        folder = Path(directory) / member["folder"]
        if fingerprint(folder) != member.get("fingerprint"):
            raise InputError(
                f"{folder}: is not {member['model']} (split {member['split']}, seed {member['seed']}) as it was when "
                "the ensemble was made: files have changed or are missing; copy the whole ensemble, or make it "
                "again"
            )
