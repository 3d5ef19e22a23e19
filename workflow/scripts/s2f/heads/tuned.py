"""A head and the encoder that was fine-tuned with it: loading them from a checkpoint, and their predictions."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from s2f.common.errors import InputError
from s2f.embeddings.cache import DTYPES
from s2f.embeddings.encoders import Encoder, build, stream, tunable
from s2f.heads.locon import Locon
from s2f.heads.trained_head import Head
from s2f.heads.weights import load_changes, load_head
from s2f.sequences.constructs import Construct

CHUNK = 1024  # sequences on their way to the encoder at a time


def load_encoder(directory: str | Path, record: dict[str, Any], options: dict[str, Any]) -> tuple[Encoder, Any]:
    """The encoder of a head's checkpoint, built from the `options` of its config section, and the encoder arrays that
    were trained with the head: {name: array}, or None for a head on a frozen encoder. Adapters are merged into the
    weights of their convolutions.

    Raises `InputError` if the encoder is not the one used in training.
    """
    path, changes = Path(directory) / "model.json", None
    if "stage2" in record:
        base, changes = build(options).fingerprint, load_changes(directory)
        if base != record["stage2"]["stands_on"]:
            raise InputError(
                f"{path}: the model was fine-tuned from an encoder with fingerprint {record['stage2']['stands_on']!r}, "
                f"encoder {record['encoder']!r} has {base!r} here: give it the weights that it had in training"
            )
        if "locon" in record["stage2"]:
            changes = Locon(**record["stage2"]["locon"]).merged(tunable(options), changes)
    encoder = build(options, changes)
    if encoder.fingerprint != record["encoder_fingerprint"]:
        raise InputError(
            f"{path}: encoder_fingerprint is {record['encoder_fingerprint']!r}, encoder {record['encoder']!r} has "
            f"{encoder.fingerprint!r} here: the head was trained on another encoder"
        )
    return encoder, changes


@dataclass(frozen=True, eq=False)
class Tuned:
    """A stage-2 model: the head, its encoder and the construct that both read."""

    head: Head
    encoder: Encoder
    construct: Construct

    @staticmethod
    def load(directory: str | Path, record: dict[str, Any], options: dict[str, Any]) -> "Tuned":
        """The model of a checkpoint with this record; `options` and errors as of `load_encoder` and `load_head`."""
        encoder, _ = load_encoder(directory, record, options)
        head = Head(record, load_head(directory, Head.template(record)))
        return Tuned(head, encoder, Construct.from_spec(record["construct"]))

    def predict(self, sequences: Sequence[str], strand: str) -> np.ndarray:
        """Predictions (N,) or (N, C) for inserts on one strand, as `Head.predict`; each unique insert is encoded once.

        Embeddings are rounded to the dtype of the caches that the head was first trained on. So if nothing was changed,
        the predictions are exactly those of the start. Embeddings are held in memory: 15 kB for each insert of 600 bp
        in bfloat16, with AlphaGenome at full size.
        """
        unique, index = np.unique(np.asarray(sequences, object), return_inverse=True)
        inserts = unique.tolist()
        shape = len(inserts), self.encoder.tokens(self.construct.length), self.encoder.channels
        table = np.empty(shape, DTYPES[self.head.record["embedding_dtype"]])

        def chunks() -> Iterator[tuple[np.ndarray, np.ndarray]]:
            for start in range(0, len(inserts), CHUNK):
                part = inserts[start : start + CHUNK]
                yield self.construct.assemble(part), self.construct.places(part)

        for number, (values,) in enumerate(stream(self.encoder, chunks(), [strand])):
            table[number * CHUNK : number * CHUNK + len(values)] = values
        return self.head.predict_from(table, index)
