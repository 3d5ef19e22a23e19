"""The picture of a series: every model on every dataset, one dot each, the dots of a dataset joined."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from s2f.common.errors import InputError
from s2f.evaluation.words import WORDS
from s2f.plots.style import BLACK, LINES, SHOWN, WORDS_OF_SUFFIX, save

MARKERS = "osD^vP*X<>"


def values_by_dataset(path: str | Path, compared: Any, table: Any, series: Mapping[str, dict[str, Any]]) -> None:
    """One row of fields per series, split and panel, one field per metric of `plots.SHOWN`; models by their mean.

    `compared` is the table from `comparison.read_compare`, `table` and `series` are as in `across.across`. A line joins
    the models of one dataset: crossing lines show where datasets disagree. A black bar is the mean over datasets.
    Models without a value for one of the datasets have dots but no mean.
    """
    panels = list(table.groupby(["series", "split", "panel"], sort=False).groups)
    shown = [metric for metric in SHOWN if (table["metric"] == metric).any()]
    if not shown:
        raise InputError(f"series: the table has no line for any of {', '.join(SHOWN)}")
    tables = {}
    for key in panels:
        of_panel = table[(table[["series", "split", "panel"]] == list(key)).all(axis=1)]
        first = next(metric for metric in shown if (of_panel["metric"] == metric).any())
        means = of_panel.pivot(index="model", columns="metric", values="value")
        tables[key] = means.loc[means[first].sort_values(kind="stable", na_position="first").index]
    heights = [len(means) for means in tables.values()]
    longest = max(len(f"{model} (baseline)") for means in tables.values() for model in means.index)

    def draw(figure):
        fields = figure.subplots(
            len(panels), len(shown), squeeze=False, gridspec_kw={"height_ratios": [height + 2 for height in heights]}
        )
        for row, (key, means) in zip(fields, tables.items(), strict=True):
            name, split, panel = key
            of_panel = compared[(compared["split"] == split) & (compared["panel"] == panel)]
            used = [(axes, metric) for axes, metric in zip(row, shown, strict=True) if metric in means]
            for axes in set(row) - {axes for axes, _ in used}:
                axes.remove()
            for axes, metric in used:
                _field(axes, of_panel[of_panel["metric"] == metric], means[metric], series[name]["datasets"])
                base = metric.split("_")[0]
                axes.set_xlabel(WORDS[base] + WORDS_OF_SUFFIX[metric.removeprefix(base)])
                axes.set_yticks(range(len(means)), [""] * len(means))
            baseline = series[name]["baseline"]
            names = [model + (" (baseline)" if model == baseline else "") for model in means.index]
            used[0][0].set_yticks(range(len(means)), names)
            count = len(series[name]["datasets"])
            used[0][0].set_title(f"{name}, split {split}, panel {panel}: {count} datasets", loc="left", fontsize=11)
            used[-1][0].legend(loc="upper left", bbox_to_anchor=(1.01, 1), frameon=False, fontsize=9)
        figure.suptitle("Models over datasets (black bar: mean over datasets)", x=0.01, ha="left", fontsize=12)

    named = max(len(dataset) for options in series.values() for dataset in options["datasets"])
    width = 1.4 + 0.085 * longest + 4.0 * len(shown) + 0.08 * named
    save(path, draw, width, 0.8 + sum(1.3 + max(0.36 * height, 0.1) for height in heights))


def _field(axes: Any, lines: Any, means: Any, datasets: Sequence[str]) -> None:
    """Dots of all datasets for one metric; `means` (models) give the order from the bottom."""
    rows = np.arange(len(means))
    for index, dataset in enumerate(datasets):
        values = lines[lines["dataset"] == dataset].set_index("model")["value"].reindex(means.index)
        drawn = values.notna().to_numpy()
        axes.plot(
            values[drawn], rows[drawn], color=LINES[index % len(LINES)], marker=MARKERS[index % len(MARKERS)],
            markersize=6, linewidth=0.9, alpha=0.9, label=dataset,
        )  # fmt: skip
    axes.plot(means, rows, linestyle="none", marker="|", markersize=16, markeredgewidth=2, color=BLACK, zorder=3)
    axes.set_ylim(-0.6, len(means) - 0.4)
    axes.grid(axis="y", color="#dddddd", linewidth=0.6)
    axes.set_axisbelow(True)
    axes.tick_params(axis="y", length=0)
    axes.margins(x=0.06)
