"""The picture of calibration: how much intervals cover, or how wrong probabilities are."""

from collections.abc import Collection
from pathlib import Path
from typing import Any

import numpy as np

from s2f.common.errors import InputError
from s2f.plots.style import BLACK, BLUE, GREY, VERMILLION, WORDS_OF_SUFFIX, looks_of, save


def calibration(path: str | Path, table: Any, title: str, baseline: str = "", floors: Collection[str] = ()) -> None:
    """Coverage against nominal confidence: a column per panel (two for pairs: values and effects) and a line per model.
    For a classification, the expected calibration error before and after temperature scaling.

    `table` holds the lines of one dataset and split, as returned by `calibrated.read_calibration`. The baseline is
    vermillion, floors are grey and dashed. Bars are the intervals of the baseline, or of the first model.
    """
    covered = table[table["metric"].str.startswith("coverage")]
    if len(covered):
        _coverage(path, covered, title, baseline, floors)
    elif (table["metric"] == "ece").any():
        _errors(path, table, title, baseline, floors)
    else:
        raise InputError(f"{title}: the table has no line of coverage or of the expected calibration error")


def _coverage(path: str | Path, table: Any, title: str, baseline: str, floors: Collection[str]) -> None:
    places = list(table.groupby(["panel", "metric"], sort=False))
    models = list(dict.fromkeys(table["model"]))
    looks = looks_of(models, baseline, floors)

    def draw(figure: Any) -> None:
        columns = figure.subplots(1, len(places), sharex=True, sharey=True, squeeze=False)[0]
        for axes, ((panel, metric), lines) in zip(columns, places, strict=True):
            _column(axes, lines, looks, baseline if baseline in models else models[0])
            n, calibrated = lines["n"].dropna(), lines.loc[lines["n_validation"] > 0, "n_validation"]
            items = "rows" if metric == "coverage" else "pairs"
            axes.set_title(
                f"{panel}{WORDS_OF_SUFFIX[metric.removeprefix('coverage')]}\n"
                + (f"n = {int(n.max()):,} {items}" if len(n) else "no model was scored")
                + (f", calibrated on {int(calibrated.max()):,}" if len(calibrated) else ""),
                loc="left",
                fontsize=11,
            )
        columns[0].set_ylabel("coverage - promised share\n(percentage points)")
        handles = [columns[0].plot([], [], **looks[model])[0] for model in models]
        figure.legend(handles, models, loc="outside lower left", ncols=2, frameon=False, fontsize=9)
        of_whom = baseline if baseline in models else models[0]
        caption = f"dashed line: as promised (below it intervals are too narrow); bars: interval of {of_whom}"
        figure.suptitle(f"{title}\n{caption}", x=0.01, ha="left", fontsize=12)

    save(path, draw, max(8.0, 1.0 + 4.2 * len(places)), 4.2 + 0.2 * (len(models) + 1) // 2)


def _column(axes: Any, lines: Any, looks: dict[str, dict[str, Any]], with_bars: str) -> None:
    axes.axhline(0, color=BLACK, linewidth=1, linestyle="--", zorder=0)
    levels = np.sort(lines["level"].unique())
    known = False
    for model, own in lines.groupby("model", sort=False):
        own = own.sort_values("level")
        there = own["value"].notna().to_numpy()
        if not there.any():
            continue
        known = True
        off = 100 * (own["value"] - own["level"]).to_numpy()
        axes.plot(100 * own["level"], off, **looks[model])
        if model == with_bars and own["ci_low"].notna().any():
            low, high = (100 * (own[column] - own["level"]) for column in ("ci_low", "ci_high"))
            axes.vlines(100 * own["level"], low, high, color=looks[model]["color"], linewidth=5, alpha=0.25)
    if not known:
        axes.text(0.5, 0.5, "not known", transform=axes.transAxes, ha="center", color=GREY, style="italic")
    axes.set_xticks(100 * levels, [f"{100 * level:g}" for level in levels])
    axes.set_xlabel("promised share of rows in the interval (%)")
    axes.grid(axis="y", color="#dddddd", linewidth=0.6)
    axes.set_axisbelow(True)


def _errors(path: str | Path, table: Any, title: str, baseline: str, floors: Collection[str]) -> None:
    places = list(table.groupby("panel", sort=False))
    models = list(dict.fromkeys(table["model"]))[::-1]

    def draw(figure: Any) -> None:
        columns = figure.subplots(1, len(places), sharey=True, squeeze=False)[0]
        for axes, (panel, lines) in zip(columns, places, strict=True):
            of_metric = {metric: own.set_index("model")["value"] for metric, own in lines.groupby("metric")}
            intervals = lines[lines["metric"] == "ece_scaled"].set_index("model")
            for index, model in enumerate(models):
                colour = VERMILLION if model == baseline else GREY if model in floors else BLUE
                before, after, chance = (of_metric[f"ece{suffix}"].get(model) for suffix in ("", "_scaled", "_chance"))
                limits = intervals.loc[model, ["ci_low", "ci_high"]].to_numpy(np.float64)
                if np.isfinite(limits).all():
                    axes.plot(limits, [index, index], color=colour, linewidth=2)
                axes.plot(before, index, "o", color=colour, markerfacecolor="white", markersize=7)
                axes.plot(after, index, "o", color=colour, markersize=7)
                axes.plot(chance, index, "|", color=BLACK, markersize=14, markeredgewidth=1.5)
            n = lines["n"].dropna()
            rows = f"n = {int(n.max()):,} rows" if len(n) else "no model was scored"
            axes.set_title(f"{panel}\n{rows}", loc="left", fontsize=11)
            axes.set_xlabel("expected calibration error")
            axes.set_xlim(left=0)
            axes.grid(axis="y", color="#dddddd", linewidth=0.6)
            axes.set_axisbelow(True)
        columns[0].set_yticks(range(len(models)), models)
        caption = "hollow: as predicted; filled, with interval: with temperature; black: expected by chance"
        figure.suptitle(f"{title}\n{caption}", x=0.01, ha="left", fontsize=12)

    longest = max(map(len, models))
    save(path, draw, max(9.0, 1.2 + 0.085 * longest + 4.2 * len(places)), 1.9 + 0.36 * len(models))
