"""Straight-through gradients: the model reads sequences that are drawn from logits, and its gradient moves the logits.

Each position has four logits; at the start the base of the sequence has log(1 + EPS), the others have log(EPS). Gumbel
noise is added, and the largest logit of each position gives the base, which is thereby drawn from the softmax. The
gradient with respect to the sequence is used as the gradient with respect to the softmax of the noisy logits (Jang et
al. 2017, arXiv:1611.01144), and Adam moves the logits. This is the method of Ledidi (Schreiber et al. 2020,
doi:10.1101/2020.05.21.109686) without its penalty on changes. Fast SeqProp (Linder and Seelig 2021,
doi:10.1186/s12859-021-04437-5), which standardises the logits and learns a scale and an offset for each base, was tried
first, with the settings of boda2: it reached a tenth of the rise in prediction that this method finds, or seven tenths
with a fifth of the step size (a narrow Malinois, 60 steps of four sequences, docs/design.md).

Sequences are drawn without regard to the rules. Those that keep the rules count as they are. The others, and the most
probable sequence, are repaired at the recorded steps: beginning with the start, changes are made one by one in the
order of their logits' advantage, except those that would break a rule. The best sequence found is the design.
"""

from collections.abc import Callable

import numpy as np

from s2f.common.progress import Progress
from s2f.design.problem import Codes, Point, Problem, recorded
from s2f.sequences import dna

BETA1, BETA2, EPSILON = 0.9, 0.999, 1e-8  # of Adam, Kingma and Ba 2015
EPS = 1e-4  # initial odds of a base that the start does not have


def run(
    problem: Problem, seed_of: Callable[[int], int], steps: int, samples: int, learning_rate: float
) -> list[list[Point]]:
    """The path of each start, with the best sequence so far at the recorded steps; `samples` sequences are drawn per
    step. Random numbers as in `annealing.run`. Raises `InputError` for a model without gradients."""
    starts = problem.starts
    count, length = starts.shape
    logits = np.log(dna.one_hot(starts).astype(np.float64) + EPS)
    first, second = np.zeros_like(logits), np.zeros_like(logits)
    random = [np.random.Generator(np.random.PCG64(seed_of(index))) for index in range(count)]
    free = problem.rules.free
    best, best_values = starts.copy(), problem.values(starts)
    ways = [[Point(0, 1, codes.copy())] for codes in starts]
    scored = 1
    progress = Progress(steps, unit="steps")
    for step in range(1, steps + 1):
        noise = np.stack([own.gumbel(size=(samples, length, 4)) for own in random])
        noisy = logits[:, None] + noise
        drawn = noisy.argmax(axis=-1).astype(np.uint8)
        drawn[:, :, ~free] = starts[:, None, ~free]
        flat = drawn.reshape(count * samples, length)
        members, gradients = problem.model.gradient(dna.one_hot(flat))
        scored += samples
        origin = np.repeat(starts, samples, axis=0)
        better(best, best_values, flat, origin, problem.of_members(members), problem)
        slope = problem.objective.gradient(members, gradients).reshape(noisy.shape)
        gradient = of_softmax(noisy, slope).mean(axis=1)
        gradient[:, ~free] = 0
        first += (1 - BETA1) * (gradient - first)
        second += (1 - BETA2) * (gradient**2 - second)
        logits += learning_rate * (first / (1 - BETA1**step)) / (np.sqrt(second / (1 - BETA2**step)) + EPSILON)
        if recorded(step, steps):
            repaired = repair(problem, logits)
            scored += 1
            better(best, best_values, repaired, starts, problem.values(repaired), problem)
            for index, way in enumerate(ways):
                way.append(Point(step, scored, best[index].copy()))
        progress.update(1)
    progress.close()
    return ways


def of_softmax(logits: np.ndarray, slope: np.ndarray) -> np.ndarray:
    """Gradient with respect to logits (..., 4), from the gradient `slope` (..., 4) with respect to their softmax."""
    share = np.exp(logits - logits.max(axis=-1, keepdims=True))
    share /= share.sum(axis=-1, keepdims=True)
    return share * (slope - (slope * share).sum(axis=-1, keepdims=True))


def better(
    best: Codes, best_values: np.ndarray, codes: Codes, starts: Codes, values: np.ndarray, problem: Problem
) -> None:
    """Replace sequences of `best` (N, L) by those of (N * S, L) that have a higher value and keep the rules."""
    samples = len(codes) // len(best)
    hopeful = np.flatnonzero(values > np.repeat(best_values, samples))
    for place in hopeful[problem.rules.legal(codes[hopeful], starts[hopeful])]:
        if values[place] > best_values[place // samples]:
            best[place // samples], best_values[place // samples] = codes[place], values[place]


def repair(problem: Problem, logits: np.ndarray) -> Codes:
    """The most probable inserts (N, L) by logits (N, L, 4) that keep the rules: each start is changed in the order of
    the largest advantage, without changes that break a rule."""
    starts, rules = problem.starts, problem.rules
    wanted = np.where(rules.free, logits.argmax(axis=2), starts).astype(np.uint8)
    good = rules.legal(wanted, starts)
    if good.all():
        return wanted
    own, new = (np.take_along_axis(logits, codes[..., None].astype(np.int64), 2)[..., 0] for codes in (starts, wanted))
    order = np.argsort(np.where(wanted != starts, own - new, np.inf), axis=1, kind="stable")
    current = np.where(good[:, None], wanted, starts)
    differing = np.where(good, 0, (wanted != starts).sum(axis=1))
    for rank in range(differing.max(initial=0)):
        asked = np.flatnonzero(rank < differing)
        places, changed = order[asked, rank], current[asked]
        changed[np.arange(len(asked)), places] = wanted[asked, places]
        kept = rules.legal(changed, starts[asked])
        current[asked[kept]] = changed[kept]
    return current
