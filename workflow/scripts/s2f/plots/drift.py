"""The picture of drift: how far each layer of fine-tuned encoders moved."""

from pathlib import Path
from typing import Any

import numpy as np

from s2f.common.errors import InputError
from s2f.plots.style import BLACK, looks_of, save


def drifts(path: str | Path, table: Any, title: str) -> None:
    """1 - linear CKA of each layer with the layer at the start, and the IsoScore of each layer at the start and
    afterwards: a row for each encoder, a line for each model (mean over seeds) and its seeds as dots, hollow if the
    layer was frozen.

    `table`: columns model, seed, stage, trained, cka, isoscore_start, isoscore and n as in `drift.table_of`, for the
    runs of one dataset and split. Encoders are distinguished by the names of their layers and by their start.
    """
    if table.empty:
        raise InputError(f"{title}: the tables of drift are empty")
    starts: dict[tuple[Any, ...], list[Any]] = {}
    for _, run in table.groupby(["model", "seed"], sort=False):
        starts.setdefault(tuple(run["stage"]), []).append(run)
    models = list(dict.fromkeys(table["model"]))
    looks = looks_of(models, "", ())

    def draw(figure: Any) -> None:
        grid = figure.subplots(len(starts), 2, squeeze=False)
        for (left, right), (stages, runs) in zip(grid, starts.items(), strict=True):
            at = np.arange(len(stages))
            for model in dict.fromkeys(run["model"].iloc[0] for run in runs):
                own = [run for run in runs if run["model"].iloc[0] == model]
                for axes, column in ((left, "cka"), (right, "isoscore")):
                    values = np.array([run[column] for run in own], float)
                    values = 1 - values if column == "cka" else values
                    axes.plot(at, values.mean(0), color=looks[model]["color"], linewidth=1.5, zorder=1)
                    for run, by_stage in zip(own, values, strict=True):
                        _dots(axes, at, by_stage, run["trained"].to_numpy() == "yes", looks[model])
            for before in {tuple(run["isoscore_start"]): None for run in runs}:
                right.plot(at, before, "--", color=BLACK, linewidth=1.2, zorder=0)
            left.set_ylim(bottom=min(0, left.get_ylim()[0]))
            for axes, name in ((left, "1 - linear CKA (0: unchanged)"), (right, "IsoScore (1: a sphere)")):
                axes.set(ylabel=name, xlabel="layer")
                axes.set_xticks(at, stages, rotation=40, ha="right")
                axes.grid(axis="y", color="#dddddd", linewidth=0.6)
                axes.set_axisbelow(True)
        handles = [grid[0, 0].plot([], [], **looks[model])[0] for model in models]
        handles.append(grid[0, 1].plot([], [], "--", color=BLACK)[0])
        figure.legend(handles, [*models, "at the start"], loc="outside lower left", ncols=2, frameon=False, fontsize=9)
        n = ", ".join(f"{value:,.0f}" for value in sorted(table["n"].unique()))
        caption = f"n = {n} validation sequences; dots: seeds, hollow where the layer was frozen"
        figure.suptitle(f"{title}\n{caption}", x=0.01, ha="left", fontsize=12)

    save(path, draw, 9.6, 0.8 + 3.6 * len(starts) + 0.2 * (len(models) + 2) // 2)


def _dots(axes: Any, at: np.ndarray, values: np.ndarray, learned: np.ndarray, look: dict[str, Any]) -> None:
    for chosen, fill in ((learned, look["color"]), (~learned, "white")):
        axes.plot(
            at[chosen],
            values[chosen],
            look["marker"],
            color=look["color"],
            markerfacecolor=fill,
            markersize=5,
            zorder=2,
        )
