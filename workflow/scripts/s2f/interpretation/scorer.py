"""Any trained model as a function from the insert to one number: what mutagenesis and gradients need, and no more.

The number is the predicted value, of a classification the logit: a probability saturates and hides effects. A model is
read from its `best_model/`, so construct and strand rule are those it was trained and evaluated with; under the rule
`mean` a score is the mean over both strands of the whole construct, and so is its gradient. Of a model with an output
for each of several cells it is the first cell's. Flanks are constant: only the insert is explained.

Mutagenesis scores with the very encoder of the study. Gradients are computed in float32 also where the study's encoder
rounds to bfloat16, whose derivatives are noise.
"""

import functools
import hashlib
import importlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from s2f import baselines
from s2f.common import kinds
from s2f.common.errors import InputError
from s2f.embeddings.encoders import build as build_encoder
from s2f.embeddings.encoders import check_codes
from s2f.embeddings.encoders import stream as encode_stream
from s2f.interpretation.tangents import Tangent
from s2f.models.checkpoint import read_record
from s2f.models.predictions import strands
from s2f.sequences import dna
from s2f.sequences.constructs import Construct

CHUNK = 1024  # sequences whose embeddings are held at a time
HEAD_BATCH = 256
# Channels from which an encoder on a CPU computes the neighbourhood of substitutions alone. Each neighbourhood is a
# program to compile, in the time of about 60 windows of AlphaGenome's full size (1,536 channels): too long for a small
# encoder, for a GPU, and for fewer sequences than share these programs.
NARROW_CHANNELS, NARROW_FROM = 512, 8
GRADIENT_BATCH = 32  # activations of a gradient are kept: about 60 MB per window of AlphaGenome's full size
BASELINE_BATCH = 256
Forward = Callable[[np.ndarray, Sequence[str], tuple[int, int]], list[np.ndarray]]


