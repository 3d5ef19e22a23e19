"""The interval of a panel with families of homologs holds the truth as often as it says, if units are resampled."""

import pytest

from helpers.homologous_families import PANELS, coverage


@pytest.mark.parametrize("name", ["10 families of 100", "40 families of 25"])
def test_units_keep_the_coverage_that_rows_lose(name):
    """The standard error of 150 repetitions is 0.018; tests/programs/coverage_of_units.py has the figures of 1,000."""
    assert 0.93 <= coverage(PANELS[name], "unit", repetitions=150, resamples=100) <= 0.97
    assert coverage(PANELS[name], "row", repetitions=20, resamples=100) <= 0.75
