"""The interval of a panel with families of homologs holds the truth as often as it says, if units are resampled."""

import pytest

from helpers.homologous_families import PANELS, coverage


@pytest.mark.parametrize("name", ["10 families of 100", "40 families of 25"])
def test_units_keep_the_coverage_that_rows_lose(name):
    """100 repetitions; tests/programs/coverage_of_units.py has the figures of 1,000."""
    rows, units = coverage(PANELS[name], repetitions=100, resamples=100)
    assert units >= 0.85 and rows <= 0.75 and units - rows >= 0.15
