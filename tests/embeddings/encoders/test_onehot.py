"""The one-hot encoder."""

import numpy as np

from s2f.embeddings import encoders
from s2f.sequences import dna


def test_one_hot_of_each_letter():
    encoder = encoders.build({"kind": "onehot"})
    out = encoder.encode(np.stack([dna.encode("ACGTN")]))
    assert out.dtype == np.float32
    assert out.tolist() == [[[1, 0, 0, 0], [0, 1, 0, 0], [0, 0, 1, 0], [0, 0, 0, 1], [0, 0, 0, 0]]]


def test_record():
    encoder = encoders.build({"kind": "onehot", "batch_size": 7})
    assert (encoder.kind, encoder.channels, encoder.tokens(230), encoder.batch_size) == ("onehot", 4, 230, 7)
    assert encoder.fingerprint == encoders.build({"kind": "onehot"}).fingerprint
    assert encoder.backend["name"] == "numpy"
    assert encoder.parameters is None
    assert encoder.encode(np.empty((0, 9), np.uint8)).shape == (0, 9, 4)
