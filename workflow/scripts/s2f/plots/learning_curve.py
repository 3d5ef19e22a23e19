"""The picture of learning curves: what is gained from more training rows."""

from collections.abc import Collection
from pathlib import Path
from typing import Any

from s2f.common.errors import InputError
from s2f.evaluation.learning_curve_table import values_of_seeds
from s2f.evaluation.words import WORDS
from s2f.plots.style import GREY, SHOWN, WORDS_OF_SUFFIX, looks_of, save


def learning_curve(path: str | Path, table: Any, title: str, baseline: str = "", floors: Collection[str] = ()) -> None:
    """The main metrics of each panel against the number of training rows, on a logarithmic scale: a column for each
    metric and a line for each model, with its interval as a band and its seeds as dots.

    `table` holds the lines of one dataset, split and cell as returned by `learning_curve_table.read_curve`.
    """
    table = table[table["metric"].isin(SHOWN)]
    if table.empty:
        raise InputError(f"{title}: the table has no line of {', '.join(SHOWN)}")
    places, models = list(table.groupby(["panel", "metric"], sort=False)), list(dict.fromkeys(table["model"]))
    looks = looks_of(models, baseline, floors)

    def draw(figure: Any) -> None:
        columns = figure.subplots(1, len(places), sharex=True, squeeze=False)[0]
        for axes, ((panel, metric), lines) in zip(columns, places, strict=True):
            _column(axes, lines, looks)
            name, _, suffix = metric.partition("_")
            n, items = lines["n"].dropna(), "pairs" if suffix else "rows"
            axes.set_title(
                f"{panel}{WORDS_OF_SUFFIX[f'_{suffix}' if suffix else '']}\n"
                + (f"n = {int(n.max()):,} {items}" if len(n) else "no model was scored"),
                loc="left",
                fontsize=11,
            )
            axes.set_ylabel(WORDS[name])
        handles = [columns[0].plot([], [], **looks[model])[0] for model in models]
        figure.legend(handles, models, loc="outside lower left", ncols=2, frameon=False, fontsize=9)
        caption = "bands: intervals; dots: seeds, each trained on its own draw of rows; last point: all rows"
        figure.suptitle(f"{title}\n{caption}", x=0.01, ha="left", fontsize=12)

    save(path, draw, max(8.0, 1.0 + 4.2 * len(places)), 4.2 + 0.2 * (len(models) + 1) // 2)


def _column(axes: Any, lines: Any, looks: dict[str, dict[str, Any]]) -> None:
    for model, own in lines.groupby("model", sort=False):
        own = own.sort_values("train_rows")
        sizes, colour = own["train_rows"].to_numpy(), looks[model]["color"]
        for size, by_seed in zip(sizes, own["by_seed"], strict=True):
            values = values_of_seeds(by_seed)
            axes.plot([size] * len(values), values, ".", color=colour, markersize=4, alpha=0.7)
        there = own["value"].notna().to_numpy()
        axes.plot(sizes[there], own["value"][there], **looks[model])
        banded = own["ci_low"].notna().to_numpy()
        axes.fill_between(
            sizes[banded], own["ci_low"][banded], own["ci_high"][banded], color=colour, alpha=0.15, linewidth=0
        )
    if lines["value"].isna().all():
        axes.text(0.5, 0.5, "not known", transform=axes.transAxes, ha="center", color=GREY, style="italic")
    axes.set_xscale("log")
    ticks = lines.groupby("fraction")["train_rows"].median()  # models with other seeds have slightly other numbers
    axes.set_xticks(ticks, [f"{size:,.0f}" for size in ticks], rotation=30)
    axes.minorticks_off()
    axes.set_xlabel("training rows")
    axes.grid(axis="y", color="#dddddd", linewidth=0.6)
    axes.set_axisbelow(True)
