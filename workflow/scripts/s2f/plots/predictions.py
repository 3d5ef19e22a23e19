"""Pictures of predictions."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.colors import LogNorm

from s2f.evaluation.metrics import score
from s2f.plots.style import BLUE, VERMILLION, save

UNIT = "log2FC (RNA/DNA)"
MOST_COLUMNS = 6  # fields side by side
Run = tuple[str, int]  # model and seed


def predicted_against_measured(
    path: str | Path,
    labels: np.ndarray,
    runs: Mapping[Run, np.ndarray],
    title: str,
    unit: str = UNIT,
    items: str = "rows",
) -> None:
    """Density of predicted against measured values with the identity line: one field per run, equal axes and colours.

    `labels` (N,), `runs` {(model, seed): predictions (N,)}, `unit` of both (activity in log2FC), `items` is the word
    for what is counted. Seeds of a model are side by side.
    """
    drawn = np.concatenate([labels, *runs.values()])
    margin = 0.04 * np.ptp(drawn) or 1.0
    ends = (drawn.min() - margin, drawn.max() + margin)
    cells = int(np.clip(len(labels) ** 0.5 / 1.2, 20, 80))  # fine enough to see all; the densest hold several items

    def draw(figure):
        fields, densities = _fields(figure, runs, title, f"n = {len(labels):,} {items}"), []
        for run, predictions in runs.items():
            axes = fields[run]
            r, reason = score("pearson", labels, predictions)
            densities.append(
                axes.hexbin(labels, predictions, gridsize=cells, mincnt=1, extent=(*ends, *ends), linewidths=0.2)
            )
            axes.plot(ends, ends, color=VERMILLION, linewidth=1.2, linestyle="--", label="predicted = measured")
            axes.set(xlim=ends, ylim=ends, aspect="equal")
            found = f"r = {r:.3f}" if np.isfinite(r) else f"r undefined: {reason}"
            axes.set_title(_heading(run, runs, found), loc="left", fontsize=9)
        scale = LogNorm(1, max(2, *(density.get_array().max() for density in densities)))
        for density in densities:
            density.set(norm=scale, cmap="viridis")
        figure.supxlabel(f"measured {unit}", fontsize=11)
        figure.supylabel(f"predicted {unit}", fontsize=11)
        next(iter(fields.values())).legend(loc="upper left", frameon=False, fontsize=8)
        figure.colorbar(densities[0], ax=list(fields.values()), label=f"{items} per cell", shrink=0.8)

    save(path, draw, *_size(runs, 1.3))


def probability_by_class(path: str | Path, labels: np.ndarray, runs: Mapping[Run, np.ndarray], title: str) -> None:
    """Distribution of predicted probabilities of positives and negatives: one field per run, with AUROC and AUPRC
    above.

    `labels` (N,) of 0 and 1, `runs` {(model, seed): predictions (N,)}. Seeds of a model are side by side.
    """
    edges = np.linspace(0, 1, 41)

    def draw(figure):
        caption = f"n = {len(labels):,} rows, prevalence {np.mean(labels):.3f}"
        fields = _fields(figure, runs, title, caption, sharey=False)  # one constant model would flatten the others
        for run, predictions in runs.items():
            axes = fields[run]
            for label, colour, style, class_name in ((0, BLUE, "--", "negatives"), (1, VERMILLION, "-", "positives")):
                of_class = predictions[labels == label]
                weights = np.full(len(of_class), 100 / max(len(of_class), 1))
                axes.hist(
                    of_class, edges, weights=weights, histtype="step", linewidth=1.6, color=colour, linestyle=style,
                    label=f"{class_name} (n = {len(of_class):,})",
                )  # fmt: skip
            auroc, auprc = (score(metric, labels, predictions)[0] for metric in ("auroc", "auprc"))
            axes.set(xlim=(0, 1))
            axes.set_title(_heading(run, runs, f"AUROC {auroc:.3f}, AUPRC {auprc:.3f}"), loc="left", fontsize=9)
        figure.supxlabel("predicted probability", fontsize=11)
        figure.supylabel("share of the class per bin (%)", fontsize=11)
        handles, names = next(iter(fields.values())).get_legend_handles_labels()
        figure.legend(handles, names, loc="upper right", ncols=2, frameon=False, fontsize=9)

    save(path, draw, *_size(runs, 0.6))


def nothing(path: str | Path, title: str, reason: str) -> None:
    """A picture without runs that says why it has none."""

    def draw(figure):
        figure.suptitle(f"{title}\n{reason}", x=0.01, ha="left", fontsize=12)

    save(path, draw, 7, 1.2)


def _heading(run: Run, runs: Mapping[Run, Any], caption: str) -> str:
    """Caption of a small field: the model, with a line break before the last part of its name, the head, and the seed
    if the model has several."""
    model, seed = run
    named = model if len(model) < 30 else "/\n".join(model.rsplit("/", 1))
    several = len({model for model, _ in runs}) < len(runs)
    return f"{named}{f', seed {seed}' if several else ''}\n{caption}"


def _fields(figure: Any, runs: Mapping[Run, Any], title: str, caption: str, sharey: bool = True) -> dict[Run, Any]:
    """Axes of the small multiples of all runs, below a title; only the outer axes have ticks."""
    figure.suptitle(f"{title}\n{caption}", x=0.01, ha="left", fontsize=12)
    places = _places(list(runs))
    rows, columns = _grid(places)
    grid = figure.subplots(rows, columns, sharex=True, sharey=sharey, squeeze=False)
    taken = set(places.values())
    for row, column in np.ndindex(rows, columns):
        if (row, column) not in taken:
            grid[row, column].remove()
        elif (row + 1, column) not in taken:  # also above a field that stays empty
            grid[row, column].tick_params(labelbottom=True)
    return {run: grid[place] for run, place in places.items()}


def _places(runs: Sequence[Run]) -> dict[Run, tuple[int, int]]:
    """Row and column of each run, in order; the seeds of a model are in one row if they fit."""
    seeds: dict[str, list[Run]] = {}
    for run in runs:
        seeds.setdefault(run[0], []).append(run)
    most = max(map(len, seeds.values()))
    columns = min(4, int(np.ceil(len(runs) ** 0.5))) if most == 1 else most * max(1, MOST_COLUMNS // most)
    columns = min(columns, MOST_COLUMNS, len(runs))
    places: dict[Run, tuple[int, int]] = {}
    position = 0
    for own in seeds.values():
        if position % columns + len(own) > columns and len(own) <= columns:
            position += -position % columns  # begin a row
        for run in own:
            places[run] = divmod(position, columns)
            position += 1
    return places


def _grid(places: Mapping[Run, tuple[int, int]]) -> tuple[int, int]:
    return 1 + max(row for row, _ in places.values()), 1 + max(column for _, column in places.values())


def _size(runs: Mapping[Run, Any], beside: float) -> tuple[float, float]:
    """Width and height in inches; `beside` is the width of what is drawn beside the fields."""
    rows, columns = _grid(_places(list(runs)))
    field = 5.0 if len(runs) == 1 else 3.0 if columns <= 4 else 2.5
    return columns * field + beside, rows * (field + 0.5) + 1.0
