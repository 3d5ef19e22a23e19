"""Negatives of a binding classification: windows that the protein does not bind, by named kind.

Each function takes the positives, a frame with chrom, start, end, strand, sequence and group, and returns `Negatives`:
as many windows as positives that are kept. The kind decides what a classifier can learn: with `other_rbp`, even
features common to all CLIP sites are no help; `flank` keeps the gene and the composition, `gc_matched` the GC content
and `dinucleotide_shuffle` the dinucleotides. Scores on different kinds cannot be compared.

Genomic negatives lie at least `distance` bases from every peak of the protein and from every positive window, which may
extend far beyond its peak: bases of a positive must not recur in a negative. Both conditions apply to either strand: a
site on the other strand may belong to an antisense transcript, and a split would tie overlapping windows together.
"""

import itertools
from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
import pandas as pd

from s2f.common.provenance import derived_seed
from s2f.rows.peaks import centred
from s2f.sequences.genome import Genome
from s2f.sequences.intervals import Disjoint, Intervals, best_of_overlapping

COLUMNS = ["chrom", "start", "end", "strand", "sequence", "group"]
STEP = 10  # bases between the positions tried for a flank
CANDIDATES = 40  # candidates drawn per positive to match its GC content


@dataclass(frozen=True)
class Negatives:
    """`table` of negatives (columns `COLUMNS`); `kept`, the sorted indices of the positives that go with them, equal in
    number; `counts`, how many candidates were left at each stage."""

    table: pd.DataFrame
    kept: np.ndarray
    counts: list[tuple[str, int]]


def intervals_of(peaks: pd.DataFrame) -> Intervals:
    """The `Intervals` of a frame with the columns chrom, start and end."""
    return Intervals(peaks["chrom"], peaks["start"], peaks["end"])


def locus(windows: pd.DataFrame) -> list[str]:
    """Names of windows or peaks, `chr7:100-151(+)`."""
    return [f"{r.chrom}:{r.start}-{r.end}({r.strand})" for r in windows.itertuples(index=False)]


def other_rbp(
    positives: pd.DataFrame,
    peaks: pd.DataFrame,
    others: pd.DataFrame,
    genome: Genome,
    distance: int,
    length: int,
    seed: int,
) -> Negatives:
    """Windows of `length` bases around the centres of other proteins' peaks (`others`), drawn at random.

    Of overlapping windows on one strand, the one with the highest signal is a candidate. If there are fewer candidates
    than positives, an equal number of positives is drawn.
    """
    table = centred(others.assign(group=locus(others)), length)
    counts = [("other peaks", len(table))]
    table = table[genome.holds(table)]
    counts.append(("window in the FASTA", len(table)))
    table = _distant(table, positives, peaks, distance, counts)
    table = table[best_of_overlapping(table, table["signal"])]
    counts.append(("best of overlapping", len(table)))
    table = _usable(table.assign(sequence=genome.fetch(table)), positives)
    counts.append(("new sequence without N", len(table)))
    count = min(len(table), len(positives))
    rng = _rng(seed, "other_rbp")
    drawn = np.sort(rng.permutation(len(table))[:count])
    kept = np.sort(rng.permutation(len(positives))[:count])
    return Negatives(table.iloc[drawn][COLUMNS], kept, counts)


