"""The picture of a leak audit: how similar evaluated rows are to training rows."""

from pathlib import Path
from typing import Any

import numpy as np

from s2f.common.errors import InputError
from s2f.common.tables import line_of, numbers, read_table
from s2f.plots.style import BLACK, BLUE, GREEN, VERMILLION, save

BIN = 5  # points of score
# compared with train; few studies have designed sequences
SHOWN = {"test": (VERMILLION, "-", 2.0), "val": (BLUE, "--", 1.5), "designed": (GREEN, "-.", 1.5)}


def read_audit(path: str | Path) -> Any:
    """The table of `audit_split`, with the numbers that are needed here parsed; `InputError` names what is wrong."""
    columns = ["part", "against", "threshold", "lowest_threshold", "highest_possible", "best_score", "homologous"]
    table = read_table(path, columns, "leak audit")
    for name in columns[2:]:
        table[name] = numbers(table, name, path)
        if table[name].isna().any():
            raise InputError(
                f"{path}: line {line_of(table, int(table[name].isna().argmax()))}: {name} is missing; "
                "make the audit again"
            )
    return table


def best_scores(path: str | Path, table: Any, title: str) -> None:
    """Distribution of the best alignment score with train rows, for test and for val rows, with the thresholds marked.

    `table` as from `read_audit`. The marks extend from the lowest threshold of any pair to the highest threshold of a
    row. The share of rows has a logarithmic axis, because even a few leaking rows matter. The axis of scores ends at
    the highest possible score, so pictures of several splits of a dataset can be compared.
    """
    table = table[table["against"] == "train"]
    for part in ("test", "val"):
        if not (table["part"] == part).any():
            raise InputError(f"{title}: the audit has no line for {part} against train")
    low, high = table["lowest_threshold"].min(), table["threshold"].max()
    homologous = f"homologous from {low:g}" + (f" to {high:g} on, by the pair of rows" if high > low else "")
    highest = max(table["highest_possible"].max(), high) + BIN
    edges = np.arange(low % BIN - BIN, highest + BIN, BIN)  # one of them is the lowest threshold
    most = table["part"].value_counts().max()

    def draw(figure):
        axes = figure.subplots()
        for part, (colour, style, width) in SHOWN.items():
            rows = table[table["part"] == part]
            if rows.empty:
                continue
            scores, share = rows["best_score"], 100 * rows["homologous"].mean()
            reached = f"highest {scores.max():.0f} of {rows['highest_possible'].max():.0f}"
            axes.hist(
                scores,
                edges,
                weights=np.full(len(scores), 100 / len(scores)),
                histtype="step",
                color=colour,
                linestyle=style,
                linewidth=width,
                label=f"{part}: n = {len(scores):,}, {share:.3g} % homologous, {reached} possible",
            )
        axes.axvline(low, color=BLACK, linewidth=1, linestyle=":", label=homologous)
        axes.axvspan(low, high, color=BLACK, alpha=0.08, linewidth=0)
        axes.set_yscale("log")
        axes.yaxis.set_major_formatter("{x:g}")
        axes.set(
            ylim=(50 / most, 100),  # half a row to all
            xlim=(0, highest),
            xlabel="best local alignment score with a train row (0: no shared seed, chance level)",
            ylabel=f"rows per {BIN} points, % of the part",
        )
        figure.suptitle(title, x=0.01, ha="left", fontsize=12)
        axes.legend(loc="lower left", bbox_to_anchor=(0, 1), frameon=False)

    save(path, draw, 7.0, 5.0)
