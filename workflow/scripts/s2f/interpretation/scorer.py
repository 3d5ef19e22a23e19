"""Any trained model as a function of the insert, for explaining its predictions and scoring new sequences.

Its outputs are the predicted values, or the logits in a classification: probabilities saturate and hide effects. A
model is read from its `best_model/`, so construct and strand rule are those of its training and evaluation. One number
is explained, the score. Under the rule `mean` the score and its gradient are means over both strands of the whole
construct; for a model with several cells, the score is the output of the first cell. Design also needs gradients of the
other cells and of differences between cells, which weights of the outputs give. Flanks are constant: only the insert is
explained.

Mutagenesis uses the study's encoder as it is. Gradients are computed in float32 even if the study's encoder rounds to
bfloat16, in which derivatives are noise.
"""

import functools
import importlib
import itertools
import json
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from s2f import baselines
from s2f.common import kinds
from s2f.common.errors import InputError
from s2f.embeddings.cache import DTYPES
from s2f.embeddings.encoders import check_codes
from s2f.embeddings.encoders import stream as encode_stream
from s2f.interpretation.tangents import Tangent
from s2f.models.checkpoint import ENSEMBLE, Part, fingerprint, parts, read_record
from s2f.models.predictions import strands
from s2f.sequences import dna
from s2f.sequences.constructs import Construct

CHUNK = 1024  # sequences whose embeddings are held at a time
HEAD_BATCH = 256
# From this many channels and sequences, an encoder on a CPU computes only the neighbourhood of substitutions. Each
# neighbourhood is a program to compile, which takes as long as about 60 windows of AlphaGenome's full size (1,536
# channels): too long for a small encoder, for a GPU, and if too few sequences share these programs.
NARROW_CHANNELS, NARROW_FROM = 512, 8
GRADIENT_BATCH = 32  # activations of a gradient are kept: about 60 MB per window of AlphaGenome's full size
BASELINE_BATCH = 256
# index that turns windows (B, W, 4) and their gradients from the forward strand to another one, and back
TURN: dict[str, Any] = {"forward": ..., "reverse": (slice(None), slice(None, None, -1), slice(None, None, -1))}


@dataclass(frozen=True)
class Chunk:
    """Inserts to be read together: uint8 codes (N, L) that may contain N, all in the window at one `shift` (bp, as in
    `Construct.assemble`). Outside `span` (first, end) all are equal, and an encoder may compute that part once; by
    default no part is known to be equal."""

    inserts: np.ndarray
    span: tuple[int, int] | None = None
    shift: int = 0


Forward = Callable[[Iterable[Chunk], Sequence[str]], Iterator[list[np.ndarray]]]