def flank(
    positives: pd.DataFrame, peaks: pd.DataFrame, genome: Genome, distance: int, reach: int, seed: int
) -> Negatives:
    """For each positive, the nearest free window of the same length and strand, at most `reach` bases away.

    Positions are tried in steps of `STEP` bases; whether upstream or downstream comes first is random. A window is free
    if it is far from all peaks and positives, lies within the FASTA and does not overlap an earlier negative on its
    strand. It has the same group as its positive; positives without one are not kept. The counts start with the
    positions tried.
    """
    occupied, free = (intervals_of(peaks), intervals_of(positives)), Disjoint()
    counted = np.zeros(3, int)
    chrom, strand = positives["chrom"].to_numpy(), positives["strand"].to_numpy()
    start, end = positives["start"].to_numpy(np.int64), positives["end"].to_numpy(np.int64)
    first = np.where(_rng(seed, "flank").random(len(positives)) < 0.5, -1, 1)
    shift, open_ = np.zeros(len(positives), np.int64), np.ones(len(positives), bool)
    for step in range(STEP, reach + 1, STEP):
        for side in (first, -first):
            i = np.flatnonzero(open_)
            moved = side[i] * step
            window = pd.DataFrame({"chrom": chrom[i], "start": start[i] + moved, "end": end[i] + moved})
            good = (window["start"] >= 0).to_numpy() & genome.holds(window)
            counted[0] += good.sum()
            for number, intervals in enumerate(occupied, 1):
                good &= ~intervals.near(window["chrom"], window["start"], window["end"], distance)
                counted[number] += good.sum()
            for j, by in zip(i[good], moved[good], strict=True):
                if free.add(chrom[j], strand[j], start[j] + by, end[j] + by):
                    shift[j], open_[j] = by, False
    table = positives.assign(start=start + shift, end=end + shift)[~open_]
    counts = list(zip(("positions tried", *_distances(distance)), counted.tolist(), strict=True))
    counts.append(("positives with a flank", len(table)))
    table = _usable(table.assign(sequence=genome.fetch(table), positive=np.flatnonzero(~open_)), positives)
    counts.append(("new sequence without N", len(table)))
    return Negatives(table[COLUMNS], table["positive"].to_numpy(), counts)