@dataclass(frozen=True, eq=False)
class Scorer:
    """A trained model. `forward(inserts, strands, span)` gives one array (N,) per strand; `tangent(one-hot windows
    (B, W, 4))` values (B,) and their gradient, of the windows as given, or is None where a model has no gradient."""

    name: str
    record: dict[str, Any]
    construct: Construct
    fingerprint: str  # SHA-256 over record and weights
    batch_size: int  # sequences per call on the device
    forward: Forward
    tangent: Tangent | None = None

    @property
    def strands(self) -> tuple[str, ...]:
        """Strands of the construct that a score is the mean of."""
        return strands(self.record["strand_rule"])

    def score(self, inserts: np.ndarray, span: tuple[int, int] | None = None) -> np.ndarray:
        """Scores float64 (N,) of inserts, uint8 codes (N, L) that may hold N.

        `span` (first, end): outside of it all inserts are equal, so that an encoder may compute that part once. Exact
        in float32: on a CPU the scores are the same bits with and without it. An encoder in bfloat16 makes no use of
        it: activations shared by other neighbourhoods would be rounded in other places, by up to a tenth of the largest
        effect. It shares the flanks alone, as the cache did that the head was trained on.
        """
        check_codes(inserts)
        span = span or (0, inserts.shape[1])
        chunks = [self.forward(inserts[i : i + CHUNK], self.strands, span) for i in range(0, len(inserts), CHUNK)]
        by_strand = np.array([np.concatenate(parts) for parts in zip(*chunks, strict=True)])
        return by_strand.mean(axis=0, dtype=np.float64)

    def gradient(self, one_hot: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Scores float64 (N,) and their gradient float32 (N, L, 4) at inserts, float32 (N, L, 4): one-hot or between.

        Raises `InputError` for a model without gradients.
        """
        self.needs_gradient()
        assert self.tangent is not None
        count, length = one_hot.shape[:2]
        left, _ = self.construct.flank_lengths(length)
        window = dna.one_hot(self.construct.assemble(["N" * length])[0])
        values, gradients = np.zeros(count), np.zeros(one_hot.shape, np.float32)
        size = min(GRADIENT_BATCH, count)  # one shape for all batches: nothing is compiled twice
        for start in range(0, count, size):
            part = one_hot[start : start + size]
            windows = np.repeat(window[None], size, axis=0)
            windows[: len(part), left : left + length] = part
            for strand in self.strands:
                flip = (slice(None), slice(None, None, -1), slice(None, None, -1)) if strand == "reverse" else ...
                value, gradient = self.tangent(np.ascontiguousarray(windows[flip]))
                values[start : start + size] += np.asarray(value, np.float64)[: len(part)]
                gradients[start : start + size] += gradient[flip][: len(part), left : left + length]
        return values / len(self.strands), gradients / len(self.strands)

    def needs_gradient(self) -> None:
        """Raise `InputError` for a model without gradients."""
        if self.tangent is None:
            raise InputError(f"model {self.name} has no gradient; use mutagenesis (methods ism and window)")

    def check(self, rows: Any, path: str | Path, shortest: int = 1) -> None:
        """Refuse rows (`row_id`, `sequence`) that the model cannot be asked about, before any work is done.

        Raises `InputError` naming `path`, row and position: an insert that does not fit the construct, that has fewer
        than `shortest` bp, or that holds N, which has no base to be substituted.
        """
        self.construct.check_inserts(rows, path)
        for row, sequence in zip(rows["row_id"], rows["sequence"], strict=True):
            if "N" in sequence:
                position = sequence.index("N")
                raise InputError(f"{path}: row {row!r}: N at position {position}; only A, C, G and T can be explained")
            if len(sequence) < shortest:
                raise InputError(f"{path}: row {row!r}: {len(sequence)} bp, expected at least {shortest}, one window")


def load(directory: str | Path, encoder_options: dict[str, Any] | None = None, sequences: int = 1) -> Scorer:
    """The `Scorer` of a checkpoint `best_model/`, for so many sequences. Heads need the section of their encoder.

    Raises `InputError` for a broken checkpoint and for an encoder that is not the one the head was trained on.
    """
    directory = Path(directory)
    record = read_record(directory)
    construct = Construct.from_spec(record["construct"])
    common = record["model"], record, construct, fingerprint(directory)
    if record["kind"] == "head":
        return Scorer(*common, *_head(directory, record, construct, encoder_options, sequences))
    baseline = baselines.get(record["kind"])
    predict = baseline.load(directory, record)  # checks what it reads, also for logits
    if hasattr(baseline, "logits"):
        predict = baseline.logits(directory, record)

    def forward(inserts: np.ndarray, strands: Sequence[str], span: tuple[int, int]) -> list[np.ndarray]:
        texts = [dna.decode(row) for row in inserts]
        return [first_output(predict(texts, strand)) for strand in strands]

    tangent = _tangent("baselines", record["kind"], directory, record, construct)
    return Scorer(*common, BASELINE_BATCH, forward, tangent)


def fingerprint(directory: str | Path) -> str:
    """SHA-256 (hexadecimal) over names and bytes of all files of a checkpoint."""
    digest = hashlib.sha256()
    for path in sorted(file for file in Path(directory).rglob("*") if file.is_file()):
        digest.update(f"{path.relative_to(directory).as_posix()}\n".encode())
        digest.update(path.read_bytes())
    return digest.hexdigest()


def head_function(directory: str | Path, record: dict[str, Any]) -> tuple[Any, Callable[..., Any]]:
    """(variables, f) of a trained head: f(variables, float32 (B, T, D)) -> (B,), the value or the logit.

    Of a head of several cells it is that of the first.
    """
    from s2f.heads.trained_head import Head
    from s2f.heads.weights import load_head

    variables = load_head(directory, Head.template(record))
    network = Head(record, variables).network
    return variables, lambda trained, x: first_output(network.apply(*trained, None, x, is_training=False)[0])


def first_output(values: Any) -> Any:
    """The (N,) values of the first output of (N,) or (N, C)."""
    return values if values.ndim == 1 else values[:, 0]


def _head(
    directory: Path, record: dict[str, Any], construct: Construct, options: dict[str, Any] | None, sequences: int
) -> tuple[int, Forward, Tangent | None]:
    """batch size, forward and tangent of a head on its encoder."""
    import jax
    import jax.numpy as jnp

    if not options:
        raise InputError(f"{directory}: a head needs the section of its encoder {record['encoder']!r}")
    encoder = build_encoder(options)
    if encoder.fingerprint != record["encoder_fingerprint"]:
        raise InputError(
            f"{directory / 'model.json'}: encoder_fingerprint is {record['encoder_fingerprint']!r}, encoder "
            f"{record['encoder']!r} of the study has {encoder.fingerprint!r}: the head was trained on another encoder"
        )
    parameters, head = head_function(directory, record)
    parameters, compiled = jax.device_put(parameters), jax.jit(head)
    exact = kinds.settings("encoders", options["kind"], options).get("precision") == "float32"
    narrow = (
        exact and sequences >= NARROW_FROM and encoder.channels >= NARROW_CHANNELS and jax.default_backend() == "cpu"
    )

    def of_embeddings(x: np.ndarray) -> np.ndarray:
        size = min(HEAD_BATCH, encoder.batch_size)
        padded = np.pad(x, ((0, -len(x) % size), (0, 0), (0, 0)))
        parts = [compiled(parameters, jnp.asarray(padded[i : i + size], jnp.float32)) for i in range(0, len(x), size)]
        return np.concatenate(parts)[: len(x)]

    def forward(inserts: np.ndarray, strands: Sequence[str], span: tuple[int, int]) -> list[np.ndarray]:
        length = inserts.shape[1]
        left, _ = construct.flank_lengths(length)
        template = construct.assemble(["N" * length])[0]
        windows = np.repeat(template[None], len(inserts), axis=0)
        windows[:, left : left + length] = inserts
        varies = (left + span[0], left + span[1]) if narrow else (left, left + length)
        positions = np.tile(varies, (len(windows), 1))
        (embeddings,) = encode_stream(encoder, [(windows, positions)], strands)
        return [of_embeddings(x) for x in embeddings]

    return encoder.batch_size, forward, _tangent("encoders", options["kind"], options, parameters, head)


def _tangent(section: str, kind: str, *arguments: Any) -> Tangent | None:
    """The tangent of a kind of model, built when it is first asked for; None where it has none."""
    name = kinds.facts(section, kind)["gradient"]
    if not name:
        return None

    @functools.cache
    def built() -> Tangent:
        return importlib.import_module(f"s2f.interpretation.tangents.{name}").tangent(*arguments)

    return lambda one_hot: built()(one_hot)
