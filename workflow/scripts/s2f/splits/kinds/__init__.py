"""Kinds of splits: a module with ``assign(rows, spec, seed, units) -> (part of each row, reason of exclusion)`` each.

`rows` are canonical, `spec` is the section of the split, `seed` that of the study, `units` the lines of these rows in
the table of units, of which a split that does not `need_units` has row_id and locus alone; a part is train, val,
test or excluded. Rows of one locus that a kind puts into two parts are excluded from one of them.
"""

from collections.abc import Mapping
from typing import Any

from s2f.common import kinds


def by_homology(split: Mapping[str, Any]) -> bool:
    """Whether a split, its section in a study, keeps homologous rows together and so needs the table of units."""
    return kinds.facts("splits", split["kind"])["homology"] and split.get("by", "homology") == "homology"


def need_units(split: Mapping[str, Any]) -> bool:
    """Whether a split, its section in a study, needs the table of units: by homology, or to keep `train_rows`."""
    return by_homology(split) or "train_rows" in split


def by_chromosome(split: Mapping[str, Any]) -> bool:
    """Whether a split, its section in a study, goes by the names of chromosomes."""
    facts = kinds.facts("splits", split["kind"])
    return facts["chromosomes"] or (facts["folds"] and split.get("by", "chromosome") == "chromosome")
