"""Predictions of simulated trainings: the seeds of a procedure, with a spread like that of real seeds.

A row has the signal s, which can be learned, and the label y = s + noise. Network i of a procedure predicts

    s + c_i (sqrt(w) e + sqrt(1 - w) e_i)

with an error e that all networks of the procedure share, an individual error e_i, and an amount of error c_i that
varies a little: some trainings end better than others. s, e, e_i and the noise are standard normal for each row.

Calibrated on eight trainings of `boda-mean-128` on 4-mer counts of 6,000 simulated rows, tested on 62,582: the standard
deviation over seeds of Pearson r was 0.0017, and the bootstrap gave the difference of two seeds a standard error of
0.0012. `tests/programs/false_alarms.py calibration` prints both for these figures.
"""

from dataclasses import dataclass

import numpy as np

from s2f.evaluation import inference
from s2f.evaluation.bootstrap import bootstrap, influences, large_clusters
from s2f.evaluation.inference import Replicates
from s2f.evaluation.metrics import score


@dataclass(frozen=True)
class Procedure:
    """Error `amount` c with its standard deviation `spread` over trainings, and the share `shared` w of it that is
    common.

    `own` is the share of that common error that other procedures do not have.
    """

    amount: float = 0.5
    spread: float = 0.0058
    shared: float = 0.62
    own: float = 0.3

    def correlation(self):
        """Mean Pearson r of its trainings, on infinitely many rows."""
        return float(1 / np.sqrt(2 * (1 + self.amount**2 + self.spread**2)))


def rows(rng, n):
    """Signal, label and the error that all procedures share, each (n,)."""
    signal, noise, error = rng.standard_normal((3, n))
    return signal, signal + noise, error


def trainings(rng, procedure, count, signal, error):
    """Predictions (count, n) of trainings of a procedure."""
    n = len(signal)
    common = np.sqrt(1 - procedure.own) * error + np.sqrt(procedure.own) * rng.standard_normal(n)
    amounts = procedure.amount + procedure.spread * rng.standard_normal((count, 1))
    own = rng.standard_normal((count, n))
    return signal + amounts * (np.sqrt(procedure.shared) * common + np.sqrt(1 - procedure.shared) * own)


def finetuned(rng, procedure, count, signal, error, kept):
    """Predictions (count, n) of trainings, and of as many models that started from them and are as good: they share the
    part `kept` of the variance of what is their start's own."""
    new, sides = np.sqrt(1 - kept), []
    common, amounts, own = (rng.standard_normal(shape) for shape in (signal.shape, (count, 1), (count, len(signal))))
    for side in range(2):
        if side:
            common, amounts, own = (
                np.sqrt(kept) * part + new * rng.standard_normal(part.shape) for part in (common, amounts, own)
            )
        shared = np.sqrt(1 - procedure.own) * error + np.sqrt(procedure.own) * common
        errors = np.sqrt(procedure.shared) * shared + np.sqrt(1 - procedure.shared) * own
        sides.append(signal + (procedure.amount + procedure.spread * amounts) * errors)
    return sides


def compare(labels, networks, sides, resamples, seed, task="regression", clusters=None):
    """{metric: (difference, p value, p value from the rows only)} for each pair of sets of positions in `networks` (M,
    n).

    `sides` lists pairs of lists of positions: the seeds of one procedure, and the seeds of the other.
    """
    clusters = np.arange(len(labels)) if clusters is None else clusters
    units = int(clusters.max()) + 1
    resampled = bootstrap(task, labels, networks, clusters, resamples, seed)
    large, classes = large_clusters(clusters)
    influence = influences(task, labels, networks, clusters, large)
    found = {metric: [] for metric in resampled}
    for metric, values in resampled.items():
        of_sample = measured(labels, networks, metric)
        for pair in sides:
            replicates = [Replicates.of(of_sample[side], values[side]) for side in pair]
            delta = of_sample[pair[0]].mean() - of_sample[pair[1]].mean()
            differences, of_units = (
                both[pair[0]].mean(axis=0) - both[pair[1]].mean(axis=0) for both in (values, influence[metric])
            )
            of_large = inference.Influence(of_units, classes, units)
            errors = [inference.standard_error(differences, of_large, units, those) for those in (replicates, [])]
            p = [inference.difference(delta, error, 0.95, True)[2] for error in errors]
            found[metric].append((delta, *p))
    return {metric: np.array(values) for metric, values in found.items()}


def measured(labels, networks, metric):
    """The metric of each of the networks (M, n)."""
    return np.array([score(metric, labels, values)[0] for values in networks])
