"""Straight-through gradients: Fast SeqProp (Linder and Seelig 2021, doi:10.1186/s12859-021-04437-5).

Each position has four logits, standardised over positions for each base, with a learned scale and offset for each. A
sequence is drawn from their softmax and read by the model as it is, one-hot; the gradient there is taken for that of
the probabilities. Adam with a step size that falls to 0 by a cosine, as boda2 has it. At the start the own base of each
position has logit 1, the others 0, which draws it with a probability of about 0.8.

Drawn sequences know no rules. Those that keep them count as they are; others, and the most probable sequence, are
taken back to the rules at the recorded steps: from the start the changes are made one by one in the order of their
logits' advantage, without those that would break a rule. The best sequence so found is the design.
"""

from collections.abc import Callable

import numpy as np

from s2f.common.progress import Progress
from s2f.design.problem import Codes, Point, Problem, recorded
from s2f.sequences import dna

BETA1, BETA2, EPSILON = 0.9, 0.999, 1e-8  # of Adam, Kingma and Ba 2015
SMALL = 1e-5  # added to variances of logits


def run(
    problem: Problem, seed_of: Callable[[int], int], steps: int, samples: int, learning_rate: float
) -> list[list[Point]]:
    """The way of each start, with the best sequence so far at the recorded steps; `samples` sequences are drawn per
    step. Random numbers as in `annealing.run`. Raises `InputError` for a model without gradients."""
    starts = problem.starts
    count, length = starts.shape
    own = dna.one_hot(starts).astype(np.float64)
    parameters = [own.copy(), np.ones((count, 1, 4)), np.zeros((count, 1, 4))]
    moments = [(np.zeros_like(x), np.zeros_like(x)) for x in parameters]
    random = [np.random.Generator(np.random.PCG64(seed_of(index))) for index in range(count)]
    free = problem.rules.free
    best, best_values = starts.copy(), problem.values(starts)
    ways = [[Point(0, 1, codes.copy())] for codes in starts]
    scored = 1
    progress = Progress(steps, unit="steps")
    for step in range(1, steps + 1):
        share = softmax(standardised(parameters[0])[0] * parameters[1] + parameters[2])
        drawn = np.stack([draw(share[i], random[i], samples) for i in range(count)])
        drawn[:, :, ~free] = starts[:, None, ~free]
        flat = drawn.reshape(count * samples, length)
        members, gradients = problem.model.gradient(dna.one_hot(flat))
        scored += samples
        origin = np.repeat(starts, samples, axis=0)
        better(best, best_values, flat, origin, problem.of_members(members), problem)
        slope = problem.objective.gradient(members, gradients).reshape(count, samples, length, 4).mean(axis=1)
        slope[:, ~free] = 0
        gradients_down = backwards(*parameters, slope)
        rate = learning_rate * (1 + np.cos(np.pi * (step - 1) / steps)) / 2
        for x, (first, second), gradient in zip(parameters, moments, gradients_down, strict=True):
            first += (1 - BETA1) * (gradient - first)
            second += (1 - BETA2) * (gradient**2 - second)
            x += rate * (first / (1 - BETA1**step)) / (np.sqrt(second / (1 - BETA2**step)) + EPSILON)
        if recorded(step, steps):
            mended = mend(problem, standardised(parameters[0])[0] * parameters[1] + parameters[2])
            scored += 1
            better(best, best_values, mended, starts, problem.values(mended), problem)
            for index, way in enumerate(ways):
                way.append(Point(step, scored, best[index].copy()))
        progress.update(1)
    progress.close()
    return ways


def standardised(raw: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Logits (N, L, 4) with mean 0 and variance 1 over positions, for each base, and their deviations (N, 1, 4)."""
    deviation = np.sqrt(raw.var(axis=1, keepdims=True) + SMALL)
    return (raw - raw.mean(axis=1, keepdims=True)) / deviation, deviation


def backwards(
    raw: np.ndarray, scale: np.ndarray, offset: np.ndarray, slope: np.ndarray
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Gradients of raw logits (N, L, 4), scale and offset (N, 1, 4), by the `slope` (N, L, 4) of the probabilities."""
    standard, deviation = standardised(raw)
    share = softmax(standard * scale + offset)
    to_logits = share * (slope - (slope * share).sum(axis=-1, keepdims=True))
    inner = to_logits * scale
    centred = inner - inner.mean(axis=1, keepdims=True)
    to_raw = (centred - standard * (inner * standard).mean(axis=1, keepdims=True)) / deviation
    return to_raw, (to_logits * standard).sum(axis=1, keepdims=True), to_logits.sum(axis=1, keepdims=True)


def softmax(logits: np.ndarray) -> np.ndarray:
    """Shares over the last axis."""
    shares = np.exp(logits - logits.max(axis=-1, keepdims=True))
    return shares / shares.sum(axis=-1, keepdims=True)


def draw(share: np.ndarray, random: np.random.Generator, samples: int) -> Codes:
    """Codes (samples, L) drawn from shares (L, 4) of the bases."""
    limits = random.random((samples, len(share)))
    return (limits[..., None] > share.cumsum(axis=-1)[None, :, :3]).sum(axis=-1).astype(np.uint8)


def better(
    best: Codes, best_values: np.ndarray, codes: Codes, starts: Codes, values: np.ndarray, problem: Problem
) -> None:
    """Put those of sequences (N * S, L) into `best` (N, L) that have a higher value and keep the rules."""
    samples = len(codes) // len(best)
    hopeful = np.flatnonzero(values > np.repeat(best_values, samples))
    for place in hopeful[problem.rules.legal(codes[hopeful], starts[hopeful])]:
        if values[place] > best_values[place // samples]:
            best[place // samples], best_values[place // samples] = codes[place], values[place]


def mend(problem: Problem, logits: np.ndarray) -> Codes:
    """The most probable inserts (N, L) by logits (N, L, 4) that keep the rules: of the changes from each start the one
    of the largest advantage first, without those that break a rule."""
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