@dataclass(frozen=True, eq=False)
class Scorer:
    """A trained model. `forward(chunks, strands)` yields for each chunk one array (N, C) per strand, the values or
    logits of C outputs. `tangent` gives these and their gradient for one-hot windows; it is None if the model has no
    gradient."""

    name: str
    record: dict[str, Any]
    construct: Construct
    fingerprint: str  # SHA-256 over record and weights
    batch_size: int  # sequences per call on the device
    forward: Forward
    tangent: Tangent | None = None

    @property
    def strands(self) -> tuple[str, ...]:
        """The strands of the construct over which a score is the mean."""
        return strands(self.record["strand_rule"])

    def score(self, inserts: np.ndarray, span: tuple[int, int] | None = None) -> np.ndarray:
        """Scores float64 (N,) of inserts, uint8 codes (N, L) that may contain N.

        Outside `span` (first, end) all inserts are equal, and an encoder may compute that part once. This is exact in
        float32: on a CPU the scores are bit-identical with and without it. An encoder in bfloat16 does not use it:
        activations shared by other neighbourhoods would be rounded at other places, which can change scores by up to a
        tenth of the largest effect. It only shares the flanks, as did the cache that the head was trained on.
        """
        chunks = (Chunk(inserts[i : i + CHUNK], span) for i in range(0, len(inserts), CHUNK))
        return np.concatenate([values[:, :, 0].mean(axis=0) for values in self.outputs(chunks)])

    def outputs(self, chunks: Iterable[Chunk]) -> Iterator[np.ndarray]:
        """Yield float64 (S, N, C) for each chunk: the outputs for each strand of `strands`, in this order.

        Many small chunks cost little more than a few large ones if the encoder has its own way to stream chunks. Raises
        `InputError` for inserts that do not fit the construct, and for a shift with a model that only reads the insert.
        """

        def checked() -> Iterator[Chunk]:
            for chunk in chunks:
                check_codes(chunk.inserts)
                yield chunk

        for by_strand in self.forward(checked(), self.strands):
            yield np.array(by_strand, np.float64)

    def gradient(self, one_hot: np.ndarray, weights: np.ndarray | None = None) -> tuple[np.ndarray, np.ndarray]:
        """Scores float64 (N,) and their gradient float32 (N, L, 4) at inserts float32 (N, L, 4), one-hot or in between.

        With `weights` (N, C), the weighted sum of each insert's outputs takes the place of the score.
        Raises `InputError` for a model without gradients.
        """
        tangent, length = self.needs_gradient(), one_hot.shape[1]
        left, _ = self.construct.flank_lengths(length)
        values, gradients = np.zeros(len(one_hot)), np.zeros(one_hot.shape, np.float32)
        for rows, strand, windows in self._windows(one_hot):
            count, own = rows.stop - rows.start, None
            if weights is not None:
                own = np.zeros((len(windows), weights.shape[1]), np.float32)
                own[:count] = weights[rows]
            outputs, gradient = tangent.gradient(windows, strand, own)
            outputs = np.asarray(outputs, np.float64)
            values[rows] += (outputs[:, 0] if own is None else (own * outputs).sum(axis=1))[:count]
            gradients[rows] += gradient[TURN[strand]][:count, left : left + length]
        return values / len(self.strands), gradients / len(self.strands)

    def outputs_at(self, one_hot: np.ndarray) -> np.ndarray:
        """Outputs float64 (N, C), means over strands, at inserts float32 (N, L, 4), computed as `gradient` does.

        Raises `InputError` for a model without gradients.
        """
        tangent = self.needs_gradient()
        found: dict[int, np.ndarray] = {}  # {first row of a batch: sum over strands}
        for rows, strand, windows in self._windows(one_hot):
            outputs = np.asarray(tangent.outputs(windows, strand), np.float64)[: rows.stop - rows.start]
            found[rows.start] = found.get(rows.start, 0) + outputs
        return np.concatenate(list(found.values())) / len(self.strands)

    def _windows(self, one_hot: np.ndarray) -> Iterator[tuple[slice, str, np.ndarray]]:
        """Yield for each batch and strand: the rows among inserts (N, L, 4), the strand, windows float32 (B, W, 4).

        All batches have one shape, so that nothing is compiled twice; surplus windows contain no insert.
        """
        count, length = one_hot.shape[:2]
        left, _ = self.construct.flank_lengths(length)
        window = dna.one_hot(self.construct.assemble(["N" * length])[0])
        size = min(GRADIENT_BATCH, count)
        for start in range(0, count, size):
            part = one_hot[start : start + size]
            windows = np.repeat(window[None], size, axis=0)
            windows[: len(part), left : left + length] = part
            for strand in self.strands:
                yield slice(start, start + len(part)), strand, np.ascontiguousarray(windows[TURN[strand]])

    def needs_gradient(self) -> Tangent:
        """Its `tangent`. Raises `InputError` for a model without gradients."""
        if self.tangent is None:
            raise InputError(f"model {self.name} has no gradient; use mutagenesis (methods ism and window)")
        return self.tangent

    def check(self, rows: Any, path: str | Path, shortest: int = 1) -> None:
        """Refuse rows (`row_id`, `sequence`) that the model cannot score, before any work is done.

        Raises `InputError` naming `path`, row and position: an insert that does not fit the construct, that has fewer
        than `shortest` bp, or that contains N, which cannot be substituted.
        """
        self.construct.check_inserts(rows, path)
        for row, sequence in zip(rows["row_id"], rows["sequence"], strict=True):
            if "N" in sequence:
                position = sequence.index("N")
                raise InputError(f"{path}: row {row!r}: N at position {position}; only A, C, G and T can be explained")
            if len(sequence) < shortest:
                raise InputError(
                    f"{path}: row {row!r}: {len(sequence)} bp, expected at least one window, {shortest} bp"
                )


