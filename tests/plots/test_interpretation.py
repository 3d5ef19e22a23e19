"""Pictures of attributions: letters as high as their numbers, own bases marked, pairs side by side."""

import numpy as np
import pandas as pd
import pytest
from matplotlib.figure import Figure
from matplotlib.image import imread

from helpers.explained_models import linear, rows_of, some_inserts
from s2f.interpretation import attributions, mutagenesis
from s2f.plots import interpretation
from s2f.sequences import dna


def test_letters_are_as_high_as_their_numbers():
    axes = Figure().subplots()
    interpretation.logo(axes, "ACGT", [1.0, -2.0, 0.0, 0.5])
    boxes = [path.get_extents() for path in axes.collections[0].get_paths()]
    assert len(boxes) == 3  # nothing where the number is 0
    np.testing.assert_allclose([(box.y0, box.y1) for box in boxes], [(0, 1), (-2, 0), (0, 0.5)], atol=1e-6)
    np.testing.assert_allclose([box.x0 for box in boxes], [-0.45, 0.55, 2.55], atol=1e-6)
    colours = axes.collections[0].get_facecolors()
    assert len({tuple(colour) for colour in colours}) == 3


def test_dots_mark_the_own_bases():
    codes = some_inserts(1, 12)[0]
    axes = Figure().subplots()
    interpretation.substitutions(axes, dna.decode(codes), np.ones((12, 4)), 1.0)
    assert axes.lines[0].get_ydata().tolist() == codes.tolist()
    assert axes.images[0].get_array().shape == (4, 12)


@pytest.mark.parametrize("method", attributions.METHODS)
def test_pictures_of_singles_and_pairs(tmp_path, method):
    codes = some_inserts(3, 30)
    codes[1] = mutagenesis.substitutions(codes[0])[0][40]
    rows, scorer = rows_of(codes), linear(np.random.default_rng(0).normal(size=(30, 4)))
    selection = pd.DataFrame(
        {
            "row_id": ["r0", "r1", "r2"], "role": ["pair", "pair", "top"], "pair_id": ["p", "p", ""],
            "allele": ["ref", "alt", ""], "label": ["1.0", "2.0", "3.5"],
        }
    )  # fmt: skip
    found = attributions.attribute_all(scorer, method, rows, {}, report=lambda line: None)
    attributions.write(tmp_path / "a.h5", rows, found, **attributions.describe(scorer, method, {}, 0, "log2FC"))
    stored, about = attributions.read(tmp_path / "a.h5")
    for name in ("one.png", "two.png"):
        interpretation.explained(tmp_path / name, stored, about, selection, "title")
    assert (tmp_path / "one.png").read_bytes() == (tmp_path / "two.png").read_bytes()
    image = imread(tmp_path / "one.png")
    assert image.shape[1] > 600 and image[..., :3].std() > 0.05


def test_a_row_without_a_label_is_drawn_without_one(tmp_path, texts):
    rows, scorer = rows_of(some_inserts(2, 10)), linear(np.random.default_rng(0).normal(size=(10, 4)))
    selection = {"row_id": ["r0", "r1"], "role": "id", "pair_id": "", "allele": "", "label": ["1.5", ""]}
    found = attributions.attribute_all(scorer, "saliency", rows, {}, report=lambda line: None)
    attributions.write(tmp_path / "a.h5", rows, found, **attributions.describe(scorer, "saliency", {}, 0, "u"))
    interpretation.explained(tmp_path / "p.png", *attributions.read(tmp_path / "a.h5"), pd.DataFrame(selection), "t")
    titles = [text.partition(" score ")[0] for text in texts if " score " in text]
    assert titles == ["r0, id: measured 1.50,", "r1, id:"]


def test_a_picture_has_some_of_each_role(tmp_path, monkeypatch):
    codes = some_inserts(12, 10)
    rows, scorer = rows_of(codes), linear(np.random.default_rng(0).normal(size=(10, 4)))
    names = rows["row_id"].to_list()
    roles = ["top"] * 6 + ["bottom"] * 6 + ["pair"] * 2
    selection = pd.DataFrame({"row_id": [*names, "r0", "r11"], "role": roles, "pair_id": "", "label": "1"})
    selection["allele"] = [""] * 12 + ["ref", "alt"]
    found = attributions.attribute_all(scorer, "saliency", rows, {}, report=lambda line: None)
    attributions.write(tmp_path / "a.h5", rows, found, **attributions.describe(scorer, "saliency", {}, 0, "u"))
    drawn = []
    monkeypatch.setattr(
        interpretation, "save", lambda path, draw, *size: drawn.append(Figure(figsize=size)) or draw(drawn[0])
    )
    interpretation.explained("x", *attributions.read(tmp_path / "a.h5"), selection, "title", most=2)
    titles = [axes.get_title(loc="left").split(":")[0] for part in drawn[0].subfigs for axes in part.axes]
    assert titles == ["r0, top", "r1, top", "r6, bottom", "r7, bottom", "r0, ref", "r11, alt"]
    assert "5 of 12 sequences" in drawn[0].get_suptitle()
