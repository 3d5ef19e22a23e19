"""Units: rows of a dataset that are not independent of each other, computed once and used wherever that matters.

A table has the columns row_id, locus, homology, unit (whole numbers from 0, by first occurrence) and threshold:

    locus      rows with one sequence, allele pair, group or locus (`linked_rows.loci`): they never lie in two parts
    homology   inserts that are alike (`homology.groups`)
    unit       what is connected by either, also by a chain of rows: hashfrag and a k-fold by homology keep it in one
               part, an adaptation trains on none of which a row is held out, the bootstrap draws it whole
    threshold  the score from which an insert is homologous to another one, see `homology.thresholds`
"""

from collections.abc import Callable

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from s2f.splits.homology.blast import homologous_groups_blast
from s2f.splits.homology.groups import homologous_groups, now_and_then
from s2f.splits.homology.thresholds import thresholds
from s2f.splits.linked_rows import canonical_sequences, joined, loci

# of the rows, what units are made from
ROW_COLUMNS = ["row_id", "sequence", "chrom", "start", "end", "pair_id", "group"]
BACKENDS: dict[str, Callable[..., NDArray[np.int32]]] = {"exact": homologous_groups, "blast": homologous_groups_blast}


def make_units(
    rows: pd.DataFrame,
    identity: float,
    backend: str = "exact",
    threads: int = 1,
    report: Callable[[str], object] = print,
) -> pd.DataFrame:
    """The table of units of canonical `rows`; `identity` and `backend` are those of the dataset's section `homology`.

    `report(text)` is called where it takes long, with how far the search is. Raises `InputError` as `thresholds` and
    the search.
    """
    sequences = rows["sequence"].tolist()
    needed = thresholds(sequences, identity)
    if (needed > rows["sequence"].str.len().to_numpy()).all():  # no score is enough (`thresholds`): nothing to search
        homology = pd.factorize(np.array(canonical_sequences(sequences), object))[0]
    else:
        shown = {"progress": now_and_then(report)} if backend == "exact" else {}
        homology = BACKENDS[backend](sequences, threshold=needed, threads=threads, **shown)
    locus = loci(rows)
    numbers = {"locus": locus, "homology": homology, "unit": joined([locus, homology]), "threshold": needed}
    return pd.DataFrame({"row_id": rows["row_id"], **numbers})


def summary(rows: pd.DataFrame, table: pd.DataFrame) -> str:
    """How many units there are and how large, and what the thresholds are, in lines for people."""
    lengths, needed = rows["sequence"].str.len().to_numpy(), table["threshold"].to_numpy()
    if (needed > lengths).all():
        lines = ["identity 1: only equal inserts are homologous"]
    else:
        lines = [
            f"threshold {needed.min()} to {needed.max()}, half of the rows up to {np.median(needed):g}; identity "
            f"{(needed / lengths).min():.2f} to {(needed / lengths).max():.2f}"
        ]
    if (needed == lengths).any():
        lines.append(f"{(needed == lengths).sum():,} rows are homologous only to rows that hold them whole")
    for name in ("locus", "homology", "unit"):
        sizes = np.sort(np.bincount(table[name]))[::-1]
        lines.append(f"{name}: {len(sizes):,} of {len(table):,} rows, the largest {', '.join(map(str, sizes[:5]))}")
    return "\n".join(lines)
