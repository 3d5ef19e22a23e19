"""Pictures of results: one message each, axes with units, n in the caption, colours for the colour-blind."""

import numpy as np
from matplotlib import rc_context
from matplotlib.colors import LogNorm
from matplotlib.figure import Figure

from s2f.estimates import RANDOM_WEIGHTS
from s2f.files import InputError, atomic
from s2f.metrics import score

# Okabe and Ito, "Color Universal Design" (2008): distinguishable with every common form of colour blindness
BLACK, ORANGE, SKY, GREEN, YELLOW, BLUE, VERMILLION, PURPLE = (
    "#000000", "#E69F00", "#56B4E9", "#009E73", "#F0E442", "#0072B2", "#D55E00", "#CC79A7",
)  # fmt: skip
LINES = (BLUE, VERMILLION, GREEN, PURPLE, ORANGE, SKY, BLACK)
GREY = "#666666"
STYLE = {
    "font.size": 11, "axes.titlesize": 12, "axes.labelsize": 11, "xtick.labelsize": 10, "ytick.labelsize": 10,
    "legend.fontsize": 10, "axes.spines.top": False, "axes.spines.right": False, "savefig.dpi": 150,
    "figure.constrained_layout.use": True,
}  # fmt: skip
NAMES = {
    "pearson": "Pearson r", "spearman": "Spearman rho", "mse": "mean squared error", "auroc": "AUROC",
    "auprc": "AUPRC", "accuracy": "accuracy", "f1": "F1", "precision": "precision", "recall": "recall",
}  # fmt: skip
VIEWS = {"": "", "_abs": ", alternate alleles", "_delta": ", effect alt - ref"}
# metrics that stand for a panel, where it has them; one column of the picture each
SHOWN = ("pearson", "pearson_abs", "pearson_delta", "auroc", "auprc")
UNIT = "log2FC (RNA/DNA)"


def save(path, draw, width, height):
    """Draw on a new figure of `width` x `height` inches with `draw(figure)` and write it as PNG, atomically.

    The bytes depend only on the picture: the file holds neither date nor version.
    """
    with rc_context(STYLE):
        figure = Figure(figsize=(width, height))
        draw(figure)
        with atomic(path) as temporary:
            figure.savefig(temporary, format="png", metadata={"Software": None})


def predicted_against_measured(path, labels, models, title, unit=UNIT, items="rows"):
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


def probability_by_class(path, labels, models, title):
    """Distribution of predicted probabilities of positives and negatives: one field per model, AUROC and AUPRC above.

    `labels` (N,) of 0 and 1, `models` {name: predictions (N,)}.
    """
    edges = np.linspace(0, 1, 41)

    def draw(figure):
        caption = f"n = {len(labels):,} rows, prevalence {np.mean(labels):.3f}"
        fields = _fields(figure, len(models), title, caption, sharey=False)  # one constant model would flatten all
        for axes, (name, predictions) in zip(fields, models.items(), strict=True):
            for label, colour, style, of in ((0, BLUE, "--", "negatives"), (1, VERMILLION, "-", "positives")):
                own = predictions[labels == label]
                weights = np.full(len(own), 100 / max(len(own), 1))
                axes.hist(own, edges, weights=weights, histtype="step", linewidth=1.6, color=colour, linestyle=style,
                          label=f"{of} (n = {len(own):,})")  # fmt: skip
            auroc, auprc = (score(metric, labels, predictions)[0] for metric in ("auroc", "auprc"))
            axes.set(xlim=(0, 1))
            axes.set_title(_heading(name, f"AUROC = {auroc:.3f}, AUPRC = {auprc:.3f}"), loc="left", fontsize=10)
        figure.supxlabel("predicted probability", fontsize=11)
        figure.supylabel("share of the class per bin, %", fontsize=11)
        fields[0].legend(loc="upper center", frameon=False, fontsize=9)

    save(path, draw, *_size(len(models), 0.6))


def _heading(name, caption):
    """Caption of a small field: a long name breaks before its last part, the head."""
    return (name if len(name) < 30 else "/\n".join(name.rsplit("/", 1))) + "\n" + caption


def _fields(figure, count, title, caption, sharey=True):
    """Axes of `count` small multiples, left to right, below a title; the outer ones carry the ticks."""
    figure.suptitle(f"{title}\n{caption}", x=0.01, ha="left", fontsize=12)
    rows, columns = _grid(count)
    fields = figure.subplots(rows, columns, sharex=True, sharey=sharey, squeeze=False).ravel()
    for axes in fields[count:]:
        axes.remove()
    for axes in fields[max(0, count - columns) : count]:  # also above a place that stays empty
        axes.tick_params(labelbottom=True)
    return list(fields[:count])


