"""Training curves: a line per run, the same bytes again, and what does not fit together refused."""

import numpy as np
import pandas as pd
import pytest

import plot_split
from helpers.programs import call
from s2f.common.errors import InputError
from s2f.common.tables import write_table


def run(monkeypatch, *arguments):
    call(monkeypatch, plot_split, "--dataset", "toy", "--split", "chrom", *arguments)


def histories(folder, **columns):
    paths = []
    for seed in range(3):
        table = {
            "epoch": np.arange(1, 6),
            "train_loss": np.exp(-np.arange(5.0)),
            "val_pearson": [0.1, 0.5, 0.7, 0.6, 0.6],
        }
        paths.append(folder / f"history{seed}.tsv")
        write_table(paths[-1], pd.DataFrame(table | columns))
    return paths


def test_training_curves(tmp_path, monkeypatch, texts):
    paths = histories(tmp_path)
    arguments = ["--histories", *paths, "--history-models", "A", "B", "B", "--history-seeds", 0, 0, 1]
    for name in ("a.png", "b.png"):
        run(monkeypatch, *arguments, "--training-picture", tmp_path / name)
    assert (tmp_path / "a.png").read_bytes() == (tmp_path / "b.png").read_bytes()
    assert {"toy, split chrom", "A", "B", "seed 0", "seed 1", "training loss", "Pearson r", "epoch"} <= set(texts)


def test_training_curves_need_a_name_a_file_and_one_validation_column(tmp_path, monkeypatch):
    rest = ["--training-picture", tmp_path / "a.png"]
    for labels, seeds in ((["A", "A", "B"], [0, 0, 0]), (["A", "B"], [0, 1, 2])):
        names = ["--history-models", *labels, "--history-seeds", *seeds]
        with pytest.raises(InputError, match="expected a different pair for each of 3 files"):
            run(monkeypatch, "--histories", *histories(tmp_path), *names, *rest)
    with pytest.raises(InputError, match=r"validation columns \['val_loss', 'val_pearson'\]"):
        names = ["--history-models", "A", "A", "A", "--history-seeds", 0, 1, 2]
        run(monkeypatch, "--histories", *histories(tmp_path, val_loss=1.0), *names, *rest)


def test_a_model_with_a_score_of_its_own_has_its_dot_there(tmp_path, monkeypatch):
    from matplotlib.axes import Axes

    dots, plot = [], Axes.plot

    def spy(axes, x, y, *rest, **keys):
        dots.extend([(x, y)] if rest == ("o",) else [])
        return plot(axes, x, y, *rest, **keys)

    monkeypatch.setattr(Axes, "plot", spy)
    plain = histories(tmp_path)[0]
    (tmp_path / "cells").mkdir()
    chosen = histories(tmp_path / "cells", val_entropy_spearman=[0.1, 0.9, 0.2, 0.3, 0.1])[0]
    names = ["--history-models", "A", "B", "--history-seeds", 0, 0]
    run(monkeypatch, "--histories", plain, chosen, *names, "--training-picture", tmp_path / "a.png")
    assert dots == [(3, 0.7), (2, 0.5)]
