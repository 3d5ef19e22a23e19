"""Evolution, annealing and straight-through gradients find what is known to be best, within the constraints."""

import numpy as np
import pytest

from helpers.explained_models import linear, some_inserts
from s2f.design import annealing, evolution, straight_through
from s2f.design.constraints import Constraints, Rules, gc_content, longest_run
from s2f.design.models import Model
from s2f.design.objective import Objective, Reading
from s2f.design.problem import Problem
from s2f.sequences.constructs import Construct

LENGTH = 24
WEIGHTS = np.random.Generator(np.random.PCG64(3)).normal(size=(LENGTH, 4))
RUN = {
    "evolution": lambda problem, seed: evolution.run(problem, seed, LENGTH),
    "annealing": lambda problem, seed: annealing.run(problem, seed, 800, 1, 0.5),
    "straight_through": lambda problem, seed: straight_through.run(problem, seed, 150, 2, 0.5),
}
TIGHT = {"gc": (0.25, 0.5), "homopolymer": 2, "forbidden": ("CAR",), "changes": 9, "protect": ((4, 8),)}


def problem(starts, objective=None, weights=(WEIGHTS,), **constraints):
    model = Model("m", [linear(own) for own in weights], [Reading()] * len(weights))
    rules = Rules(Constraints(**constraints), Construct(LENGTH, "", ""), LENGTH, both_strands=False)
    return Problem(model, objective or Objective(), rules, starts)


def legal_starts(count, **constraints):
    codes = some_inserts(3000, LENGTH, 5)
    own = problem(codes, **constraints)
    return codes[own.rules.legal(codes, codes)][:count]


def ends(ways):
    return np.stack([way[-1].codes for way in ways])


@pytest.mark.parametrize("method", RUN)
def test_the_best_sequence_is_found(method):
    ways = RUN[method](problem(some_inserts(3, LENGTH)), lambda index: index)
    found = WEIGHTS[np.arange(LENGTH), ends(ways)].sum(axis=1)
    np.testing.assert_allclose(found, WEIGHTS.max(axis=1).sum())
    for way in ways:
        values = [WEIGHTS[np.arange(LENGTH), point.codes].sum() for point in way]
        assert values == sorted(values) and (np.diff([point.scored for point in way]) >= 0).all()


@pytest.mark.parametrize("method", RUN)
def test_no_sequence_on_the_way_breaks_a_constraint(method):
    starts = legal_starts(3, **TIGHT)
    own = problem(starts, **TIGHT)
    short = {**RUN, "annealing": lambda problem, seed: annealing.run(problem, seed, 200, 1, 0.5)}
    ways = short[method](own, lambda index: index)
    for start, way in zip(starts, ways, strict=True):
        codes = np.stack([point.codes for point in way])
        assert own.rules.legal(codes, start[None]).all()
        assert (gc_content(codes) <= 0.5).all() and (longest_run(codes) <= 2).all()
        assert (codes[:, 4:8] == start[4:8]).all() and ((codes != start).sum(axis=1) <= 9).all()
        assert own.values(codes[-1:])[0] > own.values(codes[:1])[0] + 2


@pytest.mark.parametrize("method", RUN)
def test_a_target_is_met_and_a_low_value_found(method):
    starts = some_inserts(2, LENGTH)
    goal = problem(starts, Objective("target", 3.0))
    assert np.abs(goal.model.predict(ends(RUN[method](goal, lambda index: index))) - 3).max() < 0.5
    low = problem(starts, Objective("minimise"))
    found = low.model.predict(ends(RUN[method](low, lambda index: index)))
    assert (found < 0.9 * WEIGHTS.min(axis=1).sum()).all()


def test_gradients_raise_a_cell_against_others():
    """Of two cells the best difference is found; of three a better one than where the cell itself is highest."""
    cells = np.random.Generator(np.random.PCG64(4)).normal(size=(3, LENGTH, 4))

    def found(reading):
        own = problem(some_inserts(2, LENGTH))
        own.model = Model("m", [linear(cells, rule="mean")], [reading])
        return ends(RUN["straight_through"](own, lambda index: index)), own.model

    both = (cells + cells[:, ::-1, ::-1]) / 2  # the mean over strands
    codes, model = found(Reading(1, (0,)))
    np.testing.assert_allclose(model.predict(codes)[0], (both[1] - both[0]).max(axis=1).sum())
    codes, model = found(Reading(0, (1, 2)))
    assert (model.predict(codes) > model.predict(found(Reading(0))[0]) + 3).all()


@pytest.mark.parametrize("method", RUN)
def test_a_penalty_leads_to_where_members_agree(method):
    """Two members differ by much at the even positions: there the penalty makes nothing gained by any base."""
    apart = np.where(np.arange(LENGTH)[:, None] % 2 == 0, 3 * np.roll(WEIGHTS, 1, axis=1), 0)
    both = (WEIGHTS + apart, WEIGHTS - apart)
    starts = some_inserts(2, LENGTH)
    plain, careful = (problem(starts, Objective(penalty=penalty), both) for penalty in (0, 1))
    sds = [own.model.predict(ends(RUN[method](own, lambda index: index))).std(axis=0, ddof=1)
           for own in (plain, careful)]  # fmt: skip
    assert (sds[1] < 0.5 * sds[0]).all()


@pytest.mark.parametrize("method", RUN)
def test_a_start_has_its_way_in_any_company(method):
    starts = some_inserts(3, LENGTH)
    short = {**RUN, "annealing": lambda problem, seed: annealing.run(problem, seed, 60, 2, 0.5)}
    together = ends(short[method](problem(starts, changes=5), lambda index: 7 + index))
    alone = ends(short[method](problem(starts[2:], changes=5), lambda index: 9))
    assert (together[2:] == alone).all()


def test_a_round_of_evolution_is_the_plain_loop():
    starts = some_inserts(2, LENGTH)
    own = problem(starts, homopolymer=3)
    ways = evolution.run(own, lambda index: index, 4)
    for start, way in zip(starts, ways, strict=True):
        codes = start.copy()
        for point in way[1:]:
            tried = []
            for place in range(LENGTH):
                for base in (codes[place] + np.arange(1, 4)) % 4:
                    changed = codes.copy()
                    changed[place] = base
                    if own.rules.legal(changed[None], start[None])[0]:
                        tried.append(changed)
            codes = tried[int(np.argmax([own.values(one[None])[0] for one in tried]))]
            assert (point.codes == codes).all()
    spans = {span for span, _ in own.model.scorers[0].spans}
    assert len(spans) == 1 + LENGTH // 2  # the blocks are the same in all rounds: one program each


def test_the_gradient_goes_through_the_softmax():
    """Of the expected linear value, by differences."""
    logits, step = np.random.Generator(np.random.PCG64(1)).normal(size=(LENGTH, 4)), 1e-6

    def value(logits):
        share = np.exp(logits)
        return (share / share.sum(axis=1, keepdims=True) * WEIGHTS).sum()

    found = straight_through.of_softmax(logits, WEIGHTS)
    for place in ((0, 2), (LENGTH - 1, 0)):
        moved = logits.copy()
        moved[place] += step
        np.testing.assert_allclose(found[place], (value(moved) - value(logits)) / step, rtol=1e-4, atol=1e-6)
