"""The truth of dependency maps: in simulated binding sites, are paired bases brighter than others?

In the source `simulated_rbp`, base i of a hairpin's first arm determines base 2 ARM + loop - 1 - i of the hairpin, and
apart from the loop nothing else depends on anything. These are the positives among all pairs of letters. In any model,
letters depend more on near letters than on far ones, so the positives are compared with other pairs at the same
distances.
"""

from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd
from sklearn.metrics import average_precision_score

from s2f.common.errors import InputError
from s2f.representation.map_files import MappedSequence
from s2f.rows.sources import simulated_rbp
from s2f.rows.sources.simulated_rbp import ARM, SITE
from s2f.rows.stages import Stages

PAIRED = ("site", "stem")  # kinds of simulated rows whose arms pair
COLUMNS = ("row_id", "kind", "planted", "others", "auprc", "prevalence", "auprc_all", "prevalence_all")


def planted(first: int) -> np.ndarray:
    """Positions (ARM, 2) of the paired bases of a hairpin that begins at `first`, outermost pair first."""
    i = np.arange(ARM)
    return np.stack([first + i, first + SITE - 1 - i], axis=1)


def hairpins(mapped: Sequence[MappedSequence], source: dict[str, Any], where: str) -> list[tuple[str, int]]:
    """(kind, first) of each mapped sequence: its kind of row, and where its hairpin begins (-1 if it has none).

    The simulation, whose options are `source`, is run again. Raises `InputError`, with a message that begins with
    `where`, if a sequence differs from the simulation's.
    """
    truth = simulated_rbp.simulate(source).set_index("row_id")
    for row in mapped:
        if row.row_id not in truth.index or truth.at[row.row_id, "sequence"] != row.sequence:
            raise InputError(f"{where}: row {row.row_id!r} does not come from this simulation; make the maps again")
    return [(truth.at[row.row_id, "kind"], int(truth.at[row.row_id, "first"])) for row in mapped]


def measure(dependency: np.ndarray, first: int) -> dict[str, float]:
    """How bright the planted pairs of a map (L, L) are: dict of `COLUMNS` without row_id and kind.

    The brightness of a pair is the mean of both directions. `planted`, `others`: means over the planted pairs and over
    the other pairs at the same distances (log2 odds ratio); `auprc`: average precision of the planted pairs among both,
    with their share; `..._all`: among all pairs of letters. A map with values that are not finite is refused.
    """
    if not np.isfinite(dependency).all():
        raise InputError("the map holds values that are not finite")
    pairs = planted(first)
    a, b = np.triu_indices(len(dependency), 1)
    bright = (dependency[a, b] + dependency[b, a]) / 2
    positive = np.zeros_like(dependency, bool)
    positive[tuple(pairs.T)] = True
    positive = positive[a, b]
    alike = np.isin(b - a, pairs[:, 1] - pairs[:, 0])
    values = {"planted": bright[positive].mean(), "others": bright[alike & ~positive].mean()}
    for ending, among in (("", alike), ("_all", np.ones_like(alike))):
        values[f"auprc{ending}"] = average_precision_score(positive[among], bright[among])
        values[f"prevalence{ending}"] = positive[among].mean()
    return {key: float(value) for key, value in values.items()}


def table(
    mapped: Sequence[MappedSequence], source: dict[str, Any], where: str, stages: Stages | None = None
) -> pd.DataFrame:
    """A line per mapped sequence with paired arms: a data frame of `COLUMNS`; `stages` counts those without.

    Raises `InputError` as `hairpins`, and if no sequence is left.
    """
    lines = []
    for row, (kind, first) in zip(mapped, hairpins(mapped, source, where), strict=True):
        if kind in PAIRED:
            lines.append({"row_id": row.row_id, "kind": kind, **measure(row.map, first)})
    if not lines:
        raise InputError(f"{where}: none of {len(mapped)} sequences holds a paired hairpin; map positive rows")
    stages = stages or Stages()
    stages.left("mapped", len(mapped))
    stages.left("with a paired hairpin", len(lines))
    return pd.DataFrame(lines)[list(COLUMNS)]