def load(
    directory: str | Path, encoder_options: dict[str, Any] | None = None, sequences: int = 1, as_cached: bool = False
) -> Scorer:
    """The `Scorer` of a checkpoint `best_model/`, for `sequences` sequences.

    Heads need the section of their encoder, by default the one used in training. With `as_cached` a head reads
    embeddings rounded to the dtype of the caches that it was trained on, and so gives the same predictions as from the
    caches. Raises `InputError` for a broken checkpoint and for an encoder other than the one that the head was trained
    on.
    """
    directory = Path(directory)
    record = read_record(directory)
    if record["kind"] == ENSEMBLE:
        raise InputError(f"{directory}: is an ensemble; use one of its members, the folders in {directory / 'members'}")
    (model,) = _models([Part(directory, record, 0)], [encoder_options or {}], sequences, as_cached)
    _, batch_size, forward, tangent = model
    construct = Construct.from_spec(record["construct"])
    return Scorer(record["model"], record, construct, fingerprint(directory), batch_size, forward, tangent)


def load_members(
    directory: str | Path, encoder_options: Mapping[int, dict[str, Any]], sequences: int = 1, as_cached: bool = False
) -> Scorer:
    """As `load`, for an ensemble or any other checkpoint: a `Scorer` with the outputs of all members one after another,
    (N, M * C) for M members with C outputs.

    `encoder_options` {number of a member: section of its encoder} if it is not the one used in training. Heads on the
    same encoder share it: nothing is encoded twice.
    """
    directory = Path(directory)
    record = read_record(directory)
    members = parts(directory, record)
    models = _models(members, [encoder_options.get(part.number, {}) for part in members], sequences, as_cached)
    places = [place for of_members, *_ in models for place in of_members]
    order, batch_size = np.argsort(places), min(size for _, size, *_ in models)
    forwards = [forward for _, _, forward, _ in models]

    def forward(chunks: Iterable[Chunk], strands: Sequence[str]) -> Iterator[list[np.ndarray]]:
        streams = itertools.tee(chunks, len(forwards))
        found = [of_models(own, strands) for of_models, own in zip(forwards, streams, strict=True)]
        for values in zip(*found, strict=True):
            by_strand = [np.concatenate(of_strand, axis=1, dtype=np.float64) for of_strand in zip(*values, strict=True)]
            yield [
                np.stack(np.split(of_strand, len(places), axis=1), axis=1)[:, order].reshape(of_strand.shape)
                for of_strand in by_strand
            ]

    construct = Construct.from_spec(record["construct"])
    return Scorer(record["model"], record, construct, fingerprint(directory), batch_size, forward)


# positions of members in a list, sequences per call, the forward function of all of them, and their tangent
Model = tuple[list[int], int, Forward, Tangent | None]


def _models(members: Sequence[Part], given: Sequence[dict[str, Any]], sequences: int, as_cached: bool) -> list[Model]:
    """The members of a list, with heads on one encoder joined; `given` are sections of their encoders, or empty."""
    heads: dict[tuple[str, str], list[int]] = {}
    models: list[Model] = []
    for place, (part, options) in enumerate(zip(members, given, strict=True)):
        if part.record["kind"] == "head":
            spec = options or part.record["encoder_spec"]
            same = json.dumps(spec, sort_keys=True), part.record["encoder_fingerprint"]
            heads.setdefault(same, []).append(place)
        else:
            models.append(([place], *_baseline(part)))
    for (text, _), places in heads.items():
        own = [members[place] for place in places]
        models.append((places, *_heads(own, json.loads(text), sequences, as_cached)))
    return models


