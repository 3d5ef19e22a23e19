"""Coverage of 95 % intervals of r on panels with families of homologs: resampling rows, or units.

    export PYTHONPATH=workflow/scripts:tests
    python tests/programs/coverage_of_units.py [REPETITIONS [RESAMPLES [SEED]]]

1,000 repetitions of 500 resamples, the default, take some minutes of CPU.
"""

import sys

from helpers.homologous_families import PANELS, coverage


def main():
    """Print a line per panel."""
    given = [int(text) for text in sys.argv[1:]]
    repetitions, resamples, seed = [*given, *(1000, 500, 0)[len(given) :]]
    print(f"{repetitions} repetitions of {resamples} resamples, seed {seed}; 1,000 or 400 single rows and")
    for name, panel in PANELS.items():
        rows, units = (coverage(panel, by, repetitions, resamples, seed) for by in ("row", "unit"))
        print(f"{name:40s} by row {rows:.3f}   by unit {units:.3f}", flush=True)


if __name__ == "__main__":
    main()
