"""Units: rows of a dataset that are not independent of each other, computed once and used wherever that matters.

The table has the columns row_id, locus, homology, unit (whole numbers from 0, by first occurrence) and threshold:

* `locus`: rows with the same sequence, allele pair, group or locus (`linked_rows.loci`); they are never in two parts.
* `homology`: rows with similar inserts (`homology.groups`).
* `unit`: rows connected by either, also through a chain of rows. hashfrag and a k-fold by homology keep a unit in one
  part, an adaptation does not train on a unit with a held-out row, and the bootstrap draws it as a whole.
* `threshold`: the score at which an insert is homologous to another one, see `homology.thresholds`.
"""

from collections.abc import Callable

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from s2f.sequences import dna
from s2f.splits.homology.blast import homologous_groups_blast
from s2f.splits.homology.groups import homologous_groups, now_and_then
from s2f.splits.homology.thresholds import thresholds
from s2f.splits.linked_rows import joined, loci

# the columns of rows from which units are made
ROW_COLUMNS = ["row_id", "sequence", "chrom", "start", "end", "pair_id", "group"]
BACKENDS: dict[str, Callable[..., NDArray[np.int32]]] = {"exact": homologous_groups, "blast": homologous_groups_blast}


def make_units(
    rows: pd.DataFrame,
    identity: float,
    backend: str = "exact",
    threads: int = 1,
    report: Callable[[str], object] = print,
) -> pd.DataFrame:
    """The table of units for canonical `rows`; `identity` and `backend` come from the dataset's section `homology`.

    `report(text)` is called with the progress of the search if it takes long. Raises `InputError` as `thresholds` and
    the search do.
    """
    sequences = rows["sequence"].tolist()
    needed = thresholds(sequences, identity)
    if (needed > rows["sequence"].str.len().to_numpy()).all():  # no score is enough (`thresholds`): no need to search
        homology = pd.factorize(np.array(dna.canonical_sequences(sequences), object))[0]
    else:
        shown = {"progress": now_and_then(report)} if backend == "exact" else {}
        homology = BACKENDS[backend](sequences, threshold=needed, threads=threads, **shown)
    locus = loci(rows)
    numbers = {"locus": locus, "homology": homology, "unit": joined([locus, homology]), "threshold": needed}
    return pd.DataFrame({"row_id": rows["row_id"], **numbers})


def summary(rows: pd.DataFrame, table: pd.DataFrame) -> str:
    """How many units there are, how large they are, and what the thresholds are, as lines for people."""
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