def nearest_flank(length: int, distance: int) -> int:
    """By how many bases a window of `length` must at least be moved to be `distance` bases from its origin."""
    return -(-(length + distance) // STEP) * STEP


def gc_matched(
    positives: pd.DataFrame, peaks: pd.DataFrame, genome: Genome, distance: int, tolerance: float, seed: int
) -> Negatives:
    """For each positive, a window from anywhere with the same length, strand and chromosome and similar GC content.

    `CANDIDATES` windows per positive are drawn uniformly over the records of the FASTA; each positive, in random order,
    takes a random one of those that are closest in GC content and overlap no earlier negative. Positives without one
    within `tolerance` (a share of the bases) are not kept. The windows of all positives must have the same length.
    """
    length = int((positives["end"] - positives["start"]).iloc[0])
    drawn = []
    for chrom, count in positives["chrom"].value_counts(sort=False).sort_index().items():
        held = genome.records[genome.records["chrom"] == chrom]
        room = np.maximum(0, (held["end"] - held["start"]).to_numpy(np.int64) - length + 1)
        if room.sum():
            rng = _rng(seed, "gc_matched", chrom)
            at = np.unique(rng.integers(0, room.sum(), CANDIDATES * count))
            record = np.searchsorted(np.cumsum(room), at, "right")
            first = held["start"].to_numpy(np.int64)[record] + at - (np.cumsum(room) - room)[record]
            strand = np.where(rng.random(len(at)) < 0.5, "+", "-")
            drawn.append(pd.DataFrame({"chrom": chrom, "start": first, "end": first + length, "strand": strand}))
    table = pd.concat(drawn, ignore_index=True)
    # sorted by position so far: each positive would take the last window of a chromosome with its GC content
    table = table.iloc[_rng(seed, "gc_matched", "order").permutation(len(table))]
    counts = [("windows drawn", len(table))]
    table = _distant(table, positives, peaks, distance, counts)
    table = _usable(table.assign(sequence=genome.fetch(table), group=locus(table)), positives).reset_index(drop=True)
    counts.append(("new sequence without N", len(table)))

    waiting: dict[tuple[str, str, int], list[int]] = {}  # (chromosome, strand, GC count) -> indices of candidates
    for index, key in enumerate(zip(table["chrom"], table["strand"], _gc(table["sequence"]), strict=True)):
        waiting.setdefault(key, []).append(index)
    free, taken = Disjoint(), {}
    wanted = list(zip(positives["chrom"], positives["strand"], _gc(positives["sequence"]), strict=True))
    shifts = sorted(range(-int(tolerance * length), int(tolerance * length) + 1), key=abs)
    starts, ends = table["start"].tolist(), table["end"].tolist()
    for i in _rng(seed, "gc_matched").permutation(len(positives)):
        chrom, strand, gc = wanted[i]
        for shift in shifts:
            left = waiting.get((chrom, strand, gc + shift), [])
            while left and i not in taken:
                index = left.pop()  # one that overlaps an earlier negative is no use to any other positive either
                if free.add(chrom, "", starts[index], ends[index]):
                    taken[i] = index
            if i in taken:
                break
    kept = np.array(sorted(taken), int)
    table = table.iloc[[taken[i] for i in kept]]
    counts.append(("matched", len(table)))
    return Negatives(table[COLUMNS], kept, counts)


def dinucleotide_shuffle(positives: pd.DataFrame, seed: int) -> Negatives:
    """For each positive, a shuffle of its sequence with the same dinucleotide counts, at its position and in its group.

    A positive is not kept if ten shuffles give only itself or another row, as with a sequence of a single letter.
    """
    seen = set(positives["sequence"])
    shuffles, kept = [], []
    for i, (name, sequence) in enumerate(zip(locus(positives), positives["sequence"], strict=True)):
        rng = _rng(seed, "dinucleotide_shuffle", name)
        new = next((s for s in (shuffled(sequence, rng) for _ in range(10)) if s not in seen), None)
        if new:
            seen.add(new)
            shuffles.append(new)
            kept.append(i)
    table = positives.iloc[kept].assign(sequence=shuffles)
    return Negatives(table[COLUMNS], np.array(kept, int), [("shuffles unlike every row", len(kept))])


def shuffled(sequence: str, rng: np.random.Generator) -> str:
    """A random text with the same ends and the same counts of letters and of adjacent pairs as `sequence`.

    All such texts are equally likely (Altschul and Erickson 1985): pairs are the edges of a graph of letters, and the
    text is an Eulerian path. For each letter but the last, one edge is chosen to be used last, such that these edges
    lead to the last letter; the others are used in random order. The edges are chosen by loop-erased random walks
    (Wilson 1996), which need no retries, however rarely an edge leaves a letter for another.
    """
    if len(sequence) < 4:
        return sequence
    following: dict[str, list[str]] = {letter: [] for letter in sequence}
    for letter, after in itertools.pairwise(sequence):
        following[letter].append(after)
    leaving = {letter: [after for after in edges if after != letter] for letter, edges in following.items()}
    root = sequence[-1]
    reached, final = {root}, {}
    for letter in following:
        at = letter
        while at not in reached:
            final[at] = leaving[at][rng.integers(len(leaving[at]))]
            at = final[at]
        at = letter
        while at not in reached:
            reached.add(at)
            at = final[at]
    order = {}
    for letter, edges in following.items():
        if letter in final:
            edges.remove(final[letter])
        edges = [edges[i] for i in rng.permutation(len(edges))]
        order[letter] = iter([*edges, final[letter]] if letter in final else edges)
    out = [sequence[0]]
    for _ in range(len(sequence) - 1):
        out.append(next(order[out[-1]]))
    return "".join(out)


def _distances(distance: int) -> tuple[str, str]:
    """The names of the two stages that check distances."""
    return f"{distance} nt from any peak", f"{distance} nt from any positive window"


def _distant(
    table: pd.DataFrame, positives: pd.DataFrame, peaks: pd.DataFrame, distance: int, counts: list[tuple[str, int]]
) -> pd.DataFrame:
    """Windows at least `distance` bases from every peak and every positive; both stages are added to `counts`."""
    for stage, occupied in zip(_distances(distance), (peaks, positives), strict=True):
        table = table[~intervals_of(occupied).near(table["chrom"], table["start"], table["end"], distance)]
        counts.append((stage, len(table)))
    return table


def _rng(seed: int, *names: object) -> np.random.Generator:
    return np.random.Generator(np.random.PCG64(derived_seed(seed, "negatives", *names)))


def _usable(table: pd.DataFrame, positives: pd.DataFrame) -> pd.DataFrame:
    """Rows whose sequence has no N and equals neither that of a positive nor that of an earlier row."""
    seen, good = set(positives["sequence"]), []
    for sequence in table["sequence"]:
        good.append("N" not in sequence and sequence not in seen)
        seen.add(sequence)
    return table[np.array(good, bool)]


def _gc(sequences: Iterable[str]) -> list[int]:
    return [sequence.count("G") + sequence.count("C") for sequence in sequences]
