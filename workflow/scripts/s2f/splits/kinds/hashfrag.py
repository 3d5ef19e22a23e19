"""The split `hashfrag`: homologous inserts never lie in two parts, of the rows that it draws.

The method of hashFrag (de Boer lab): groups are the connected components of local alignments; whole groups are drawn.
Which inserts are homologous is what the units of the dataset say, which keep alleles and loci together as well.

Rows that are only ever evaluated (designed sequences) are not drawn: they are test whatever their units, so a designed
row may have relatives in train, which the audit of the split counts under `designed`. Their part in the units is to
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
    """The part of every row, and no reason as none is excluded. `spec`: val and test (shares of the rows), seed."""
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
    """Part of every row, (N,) text of the names in `fractions`, and a report.

    `units` (N,) are numbers; a unit is never divided. `fractions` maps train, val and test to shares of the rows that
    sum to 1. The units come in random order (as in hashFrag, so that single rows and families have the same chance);
    each goes to test as long as it fits into what is left of test's share, then to val, else to train. A unit above
    `largest` times the share of a part never goes there: a giant family trains, it does not evaluate. The report holds
    rows and units per part, the size of the largest unit, and units and rows that were refused by val and test alike
    for their size.

    Raises `InputError` for fractions that are not shares and a part that stays empty.
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
                f"draw: part {part!r} is empty: it takes units of at most {most:g} rows, "
                f"and the smallest of {len(sizes)} has {sizes.min()}; give it a larger share or raise `largest`"
            )
    giant = sizes > max(limit.values())
    report = {
        "rows": {part: int((parts == part).sum()) for part in names},
        "units": {part: int((part_of_unit == part).sum()) for part in names},
        "largest_unit": int(sizes.max()),
        "too_large_to_evaluate": {"units": int(giant.sum()), "rows": int(sizes[giant].sum())},
    }
    return parts, report
