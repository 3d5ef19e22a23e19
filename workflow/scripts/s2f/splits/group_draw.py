"""Draw whole groups of rows into train, val and test: seeded, to the row, and without a family that fills a part."""

import numpy as np
import pandas as pd
from scipy.sparse import coo_matrix
from scipy.sparse.csgraph import connected_components

from s2f.common.errors import InputError
from s2f.common.provenance import derived_seed


def draw_groups(groups, fractions, seed, together=(), largest=0.1):
    """Part of every row and a report: object array (N,) of the names in `fractions`, dict.

    `groups` (N,) are labels; `together` are more label arrays (N,), such as pair or locus, where -1 and "" mean none.
    Rows that share a label in any of them, also by a chain of rows, form a unit, and a unit is never divided.
    `fractions` maps train, val and test to shares of the rows that sum to 1. The units come in random order (as in
    hashFrag, so that single rows and families have the same chance); each goes to test as long as it fits into what is
    left of test's share, then to val, else to train. A unit above `largest` times the share of a part never goes there:
    a giant family trains, it does not evaluate. The report holds rows and units per part, the size of the largest unit,
    and units and rows that were refused by val and test alike for their size.

    Raises `InputError` for fractions that are not shares, arrays of other length and a part that stays empty.
    """
    names = ("train", "val", "test")
    if set(fractions) != set(names) or min(fractions.values()) < 0 or abs(sum(fractions.values()) - 1) > 1e-9:
        raise InputError(f"draw: fractions are {dict(fractions)}, expected train, val and test that sum to 1")
    unit = units([groups, *together])
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


def units(labels):
    """Connected components of rows that share a label in any of the arrays: int32 (N,), by first occurrence."""
    n = len(labels[0])
    rows, nodes, count = [], [], n
    for label in labels:
        if len(label) != n:
            raise InputError(f"draw: a label array has {len(label)} rows, expected {n}")
        place, names = pd.factorize(pd.Series(np.asarray(label, object)).replace({"": None, -1: None}))
        given = np.flatnonzero(place >= 0)
        rows.append(given)
        nodes.append(place[given] + count)
        count += len(names)
    rows, nodes = np.concatenate(rows), np.concatenate(nodes)
    graph = coo_matrix((np.ones(len(rows), np.int8), (rows, nodes)), shape=(count, count))
    return pd.factorize(connected_components(graph, directed=False)[1][:n])[0].astype(np.int32)
