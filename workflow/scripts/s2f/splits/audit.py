"""Leak audit of a split: how similar the evaluated rows are to the rows that were learned from.

Every kind of split is measured in the same way: by the best local alignment (`homology.groups`, both strands), by the
31-mers in common, and by the rows of the same locus (such as alleles and overlapping windows) or of the same unit.
Nothing is refused here.
"""

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from s2f.rows.canonical import EVALUATED_ONLY
from s2f.sequences import dna
from s2f.sequences.kmers import kmers
from s2f.splits.homology.groups import best_scores, homologous_to_any, now_and_then
from s2f.splits.table import PARTS, parts_checked

# part whose rows may leak -> parts that are scored; val counts as test because it decides epochs and settings
COMPARED = {"train": ("test", "val"), "val": ("test",)}
# Seeds of the alignment, more sensitive than in the split `hashfrag`: most pairs that the split missed show up here.
SEEDS: dict[str, Any] = {"word": 7, "seed_score": 14}
# A score that is a leak by any standard. Once a row reaches it, the search stops for this row: repeats have thousands
# of relatives in train, and their alignments took two thirds of the time only to distinguish 120 from 130.
ENOUGH = 100
KMER = 31
AT_ONCE = 1 << 16  # rows whose k-mers are in memory at a time
# A row is of low complexity if two of its triplets are equal with at least this probability: 0.016 in random rows, 0.5
# in (GT)n. It is the threshold of DUST (Morgulis and others, Journal of Computational Biology 13, 1028, 2006): a score
# of 20 in 64 letters
LOW_COMPLEXITY = 0.0645


def audit(
    rows: pd.DataFrame,
    table: pd.DataFrame,
    units: pd.DataFrame,
    threads: int = 1,
    report: Callable[[str], object] = print,
) -> pd.DataFrame:
    """One line per evaluated row and part with which it is compared: what they have in common.

    `rows` are canonical, `table` is their split, `units` their table of units (`units_table.read_units`). Test is
    compared with train, val with train, and test with val; excluded rows are ignored. Test rows that are only ever
    evaluated form the part `designed`. Columns:
        part, against, row_id, length
        threshold          the threshold of the row (`homology.thresholds`)
        lowest_threshold   the lowest score at which the row can be homologous to a row of `against`, since the lower
                           threshold of a pair applies
        highest_possible   the score of a row of `against` that contains the whole row, if one is long enough; scores
                           are capped at `highest_score`
        best_score         highest local alignment score with a row of `against`, see below
        homologous         1 if the score of a pair with a row of `against` reaches that pair's threshold, else 0
        shared_31mers      distinct 31-mers, in either orientation, that occur in `against`; those with N never count
        same_locus_rows    rows of `against` of the same locus; 0 in every split made here
        same_unit_rows     rows of `against` of the same unit: homologous, also through a chain of rows
        low_complexity     1 for a row with recurring triplets (`low_complexity`): its best_score is capped at its
                           threshold

    A score is exact (match 1, mismatch -1, gap of k letters 2 + (k - 1)), but only pairs with a common seed are aligned
    (see `homology.groups`); without one the score is 0. Compared with the alignment of all pairs in two real samples
    (722 rows of 114 bp, 2,000 of up to 200 bp), all 468 rows that reach 50 had their true score; from 40 to 50, nine in
    87 had a lower one; below that, where scores are due to chance, two thirds were too low, by 4 points on average.

    Rows of low complexity, such as (GT)n and poly-A, align well with each other because of their composition, and every
    pair of them has hundreds of seeds. Whether such a row is homologous is determined as exactly as for others; by how
    much it exceeds its threshold is not determined. A test limits the cost of 2,000 inserts of (GT)n or poly-A,
    unchanged or with 30 % of their letters redrawn, to 20 times that of random rows; measured were 1 to 5 times, for
    4,000 as for 2,000, with no additional memory.

    `homologous` uses the audit's seeds, which find pairs that the units' seeds miss, but does not follow chains of
    rows; `same_unit_rows` is the other way round. `report(text)` is called with the plan and, if it takes long, with
    the progress. Raises `InputError` if rows and table do not name the same rows, for an unknown or empty part, and for
    what `best_scores` refuses.
    """
    locus, unit, threshold = (units[name].to_numpy() for name in ("locus", "unit", "threshold"))
    lengths = rows["sequence"].str.len().to_numpy(np.int64)
    highest = highest_score(int(threshold.max()))
    # linked rows in two parts must be counted, not refused, so in this check every row is its own locus
    parts = parts_checked(rows, table, np.arange(len(rows)))
    indices = {part: np.flatnonzero(parts == part) for part in PARTS}
    sequences = rows["sequence"].to_numpy(object)
    simple = low_complexity(sequences)
    most = np.where(simple, threshold, highest)
    designed = rows["published"].str.startswith(EVALUATED_ONLY).to_numpy(bool)
    out = []
    for against, evaluated in COMPARED.items():
        targets = indices[against]
        queries = np.concatenate([indices[part] for part in evaluated])
        names = " and ".join(evaluated)
        report(f"aligning {len(queries):,} rows of {names} with {len(targets):,} of {against} on {threads} thread(s)")
        searched = {"threads": threads, "progress": now_and_then(report), **SEEDS}
        scores = best_scores(sequences[queries], sequences[targets], most[queries], **searched)
        homologous = scores >= threshold[queries]
        # if a query did not reach its own threshold, only that of a row of `against` can be lower
        lowest = threshold[queries].clip(max=threshold[targets].min())
        unsettled = np.flatnonzero(~homologous & (scores >= lowest))
        if len(unsettled):
            asked = queries[unsettled]
            lower = targets[threshold[targets] < threshold[asked].max()]
            report(f"aligning {len(asked):,} of them with {len(lower):,} rows with lower thresholds")
            homologous[unsettled] = homologous_to_any(
                sequences[asked], sequences[lower], threshold[asked], threshold[lower], **searched
            )
        columns = {
            "part": np.where(designed[queries], "designed", parts[queries]),
            "against": against,
            "row_id": rows["row_id"].to_numpy(object)[queries],
            "length": lengths[queries],
            "threshold": threshold[queries],
            "lowest_threshold": lowest,
            "highest_possible": np.minimum(lengths[queries].clip(max=lengths[targets].max()), most[queries]),
            "best_score": scores,
            "homologous": homologous.astype(np.int64),
            f"shared_{KMER}mers": shared_kmers(sequences[queries], sequences[targets]),
            "same_locus_rows": np.bincount(locus[targets], minlength=len(rows))[locus[queries]],
            "same_unit_rows": np.bincount(unit[targets], minlength=len(rows))[unit[queries]],
            "low_complexity": simple[queries].astype(np.int64),
        }
        out.append(pd.DataFrame(columns))
    return pd.concat(out, ignore_index=True)


