"""The picture of a comparison."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from s2f.common.errors import InputError
from s2f.evaluation.estimates import RANDOM_WEIGHTS
from s2f.evaluation.words import WORDS
from s2f.plots.style import BLACK, BLUE, GREY, SHOWN, VERMILLION, WORDS_OF_SUFFIX, save


@dataclass(frozen=True)
class Seed:
    """The values of one run on a panel, {(cell, metric): value}, and whether it is collapsed."""

    values: Mapping[tuple[str, str], float]
    collapsed: bool = False


def comparison(
    path: str | Path,
    table: Any,
    title: str,
    baseline: str = "",
    floors: Collection[str] = (),
    seeds: Mapping[str, Sequence[Seed]] | None = None,
) -> None:
    """Values of all models on one panel with their intervals, best on top, and a column per metric of `SHOWN` and cell.

    `table` holds the lines of one dataset, split and panel, as returned by `comparison.read_compare`. The baseline is a
    diamond with a line through all models, floors are grey squares, and models with random weights are hollow. `seeds`,
    the runs of each model, are small dots, or crosses if the run is collapsed. A model without a value stays in the
    picture with the reason, or with its seeds if one of them is collapsed.
    """
    lines = {key: own.set_index("model") for key, own in table.groupby(["cell", "metric"], sort=False)}
    lines = {key: lines[key] for metric in SHOWN for key in lines if key[1] == metric}
    if not lines:
        raise InputError(f"{title}: the table has no line for any of {', '.join(SHOWN)}")
    first = next(iter(lines.values()))
    order = list(list(lines.values())[-1]["value"].sort_values(kind="stable", na_position="first").index)
    labels = [_label(first.loc[model], baseline, floors) for model in order]
    several = {model: own for model, own in (seeds or {}).items() if len(own) > 1 or any(s.collapsed for s in own)}

    def draw(figure):
        columns = figure.subplots(1, len(lines), sharey=True, squeeze=False)[0]
        for axes, (key, of_metric) in zip(columns, lines.items(), strict=True):
            _column(axes, of_metric, order, key, baseline, floors, several)
            prevalence = table.loc[(table["metric"] == "prevalence") & (table["cell"] == key[0]), "value"].max()
            if key[1] == "auprc" and np.isfinite(prevalence):
                axes.axvline(prevalence, color=BLACK, linewidth=0.8, linestyle="--", zorder=0)
                axes.set_xlabel(f"{axes.get_xlabel()} (dashed: prevalence {prevalence:.3f})")
        columns[0].set_yticks(range(len(order)), labels)
        items = "pairs" if table["metric"].str.endswith("_abs").any() else "rows"
        caption = _caption(first, items, several)
        figure.suptitle(f"{title}\n{caption}", x=0.01, ha="left", fontsize=12)

    longest = max(map(len, labels))
    save(path, draw, 1.2 + 0.085 * longest + 4.2 * len(lines), 1.7 + 0.36 * len(order))


def _label(line: Any, baseline: str, floors: Collection[str]) -> str:
    model = str(line.name)
    marks = ["baseline"] if model == baseline else ["floor"] if model in floors else []
    marks += [f"collapsed seeds: {line['collapsed']}"] if line["collapsed"] else []
    return model + (f" ({', '.join(marks)})" if marks else "")


def _caption(lines: Any, items: str, seeds: Mapping[str, Sequence[Seed]]) -> str:
    n = lines["n"].dropna()
    parts = [f"n = {int(n.iloc[0]):,} {items}; lines are intervals"] if len(n) else ["no model was scored"]
    runs = [len(own) for own in seeds.values() if len(own) > 1]
    if runs:
        parts.append(f"small dots: {min(runs)}{f' to {max(runs)}' if min(runs) < max(runs) else ''} seeds")
    parts += ["crosses: collapsed seeds"] if any(seed.collapsed for own in seeds.values() for seed in own) else []
    parts += ["hollow: random weights"] if any(map(RANDOM_WEIGHTS.search, lines["provenance"])) else []
    return "; ".join(parts)


def _column(
    axes: Any,
    lines: Any,
    order: Sequence[str],
    key: tuple[str, str],
    baseline: str,
    floors: Collection[str],
    seeds: Mapping[str, Sequence[Seed]],
) -> None:
    for index, model in enumerate(order):
        line = lines.loc[model]
        colour = VERMILLION if model == baseline else GREY if model in floors else BLUE
        if np.isfinite(line["value"]) or line["collapsed"]:
            _dots(axes, index, key, seeds.get(model, ()), colour)
        if not np.isfinite(line["value"]):
            if not line["collapsed"]:
                axes.text(0.02, index, _shorten(line["note"]), transform=axes.get_yaxis_transform(), va="center",
                          color=GREY, fontsize=9, style="italic", bbox={"color": "white", "pad": 1})  # fmt: skip
            continue
        marker = "D" if model == baseline else "s" if model in floors else "o"
        hollow = RANDOM_WEIGHTS.search(line["provenance"])
        if np.isfinite(line["ci_low"]):
            axes.plot([line["ci_low"], line["ci_high"]], [index, index], color=colour, linewidth=2)
        axes.plot(
            line["value"], index, marker, color=colour, markersize=7, markerfacecolor="white" if hollow else colour
        )
        axes.text(1.01, index, f"{line['value']:.3f}", transform=axes.get_yaxis_transform(), va="center", fontsize=10)
    if baseline in lines.index and np.isfinite(lines.loc[baseline, "value"]):
        axes.axvline(lines.loc[baseline, "value"], color=VERMILLION, linewidth=0.8, linestyle=":", zorder=0)
    cell, metric = key
    name = metric.split("_")[0]
    axes.set_xlabel((f"{cell}: " if cell else "") + WORDS[name] + WORDS_OF_SUFFIX[metric.removeprefix(name)])
    axes.set_ylim(-0.7, len(order) - 0.3)
    axes.grid(axis="y", color="#dddddd", linewidth=0.6)
    axes.set_axisbelow(True)
    axes.tick_params(axis="y", length=0)
    axes.margins(x=0.06)


def _dots(axes: Any, index: int, key: tuple[str, str], seeds: Sequence[Seed], colour: str) -> None:
    """Draw the seeds of a model a little below its mean and interval, which would hide them."""
    for seed in seeds:
        value = seed.values.get(key, np.nan)
        if np.isfinite(value) and seed.collapsed:
            axes.plot(value, index - 0.22, "x", color=BLACK, markersize=6, markeredgewidth=1.6)
        elif np.isfinite(value):
            axes.plot(value, index - 0.22, "o", color=colour, markersize=4, markeredgewidth=0, alpha=0.7)


def _shorten(note: str, length: int = 52) -> str:
    return note if len(note) <= length else note[: length - 1].rstrip() + "…"
