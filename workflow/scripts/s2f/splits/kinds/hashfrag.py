"""The split `hashfrag`: homologous inserts (score at least the threshold, both strands) never lie in two parts.

The method of hashFrag (de Boer lab): groups are the connected components of local alignments; whole groups are drawn.
"""

import os
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy.sparse import coo_matrix
from scipy.sparse.csgraph import connected_components

from s2f.common.errors import InputError
from s2f.common.provenance import derived_seed
from s2f.splits.homology.blast import homologous_groups_blast
from s2f.splits.homology.groups import homologous_groups


def assign(rows: pd.DataFrame, spec: dict[str, Any], seed: int, cluster: np.ndarray) -> tuple[pd.Series, str]:
    """The part of every row, and no reason as none is excluded.

    `spec`: threshold, backend (`exact`, or `blast` for BLAST+ as hashFrag runs it), val and test (shares of the rows),
    seed. Each `cluster` (N,) of linked rows, such as the alleles of a locus, stays whole as well.
    """
    backends: dict[str, Callable[..., np.ndarray]] = {"exact": homologous_groups, "blast": homologous_groups_blast}
    find = backends[spec["backend"]]
    threads = int(os.environ.get("OMP_NUM_THREADS", 1))  # Snakemake sets it to the threads of the rule
    groups = find(list(rows["sequence"]), threshold=spec["threshold"], threads=threads)
    shares = {"train": 1 - spec["val"] - spec["test"], "val": spec["val"], "test": spec["test"]}
    part, report = draw_groups(groups, shares, derived_seed(seed, "split", spec["seed"]), together=[cluster])
    print(f"hashfrag ({spec['backend']}, threshold {spec['threshold']}): {groups.max() + 1:,} groups; {report}")
    return pd.Series(part, index=rows.index), ""


def draw_groups(
    groups: Sequence[Any] | np.ndarray,
    fractions: Mapping[str, float],
    seed: int,
    together: Sequence[Sequence[Any] | np.ndarray] = (),
    largest: float = 0.1,
) -> tuple[np.ndarray, dict[str, Any]]:
    """Part of every row, (N,) text of the names in `fractions`, and a report.

    `groups` (N,) are names or numbers, as are further arrays `together`, such as pair or locus, where -1 and "" mean
    none. Rows that share one in any of them, also by a chain of rows, form a unit, and a unit is never divided.
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


def units(groupings: Sequence[Sequence[Any] | np.ndarray]) -> NDArray[np.int32]:
    """Connected components of rows that share a name in any of the arrays: (N,), by first occurrence."""
    n = len(groupings[0])
    rows, nodes, count = [], [], n
    for grouping in groupings:
        if len(grouping) != n:
            raise InputError(f"draw: a label array has {len(grouping)} rows, expected {n}")
        number, names = pd.factorize(pd.Series(np.asarray(grouping, object)).replace({"": None, -1: None}))
        given = np.flatnonzero(number >= 0)
        rows.append(given)
        nodes.append(number[given] + count)
        count += len(names)
    row, node = np.concatenate(rows), np.concatenate(nodes)
    graph = coo_matrix((np.ones(len(row), np.int8), (row, node)), shape=(count, count))
    return pd.factorize(connected_components(graph, directed=False)[1][:n])[0].astype(np.int32)
