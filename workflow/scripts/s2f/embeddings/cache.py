"""Embedding caches: the output of a frozen encoder for a dataset, one HDF5 file per encoder, construct, shift and
strand.

Datasets in a file: `row_id` (N) sorted bytes, `row_to_embedding` (N) int32, `embedding` (U, T, D) contiguous and
uncompressed (bfloat16 as its bits in uint16, float16 or float32), `chunk_sha256` (chunks, 32) over the bytes of each
`chunk_rows` embeddings. Attributes: the keys of the manifest, and `complete`. Each unique insert is stored once, in the
order of the sequences, so the order of the rows never changes a byte.

The manifest, a small JSON file beside the cache, repeats the attributes. Workflow rules depend on it instead of the
large file, whose modification time says nothing about its content. `s2f.embeddings.build` writes both.

A cache can also be made in shards, by several jobs at once. Each shard is a complete cache of a part of the inserts.
The file that joins them has no `embedding` and no `chunk_sha256`, but an attribute `shards`, which names their files
and contents (`s2f.embeddings.shards`). Both forms are opened and read in the same way.
"""

import hashlib
import json
import os
from collections.abc import Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

import h5py
import ml_dtypes
import numpy as np

from s2f.common.errors import InputError
from s2f.common.files import read_json
from s2f.common.hdf5 import open_hdf5
from s2f.embeddings.table import Shards

FORMAT = "s2f-embeddings-2"
STRANDS = ("forward", "reverse")
DTYPES = {"bfloat16": np.dtype(ml_dtypes.bfloat16), "float16": np.dtype(np.float16), "float32": np.dtype(np.float32)}
# bits of infinity, shifted left by one to drop the sign: anything not smaller is infinite or not a number
INFINITY = {"bfloat16": 0xFF00, "float16": 0xF800, "float32": 0xFF000000}
AGAIN = "delete it and run again"
NO_CHUNKS = np.zeros((0, 32), np.uint8)  # checksums of a cache whose embeddings are all in shards


@dataclass
class Cache:
    """An open embedding cache.

    `manifest`: what the file says about itself. `row_ids`: sorted bytes (N,). `row_to_embedding`: int32 (N,).
    `embedding`: (U, T, D) bfloat16, float16 or float32, a read-only map of the file, or of the files of all shards;
    index it, or stream slices.
    """

    path: Path
    manifest: dict[str, Any]
    row_ids: np.ndarray
    row_to_embedding: np.ndarray
    embedding: np.ndarray | Shards

    def indices(self, row_ids: Iterable[object]) -> np.ndarray:
        """Where the embeddings of rows are: int32 (n,) into axis 0 of `embedding`, in the order of `row_ids`.

        Rows are joined by id, never by position. Raises `InputError` naming the first id that the file lacks.
        """
        wanted = id_bytes(row_ids)
        positions = np.minimum(np.searchsorted(self.row_ids, wanted), len(self.row_ids) - 1)
        missing = self.row_ids[positions] != wanted
        if missing.any():
            raise InputError(
                f"{self.path}: row_id {wanted[missing.argmax()].decode()!r} is not among its {len(self.row_ids):,} "
                f"rows ({missing.sum():,} of {len(wanted):,} are missing); made from other rows: {AGAIN}"
            )
        return self.row_to_embedding[positions]

    def row_of(self, embedding: int) -> str:
        """A row_id whose embedding has this index, for messages."""
        return self.row_ids[(self.row_to_embedding == embedding).argmax()].decode()

    def close(self) -> None:
        """Release the map of the file."""
        self.embedding = None  # type: ignore[assignment]  # a closed cache is not used again

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *error: object) -> None:
        self.close()