def _grid(count):
    columns = min(4, int(np.ceil(count**0.5)))
    return -(-count // columns), columns


def _size(count, beside):
    """Width and height in inches; `beside` is the width of what stands beside the fields."""
    rows, columns = _grid(count)
    field = 5.0 if count == 1 else 3.0
    return columns * field + beside, rows * (field + 0.5) + 1.0


def comparison(path, table, title, baseline="", floors=()):
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


def _mark(model, baseline, floors):
    return model + (" (baseline)" if model == baseline else " (floor)" if model in floors else "")


def _column(axes, cells, order, metric, baseline, floors):
    for place, model in enumerate(order):
        line = cells.loc[model]
        if not np.isfinite(line["value"]):
            axes.text(0.02, place, _shorten(line["note"]), transform=axes.get_yaxis_transform(), va="center",
                      color=GREY, fontsize=9, style="italic", bbox={"color": "white", "pad": 1})  # fmt: skip
            continue
        colour = VERMILLION if model == baseline else GREY if model in floors else BLUE
        marker = "D" if model == baseline else "s" if model in floors else "o"
        hollow = RANDOM_WEIGHTS.search(line["provenance"])
        if np.isfinite(line["ci_low"]):
            axes.plot([line["ci_low"], line["ci_high"]], [place, place], color=colour, linewidth=2)
        axes.plot(
            line["value"], place, marker, color=colour, markersize=7, markerfacecolor="white" if hollow else colour
        )
        axes.text(1.01, place, f"{line['value']:.3f}", transform=axes.get_yaxis_transform(), va="center", fontsize=10)
    if baseline in cells.index and np.isfinite(cells.loc[baseline, "value"]):
        axes.axvline(cells.loc[baseline, "value"], color=VERMILLION, linewidth=0.8, linestyle=":", zorder=0)
    name = metric.split("_")[0]
    axes.set_xlabel(NAMES[name] + VIEWS[metric.removeprefix(name)])
    axes.set_ylim(-0.7, len(order) - 0.3)
    axes.grid(axis="y", color="#dddddd", linewidth=0.6)
    axes.set_axisbelow(True)
    axes.tick_params(axis="y", length=0)
    axes.margins(x=0.06)


def _shorten(note, length=52):
    return note if len(note) <= length else note[: length - 1].rstrip() + "…"


def training_curves(path, histories, title):
    """Training loss and validation metric per epoch: a row per model, a line per seed, a dot where validation is best.

    `histories` maps model -> {seed: frame with columns epoch, train_loss and one val_… column (val_auroc …)}. Losses
    of two models may be different functions, so each model has its own loss axis; the validation axis is shared.
    """
    columns = {c for seeds in histories.values() for table in seeds.values() for c in table if c.startswith("val_")}
    if len(columns) != 1:
        raise InputError(f"{title}: validation columns {sorted(columns)}, expected the same one in every history")
    column = columns.pop()
    seeds = sorted({seed for own in histories.values() for seed in own})
    colours = {seed: LINES[place % len(LINES)] for place, seed in enumerate(seeds)}

    def draw(figure):
        figure.suptitle(title, x=0.01, ha="left", fontsize=12)
        fields = figure.subplots(len(histories), 2, sharex=True, squeeze=False)
        for metric in fields[1:, 1]:
            metric.sharey(fields[0, 1])
        for (loss, metric), (model, own) in zip(fields, histories.items(), strict=True):
            for seed, table in own.items():
                loss.plot(table["epoch"], table["train_loss"], color=colours[seed], linewidth=1.5)
                metric.plot(table["epoch"], table[column], color=colours[seed], linewidth=1.5, label=f"seed {seed}")
                if table[column].notna().any():
                    best = table.loc[table[column].idxmax()]
                    metric.plot(best["epoch"], best[column], "o", color=colours[seed], markersize=5)
            loss.set_title(model, loc="left", fontsize=10)
            loss.set_ylabel("training loss")
            metric.set_ylabel(NAMES[column.removeprefix("val_")])
        fields[0, 1].set_title("validation, a dot at the best epoch", loc="left", fontsize=10)
        most = int(np.argmax([len(own) for own in histories.values()]))
        fields[most, 1].legend(loc="lower right", frameon=False, fontsize=9)
        for axes in fields[-1]:
            axes.set_xlabel("epoch")
            axes.xaxis.get_major_locator().set_params(integer=True)

    save(path, draw, 9.0, 1.2 + 1.9 * len(histories))
