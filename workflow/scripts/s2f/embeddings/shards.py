"""Caches made in shards, each by a job and on a GPU of its own, and joined without copying an embedding.

The unique inserts, in the order in which a cache keeps them, are divided into equal ranges, one per shard. The shards
one after the other are then the embeddings of the whole cache, in the same order and with the same bits.
"""

import argparse
import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from s2f.common.errors import InputError
from s2f.common.files import atomic
from s2f.common.hdf5 import open_hdf5
from s2f.embeddings.cache import (
    AGAIN,
    NO_CHUNKS,
    Cache,
    content_sha256,
    id_bytes,
    index_sha256,
    open_cache,
    to_attribute,
)
from s2f.rows.canonical import sequences_sha256

# what may differ between the shards of one cache: their rows, how these are cut into chunks, and the machine
OF_EACH = {
    "backend", "rows", "unique", "chunk_rows", "sequences_sha256", "index_sha256", "content_sha256",
    "round_trip_token_error", "round_trip_bad_share",
}  # fmt: skip


def parse(text: str) -> tuple[int, int]:
    """(3, 8) of `3-of-8`, as paths and the command line call a shard. Raises `argparse.ArgumentTypeError`, whose text
    the command line shows, for any other text."""
    found = re.fullmatch(r"(\d+)-of-(\d+)", text)
    if found and 1 <= int(found[1]) <= int(found[2]):
        return int(found[1]), int(found[2])
    last = re.search(r"\d\D+([1-9]\d*)$", text.strip())
    shards = int(last[1]) if last else 8
    raise argparse.ArgumentTypeError(
        f"is {text!r}, expected 1-of-{shards} to {shards}-of-{shards}, such as {(shards + 1) // 2}-of-{shards}"
    )


def rows_of(rows: Any, shard: int, shards: int) -> Any:
    """The rows (a data frame with `row_id` and `sequence`) whose inserts are in a shard, counted from 1.

    Raises `InputError` if there are fewer unique inserts than shards.
    """
    inserts, insert_of_row = np.unique(rows["sequence"].to_numpy(object), return_inverse=True)
    if len(inserts) < shards:
        raise InputError(
            f"cache.shards is {shards}, but the dataset has {len(inserts):,} unique inserts: write {len(inserts)} or "
            "less"
        )
    first, end = (len(inserts) * number // shards for number in (shard - 1, shard))
    chosen = np.zeros(len(inserts), bool)
    chosen[in_order(inserts)[first:end]] = True
    return rows[chosen[insert_of_row]]


def in_order(inserts: np.ndarray) -> np.ndarray:
    """Indices (U,) that bring sorted unique inserts into the order of a cache: by length, then by sequence.

    Most chunks then hold inserts of one length, and an encoder that batches inserts of similar lengths has few batches
    to fill up.
    """
    return np.argsort(np.fromiter(map(len, inserts), np.int64, len(inserts)), kind="stable")


def join(path: str | Path, paths: Sequence[str | Path], rows: Any) -> dict[str, Any]:
    """Write the cache `path` of all `rows`, whose embeddings stay in the shards `paths`, given in order; returns its
    manifest, for `files.write_json`.

    The shards must be in folders below that of `path`, which stores where they are relative to itself. Raises
    `InputError` if they were made with different settings or do not hold exactly these rows.
    """
    path = Path(path)
    row_ids = id_bytes(rows["row_id"])
    by_id = np.argsort(row_ids)
    row_ids, sequences = row_ids[by_id], rows["sequence"].to_numpy(object)[by_id]
    row_to_embedding = np.full(len(row_ids), -1, np.int32)
    listed, errors, backends, start, common = [], [], [], 0, None
    for own in map(Path, paths):
        with open_cache(own) as shard:
            settings = {key: value for key, value in shard.manifest.items() if key not in OF_EACH}
            common = common or settings
            for key in settings.keys() | common.keys():
                if settings.get(key) != common.get(key):
                    raise InputError(
                        f"{own}: {key} is {settings.get(key)}, but in {paths[0]} it is {common.get(key)}, and both are "
                        f"shards of {path}: {AGAIN}"
                    )
            row_to_embedding[_places(shard, row_ids, sequences)] = shard.row_to_embedding + start
            start += shard.manifest["unique"]
            content = {key: shard.manifest[key] for key in ("unique", "content_sha256")}
            listed.append({"file": str(own.relative_to(path.parent)), **content})
            errors.append([shard.manifest[key] for key in ("round_trip_token_error", "round_trip_bad_share")])
            if shard.manifest["backend"] not in backends:
                backends.append(shard.manifest["backend"])
    if (row_to_embedding < 0).any():
        row = row_ids[(row_to_embedding < 0).argmax()].decode()
        raise InputError(f"{path}: row {row!r} is in none of its {len(listed)} shards; delete these and run again")
    if start != len(np.unique(row_to_embedding)):
        raise InputError(f"{path}: an insert is in several of its {len(listed)} shards; delete these and run again")
    token_error, bad_share = np.max(errors, axis=0).tolist()
    manifest = {
        **(common or {}), "rows": len(rows), "unique": start, "shards": listed,
        "backend": backends[0] if len(backends) == 1 else backends,
        "sequences_sha256": sequences_sha256(rows["row_id"], rows["sequence"]),
        "index_sha256": index_sha256(row_ids, row_to_embedding),
        "round_trip_token_error": token_error, "round_trip_bad_share": bad_share,
    }  # fmt: skip
    manifest["content_sha256"] = content_sha256(manifest, NO_CHUNKS)
    with atomic(path) as temporary:
        with open_hdf5(temporary, "w") as file:
            for key, value in manifest.items():
                file.attrs[key] = to_attribute(value)
            file.attrs["complete"] = np.uint8(1)
            file["row_id"], file["row_to_embedding"] = row_ids, row_to_embedding
    open_cache(path, manifest).close()
    return manifest


def _places(shard: Cache, row_ids: np.ndarray, sequences: np.ndarray) -> np.ndarray:
    """Where the rows of a shard are among all rows: indices (n,) into the sorted `row_ids`. Raises `InputError` if one
    is not there or has another sequence."""
    places = np.minimum(np.searchsorted(row_ids, shard.row_ids), len(row_ids) - 1)
    texts = [row.decode() for row in shard.row_ids]
    same = (row_ids[places] == shard.row_ids).all()
    if not same or sequences_sha256(texts, sequences[places].tolist()) != shard.manifest["sequences_sha256"]:
        raise InputError(f"{shard.path}: made from other rows: {AGAIN}")
    return places