def open_cache(path: str | Path, expect: Mapping[str, Any] | None = None, verify: str = "fast") -> Cache:
    """Open a cache after checking it.

    `expect`: values that keys of the manifest must have, such as `encoder_fingerprint`, `construct` (the dict of
    `Construct.spec`), `shift`, `strand`, `sequences_sha256`; it may be a whole manifest. `verify`: "fast" checks
    format, completeness, size, the hash of the row index, and the content hash over all settings and chunk checksums;
    "full" also reads every embedding, compares the chunk checksums and looks for all-zero or non-finite rows. Raises
    `InputError` naming the file, the attribute, both values and the fix.
    """
    if verify not in ("fast", "full"):
        raise ValueError(f"verify is {verify!r}, expected fast or full")
    path = Path(path)
    manifest, row_ids, row_to_embedding, checksums, offset = _read(path)
    if content_sha256(manifest, checksums) != manifest.get("content_sha256"):
        raise InputError(
            f"{path}: the attributes or the chunk checksums do not match their checksum, the file is damaged; {AGAIN}"
        )
    if index_sha256(row_ids, row_to_embedding) != manifest["index_sha256"]:
        raise InputError(f"{path}: the row index does not match its checksum, the file is damaged; {AGAIN}")
    for key, value in (expect or {}).items():
        if key not in manifest or manifest[key] != value:
            raise InputError(
                f"{path}: {key} is {_short(manifest.get(key))}, expected {_short(value)}; made from other rows, "
                f"weights or settings: {AGAIN}"
            )
    if "shards" in manifest:
        return Cache(path, manifest, row_ids, row_to_embedding, Shards(_parts(path, manifest, verify)))
    bits = map_bits(path, offset, manifest)
    cache = Cache(path, manifest, row_ids, row_to_embedding, bits.view(DTYPES[manifest["dtype"]]))
    if verify == "full":
        _verify_chunks(cache, bits, checksums)
    return cache


def _parts(path: Path, manifest: Mapping[str, Any], verify: str) -> list[np.ndarray]:
    """The embeddings of the shards that `manifest`, of the cache `path`, lists; `InputError` if one is another."""
    parts = []
    for shard in manifest["shards"]:
        own = path.parent / shard["file"]
        if not own.is_file():
            raise InputError(f"{own}: no such file, but {path} was joined from it; ask for it: snakemake {own}")
        with open_cache(own, verify=verify) as opened:
            if opened.manifest["content_sha256"] != shard["content_sha256"]:
                raise InputError(
                    f"{own}: does not have the content from which {path} was joined: delete both and run again"
                )
            assert isinstance(opened.embedding, np.ndarray)
            parts.append(opened.embedding)
    return parts


def check(path: str | Path) -> dict[str, Any]:
    """Verify a cache in full and compare it with its manifest, which is returned. Raises as `open_cache`."""
    beside = Path(path).with_suffix(".json")
    manifest = read_json(beside)
    with open_cache(path, manifest, verify="full") as cache:
        missing = cache.manifest.keys() - manifest.keys()
        if missing:
            raise InputError(f"{beside}: key {min(missing)!r} is missing; {AGAIN}")
    return manifest


def _read(path: Path) -> tuple[dict[str, Any], np.ndarray, np.ndarray, np.ndarray, int]:
    """Manifest, row ids, row_to_embedding, chunk checksums, offset of the embeddings; `InputError` if broken."""
    if not path.is_file():
        raise InputError(f"{path}: no such file; it is made by the rule embed")
    try:
        with open_hdf5(path) as file:  # refuses a truncated file
            settings = {key: from_attribute(key, value) for key, value in file.attrs.items()}
            if settings.get("format") != FORMAT:
                raise InputError(f"{path}: format is {settings.get('format')!r}, expected {FORMAT!r}; {AGAIN}")
            if not settings.pop("complete"):
                raise InputError(f"{path}: the file is not complete; {AGAIN}")
            index = file["row_id"][:], file["row_to_embedding"][:]
            if "shards" in settings:
                return settings, *index, NO_CHUNKS, 0
            embedding, shape = file["embedding"], embedding_shape(settings)
            if embedding.shape != shape:
                raise InputError(f"{path}: embedding has shape {embedding.shape}, expected {shape}; {AGAIN}")
            return settings, *index, file["chunk_sha256"][:], embedding.id.get_offset()
    except InputError:
        raise
    except (OSError, KeyError, RuntimeError, TypeError, ValueError, AttributeError) as error:  # a bit has flipped
        raise InputError(f"{path}: the file is truncated or not a cache ({error}); {AGAIN}") from None


