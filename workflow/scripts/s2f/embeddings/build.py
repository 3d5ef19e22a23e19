"""Embedding: run a frozen encoder over the unique inserts of a dataset and write the cache, chunk by chunk.

The stored dtype may lose precision only within stated bounds, which are measured on every chunk: float16 once silently
turned 60 % of the values of a cache into zeros (ALBench-S2F), and a model's validation correlation fell from 0.90 to
0.67.
"""

import json
import sys
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Mapping
from concurrent.futures import Executor, Future, ThreadPoolExecutor
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import ml_dtypes
import numpy as np

from s2f.common import provenance
from s2f.common.errors import InputError
from s2f.common.progress import Progress
from s2f.common.seen import Seen
from s2f.embeddings import encoders
from s2f.embeddings.cache import DTYPES, FORMAT, STRANDS, as_json, fault, id_bytes, index_sha256
from s2f.embeddings.shards import in_order
from s2f.embeddings.writer import Partial, check_space
from s2f.rows.canonical import sequences_sha256
from s2f.sequences.constructs import Construct

UNKNOWN = Seen.of_value("unknown")
CHUNK_BYTES = 64 << 20  # default limit, the loss if a build is killed; `build_strands` says how many are in memory

IN_WRITING = 2  # chunks of a strand that are checked and written at a time: hashing them takes longest

# What a stored dtype may cost. float32 -> bfloat16 stays below both bounds, because it rounds to within 2^-8 of a
# value. float32 -> float16 does so if values stay away from float16's subnormal range, below 6e-5.
TOKEN_ERROR = 2.0**-8  # root mean square error of a token's channels, relative to their root mean square
VALUE_ERROR = 2.0**-8  # error of one value relative to itself (1 if it becomes zero) ...
VALUE_SHARE = 1e-3  # ... that this share of the non-zero values of a chunk may exceed


class RefusedError(Exception):
    """An embedding that must not be stored: its index in the chunk, and the reason."""

    def __init__(self, index: int, why: str) -> None:
        super().__init__(why)
        self.index = index


def build(
    path: str | Path,
    rows: Any,
    encoder: encoders.Encoder,
    encoder_name: str,
    construct: Construct,
    shift: int = 0,
    strand: str = "forward",
    dtype: str = "bfloat16",
    chunk_rows: int | None = None,
    seen: Seen = UNKNOWN,
) -> dict[str, Any]:
    """`build_strands` for one strand; returns the manifest."""
    return build_strands({strand: path}, rows, encoder, encoder_name, construct, shift, dtype, chunk_rows, seen)[strand]


