"""Pictures of dependency maps, in the style of `plots`."""

import textwrap
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.ticker import MaxNLocator

from s2f.evaluation.estimates import RANDOM_WEIGHTS
from s2f.plots.interpretation import COLOURS
from s2f.plots.style import BLACK, save

LETTERS = 130  # length of the longest sequence whose letters are legible


def dependency_map(
    path: str | Path, mapped: Any, title: str, made_with: str, pairs: np.ndarray | Sequence[tuple[int, int]] = ()
) -> None:
    """One map as a picture: the sequence on both axes, the substituted letter as row, the observed one as column, log2
    odds ratios as colours.

    `mapped`: a `map_files.MappedSequence`; `made_with`: where the weights are from; `pairs` (n, 2): positions of
    letters that are known to depend on each other, marked by a ring.
    """
    length = len(mapped.sequence)
    rings = "; rings: planted pairs" if len(pairs) else ""
    side = float(np.clip(0.1 * length, 4.0, 10.5))
    lines = (title, f"row {mapped.row_id}, label {mapped.label:g}; n = 1 sequence of {length} nt{rings}", made_with)
    caption = "\n".join(textwrap.fill(line, int(12 * side) + 19) for line in lines)  # 12 letters of this size per inch

    def draw(figure):
        axes = figure.subplots()
        picture = axes.imshow(mapped.map, cmap="viridis", vmin=0, interpolation="nearest")
        figure.colorbar(picture, ax=axes, shrink=0.85, label="largest |log2 odds ratio| (bits)")
        figure.suptitle(caption, x=0.01, ha="left", fontsize=10)
        axes.set(xlabel="affected position (counted from 0)", ylabel="substituted position (counted from 0)")
        for axis in (axes.xaxis, axes.yaxis):
            axis.set_major_locator(MaxNLocator(8, integer=True, steps=[1, 2, 5, 10]))
        axes.spines[["top", "right"]].set_visible(True)
        for a, b in pairs:
            axes.plot([a, b], [b, a], "o", color="white", fillstyle="none", markersize=min(12.0, 80 * side / length))
        if length <= LETTERS:
            size = min(8.0, 72 * 0.65 * side / length)
            for i, base in enumerate(mapped.sequence):
                style = {"color": COLOURS.get(base, BLACK), "fontsize": size, "family": "monospace", "weight": "bold"}
                axes.text(i, -0.8, base, ha="center", va="bottom", **style)
                axes.text(length - 0.2, i, base, ha="left", va="center", **style)

    save(path, draw, side + 1.6, side + 0.5 + 0.17 * (1 + caption.count("\n")))


def untrained(provenance: str) -> bool:
    """Whether weights are as drawn; texts on weights trained from a random start mention that only at the end."""
    return bool(RANDOM_WEIGHTS.search(provenance))
