"""Pictures of dependency maps and of IsoScores, in the style of `plots`."""

import textwrap

import numpy as np
from matplotlib.ticker import MaxNLocator

from s2f.estimates import RANDOM_WEIGHTS
from s2f.files import InputError
from s2f.logo_plots import COLOURS
from s2f.plots import BLACK, BLUE, GREY, save

LETTERS = 130  # of the longest sequence whose letters can be read


def dependency_map(path, mapped, title, made_with, pairs=()):
    """One map as a picture: the sequence on both axes, row substituted, column looked at, log2 odds ratios as colours.

    `mapped`: a `map_files.MappedSequence`; `made_with`: where the weights are from; `pairs` (n, 2): places of letters
    that are known to depend on each other, which get a ring.
    """
    length = len(mapped.sequence)
    rings = "; rings: planted pairs" if len(pairs) else ""
    side = float(np.clip(0.1 * length, 4.0, 10.5))
    lines = (title, f"row {mapped.row_id}, label {mapped.label:g}; n = 1 sequence of {length} nt{rings}", made_with)
    caption = "\n".join(textwrap.fill(line, int(12 * side) + 19) for line in lines)  # 12 letters of this size an inch

    def draw(figure):
        axes = figure.subplots()
        picture = axes.imshow(mapped.map, cmap="viridis", vmin=0, interpolation="nearest")
        figure.colorbar(picture, ax=axes, shrink=0.85, label="largest |log2 odds ratio| (bits)")
        figure.suptitle(caption, x=0.01, ha="left", fontsize=10)
        axes.set(xlabel="letter looked at (place from 0)", ylabel="letter substituted (place from 0)")
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


def isoscores(path, table, title):
    """IsoScore of each encoder, most even on top, and the score of an isotropic cloud of its size, on a log axis.

    `table`: columns encoder, level, isoscore, isotropic, n, d, note, provenance as `isoscore.table` gives them, one
    dataset. Encoders with random weights are hollow; one without a score stays in the picture with the reason.
    """
    if table.empty:
        raise InputError(f"{title}: the table of IsoScores is empty")
    table = table.sort_values("isoscore", kind="stable", na_position="first").reset_index(drop=True)
    names = [f"{line.encoder}{'' if line.level == 'pooled' else ', ' + line.level} (d = {line.d:.0f})"
             for line in table.itertuples()]  # fmt: skip
    positive = table["isoscore"][table["isoscore"] > 0]
    lowest = max(1e-8, positive.min() / 3) if len(positive) else 1e-3

    def draw(figure):
        axes = figure.subplots()
        for place, line in enumerate(table.itertuples()):
            beside = {"transform": axes.get_yaxis_transform(), "va": "center"}
            if not np.isfinite(line.isoscore):
                axes.text(0.02, place, line.note, color=GREY, fontsize=9, style="italic", **beside)
                continue
            shown = max(line.isoscore, lowest)
            hollow = _untrained(line.provenance)
            axes.plot([shown, line.isotropic], [place, place], color="#dddddd", linewidth=1.5, zorder=0)
            axes.plot(line.isotropic, place, "|", color=BLACK, markersize=14, markeredgewidth=1.5)
            axes.plot(shown, place, "o", color=BLUE, markersize=7, markerfacecolor="white" if hollow else BLUE)
            axes.text(1.02, place, f"{line.isoscore:.3g}", fontsize=10, **beside)
        axes.set_xscale("log")
        axes.set(xlim=(lowest / 1.5, 1.3), ylim=(-0.7, len(table) - 0.3), xlabel="IsoScore (1: a sphere)")
        axes.set_yticks(range(len(table)), names)
        axes.tick_params(axis="y", length=0)
        n = ", ".join(f"{value:,.0f}" for value in sorted(table["n"].unique()))
        caption = f"n = {n} points; bar: an isotropic cloud of n points"
        caption += "; hollow: random weights" if any(map(_untrained, table["provenance"])) else ""
        figure.suptitle(f"{title}\n{caption}", x=0.01, ha="left", fontsize=12)

    save(path, draw, 6.2 + 0.085 * max(map(len, names)), 1.7 + 0.36 * len(table))


def _untrained(provenance):
    """Whether weights are as drawn; those that were trained from a random start tell that at the end."""
    return bool(RANDOM_WEIGHTS.search(provenance))
