"""The picture of a leak audit: how close evaluated rows come to the rows that were learned from."""

from pathlib import Path
from typing import Any

import numpy as np

from s2f.common.errors import InputError
from s2f.common.tables import numbers, read_table
from s2f.plots.style import BLACK, BLUE, GREEN, VERMILLION, save

BIN = 5  # points of score
# against train; designed sequences are in few studies
SHOWN = {"test": (VERMILLION, "-", 2.0), "val": (BLUE, "--", 1.5), "designed": (GREEN, "-.", 1.5)}


def read_audit(path: str | Path) -> Any:
    """The table of `audit_split` with numbers where they are needed here; `InputError` names what is wrong."""
    columns = ["part", "against", "length", "best_score"]
    table = read_table(path, columns, "leak audit")
    for name in columns[2:]:
        table[name] = numbers(table, name, path)
        if table[name].isna().any():
            raise InputError(f"{path}: line {int(table[name].isna().argmax()) + 2}: {name} is missing")
    return table


def best_scores(path: str | Path, table: Any, threshold: float, title: str) -> None:
    """Distribution of the best alignment score with train rows, of test and of val rows, threshold marked.

    `table` as of `read_audit`. The share of rows has a logarithmic axis, because few leaking rows matter already. The
    axis of scores ends at the longest row, so that splits of one dataset can be laid side by side.
    """
    table = table[table["against"] == "train"]
    for part in ("test", "val"):
        if not (table["part"] == part).any():
            raise InputError(f"{title}: the audit has no line for {part} against train")
    highest = max(table["length"].max(), threshold) + BIN
    edges = np.arange(threshold % BIN - BIN, highest + BIN, BIN)  # one of them is the threshold
    most = table["part"].value_counts().max()

    def draw(figure):
        axes = figure.subplots()
        for part, (colour, style, width) in SHOWN.items():
            scores = table.loc[table["part"] == part, "best_score"]
            if scores.empty:
                continue
            share = 100 * (scores >= threshold).mean()
            axes.hist(
                scores,
                edges,
                weights=np.full(len(scores), 100 / len(scores)),
                histtype="step",
                color=colour,
                linestyle=style,
                linewidth=width,
                label=f"{part}: n = {len(scores):,}, {share:.3g} % reach {threshold}, highest {scores.max():.0f}",
            )
        axes.axvline(threshold, color=BLACK, linewidth=1, linestyle=":", label=f"homologous from {threshold}")
        axes.set_yscale("log")
        axes.yaxis.set_major_formatter("{x:g}")
        axes.set(
            ylim=(50 / most, 100),  # half a row to all
            xlim=(0, highest),
            xlabel="best local alignment score with a train row (0: no common seed, chance level)",
            ylabel=f"rows per {BIN} points, % of the part",
        )
        figure.suptitle(title, x=0.01, ha="left", fontsize=12)
        axes.legend(loc="lower left", bbox_to_anchor=(0, 1), frameon=False)

    save(path, draw, 7.0, 5.0)