def build_strands(
    paths: Mapping[str, str | Path],
    rows: Any,
    encoder: encoders.Encoder,
    encoder_name: str,
    construct: Construct,
    shift: int = 0,
    dtype: str = "bfloat16",
    chunk_rows: int | None = None,
    seen: Seen = UNKNOWN,
    encoder_spec: Mapping[str, Any] | None = None,
) -> dict[str, dict[str, Any]]:
    """Encode the rows of a dataset into the caches `paths`, {strand: path}, in one pass over the windows; returns
    {strand: manifest}, for `files.write_json`. A cache has the same bytes whether it is made alone or with the other.

    Parameters: strands `forward` and `reverse` (the reverse complement of the whole window); `rows`, a data frame with
    `row_id` and `sequence`; `encoder_name`, the encoder's name in the study; `shift` in bp; `dtype`, one of
    `cache.DTYPES`; `chunk_rows`, embeddings per chunk (default: at most 64 MiB and a fiftieth of all, in whole
    batches); and, for the record, `seen`, what the encoder's weights have seen, and `encoder_spec`, its section of the
    study. The encoder sees each unique insert once per strand. A build that was killed continues where it stopped.
    Raises `InputError` for inserts that do not fit the construct, a disk that is too small, a dtype that loses too
    much, an embedding that is all zero or not finite, and while another process writes the same file; `ValueError` if
    the encoder gives another shape or dtype than it promises.

    While the encoder works, the windows of the next chunk are assembled, and the embeddings of the last chunks are
    checked, written and read back. Per strand, the host holds five chunks in the encoder's dtype (two in
    `encoders.stream`, one on its way, `IN_WRITING` being written). If the stored dtype is another, it holds five more
    in float32 for each that is being written, while the loss is measured.
    """
    paths = {strand: Path(path) for strand, path in paths.items()}
    first = next(iter(paths.values()))
    if dtype not in DTYPES:
        raise InputError(f"{first}: dtype is {dtype!r}, expected one of: {', '.join(DTYPES)}")
    for strand, path in paths.items():
        if strand not in STRANDS:
            raise InputError(f"{path}: strand is {strand!r}, expected one of: {', '.join(STRANDS)}")
    _check_fit(first, rows, construct, shift)
    inserts, row_ids, row_to_embedding = _index(rows)
    unique, tokens, channels = len(inserts), int(encoder.tokens(construct.length)), int(encoder.channels)
    batch = int(encoder.batch_size)
    row_bytes = tokens * channels * DTYPES[dtype].itemsize
    # small caches get fifty chunks too: a slow encoder should show progress and lose little if it is killed
    chunk_rows = chunk_rows or max(1, min(CHUNK_BYTES // row_bytes, unique // 50) // batch) * batch
    chunk_rows = min(unique, chunk_rows)
    settings = {
        "format": FORMAT, "encoder": encoder_name, "encoder_kind": encoder.kind,
        "encoder_fingerprint": encoder.fingerprint, "encoder_spec": dict(encoder_spec or {}),
        "provenance": encoder.provenance, "licence": encoder.licence,
        "seen": seen.record(), "backend": json.loads(as_json(dict(encoder.backend))), "batch_size": batch,
        "construct": construct.spec(), "shift": int(shift),
        "rows": len(rows), "unique": unique, "tokens": tokens, "channels": channels,
        "dtype": dtype, "chunk_rows": int(chunk_rows),
        "sequences_sha256": sequences_sha256(rows["row_id"], rows["sequence"]),
        "index_sha256": index_sha256(row_ids, row_to_embedding),
    }  # fmt: skip
    print(
        f"{', '.join(map(str, paths.values()))}: {len(rows):,} rows, {unique:,} unique inserts, {' and '.join(paths)} "
        f"strand, shift {shift:+d}; T = {tokens}, D = {channels}, {dtype}, {len(paths) * unique * row_bytes / 1e9:.3f} "
        f"GB; encoder {encoder_name} ({encoder.provenance}), batches of {batch}, {as_json(settings['backend'])}",
        file=sys.stderr,
        flush=True,
    )
    code = provenance.code_fingerprint(
        "s2f.embeddings.build", "s2f.sequences.constructs", f"s2f.embeddings.encoders.{encoder.kind}"
    )
    with ExitStack() as stack:
        partials = {
            strand: stack.enter_context(Partial(path, {**settings, "strand": strand}, code, row_ids, row_to_embedding))
            for strand, path in paths.items()
        }
        check_space(partials.values())

        def windows(chunk: int) -> tuple[np.ndarray, np.ndarray]:
            """Codes of one chunk and the positions of their inserts; runs in a background thread."""
            part = inserts[chunk * chunk_rows : (chunk + 1) * chunk_rows]
            return construct.assemble(part, shift), construct.places(part, shift)

        def store(strand: str, chunk: int, values: np.ndarray) -> int:
            """Check, convert and write one strand of one chunk; runs in background threads."""
            values = np.asarray(values)
            count = min(unique - chunk * chunk_rows, chunk_rows)
            if values.shape != (count, tokens, channels) or values.dtype not in (np.float32, ml_dtypes.bfloat16):
                raise ValueError(
                    f"encoder {encoder_name} gave {values.dtype} {values.shape}, expected float32 or bfloat16 "
                    f"{count, tokens, channels}"
                )
            try:
                stored, errors = convert(values, dtype)
            except RefusedError as refused:
                for partial in partials.values():
                    partial.discard()  # the same encoder would be refused again
                row = row_ids[(row_to_embedding == chunk * chunk_rows + refused.index).argmax()].decode()
                raise InputError(f"{paths[strand]}: row {row!r}: {refused}") from None
            partials[strand].write(chunk, stored.view(f"u{stored.itemsize}"), errors)
            return count

        lacking: dict[tuple[str, ...], list[int]] = {}  # a kill may have left a chunk of one strand only
        for chunk in range(-(-unique // chunk_rows)):
            strands = tuple(strand for strand, partial in partials.items() if chunk not in partial.done)
            lacking.setdefault(strands, []).append(chunk)
        lacking.pop((), None)
        sizes = {chunk: min(unique - chunk * chunk_rows, chunk_rows) for chunks in lacking.values() for chunk in chunks}
        left = sum(len(strands) * sizes[chunk] for strands, chunks in lacking.items() for chunk in chunks)
        progress = Progress(len(paths) * unique, len(paths) * unique - left)
        with ThreadPoolExecutor(1) as assembling, ThreadPoolExecutor(IN_WRITING * len(paths)) as writing:
            for strands, chunks in lacking.items():
                encoded = encoders.stream(encoder, _ahead(assembling, windows, chunks), strands)
                pending: deque[list[Future[int]]] = deque()
                for chunk, values in zip(chunks, encoded, strict=True):
                    if len(pending) == IN_WRITING:
                        progress.update(sum(written.result() for written in pending.popleft()))
                    pending.append([writing.submit(store, strand, chunk, values.pop(0)) for strand in strands])
                for written in pending:
                    progress.update(sum(strand.result() for strand in written))
        progress.close()
        manifests = {strand: partial.seal() for strand, partial in partials.items()}
        for partial in partials.values():
            partial.publish()
        return manifests


def _ahead(executor: Executor, function: Callable, items: Iterable) -> Iterator:
    """Yield `function(item)` for each item, while the executor already works on the next one."""
    following = None
    for item in items:
        current, following = following, executor.submit(function, item)
        if current:
            yield current.result()
    if following:
        yield following.result()


def _check_fit(path: str | Path, rows: Any, construct: Construct, shift: int) -> None:
    for length, index in zip(*np.unique(rows["sequence"].str.len(), return_index=True), strict=True):
        try:
            construct.flank_lengths(int(length), shift)
        except InputError as error:
            raise InputError(f"{path}: row {rows['row_id'].iloc[index]!r}: {error}") from None


def _index(rows: Any) -> tuple[list[str], np.ndarray, np.ndarray]:
    """Unique inserts, sorted row ids (bytes), and for each id the index of its insert (int32).

    The inserts are in the order of `shards.in_order`.
    """
    inserts, insert_of_row = np.unique(rows["sequence"].to_numpy(object), return_inverse=True)
    ordered = in_order(inserts)
    rank = np.empty(len(inserts), np.int32)
    rank[ordered] = np.arange(len(inserts))
    row_ids = id_bytes(rows["row_id"])
    order = np.argsort(row_ids)
    return inserts[ordered].tolist(), row_ids[order], rank[insert_of_row[order]]


def convert(values: np.ndarray, dtype: str) -> tuple[np.ndarray, list[float]]:
    """`values` (n, T, D) in the stored dtype, and [worst token error, share of bad values] after the round trip.

    Raises `RefusedError` for an all-zero or non-finite embedding, for overflow, and for errors beyond TOKEN_ERROR and
    VALUE_SHARE.
    """
    values = np.ascontiguousarray(values)
    faulty = fault(values.view(f"u{values.itemsize}"), "float32" if values.dtype == np.float32 else "bfloat16")
    if faulty:
        why = "its weights or its code are wrong, or the window holds no base but N"
        raise RefusedError(faulty[0], f"the encoder's embedding is {faulty[1]}; {why}")
    with np.errstate(over="ignore"):  # measured below
        stored = values.astype(DTYPES[dtype], copy=False)
    if stored.dtype == values.dtype or dtype == "float32":
        return stored, [0.0, 0.0]
    return stored, _loss(values.astype(np.float32, copy=False), stored.astype(np.float32), dtype)


def _loss(values: np.ndarray, back: np.ndarray, dtype: str) -> list[float]:
    size, choose = np.abs(values), "choose bfloat16 or float32"
    overflow = ~np.isfinite(back)
    if overflow.any():
        index = int(overflow.any(axis=(1, 2)).argmax())
        raise RefusedError(index, f"value {size[index].max():.3g} overflows {dtype}; {choose}")
    error = np.abs(back - values)
    norm, lost = (np.sqrt(np.einsum("ntd,ntd->nt", x, x, dtype=np.float64)) for x in (size, error))
    token = np.divide(lost, norm, out=np.zeros_like(lost), where=norm > 0)
    bad = error > VALUE_ERROR * size
    nonzero = np.count_nonzero(size)
    share = np.count_nonzero(bad) / nonzero
    if token.max() > TOKEN_ERROR or share > VALUE_SHARE:
        index = int((token.max(axis=1) if token.max() > TOKEN_ERROR else bad.sum(axis=(1, 2))).argmax())
        zeros = np.count_nonzero((back == 0) & (size > 0)) / nonzero
        raise RefusedError(
            index,
            f"as {dtype}, {share:.2%} of the values of its chunk are off by more than {VALUE_ERROR:.2%} (allowed: "
            f"{VALUE_SHARE:.1%} of them), {zeros:.2%} become zero, and the worst token is off by {token.max():.2%} "
            f"(allowed: {TOKEN_ERROR:.2%}); {choose}",
        )
    return [float(token.max()), float(share)]
