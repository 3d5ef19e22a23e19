"""The picture of IsoScores."""

from pathlib import Path
from typing import Any

import numpy as np

from s2f.common.errors import InputError
from s2f.plots.dependency_map import untrained
from s2f.plots.style import BLACK, BLUE, GREY, save


def isoscores(path: str | Path, table: Any, title: str) -> None:
    """IsoScore of each encoder, highest on top, and the score of an isotropic cloud of the same size, on a log axis.

    `table`: columns encoder, level, isoscore, isotropic, n, d, note, provenance as in `isoscore.table`, for one
    dataset. Encoders with random weights are hollow; an encoder without a score stays in the picture with the reason.
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
        for index, line in enumerate(table.itertuples()):
            beside = {"transform": axes.get_yaxis_transform(), "va": "center"}
            if not np.isfinite(line.isoscore):
                axes.text(0.02, index, line.note, color=GREY, fontsize=9, style="italic", **beside)
                continue
            shown = max(line.isoscore, lowest)
            hollow = untrained(line.provenance)
            axes.plot([shown, line.isotropic], [index, index], color="#dddddd", linewidth=1.5, zorder=0)
            axes.plot(line.isotropic, index, "|", color=BLACK, markersize=14, markeredgewidth=1.5)
            axes.plot(shown, index, "o", color=BLUE, markersize=7, markerfacecolor="white" if hollow else BLUE)
            axes.text(1.02, index, f"{line.isoscore:.3g}", fontsize=10, **beside)
        axes.set_xscale("log")
        axes.set(xlim=(lowest / 1.5, 1.3), ylim=(-0.7, len(table) - 0.3), xlabel="IsoScore (1: a sphere)")
        axes.set_yticks(range(len(table)), names)
        axes.tick_params(axis="y", length=0)
        n = ", ".join(f"{value:,.0f}" for value in sorted(table["n"].unique()))
        caption = f"n = {n} points; bar: isotropic cloud of n points"
        caption += "; hollow: random weights" if any(map(untrained, table["provenance"])) else ""
        figure.suptitle(f"{title}\n{caption}", x=0.01, ha="left", fontsize=12)

    save(path, draw, 6.2 + 0.085 * max(map(len, names)), 1.7 + 0.36 * len(table))
