"""Panels with families of homologs that share half of their activity and error, and the coverage of intervals on
them."""

import numpy as np

from s2f.evaluation.bootstrap import bootstrap, influences, large_clusters
from s2f.evaluation.inference import Influence, interval, standard_error

# name: (units of one row, families, rows per family)
PANELS = {
    "10 families of 100": (1000, 10, 100),
    "40 families of 25": (1000, 40, 25),
    "units as in the sample of 5,000 rows": (400, 20, 4),
}


def draw(random, singles, families, size):
    """(unit, label, prediction) of each row of a panel, (N,) each."""
    units = np.repeat(np.arange(singles + families), [1] * singles + [size] * families)
    shared, own = random.standard_normal((2, singles + families))[:, units], random.standard_normal((2, len(units)))
    labels = 0.7 * shared[0] + 0.7 * own[0]
    return units, labels, labels + 0.5 * shared[1] + 0.5 * own[1]


def coverage(panel, by, repetitions, resamples, seed=0):
    """Share of 95 % intervals of Pearson r, made as in the tables, that contain the true r if `by` is resampled: "row"
    or "unit"."""
    random = np.random.default_rng(seed)
    many = [np.concatenate(values) for values in zip(*(draw(random, *panel)[1:] for _ in range(400)), strict=True)]
    true = np.corrcoef(*many)[0, 1]
    held = 0
    for repetition in range(repetitions):
        units, labels, predictions = draw(random, *panel)
        clusters = units if by == "unit" else np.arange(len(units))
        found = bootstrap("regression", labels, predictions, clusters, resamples, repetition)["pearson"][0]
        count = int(clusters.max()) + 1
        large, classes = large_clusters(clusters)
        of_large = influences("regression", labels, predictions, clusters, large)["pearson"][0]
        influence = Influence(of_large, classes, count)
        value = np.corrcoef(labels, predictions)[0, 1]
        low, high, _ = interval(value, standard_error(found, influence, count), "pearson", count, 0.95)
        held += low <= true <= high
    return held / repetitions
