"""What is wanted of a sequence: values, the spread over members, gradients."""

import numpy as np
import pytest

from s2f.common.errors import InputError
from s2f.design.objective import Objective, Reading, spread


def test_goals_and_the_penalty():
    prediction, sd = np.array([1.0, -2.0]), np.array([0.5, 0.25])
    assert Objective().value(prediction).tolist() == [1, -2]
    assert Objective("minimise").value(prediction, sd).tolist() == [-1, 2]
    assert Objective("target", 0.5).value(prediction).tolist() == [-0.5, -2.5]
    assert Objective(penalty=2).value(prediction, sd).tolist() == [0, -2.5]
    with pytest.raises(InputError, match="a single model has no spread"):
        Objective(penalty=2).value(prediction)
    assert spread(np.ones((1, 3))) is None
    assert spread(np.array([[1.0], [3.0]]))[0] == pytest.approx(np.sqrt(2))


@pytest.mark.parametrize("goal", ["maximise", "minimise", "target"])
def test_the_gradient_is_that_of_the_value(goal):
    """By differences, for members that are linear in the sequence."""
    random = np.random.Generator(np.random.PCG64(1))
    weights, x = random.normal(size=(3, 2, 5, 4)), random.normal(size=(2, 5, 4))
    objective = Objective(goal, target=0.3, penalty=0.7)

    def members(x):
        return (weights * x).sum((2, 3))

    def value(x):
        return objective.value(members(x).mean(0), spread(members(x)))

    found, step = objective.gradient(members(x), weights), 1e-6
    for place in ((0, 0), (3, 2)):
        moved = x.copy()
        moved[:, *place] += step
        np.testing.assert_allclose(found[:, *place], (value(moved) - value(x)) / step, rtol=1e-4)


def test_cells_are_told_apart_by_the_largest_of_the_others():
    outputs = np.array([[1.0, 2.0, 5.0], [4.0, 0.0, 1.0]])
    cells = ["K562", "HepG2", "SKNSH"]
    assert Reading.of(cells, "HepG2", (), "m").of_outputs(outputs).tolist() == [2, 0]
    assert Reading.of(cells, "K562", ("HepG2", "SKNSH"), "m").of_outputs(outputs).tolist() == [-4, 3]
    assert Reading.of(cells, "K562", ("HepG2", "SKNSH"), "m").weights(outputs).tolist() == [[1, 0, -1], [1, 0, -1]]
    assert Reading.of(cells, "HepG2", ("K562",), "m").weights(outputs).tolist() == [[-1, 1, 0]] * 2
    assert Reading.of([], "", (), "m") == Reading()
    with pytest.raises(InputError, match="cell 'HeLa': model m predicts the cells K562, HepG2, SKNSH"):
        Reading.of(cells, "HeLa", (), "m")
