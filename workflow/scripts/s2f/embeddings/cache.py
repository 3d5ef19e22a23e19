"""Embedding caches: what a frozen encoder makes of a dataset, one HDF5 file per encoder, construct, shift and strand.

Datasets of a file: `row_id` (N) sorted bytes, `row_to_embedding` (N) int32, `embedding` (U, T, D) contiguous and
uncompressed (bfloat16 as its bits in uint16, float16 or float32), `chunk_sha256` (chunks, 32) over the bytes of each
`chunk_rows` embeddings. Attributes: the keys of the manifest, and `complete`. Each unique insert is stored once, in the
order of the sequences, so the order of the rows never changes a byte.

The manifest, a small JSON file beside the cache, repeats the attributes: rules follow it instead of the large file,
whose modification time says nothing of its content. `s2f.embeddings.build` makes both.
"""

import hashlib
import json
import os
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import h5py
import ml_dtypes
import numpy as np

from s2f.common.errors import InputError
from s2f.common.files import read_json

FORMAT = "s2f-embeddings-1"
STRANDS = ("forward", "reverse")
DTYPES = {"bfloat16": np.dtype(ml_dtypes.bfloat16), "float16": np.dtype(np.float16), "float32": np.dtype(np.float32)}
# bits of infinity, shifted left by one to lose the sign: what is not smaller is infinite or not a number
INFINITY = {"bfloat16": 0xFF00, "float16": 0xF800, "float32": 0xFF000000}
LOCKING = "best-effort"  # of HDF5: some network file systems have no locks, and readers need none
AGAIN = "delete it and run again"
BLOCK_BYTES = 128 << 20  # of embeddings that are read, or moved to the device, at a time


@dataclass
class Cache:
    """An open embedding cache.

    `manifest`: what the file says of itself. `row_ids`: sorted bytes (N,). `row_to_embedding`: int32 (N,).
    `embedding`: (U, T, D) bfloat16, float16 or float32, a read-only map of the file: index it, or stream slices.
    """

    path: Path
    manifest: dict
    row_ids: np.ndarray
    row_to_embedding: np.ndarray
    embedding: np.ndarray | None

    def indices(self, row_ids):
        """Where the embeddings of rows are: int32 (n,) into axis 0 of `embedding`, in the order of `row_ids`.

        Rows are joined by id, never by position. Raises `InputError` naming the first id that the file lacks.
        """
        wanted = id_bytes(row_ids)
        places = np.minimum(np.searchsorted(self.row_ids, wanted), len(self.row_ids) - 1)
        missing = self.row_ids[places] != wanted
        if missing.any():
            raise InputError(
                f"{self.path}: row_id {wanted[missing.argmax()].decode()!r} is not among its {len(self.row_ids):,} "
                f"rows ({missing.sum():,} of {len(wanted):,} are missing); made from other rows: {AGAIN}"
            )
        return self.row_to_embedding[places]

    def row_of(self, embedding):
        """A row_id whose embedding is at this place, for messages."""
        return self.row_ids[(self.row_to_embedding == embedding).argmax()].decode()

    def close(self):
        """Let go of the map of the file."""
        self.embedding = None

    def __enter__(self):
        return self

    def __exit__(self, *error):
        self.close()


def open_cache(path, expect=None, verify="fast"):
    """Open a cache after checking it; returns a `Cache`.

    `expect`: values of manifest keys that must hold, such as `encoder_fingerprint`, `construct` (the dict of
    `Construct.spec`), `shift`, `strand`, `sequences_sha256`; a whole manifest is welcome. `verify`: "fast" checks
    format, completeness, size, the hash of the row index and the content hash over all settings and chunk checksums;
    "full" also reads every embedding, compares the chunk checksums and looks for all-zero or non-finite rows.
    Raises `InputError` naming the file, the attribute, both values and the mend.
    """
    if verify not in ("fast", "full"):
        raise ValueError(f"verify is {verify!r}, expected fast or full")
    path = Path(path)
    manifest, row_ids, row_to_embedding, checksums, offset = _read(path)
    if content_sha256(manifest, checksums) != manifest.get("content_sha256"):
        raise InputError(f"{path}: attributes and chunk checksums do not have their checksum; {AGAIN}")
    if index_sha256(row_ids, row_to_embedding) != manifest["index_sha256"]:
        raise InputError(f"{path}: the row index does not have its checksum, the file is damaged; {AGAIN}")
    for key, value in (expect or {}).items():
        if key not in manifest or manifest[key] != value:
            raise InputError(
                f"{path}: {key} is {_short(manifest.get(key))}, expected {_short(value)}; made from other rows, "
                f"weights or settings: {AGAIN}"
            )
    bits = map_bits(path, offset, manifest)
    cache = Cache(path, manifest, row_ids, row_to_embedding, bits.view(DTYPES[manifest["dtype"]]))
    if verify == "full":
        _verify_chunks(cache, bits, checksums)
    return cache