def _verify_chunks(cache: Cache, bits: np.ndarray, checksums: np.ndarray) -> None:
    size = cache.manifest["chunk_rows"]

    def verify(chunk: int) -> None:
        part = bits[chunk * size : (chunk + 1) * size]
        if hashlib.sha256(part.data).digest() != checksums[chunk].tobytes():
            last = chunk * size + len(part) - 1
            raise InputError(
                f"{cache.path}: chunk {chunk} (embeddings {chunk * size} to {last}) does not match its checksum, the "
                f"file is damaged; {AGAIN}"
            )
        faulty = fault(part, cache.manifest["dtype"])
        if faulty:
            row = cache.row_of(chunk * size + faulty[0])
            raise InputError(f"{cache.path}: row {row!r}: the embedding is {faulty[1]}; {AGAIN}")

    # hashing and numpy release the interpreter lock; one thread does about 1 GB/s
    with ThreadPoolExecutor(min(4, len(os.sched_getaffinity(0)))) as pool:
        for _ in pool.map(verify, range(len(checksums))):
            pass


# what writer and reader must agree on


def embedding_shape(settings: Mapping[str, Any]) -> tuple[int, int, int]:
    """(U, T, D)."""
    return settings["unique"], settings["tokens"], settings["channels"]


def map_bits(path: Path, offset: int, settings: Mapping[str, Any]) -> np.ndarray:
    """The embeddings of a file as a read-only map of unsigned integers (U, T, D)."""
    return np.memmap(path, f"<u{DTYPES[settings['dtype']].itemsize}", "r", offset, embedding_shape(settings))


def fault(bits: np.ndarray, dtype: str) -> tuple[int, str] | None:
    """(index, what is wrong) of the first all-zero or non-finite embedding in bits (n, T, D), or None; one pass at 5
    GB/s."""
    largest = (bits.reshape(len(bits), -1) << 1).max(axis=1)
    bad = (largest == 0) | (largest >= INFINITY[dtype])
    if not bad.any():
        return None
    index = int(bad.argmax())
    return index, "all zero" if largest[index] == 0 else "not finite"


def id_bytes(row_ids: Iterable[object]) -> np.ndarray:
    """Row ids as a fixed-width bytes array (n,), UTF-8."""
    return np.array([str(row).encode() for row in row_ids], dtype=np.bytes_)


def index_sha256(row_ids: np.ndarray, row_to_embedding: np.ndarray) -> str:
    """Hash of the row index."""
    return hashlib.sha256(row_ids.tobytes() + np.asarray(row_to_embedding, "<i4").tobytes()).hexdigest()


def content_sha256(manifest: Mapping[str, Any], checksums: np.ndarray) -> str:
    """Hash of all settings and, through the checksums uint8 (chunks, 32) or those of its shards, of every byte of the
    embeddings."""
    settings = {key: value for key, value in manifest.items() if key != "content_sha256"}
    return hashlib.sha256(as_json(settings).encode() + checksums.tobytes()).hexdigest()


def as_json(value: Any) -> str:
    """One line of JSON, the same for equal values."""
    return json.dumps(value, sort_keys=True, allow_nan=False)


def to_attribute(value: Any) -> int | float | np.ndarray:
    """Value of a manifest key as an HDF5 attribute: text of fixed length, because HDF5 may put other text anywhere."""
    if isinstance(value, (int, float)):
        return value
    raw = (value if isinstance(value, str) else as_json(value)).encode()
    return np.array(raw, h5py.string_dtype("utf-8", max(1, len(raw))))


def from_attribute(key: str, value: Any) -> Any:
    """Inverse of `to_attribute`."""
    if isinstance(value, (np.integer, np.floating)):
        return value.item()
    text = value.decode() if isinstance(value, bytes) else str(value)
    return json.loads(text) if key in ("construct", "backend", "seen", "encoder_spec", "shards") else text


def _short(value: Any) -> str:
    text = as_json(value)
    return text if len(text) <= 200 else f"{text[:200]}..."
