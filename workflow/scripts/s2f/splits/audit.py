"""Leak audit of a split: how close the rows that are evaluated come to the rows that were learned from.

Every kind of split is measured alike: the best local alignment (`homology.groups`, both strands), the 31-mers in
common, and the rows of the same locus, such as alleles and overlapping windows, and of the same unit. Nothing is
refused here.
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

# part whose rows may leak -> parts that are scored; val counts for test because it chooses epochs and settings
COMPARED = {"train": ("test", "val"), "val": ("test",)}
# Seeds of the alignment, finer than those of the split `hashfrag`: most pairs that the split missed show here.
SEEDS: dict[str, Any] = {"word": 7, "seed_score": 14}
# Score that is a leak by any account. A row that reaches it is looked at no further: repeats have thousands of
# relatives in train, whose alignments took two thirds of the time, to tell 120 from 130.
ENOUGH = 100
KMER = 31
AT_ONCE = 1 << 16  # rows whose k-mers are in memory
# Chance that two triplets of a row are equal from which it is of low complexity: 0.016 in random rows, 0.5 in (GT)n. It
# is the threshold of DUST (Morgulis and others, Journal of Computational Biology 13, 1028, 2006): a score of 20 in 64
# letters
LOW_COMPLEXITY = 0.0645


def audit(
    rows: pd.DataFrame,
    table: pd.DataFrame,
    units: pd.DataFrame,
    threads: int = 1,
    report: Callable[[str], object] = print,
) -> pd.DataFrame:
    """One line per evaluated row and part it is compared with: what they share.

    `rows` are canonical, `table` is their split, `units` their table (`units_table.read_units`). Compared are test
    with train, val with train and test with val; excluded rows are left out. Test rows that are only ever evaluated are
    the part `designed`. Columns:
        part, against, row_id, length
        threshold          the threshold of the row (`homology.thresholds`)
        lowest_threshold   the lowest score from which it can be homologous to a row of `against`, as the lower
                           threshold of a pair holds
        highest_possible   the score of a row of `against` that holds the whole row, if one is as long; scores end at
                           `highest_score`
        best_score         highest local alignment score with a row of `against`, see below
        homologous         1 if the score of a pair with a row of `against` reaches the threshold of that pair, else 0
        shared_31mers      distinct 31-mers, in either orientation, that occur in `against`; those with N never count
        same_locus_rows    rows of `against` of the same locus; 0 in every split made here
        same_unit_rows     rows of `against` of the same unit: homologous, also by a chain of rows
        low_complexity     1 for a row whose triplets recur (`low_complexity`): its best_score ends at its threshold

    A score is exact (match 1, mismatch -1, gap of k letters 2 + (k - 1)), but only pairs with a seed in common are
    aligned (see `homology.groups`): 0 where there is none. Against the alignment of all pairs of two real samples
    (722 rows of 114 bp, 2,000 of up to 200 bp) the 468 rows that reach 50 had their true score, of those from 40 to 50
    nine in 87 a lower one; below, where scores are those of chance, two thirds are too low, by 4 points on average.

    Rows of low complexity, such as (GT)n and poly-A, score with each other by what they are made of, and every pair of
    them has hundreds of seeds. Whether such a row is homologous is as exact as of others; how far it goes beyond its
    threshold is not looked for. A test holds the cost of 2,000 inserts of (GT)n or poly-A, whole or with 30 % of their
    letters drawn anew, to 20 times that of random rows; measured are 1 to 5 times, of 4,000 as of 2,000, without more
    memory.

    `homologous` goes by the seeds of the audit, which find pairs that those of the units miss, and not by chains of
    rows; `same_unit_rows` the other way round. `report(text)` is called with the plan and, where it takes long, with
    how far it is. Raises `InputError` where rows and table do not
    name the same rows, for an unknown or empty part, and for what `best_scores` refuses.
    """
    locus, unit, threshold = (units[name].to_numpy() for name in ("locus", "unit", "threshold"))
    lengths = rows["sequence"].str.len().to_numpy(np.int64)
    highest = highest_score(int(threshold.max()))
    # linked rows in two parts are to be counted, not refused: every row is its own locus for the check
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
        # only the threshold of a row of `against` can be lower than that of a query which did not reach its own
        lowest = threshold[queries].clip(max=threshold[targets].min())
        unsettled = np.flatnonzero(~homologous & (scores >= lowest))
        if len(unsettled):
            asked = queries[unsettled]
            lower = targets[threshold[targets] < threshold[asked].max()]
            report(f"aligning {len(asked):,} of them with {len(lower):,} rows of lower thresholds")
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
    """Score at which the search for a better one ends: `ENOUGH`, or the highest threshold where that is higher."""
    return max(ENOUGH, threshold)


def summary(table: pd.DataFrame) -> pd.DataFrame:
    """What `audit` found, a line per part and what it is compared with; shares are fractions of the rows.

    The thresholds and `highest_possible` are those of the row in the middle: a share of rows that reach a threshold
    says nothing where none can.
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
    """Whether two triplets of a sequence, drawn at random, are equal with a chance of `LOW_COMPLEXITY`: (N,).

    Triplets with N do not count.
    """
    found = []
    for start in range(0, len(sequences), AT_ONCE):
        some = sequences[start : start + AT_ONCE]
        letters = dna.encode("NN".join(some)).astype(np.int64)  # no triplet without N goes over to the next sequence
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

    A k-mer and its reverse complement count as one; those with N do not count. `k` is odd and at most 31, so that a
    k-mer fits into 64 bits and none is its own reverse complement. Memory: 80 bytes per letter of the queries.
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
        other = np.sort(other)  # neighbours in order look up neighbouring positions
        position = np.searchsorted(known, other).clip(max=len(known) - 1)
        occurs[position[known[position] == other]] = True
    hits = np.flatnonzero(occurs[index])
    distinct = np.unique(of_row[hits] * len(known) + index[hits])
    return np.bincount(distinct // len(known), minlength=len(queries))
