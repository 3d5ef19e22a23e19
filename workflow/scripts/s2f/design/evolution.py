"""Greedy in-silico evolution: each round tries every allowed substitution and keeps the best one.

A round costs three sequences per position. They differ from their parent in one base. Changes at neighbouring positions
go to the model together: an encoder then computes only once what none of them changes, as in saturation mutagenesis.
The blocks of positions are the same in all rounds and for all sequences, so an encoder compiles its programs once.
"""

from collections.abc import Callable

import numpy as np

from s2f.common.progress import Progress
from s2f.design.problem import Codes, Point, Problem
from s2f.interpretation.mutagenesis import substitutions
from s2f.interpretation.scorer import Chunk


def run(problem: Problem, seed_of: Callable[[int], int], rounds: int) -> list[list[Point]]:
    """The path of each start, with at most one change per round; a sequence that no single change improves stays as it
    is. Nothing is random. Ties go to the first position, and within it to the first base after the current one."""
    current, values = problem.starts.copy(), problem.values(problem.starts)
    ways = [[Point(0, 1, codes.copy())] for codes in current]
    scored, active = np.ones(len(current), np.int64), np.ones(len(current), bool)
    progress = Progress(len(current) * rounds, unit="rounds")
    for number in range(1, rounds + 1):
        chunks, owners = [], []
        for index in np.flatnonzero(active).tolist():
            for chunk in single_changes(problem, current[index], problem.starts[index]):
                chunks.append(chunk)
                owners.append(index)
        best = dict[int, tuple[float, Codes]]()
        for owner, chunk, found in zip(owners, chunks, problem.stream(chunks), strict=True):
            scored[owner] += len(found)
            place = int(found.argmax())
            if found[place] > (best[owner][0] if owner in best else values[owner]):
                best[owner] = float(found[place]), chunk.inserts[place]
        for index in np.flatnonzero(active).tolist():
            if index in best:
                values[index], current[index] = best[index]
                ways[index].append(Point(number, int(scored[index]), current[index].copy()))
            active[index] = index in best
        progress.update(len(current))
        if not active.any():
            break
    progress.close()
    return ways


def single_changes(problem: Problem, codes: Codes, start: Codes) -> list[Chunk]:
    """All substitutions of one insert (L,) that keep the rules, in blocks of neighbouring positions."""
    variants, positions, _ = substitutions(codes)
    allowed = problem.rules.free[positions]
    allowed[allowed] = problem.rules.legal(variants[allowed], start[None])
    width = max(1, problem.model.batch_size // 3)
    chunks = []
    for first in range(0, len(codes), width):
        end = min(first + width, len(codes))
        own = allowed & (positions >= first) & (positions < end)
        if own.any():
            chunks.append(Chunk(variants[own], (first, end)))
    return chunks
