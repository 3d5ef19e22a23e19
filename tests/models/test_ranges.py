"""Ranges of settings: their values, and how many of them a search can find."""

import pytest

from s2f.models.ranges import places, settings_within, value_at


def numbers(low, high, scale="log", whole=False):
    return {"from": low, "to": high, "scale": scale, "whole": whole}


def test_values_have_three_digits_and_stay_within_the_range():
    assert value_at(numbers(0.0001, 100), 0.5) == 0.1
    assert value_at(numbers(0, 0.5, "linear"), 1 / 3) == 0.167
    assert [value_at(numbers(1.2345, 1.2355), place) for place in (0, 1)] == [1.2345, 1.2355]
    assert value_at(numbers(3, 9, "linear", True), 0.5) == 6 and value_at([4, 5, 6], 1) == 6


def test_places_are_the_middles_of_equal_parts():
    assert places(4) == [0.125, 0.375, 0.625, 0.875]


@pytest.mark.parametrize(
    ("ranges", "grid", "trials", "found"),
    [
        ({"rate": numbers(0.0001, 0.01)}, "", 8, 8),
        ({"rate": numbers(0.001, 0.001004)}, "", 8, 1),
        ({"rate": numbers(0.001, 0.00104)}, "", 8, 5),
        ({"rate": numbers(99.9, 102, "linear")}, "", 8, 4),
        ({"rate": numbers(1.2345, 1.2355)}, "", 8, 2),  # its ends, which are rounded beyond it
        ({"rate": numbers(0, 0.5, "linear")}, "", 8, 8),
        ({"rate": numbers(0.001, 0.00104), "batch": [1, 2]}, "", 8, 8),
        ({"epochs": numbers(2, 4, "linear", True)}, "", 8, 3),
        ({"C": [0.1, 1, 10]}, "C", 8, 3),
        ({"C": [0.1, 1, 10]}, "C", 3, 3),
        ({"C": [0.1, 1, 10], "k": [[1], [2]]}, "C", 8, 6),
        ({"C": [0.1, 1, 10], "k": [[1], [2], [3]]}, "C", 8, 8),
        ({"C": numbers(0.0001, 100)}, "C", 8, 8),
        ({"C": numbers(1, 1.05)}, "C", 8, 6),
    ],
)
def test_settings_that_differ_are_counted(ranges, grid, trials, found):
    assert settings_within(ranges, grid, trials) == found
