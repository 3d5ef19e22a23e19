"""The split `hashfrag`: among the rows that it draws, homologous inserts are never in two parts.

The method is that of hashFrag (de Boer lab): groups are the connected components of local alignments, and whole groups
are drawn. The dataset's units say which inserts are homologous; they also keep alleles and loci together.

Rows that are only ever evaluated (designed sequences) are not drawn: they are test whatever their units, so a designed
row may have relatives in train, which the split's audit counts under `designed`. Their only role in the units is to
join: two families that only a designed row connects are drawn as one.
"""

from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd

from s2f.common.errors import InputError
from s2f.common.provenance import derived_seed
from s2f.splits.table import largest


def assign(rows: pd.DataFrame, spec: dict[str, Any], seed: int, units: pd.DataFrame) -> tuple[pd.Series, str]:
    """The part of every row, and no reason: none is excluded. `spec`: val and test (shares of the rows), seed."""
    shares = {"train": 1 - spec["val"] - spec["test"], "val": spec["val"], "test": spec["test"]}
    unit = units["unit"].to_numpy()
    try:
        part, report = draw_groups(unit, shares, derived_seed(seed, "split", spec["seed"]))
    except InputError as error:
        raise InputError(f"{error}{largest(rows, unit)}") from None
    print(f"hashfrag: {report}")
    return pd.Series(part, index=rows.index), ""


def draw_groups(
    units: np.ndarray, fractions: Mapping[str, float], seed: int, largest: float = 0.1
) -> tuple[np.ndarray, dict[str, Any]]:
    """The part of every row, (N,) text with the names in `fractions`, and a report.

    `units` (N,) are numbers; a unit is never divided. `fractions` maps train, val and test to shares of the rows that
    sum to 1. The units come in random order (as in hashFrag, so that single rows and families have the same chance).
    Each goes to test if it fits into what is left of test's share, otherwise to val, otherwise to train. A unit larger
    than `largest` times a part's share never goes there: a giant family is trained on, not evaluated. The report holds
    rows and units per part, the size of the largest unit, and the units and rows that were refused by both val and test
    because of their size.

    Raises `InputError` for fractions that are not shares and for a part that remains empty.
    """
    names = ("train", "val", "test")
    if set(fractions) != set(names) or min(fractions.values()) < 0 or abs(sum(fractions.values()) - 1) > 1e-9:
        raise InputError(f"draw: fractions are {dict(fractions)}, expected train, val and test that sum to 1")
    unit = pd.factorize(np.asarray(units))[0]
    sizes = np.bincount(unit)
    left = {part: round(fractions[part] * len(unit)) for part in ("test", "val")}
    limit = {part: max(1, largest * quota) for part, quota in left.items()}
    part_of_unit = np.full(len(sizes), "train", object)
    for number in np.random.Generator(np.random.PCG64(derived_seed(seed, "draw_groups"))).permutation(len(sizes)):
        for part in left:
            if sizes[number] <= min(left[part], limit[part]):
                left[part] -= sizes[number]
                part_of_unit[number] = part
                break
    parts = part_of_unit[unit]
    for part in names:
        if fractions[part] and not (parts == part).any():
            most = min(limit.get(part, len(unit)), round(fractions[part] * len(unit)))
            raise InputError(
                f"draw: part {part!r} is empty: it takes units of at most {most:g} rows, but the smallest of "
                f"{len(sizes)} units has {sizes.min()}; give it a larger share or raise `largest`"
            )
    giant = sizes > max(limit.values())
    report = {
        "rows": {part: int((parts == part).sum()) for part in names},
        "units": {part: int((part_of_unit == part).sum()) for part in names},
        "largest_unit": int(sizes.max()),
        "too_large_to_evaluate": {"units": int(giant.sum()), "rows": int(sizes[giant].sum())},
    }
    return parts, report
