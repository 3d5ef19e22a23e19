"""What is wanted of a sequence: a number that is to become as large as possible."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from s2f.common.errors import InputError
from s2f.design.options import GOALS

Array = NDArray[np.float64]


@dataclass(frozen=True)
class Objective:
    """maximise: the prediction itself; minimise: its negative; target: minus its distance to `target`. From each,
    `penalty` times the standard deviation over the members of an ensemble is subtracted: sequences on which they
    disagree count less."""

    goal: str = "maximise"
    target: float = 0.0
    penalty: float = 0.0

    def __post_init__(self) -> None:
        """Refuse an unknown goal."""
        if self.goal not in GOALS:
            raise InputError(f"goal is {self.goal!r}, expected one of: {', '.join(GOALS)}")

    def value(self, prediction: Array, sd: Array | None = None) -> Array:
        """The objective (N,) of predictions (N,), which are means over members, and their standard deviations (N,).

        Raises `InputError` for a penalty without `sd`.
        """
        if self.goal == "target":
            value = -np.abs(prediction - self.target)
        else:
            value = prediction if self.goal == "maximise" else -prediction
        if not self.penalty:
            return value
        if sd is None:
            raise InputError(f"penalty is {self.penalty:g}, but a single model has no spread; give several models")
        return value - self.penalty * sd

    def gradient(self, members: Array, gradients: np.ndarray) -> np.ndarray:
        """Gradient (N, L, 4) of the objective, from the members' predictions `members` (M, N) and their `gradients` (M,
        N, L, 4). Where all members agree, the standard deviation has no gradient, and 0 is used."""
        mean = members.mean(axis=0)
        slope = {
            "maximise": np.ones_like(mean),
            "minimise": -np.ones_like(mean),
            "target": -np.sign(mean - self.target),
        }[self.goal]
        weights = np.repeat(slope[None] / len(members), len(members), axis=0)
        if self.penalty:
            sd = spread(members)
            assert sd is not None  # `value` refused one member
            apart = (members - mean) / ((len(members) - 1) * np.where(sd > 0, sd, 1))
            weights -= self.penalty * apart
        return np.einsum("mn,mnlb->nlb", weights, gradients)


def spread(members: Array) -> Array | None:
    """Standard deviation (N,) over M members of their predictions (M, N), with M - 1 degrees of freedom; None for one
    member."""
    return members.std(axis=0, ddof=1) if len(members) > 1 else None


@dataclass(frozen=True)
class Reading:
    """How a model's C outputs give the prediction: the output of `cell` or, for specificity, that output minus the
    largest of the outputs `against` (the MinGap of Gosai et al. 2024, doi:10.1038/s41586-024-08070-z)."""

    cell: int = 0
    against: tuple[int, ...] = ()

    @staticmethod
    def of(cells: Sequence[str], cell: str, against: Sequence[str], model: str) -> "Reading":
        """The reading for a model that predicts these cells; without `cell`, the first one counts. Raises `InputError`
        for a cell that it does not predict."""
        for name in filter(None, (cell, *against)):
            if name not in cells:
                known = f"the cells {', '.join(cells)}" if cells else "one label, without a named cell"
                raise InputError(f"cell {name!r}: model {model} predicts {known}")
        return Reading(list(cells).index(cell) if cell else 0, tuple(list(cells).index(name) for name in against))

    def of_outputs(self, outputs: Array) -> Array:
        """The prediction (N,) from outputs (N, C)."""
        value = outputs[:, self.cell]
        return value - outputs[:, list(self.against)].max(axis=1) if self.against else value

    def weights(self, outputs: Array) -> Array:
        """Gradient (N, C) of `of_outputs`: 1 for the cell, -1 for the largest of the others (the first of equals)."""
        weights = np.zeros_like(outputs)
        weights[:, self.cell] = 1
        if self.against:
            largest = outputs[:, list(self.against)].argmax(axis=1)
            weights[np.arange(len(outputs)), np.array(self.against)[largest]] -= 1
        return weights
