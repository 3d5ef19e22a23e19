"""The picture of designs: does the judge, a model of another family, confirm what the model promises?"""

import textwrap
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from s2f.plots.style import BLACK, GREY, LINES, save

COLOURS = dict(zip(("evolution", "annealing", "straight_through"), LINES, strict=False))
WIDTH = 40  # characters of a unit that fit along an axis


def drawn(
    path: str | Path,
    methods: Sequence[tuple[pd.DataFrame, pd.DataFrame, Mapping[str, Any]]],
    agrees: float,
    unit: str | None = None,
) -> None:
    """Left: the mean prediction for the best sequences so far against how many sequences the model has read for each,
    by the model and, dashed, by the judge. Right: the change in the judge's prediction against the change in the
    model's, a dot per design, with a line for what the rows of the data suggest, and one for the share of it,
    `agrees`, from which the judge agrees.

    `methods` are designs, trajectories and what was done, as returned by `files.read`, for one design by several
    methods.
    """
    about = methods[0][2]
    unit = textwrap.fill(f"({unit or about['unit']})", WIDTH)

    def draw(figure: Any) -> None:
        left, right = figure.subplots(1, 2)
        for designs, trajectories, own in methods:
            colour, word = COLOURS[own["method"]], own["method"].replace("_", "-")
            x, model, judge = way(trajectories)
            left.plot(x, model, color=colour, linewidth=2, label=f"{word}: model")
            left.plot(x, judge, color=colour, linewidth=1.5, linestyle="--", label=f"{word}: judge")
            agree = int((designs["verdict"] == "agrees").sum())
            right.plot(designs["change"], designs["judge_change"], "o", color=colour, markersize=5, alpha=0.7,
                       label=f"{word}: judge agrees with {agree} of {len(designs)}")  # fmt: skip
        left.set_xlabel("sequences read by the model for a design")
        left.set_ylabel(f"mean prediction\n{unit}")
        left.set_xscale("log")
        left.set_title("the best sequence so far", loc="left")
        limits = np.array(right.get_xlim())
        slope = about["judge_per_model"]
        if slope is not None:
            right.plot(limits, slope * limits, color=BLACK, linewidth=1, label="expected from validation rows")
            right.plot(limits, agrees * slope * limits, color=GREY, linewidth=1, linestyle=":",
                       label=f"{agrees:.0%} of that")  # fmt: skip
        right.set_xlim(*limits)
        right.axhline(0, color=GREY, linewidth=0.6)
        right.set_xlabel(f"change in the model's prediction\n{unit}")
        right.set_ylabel("change in the judge's\nprediction")
        right.set_title("start to design", loc="left")
        for axes in (left, right):
            axes.legend(loc="upper center", bbox_to_anchor=(0.5, -0.24), frameon=False, fontsize=9,
                        ncols=2 if axes is left else 1)  # fmt: skip
            axes.grid(color="#dddddd", linewidth=0.6)
            axes.set_axisbelow(True)
        counts = {len(designs) for designs, *_ in methods}
        goal = about["goal"] + (f" {about['target']:g}" if about["goal"] == "target" else "")
        penalty = f", minus {about['penalty']:g} sd over {len(about['members'])} models" if about["penalty"] else ""
        figure.suptitle(
            f"{about['dataset']}, design {about['name']}: {goal}{penalty}, n = {max(counts)} starts\n"
            f"model {about['model']}; judge {about['judge']}",
            x=0.01, ha="left", fontsize=11,
        )  # fmt: skip

    save(path, draw, 10.5, 5.2)


def way(trajectories: pd.DataFrame) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Mean predictions of model and judge for the best sequence so far, over starts, by the number of sequences scored:
    a start that has finished keeps its last value."""
    x = np.unique(trajectories["scored"])
    values = []
    for column in ("prediction", "judge"):
        of_starts = []
        for _, own in trajectories.groupby("start", sort=False):
            place = np.searchsorted(own["scored"].to_numpy(), x, "right") - 1
            of_starts.append(own[column].to_numpy()[place.clip(min=0)])
        values.append(np.mean(of_starts, axis=0))
    return x, values[0], values[1]
