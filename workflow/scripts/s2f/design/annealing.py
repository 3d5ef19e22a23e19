"""Simulated annealing: random changes; while the temperature is high, changes for the worse are kept too.

A step proposes `moves` substitutions for each sequence; one that lowers the objective by d is kept with probability
exp(-d / T). T falls as `temperature` / step ** 0.501, with steps counted from 1, the schedule of boda2 (Gosai et al.
2024), and has the unit of the objective. All sequences take a step in one call of the model. The best sequence found on
the way is the design.
"""

from collections.abc import Callable

import numpy as np

from s2f.common.progress import Progress
from s2f.design.problem import Codes, Point, Problem, recorded

DECAY = 0.501
TRIES = 20  # proposals per step that may break the rules before a sequence stays as it is


def run(
    problem: Problem, seed_of: Callable[[int], int], steps: int, moves: int, temperature: float
) -> list[list[Point]]:
    """The path of each start, with the best sequence so far at the recorded steps. Each start has its own random
    numbers, from ``seed_of(index)``, and does not depend on the other starts."""
    count = len(problem.starts)
    current, values = problem.starts.copy(), problem.values(problem.starts)
    best, best_values = current.copy(), values.copy()
    ways = [[Point(0, 1, codes.copy())] for codes in current]
    scored = np.ones(count, np.int64)
    random = [np.random.Generator(np.random.PCG64(seed_of(index))) for index in range(count)]
    free = np.flatnonzero(problem.rules.free)
    progress = Progress(steps, unit="steps")
    for step in range(1, steps + 1):
        proposed, moved = propose(problem, current, random, free, min(moves, len(free)))
        limits = np.array([own.random() for own in random])
        if moved.any():
            found = problem.values(proposed[moved])
            scored[moved] += 1
            gain = found - values[moved]
            warm = temperature * step**-DECAY
            kept = np.flatnonzero(moved)[(gain >= 0) | (limits[moved] < np.exp(np.minimum(gain, 0) / warm))]
            new = dict(zip(np.flatnonzero(moved).tolist(), found, strict=True))
            for index in kept.tolist():
                current[index], values[index] = proposed[index], new[index]
                if values[index] > best_values[index]:
                    best[index], best_values[index] = current[index], values[index]
        if recorded(step, steps):
            for index, way in enumerate(ways):
                way.append(Point(step, int(scored[index]), best[index].copy()))
        progress.update(1)
    progress.close()
    return ways


def propose(
    problem: Problem, current: Codes, random: list[np.random.Generator], free: np.ndarray, moves: int
) -> tuple[Codes, np.ndarray]:
    """Inserts (N, L) with `moves` other bases at `free` positions, and which of them (N,) keep the rules: for each
    sequence, the first of `TRIES` proposals that does."""
    proposed, waiting = current.copy(), np.ones(len(current), bool)
    for _ in range(TRIES):
        for index in np.flatnonzero(waiting):
            own = random[index]
            places = own.choice(free, moves, replace=False) if moves > 1 else free[own.integers(len(free), size=1)]
            proposed[index] = current[index]
            proposed[index, places] = (current[index, places] + own.integers(1, 4, moves)) % 4
        asked = np.flatnonzero(waiting)
        waiting[asked] = ~problem.rules.legal(proposed[asked], problem.starts[asked])
        if not waiting.any():
            break
    return proposed, ~waiting
