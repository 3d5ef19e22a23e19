"""Kinds of splits: each is a module with ``assign(rows, spec, seed, units) -> (part of each row, reason of
exclusion)``.

`rows` are canonical, `spec` is the section of the split, `seed` the study's seed, and `units` the lines for these rows
in the table of units, with only row_id and locus for a split that does not `need_units`. A part is train, val, test or
excluded. If a kind puts rows of one locus into two parts, they are excluded from one of them. A kind whose section
lists what is val and test also has ``why_empty(rows, spec, part) -> text``, for the message if no row is in a part.
"""

from collections.abc import Mapping
from typing import Any

from s2f.common import kinds


def by_homology(split: Mapping[str, Any]) -> bool:
    """Whether a split, given by its section, keeps homologous rows together and so needs the table of units."""
    return kinds.facts("splits", split["kind"])["homology"] and split.get("by", "homology") == "homology"


def need_units(split: Mapping[str, Any]) -> bool:
    """Whether a split, given by its section, needs the table of units: for homology, or to select `train_rows`."""
    return by_homology(split) or "train_rows" in split


def by_chromosome(split: Mapping[str, Any]) -> bool:
    """Whether a split, given by its section, depends on the names of chromosomes."""
    facts = kinds.facts("splits", split["kind"])
    return facts["chromosomes"] or (facts["folds"] and split.get("by", "chromosome") == "chromosome")
