"""Pictures of predictions."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.colors import LogNorm

from s2f.evaluation.metrics import score
from s2f.plots.style import BLUE, VERMILLION, save

UNIT = "log2FC (RNA/DNA)"


def predicted_against_measured(
    path: str | Path,
    labels: np.ndarray,
    models: Mapping[str, np.ndarray],
    title: str,
    unit: str = UNIT,
    items: str = "rows",
) -> None:
    """Density of predicted against measured values with the identity line: one field per model, equal axes and colours.

    `labels` (N,), `models` {name: predictions (N,)}, `unit` of both (activity in log2FC), `items` what is counted.
    """
    drawn = np.concatenate([labels, *models.values()])
    margin = 0.04 * np.ptp(drawn) or 1.0
    ends = (drawn.min() - margin, drawn.max() + margin)
    cells = int(np.clip(len(labels) ** 0.5 / 1.2, 20, 80))  # so many that the densest hold several and all are seen

    def draw(figure):
        fields, densities = _fields(figure, len(models), title, f"n = {len(labels):,} {items}"), []
        for axes, (name, predictions) in zip(fields, models.items(), strict=True):
            r, reason = score("pearson", labels, predictions)
            densities.append(
                axes.hexbin(labels, predictions, gridsize=cells, mincnt=1, extent=(*ends, *ends), linewidths=0.2)
            )
            axes.plot(ends, ends, color=VERMILLION, linewidth=1.2, linestyle="--", label="predicted = measured")
            axes.set(xlim=ends, ylim=ends, aspect="equal")
            axes.set_title(
                _heading(name, f"r = {r:.3f}" if np.isfinite(r) else f"r undefined: {reason}"), loc="left", fontsize=10
            )
        scale = LogNorm(1, max(2, *(density.get_array().max() for density in densities)))
        for density in densities:
            density.set(norm=scale, cmap="viridis")
        figure.supxlabel(f"measured {unit}", fontsize=11)
        figure.supylabel(f"predicted {unit}", fontsize=11)
        fields[0].legend(loc="upper left", frameon=False, fontsize=9)
        figure.colorbar(densities[0], ax=fields, label=f"{items} per cell", shrink=0.8)

    save(path, draw, *_size(len(models), 1.3))


def probability_by_class(path: str | Path, labels: np.ndarray, models: Mapping[str, np.ndarray], title: str) -> None:
    """Distribution of predicted probabilities of positives and negatives: one field per model, AUROC and AUPRC above.

    `labels` (N,) of 0 and 1, `models` {name: predictions (N,)}.
    """
    edges = np.linspace(0, 1, 41)

    def draw(figure):
        caption = f"n = {len(labels):,} rows, prevalence {np.mean(labels):.3f}"
        fields = _fields(figure, len(models), title, caption, sharey=False)  # one constant model would flatten all
        for axes, (name, predictions) in zip(fields, models.items(), strict=True):
            for label, colour, style, class_name in ((0, BLUE, "--", "negatives"), (1, VERMILLION, "-", "positives")):
                of_class = predictions[labels == label]
                weights = np.full(len(of_class), 100 / max(len(of_class), 1))
                axes.hist(
                    of_class, edges, weights=weights, histtype="step", linewidth=1.6, color=colour, linestyle=style,
                    label=f"{class_name} (n = {len(of_class):,})",
                )  # fmt: skip
            auroc, auprc = (score(metric, labels, predictions)[0] for metric in ("auroc", "auprc"))
            axes.set(xlim=(0, 1))
            axes.set_title(_heading(name, f"AUROC = {auroc:.3f}, AUPRC = {auprc:.3f}"), loc="left", fontsize=10)
        figure.supxlabel("predicted probability", fontsize=11)
        figure.supylabel("share of the class per bin, %", fontsize=11)
        fields[0].legend(loc="upper center", frameon=False, fontsize=9)

    save(path, draw, *_size(len(models), 0.6))


def _heading(name: str, caption: str) -> str:
    """Caption of a small field: a long name breaks before its last part, the head."""
    return (name if len(name) < 30 else "/\n".join(name.rsplit("/", 1))) + "\n" + caption


def _fields(figure: Any, count: int, title: str, caption: str, sharey: bool = True) -> list[Any]:
    """Axes of `count` small multiples, left to right, below a title; the outer ones carry the ticks."""
    figure.suptitle(f"{title}\n{caption}", x=0.01, ha="left", fontsize=12)
    rows, columns = _grid(count)
    fields = figure.subplots(rows, columns, sharex=True, sharey=sharey, squeeze=False).ravel()
    for axes in fields[count:]:
        axes.remove()
    for axes in fields[max(0, count - columns) : count]:  # also above a field that stays empty
        axes.tick_params(labelbottom=True)
    return list(fields[:count])


def _grid(count: int) -> tuple[int, int]:
    columns = min(4, int(np.ceil(count**0.5)))
    return -(-count // columns), columns


def _size(count: int, beside: float) -> tuple[float, float]:
    """Width and height in inches; `beside` is the width of what stands beside the fields."""
    rows, columns = _grid(count)
    field = 5.0 if count == 1 else 3.0
    return columns * field + beside, rows * (field + 0.5) + 1.0
