"""How the units of a panel are drawn, and the scores of its models in each resample."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from s2f.common.provenance import derived_seed
from s2f.evaluation.bootstrap import influences, large_clusters, stratified_bootstrap
from s2f.evaluation.measure import Panel
from s2f.evaluation.metrics import METRICS, SUFFIXES


@dataclass(frozen=True)
class Units:
    """How the units of a panel are drawn: the units with rows only in this split, and the `shared` ones (K,), sorted.

    Shared units have rows in several folds of a k-fold split and are drawn with a separate seed, the same in all folds.
    `large` (U,) are the units that are larger than others, of all folds, with their size `classes` (U,).
    """

    shared: np.ndarray
    large: np.ndarray
    classes: np.ndarray
    seed: int
    seed_of_shared: int

    @staticmethod
    def of(groups: Sequence[np.ndarray], seed: int, dataset: str, split: str, family: str, panel: str) -> "Units":
        """From the `groups` (N,) of a panel in each fold of `family`, which includes `split`; only its own if it is not
        a fold."""
        numbers, names = pd.factorize(np.concatenate(groups), sort=True)
        large, classes = large_clusters(numbers)
        in_folds = np.bincount(np.concatenate([np.searchsorted(names, pd.unique(part)) for part in groups]))
        seeds = (derived_seed(seed, "bootstrap", dataset, place, panel) for place in (split, family))
        return Units(names[in_folds > 1], names[large], classes, *seeds)

    def numbers(self, panel: Panel) -> tuple[np.ndarray, list[tuple[int, int]]]:
        """The unit of each item of a panel (N,), and the strata of `bootstrap`: the units of this panel only come
        first."""
        is_shared = np.isin(panel.groups, self.shared)
        own = int((~is_shared).sum())
        number = np.where(is_shared, own + np.searchsorted(self.shared, panel.groups), np.cumsum(~is_shared) - 1)
        strata = [(own, self.seed), (len(self.shared), self.seed_of_shared)]
        return number[panel.clusters], [stratum for stratum in strata if stratum[0]]


def resample(
    task: str, panel: Panel, units: Units, predictions: Sequence[np.ndarray], resamples: int
) -> tuple[dict[str, np.ndarray], dict[str, np.ndarray]]:
    """{metric: (runs, resamples)}, the same resamples for every run and for both suffixes of a panel of pairs; and
    {metric: (runs, units)}, the influence of large units."""
    if not predictions or panel.units == 1:  # then every resample is the panel itself
        nothing = np.full((len(predictions), resamples), np.nan)
        no_influence = np.full((len(predictions), len(units.large)), np.nan)
        return dict.fromkeys(panel.metrics(task), nothing), dict.fromkeys(panel.metrics(task), no_influence)
    clusters, strata = units.numbers(panel)
    there = np.isin(units.large, panel.groups)
    large = np.searchsorted(panel.groups, units.large[there])
    labels = panel.by_suffix(panel.rows["label"].to_numpy())
    predicted = [panel.by_suffix(values) for values in predictions]
    resampled: dict[str, np.ndarray] = {}
    influence: dict[str, np.ndarray] = {}
    for suffix in SUFFIXES[panel.kind]:
        stacked = np.stack([values[suffix] for values in predicted])
        by_metric = stratified_bootstrap(task, labels[suffix], stacked, clusters, resamples, *strata)
        resampled |= {metric + suffix: by_metric[metric] for metric in METRICS[task]}
        by_metric = influences(task, labels[suffix], stacked, panel.clusters, large)
        for metric in METRICS[task]:
            influence[metric + suffix] = np.zeros((len(predictions), len(there)))
            influence[metric + suffix][:, there] = by_metric[metric]
    return resampled, influence
