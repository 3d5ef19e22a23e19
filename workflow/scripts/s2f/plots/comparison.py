"""The picture of a comparison."""

from collections.abc import Collection, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from s2f.common.errors import InputError
from s2f.evaluation.estimates import RANDOM_WEIGHTS
from s2f.plots.style import BLACK, BLUE, GREY, NAMES, SHOWN, VERMILLION, WORDS_OF_SUFFIX, save


def comparison(path: str | Path, table: Any, title: str, baseline: str = "", floors: Collection[str] = ()) -> None:
    """Values with their intervals of all models on one panel, best on top, one column per metric of `SHOWN`.

    `table` holds the lines of one dataset, split and panel as `comparison.read_compare` gives them. The baseline is a
    diamond with a line through all models, floors are grey squares, models with random weights hollow; a model
    without a value stays in the picture with the reason.
    """
    shown = [metric for metric in SHOWN if (table["metric"] == metric).any()]
    if not shown:
        raise InputError(f"{title}: no line for one of {', '.join(SHOWN)}")
    cells = {metric: table[table["metric"] == metric].set_index("model") for metric in shown}
    order = list(cells[shown[-1]]["value"].sort_values(kind="stable", na_position="first").index)
    n = cells[shown[0]]["n"].dropna()
    items = "pairs" if shown[0].endswith("_abs") else "rows"

    def draw(figure):
        columns = figure.subplots(1, len(shown), sharey=True, squeeze=False)[0]
        for axes, metric in zip(columns, shown, strict=True):
            _column(axes, cells[metric], order, metric, baseline, floors)
        prevalence = table.loc[table["metric"] == "prevalence", "value"].max()
        if "auprc" in shown and np.isfinite(prevalence):
            columns[-1].axvline(prevalence, color=BLACK, linewidth=0.8, linestyle="--", zorder=0)
            columns[-1].set_xlabel(f"AUPRC (dashed: prevalence {prevalence:.3f})")
        columns[0].set_yticks(range(len(order)), [_mark(model, baseline, floors) for model in order])
        caption = f"n = {int(n.iloc[0]):,} {items}; lines are bootstrap intervals" if len(n) else "no model was scored"
        caption += "; hollow: random weights" if any(map(RANDOM_WEIGHTS.search, table["provenance"])) else ""
        figure.suptitle(f"{title}\n{caption}", x=0.01, ha="left", fontsize=12)

    longest = max(len(_mark(model, baseline, floors)) for model in order)
    save(path, draw, 1.2 + 0.085 * longest + 4.2 * len(shown), 1.7 + 0.36 * len(order))


def _mark(model: str, baseline: str, floors: Collection[str]) -> str:
    return model + (" (baseline)" if model == baseline else " (floor)" if model in floors else "")


def _column(axes: Any, cells: Any, order: Sequence[str], metric: str, baseline: str, floors: Collection[str]) -> None:
    for index, model in enumerate(order):
        line = cells.loc[model]
        if not np.isfinite(line["value"]):
            axes.text(0.02, index, _shorten(line["note"]), transform=axes.get_yaxis_transform(), va="center",
                      color=GREY, fontsize=9, style="italic", bbox={"color": "white", "pad": 1})  # fmt: skip
            continue
        colour = VERMILLION if model == baseline else GREY if model in floors else BLUE
        marker = "D" if model == baseline else "s" if model in floors else "o"
        hollow = RANDOM_WEIGHTS.search(line["provenance"])
        if np.isfinite(line["ci_low"]):
            axes.plot([line["ci_low"], line["ci_high"]], [index, index], color=colour, linewidth=2)
        axes.plot(
            line["value"], index, marker, color=colour, markersize=7, markerfacecolor="white" if hollow else colour
        )
        axes.text(1.01, index, f"{line['value']:.3f}", transform=axes.get_yaxis_transform(), va="center", fontsize=10)
    if baseline in cells.index and np.isfinite(cells.loc[baseline, "value"]):
        axes.axvline(cells.loc[baseline, "value"], color=VERMILLION, linewidth=0.8, linestyle=":", zorder=0)
    name = metric.split("_")[0]
    axes.set_xlabel(NAMES[name] + WORDS_OF_SUFFIX[metric.removeprefix(name)])
    axes.set_ylim(-0.7, len(order) - 0.3)
    axes.grid(axis="y", color="#dddddd", linewidth=0.6)
    axes.set_axisbelow(True)
    axes.tick_params(axis="y", length=0)
    axes.margins(x=0.06)


def _shorten(note: str, length: int = 52) -> str:
    return note if len(note) <= length else note[: length - 1].rstrip() + "…"
