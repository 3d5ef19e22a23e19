"""Runs that a job of many heads keeps until all are finished, and puts in place at its end."""

import pytest

import train_head


@pytest.fixture
def run(tmp_path):
    """A run that is kept, beside what an earlier job made."""
    model = tmp_path / "seed1" / "best_model"
    run = train_head.Run(
        "boda-mean-4", 1, "none", {"kind": "none"}, {}, str(model), str(model.with_name("history.tsv"))
    )
    (run.kept / "best_model").mkdir(parents=True)
    model.mkdir()
    for folder, text in ((run.kept, "new"), (model.parent, "old")):
        (folder / "best_model" / "model.json").write_text(text)
        (folder / "history.tsv").write_text(text)
    (run.kept / "identity.json").write_text("{}")
    return run


def test_a_finished_run_takes_the_place_of_an_earlier_one(run):
    run.finish()
    folder = run.kept.parent
    assert sorted(path.name for path in folder.iterdir()) == ["best_model", "history.tsv"]
    assert (folder / "best_model" / "model.json").read_text() == (folder / "history.tsv").read_text() == "new"


@pytest.mark.parametrize("call", range(3))
def test_a_kill_while_it_is_put_in_place_leaves_nothing_that_counts_as_kept(run, monkeypatch, call):
    remove, calls = train_head.remove, iter(range(9))

    def killed(path):
        if next(calls) == call:
            raise KeyboardInterrupt
        remove(path)

    with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
        patch.setattr(train_head, "remove", killed)
        run.finish()
    assert not (run.kept / "identity.json").exists()
