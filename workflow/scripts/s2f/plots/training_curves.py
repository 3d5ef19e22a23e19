"""The picture of training."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from s2f.common.errors import InputError
from s2f.evaluation.words import WORDS
from s2f.plots.style import LINES, save

# the metric by which Malinois with several cells chooses its epoch, in addition to the metric that all models have
OWN_SCORE = "val_entropy_spearman"


def training_curves(path: str | Path, histories: Mapping[str, Mapping[Any, Any]], title: str) -> None:
    """Training loss and validation metric per epoch: a row per model, a line per seed, a dot at the best validation
    value.

    `histories` maps model -> {seed: frame with columns epoch, train_loss and one val_… column (val_auroc …)}. Two
    models may have different loss functions, so each model has its own loss axis; the validation axis is shared. A
    model that also has `OWN_SCORE` has its dot at the best value of that.
    """
    columns = {c for seeds in histories.values() for table in seeds.values() for c in table if c.startswith("val_")}
    columns -= {OWN_SCORE}
    if len(columns) != 1:
        raise InputError(f"{title}: validation columns {sorted(columns)}, expected the same one in every history")
    column = columns.pop()
    seeds = sorted({seed for tables in histories.values() for seed in tables})
    colours = {seed: LINES[index % len(LINES)] for index, seed in enumerate(seeds)}

    def draw(figure):
        figure.suptitle(title, x=0.01, ha="left", fontsize=12)
        fields = figure.subplots(len(histories), 2, sharex=True, squeeze=False)
        for metric in fields[1:, 1]:
            metric.sharey(fields[0, 1])
        for (loss, metric), (model, tables) in zip(fields, histories.items(), strict=True):
            for seed, table in tables.items():
                loss.plot(table["epoch"], table["train_loss"], color=colours[seed], linewidth=1.5)
                metric.plot(table["epoch"], table[column], color=colours[seed], linewidth=1.5, label=f"seed {seed}")
                chosen_by = OWN_SCORE if OWN_SCORE in table else column
                if table[chosen_by].notna().any():
                    best = table.loc[table[chosen_by].idxmax()]
                    metric.plot(best["epoch"], best[column], "o", color=colours[seed], markersize=5)
            loss.set_title(model, loc="left", fontsize=10)
            loss.set_ylabel("training loss")
            metric.set_ylabel(WORDS[column.removeprefix("val_")])
        fields[0, 1].set_title("validation, a dot at the best epoch", loc="left", fontsize=10)
        most = int(np.argmax([len(tables) for tables in histories.values()]))
        fields[most, 1].legend(loc="lower right", frameon=False, fontsize=9)
        for axes in fields[-1]:
            axes.set_xlabel("epoch")
            axes.xaxis.get_major_locator().set_params(integer=True)

    save(path, draw, 9.0, 1.2 + 1.9 * len(histories))