def highest_score(threshold: int) -> int:
    """The score at which the search for a better one ends: `ENOUGH`, or the highest threshold if that is higher."""
    return max(ENOUGH, threshold)


def summary(table: pd.DataFrame) -> pd.DataFrame:
    """The results of `audit`, one line per part and part compared with; shares are fractions of the rows.

    The thresholds and `highest_possible` are those of the median row: a share of rows that reach a threshold means
    nothing if none can.
    """
    lines = []
    for (part, against), compared in table.groupby(["part", "against"], sort=False):
        score = compared["best_score"]
        lines.append(
            {
                "part": part,
                "against": against,
                "rows": len(compared),
                "median": score.median(),
                "p95": score.quantile(0.95),
                "max": score.max(),
                "threshold": compared["threshold"].median(),
                "lowest_threshold": compared["lowest_threshold"].median(),
                "highest_possible": compared["highest_possible"].median(),
                "share_homologous": compared["homologous"].mean(),
                f"share_with_{KMER}mer": (compared[f"shared_{KMER}mers"] > 0).mean(),
                "rows_of_same_locus": (compared["same_locus_rows"] > 0).sum(),
                "rows_of_same_unit": (compared["same_unit_rows"] > 0).sum(),
                "rows_of_low_complexity": compared["low_complexity"].sum(),
            }
        )
    return pd.DataFrame(lines)


def low_complexity(sequences: Sequence[str] | np.ndarray) -> NDArray[np.bool_]:
    """Whether two triplets drawn at random from a sequence are equal with probability `LOW_COMPLEXITY` or more: (N,).

    Triplets with N do not count.
    """
    found = []
    for start in range(0, len(sequences), AT_ONCE):
        some = sequences[start : start + AT_ONCE]
        letters = dna.encode("NN".join(some)).astype(np.int64)  # no triplet without N extends into the next sequence
        of_row = np.repeat(np.arange(len(some)), [len(sequence) + 2 for sequence in some])[: len(letters)]
        words = np.lib.stride_tricks.sliding_window_view(letters, 3) if len(letters) > 2 else np.zeros((0, 3), np.int64)
        whole = np.flatnonzero((words != dna.N_CODE).all(axis=1))
        number = of_row[whole] * 64 + words[whole] @ np.array([16, 4, 1])
        counts = np.bincount(number, minlength=64 * len(some)).reshape(-1, 64)
        total = counts.sum(axis=1)
        found.append((counts * (counts - 1)).sum(axis=1) >= LOW_COMPLEXITY * np.maximum(total * (total - 1), 1))
    return np.concatenate(found) if found else np.zeros(0, bool)


def shared_kmers(
    queries: Sequence[str] | np.ndarray, targets: Sequence[str] | np.ndarray, k: int = KMER
) -> NDArray[np.int64]:
    """How many distinct `k`-mers of each query occur in any target, in either orientation: (len(queries),).

    A k-mer and its reverse complement count as one; those with N do not count. `k` must be odd, so that none is its own
    reverse complement, and at most 31, so that a k-mer fits into 64 bits. Memory: 80 bytes per letter of the queries.
    """
    found = list(kmers(queries, k, AT_ONCE))
    if not found:
        return np.zeros(len(queries), np.int64)
    of_row, codes = (np.concatenate([part[side] for part in found]) for side in (0, 1))
    if len(codes) == 0:
        return np.zeros(len(queries), np.int64)
    known, index = np.unique(codes, return_inverse=True)
    occurs = np.zeros(len(known), bool)
    for _, other in kmers(targets, k, AT_ONCE):
        other = np.sort(other)  # after sorting, neighbours look up neighbouring positions
        position = np.searchsorted(known, other).clip(max=len(known) - 1)
        occurs[position[known[position] == other]] = True
    hits = np.flatnonzero(occurs[index])
    distinct = np.unique(of_row[hits] * len(known) + index[hits])
    return np.bincount(distinct // len(known), minlength=len(queries))
