"""Both ways of the benchmark train the same model, and ours alone goes on exactly after a kill."""

import pytest

from bench import trainer

pytestmark = pytest.mark.usefixtures("toy_lamar")


def test_both_ways_train_the_same_model():
    found = trainer.bench_speed("toy", steps=3, batch=4, rows=32, repeats=1)
    assert list(found) == ["adaptation", "fine-tuning"]
    assert all(difference < 1e-5 and ratio > 0 for ratio, difference in found.values())


def test_a_killed_run_goes_on_exactly_with_our_loop():
    """Should the first line fail, transformers reads its own checkpoints of LAMAR again: see docs/stage2.md."""
    found = trainer.bench_resume("toy", steps=16)
    assert found["Trainer"] == (False, False)
    assert found["Trainer, tensors under their names"] == (True, False)
    assert found["ours"] == (True, True)
