"""What the methods share: the starting sequences, what may change in them, and how good a sequence is."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from s2f.common.errors import InputError
from s2f.design.constraints import Rules
from s2f.design.models import Model
from s2f.design.objective import Objective, spread
from s2f.interpretation.scorer import Chunk

Codes = NDArray[np.uint8]
POINTS = 50  # of a trajectory, at most, for methods of many small steps


class Point(NamedTuple):
    """The best sequence so far, uint8 codes (L,), after a step; `scored`: sequences that the model has read by then."""

    step: int
    scored: int
    codes: Codes


@dataclass(eq=False)
class Problem:
    """Sequences `starts` (N, L), all within `rules`, which are to be changed within `rules` to increase `objective`."""

    model: Model
    objective: Objective
    rules: Rules
    starts: Codes

    def values(self, codes: Codes) -> NDArray[np.float64]:
        """The objective (N,) of inserts (N, L)."""
        return self.of_members(self.model.predict(codes))

    def stream(self, chunks: Sequence[Chunk]) -> Iterator[NDArray[np.float64]]:
        """Yield the objective (n,) for each chunk."""
        for members in self.model.stream(chunks):
            yield self.of_members(members)

    def of_members(self, members: NDArray[np.float64]) -> NDArray[np.float64]:
        """The objective (N,) of predictions (M, N). Raises `InputError` for one that is not finite."""
        if not np.isfinite(members).all():
            raise InputError(f"model {self.model.name}: a prediction is not finite")
        return self.objective.value(members.mean(axis=0), spread(members))


def recorded(step: int, steps: int) -> bool:
    """Whether a trajectory of `steps` steps has a point after this `step`, counted from 1."""
    return step == steps or step % max(1, -(-steps // POINTS)) == 0
