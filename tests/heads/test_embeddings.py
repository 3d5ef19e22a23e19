"""Embeddings of a job that trains several heads: moved once for all, with the results of jobs that move their own."""

import gc
from dataclasses import dataclass

import jax
import numpy as np
import pandas as pd
import pytest

from s2f.common.errors import InputError
from s2f.heads.embeddings import Embeddings
from s2f.heads.examples import Examples
from s2f.heads.training import Trainer, TrainingSettings

pytestmark = pytest.mark.usefixtures("compiled_quickly")

ONE, BOTH, SHIFTS = {"kind": "none"}, {"kind": "random_rc"}, {"kind": "multi_shift", "shifts": 3, "reach": 9}
STRANDS, PARTS = ("forward", "reverse"), {"train": range(90), "val": range(90, 120)}


@dataclass
class Opened:
    """What `Examples.of` asks of an open cache."""

    embedding: np.ndarray

    def indices(self, row_ids):
        return np.array([int(name) for name in row_ids], np.int32)


@pytest.fixture(scope="module")
def caches():
    random = np.random.default_rng(4)
    views = [(shift, strand) for strand in STRANDS for shift in (0, -9, 9)]
    return {view: Opened(random.normal(size=(120, 2, 4)).astype(np.float32)) for view in views}


@pytest.fixture(scope="module")
def labelled(caches):
    labels = caches[0, "forward"].embedding.mean((1, 2))
    return {part: pd.DataFrame({"row_id": map(str, own), "label": labels[list(own)]}) for part, own in PARTS.items()}


def trained(mode, rows, memory=None, **keys):
    settings = TrainingSettings.from_spec({"batch_size": 32, "epochs": 2})
    (best,) = Trainer([("boda-mean-4", 1)], mode, *rows, memory=memory, report=lambda line: None, **keys).train(
        settings
    )
    return best


@pytest.mark.parametrize(
    ("memory", "modes", "moved"),
    # a view of the rows to train on has 90 x 32 bytes, one of those to validate 30 x 32
    [
        (None, [SHIFTS, ONE, BOTH], [(6, 90), (2, 30)]),
        (16000, [ONE, BOTH, BOTH, SHIFTS], [(1, 90), (2, 30), (2, 90)]),
    ],
)
def test_each_mode_takes_its_own_views_and_learns_what_it_learns_alone(
    caches, labelled, memory, modes, moved, monkeypatch
):
    """All views together on the device; those of one mode at a time, of which six do not fit and are streamed."""
    found, on_device = [], Examples.on_device

    def noted(self):
        found.append((len(self.tables), len(self.index)))
        return on_device(self)

    embeddings = Embeddings(caches, modes, STRANDS, labelled, memory=memory)
    assert embeddings.validation("forward") is None
    for mode in modes:
        train, val, shared = embeddings.of(mode)
        alone = trained(mode, (train, val), memory)
        with monkeypatch.context() as patch:
            patch.setattr(Examples, "on_device", noted)
            together = trained(mode, (train, val), memory, shared=shared)
        jax.tree.map(np.testing.assert_array_equal, alone.variables, together.variables)
        assert alone.score == together.score
    assert found == moved
    table, index = embeddings.validation("reverse")
    np.testing.assert_array_equal(table[index], caches[0, "reverse"].embedding[90:])


def test_views_of_one_mode_leave_the_device_before_those_of_the_next_are_moved(caches, labelled):
    """Trainers and their programs refer to each other: without `release`, Python would free them much later."""
    embeddings, kept, there = Embeddings(caches, [BOTH, ONE], STRANDS, labelled, memory=7000), [], []
    gc.collect()  # what other tests have left
    assert embeddings.apart
    for mode in (BOTH, ONE, BOTH, ONE):
        train, val, shared = embeddings.of(mode)
        kept.append(trained(mode, (train, val), shared=shared))
        there.append(sum(a.size for a in jax.live_arrays() if a.ndim == 3 and a.shape[1:] == (2, 4) and len(a) >= 90))
    assert there == [180 * 8, 90 * 8, 180 * 8, 90 * 8]


def test_a_view_that_no_cache_holds_is_named(caches, labelled):
    with pytest.raises(InputError, match="shift -15, forward strand, is not among those given"):
        Embeddings(caches, [{"kind": "multi_shift", "shifts": 3, "reach": 15}], STRANDS, labelled)