def _baseline(part: Part) -> tuple[int, Forward, Tangent | None]:
    """Batch size, forward function and tangent of a baseline."""
    directory, record = part.folder, part.record
    baseline = baselines.get(record["kind"])
    predict = getattr(baseline, "logits", baseline.load)(directory, record)

    def forward(chunks: Iterable[Chunk], strands: Sequence[str]) -> Iterator[list[np.ndarray]]:
        for chunk in chunks:
            if chunk.shift:
                raise InputError(f"{directory}: {record['model']!r} cannot shift its window; omit shifts")
            texts = [dna.decode(row) for row in chunk.inserts]
            yield [_of_outputs(predict(texts, strand)) for strand in strands]

    construct = Construct.from_spec(record["construct"])
    return BASELINE_BATCH, forward, _tangent("baselines", record["kind"], directory, record, construct)


def head_function(directory: str | Path, record: dict[str, Any]) -> tuple[Any, Callable[..., Any]]:
    """(variables, f) of a trained head: f(variables, float32 (B, T, D)) -> (B, C), values or logits of its outputs."""
    from s2f.heads.trained_head import Head
    from s2f.heads.weights import load_head

    variables = load_head(directory, Head.template(record))
    network = Head(record, variables).network
    return variables, lambda trained, x: _of_outputs(network.apply(*trained, None, x, is_training=False)[0])


def _of_outputs(values: Any) -> Any:
    """(N, C) from (N, C), or from (N,) for one output."""
    return values[:, None] if values.ndim == 1 else values


def _heads(
    members: Sequence[Part], options: dict[str, Any], sequences: int, as_cached: bool
) -> tuple[int, Forward, Tangent | None]:
    """Batch size and forward function of heads on one encoder, outputs one after another; the first head's tangent."""
    import jax
    import jax.numpy as jnp

    from s2f.heads.tuned import load_encoder

    encoder, changes = load_encoder(members[0].folder, members[0].record, options)
    heads = []
    for directory, record, _ in members:
        variables, head = head_function(directory, record)
        heads.append((jax.device_put(variables), head, jax.jit(head), DTYPES[record["embedding_dtype"]]))
    construct = Construct.from_spec(members[0].record["construct"])
    exact = kinds.settings("encoders", options["kind"], options).get("precision") == "float32"
    narrow = (
        exact and sequences >= NARROW_FROM and encoder.channels >= NARROW_CHANNELS and jax.default_backend() == "cpu"
    )

    def of_embeddings(x: np.ndarray) -> np.ndarray:
        size, found = min(HEAD_BATCH, encoder.batch_size), []
        for variables, _, compiled, dtype in heads:
            padded = np.pad(x.astype(dtype) if as_cached else x, ((0, -len(x) % size), (0, 0), (0, 0)))
            own = [compiled(variables, jnp.asarray(padded[i : i + size], jnp.float32)) for i in range(0, len(x), size)]
            found.append(np.concatenate(own)[: len(x)])
        return np.concatenate(found, axis=1)

    def in_windows(chunk: Chunk) -> tuple[np.ndarray, np.ndarray]:
        length = chunk.inserts.shape[1]
        left, _ = construct.flank_lengths(length, chunk.shift)
        template = construct.assemble(["N" * length], chunk.shift)[0]
        windows = np.repeat(template[None], len(chunk.inserts), axis=0)
        windows[:, left : left + length] = chunk.inserts
        first, end = chunk.span if chunk.span and narrow else (0, length)
        return windows, np.tile((left + first, left + end), (len(windows), 1))

    def forward(chunks: Iterable[Chunk], strands: Sequence[str]) -> Iterator[list[np.ndarray]]:
        for embeddings in encode_stream(encoder, map(in_windows, chunks), strands):
            yield [of_embeddings(x) for x in embeddings]

    parameters, head, *_ = heads[0]
    arguments = [options, parameters, head, *([] if changes is None else [changes])]
    return encoder.batch_size, forward, _tangent("encoders", options["kind"], *arguments)


def _tangent(section: str, kind: str, *arguments: Any) -> Tangent | None:
    """The tangent of a kind of model, built when it is first needed; None if the kind has none."""
    name = kinds.facts(section, kind)["gradient"]
    if not name:
        return None

    @functools.cache
    def built() -> Tangent:
        return importlib.import_module(f"s2f.interpretation.tangents.{name}").tangent(*arguments)

    return Tangent(lambda *given: built().outputs(*given), lambda *given: built().gradient(*given))