def check(path):
    """Verify a cache in full and compare it with its manifest; returns the latter. Raises as `open_cache`."""
    beside = Path(path).with_suffix(".json")
    manifest = read_json(beside)
    with open_cache(path, manifest, verify="full") as cache:
        missing = cache.manifest.keys() - manifest.keys()
        if missing:
            raise InputError(f"{beside}: key {min(missing)!r} is missing; {AGAIN}")
    return manifest


def _read(path):
    """Manifest, row ids, row_to_embedding, chunk checksums, place of the embeddings; `InputError` when broken."""
    if not path.is_file():
        raise InputError(f"{path}: no such file; it is made by the rule embed")
    try:
        with h5py.File(path, "r", locking=LOCKING) as file:  # refuses a file that is shorter than it was
            settings = {key: from_attribute(key, value) for key, value in file.attrs.items()}
            if settings.get("format") != FORMAT:
                raise InputError(f"{path}: format is {settings.get('format')!r}, expected {FORMAT!r}; {AGAIN}")
            if not settings.pop("complete"):
                raise InputError(f"{path}: the file is not complete; {AGAIN}")
            embedding, shape = file["embedding"], embedding_shape(settings)
            if embedding.shape != shape:
                raise InputError(f"{path}: embedding has shape {embedding.shape}, expected {shape}; {AGAIN}")
            index = file["row_id"][:], file["row_to_embedding"][:]
            return settings, *index, file["chunk_sha256"][:], embedding.id.get_offset()
    except InputError:
        raise
    except (OSError, KeyError, RuntimeError, ValueError) as error:
        raise InputError(f"{path}: the file is truncated or not a cache ({error}); {AGAIN}") from None


def _verify_chunks(cache, bits, checksums):
    size = cache.manifest["chunk_rows"]

    def verify(chunk):
        part = bits[chunk * size : (chunk + 1) * size]
        if hashlib.sha256(part).digest() != checksums[chunk].tobytes():
            last = chunk * size + len(part) - 1
            raise InputError(
                f"{cache.path}: chunk {chunk} (embeddings {chunk * size} to {last}) does not have its checksum, the "
                f"file is damaged; {AGAIN}"
            )
        found = fault(part, cache.manifest["dtype"])
        if found:
            row = cache.row_of(chunk * size + found[0])
            raise InputError(f"{cache.path}: row {row!r}: the embedding is {found[1]}; {AGAIN}")

    # hashing and numpy let go of the interpreter lock; one thread does about 1 GB/s
    with ThreadPoolExecutor(min(4, len(os.sched_getaffinity(0)))) as pool:
        for _ in pool.map(verify, range(len(checksums))):
            pass


# what writer and reader must agree on


def embedding_shape(settings):
    """(U, T, D)."""
    return settings["unique"], settings["tokens"], settings["channels"]


def map_bits(path, offset, settings):
    """The embeddings of a file as a read-only map of unsigned integers (U, T, D)."""
    return np.memmap(path, f"<u{DTYPES[settings['dtype']].itemsize}", "r", offset, embedding_shape(settings))


def fault(bits, dtype):
    """(place, what) of the first all-zero or non-finite embedding in bits (n, T, D), or None; one pass, 5 GB/s."""
    largest = (bits.reshape(len(bits), -1) << 1).max(axis=1)
    bad = (largest == 0) | (largest >= INFINITY[dtype])
    if not bad.any():
        return None
    place = int(bad.argmax())
    return place, "all zero" if largest[place] == 0 else "not finite"


def id_bytes(row_ids):
    """Row ids as a fixed-width bytes array (n,), UTF-8."""
    return np.array([str(row).encode() for row in row_ids], dtype=np.bytes_)


def index_sha256(row_ids, row_to_embedding):
    """Hash of the row index."""
    return hashlib.sha256(row_ids.tobytes() + np.asarray(row_to_embedding, "<i4").tobytes()).hexdigest()


def content_sha256(manifest, checksums):
    """Hash of all settings and, through the checksums uint8 (chunks, 32), of every byte of the embeddings."""
    settings = {key: value for key, value in manifest.items() if key != "content_sha256"}
    return hashlib.sha256(as_json(settings).encode() + checksums.tobytes()).hexdigest()


def as_json(value):
    """One line of JSON, equal for equal values."""
    return json.dumps(value, sort_keys=True, allow_nan=False)


def to_attribute(value):
    """Value of a manifest key as HDF5 attribute: text of fixed length, because HDF5 puts other text anywhere."""
    if isinstance(value, (int, float)):
        return value
    raw = (value if isinstance(value, str) else as_json(value)).encode()
    return np.array(raw, h5py.string_dtype("utf-8", max(1, len(raw))))


def from_attribute(key, value):
    """Inverse of `to_attribute`."""
    if isinstance(value, (np.integer, np.floating)):
        return value.item()
    text = value.decode() if isinstance(value, bytes) else str(value)
    return json.loads(text) if key in ("construct", "backend") else text


def _short(value):
    text = as_json(value)
    return text if len(text) <= 200 else f"{text[:200]}..."
