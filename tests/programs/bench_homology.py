"""Homologous groups compared with hashFrag: whether the groups are the same, how much faster, and how time grows.

    export PYTHONPATH=workflow/scripts:tests
    python tests/programs/bench_homology.py example FOLDER
    python tests/programs/bench_homology.py growth FOLDER N...  # sizes: made-up inserts, each in a process

FOLDER holds hashFrag's example: sequences.fa.gz and groups_threshold60.tsv.gz. `example` compares all pairs exactly
(half a minute on one core), runs blastn as hashFrag does (BLAST+ on PATH) and then this search, both with two threads.
hashFrag's work on the hits comes on top: the time of blastn is a lower bound.
"""

import gzip
import itertools
import os
import resource
import subprocess
import sys
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numba
import numpy as np
import pandas as pd
from scipy.sparse import coo_matrix
from scipy.sparse.csgraph import connected_components

from helpers import synthetic_inserts
from s2f.sequences import dna
from s2f.splits.homology import groups as homology
from s2f.splits.homology.alignment import LANES, align, workspace
from s2f.splits.homology.thresholds import thresholds

THRESHOLD, THREADS, WORD = 60, 2, 11
# the command of de-Boer-Lab/hashFrag @ f5411f77, utils/helper_functions.py, with its defaults
BLASTN = (
    *("-word_size", "11", "-gapopen", "2", "-gapextend", "1", "-penalty", "-1", "-reward", "1"),
    *("-max_target_seqs", "500", "-xdrop_ungap", "20", "-xdrop_gap", "30", "-xdrop_gap_final", "100"),
    *("-evalue", "10", "-dust", "no", "-num_threads", str(THREADS), "-max_hsps", "1"),
    *("-outfmt", "6 std score positive gaps", "-strand", "plus"),
)


@numba.njit(nogil=True)
def homologous_pairs(text, lengths, rows, first, last, work):
    """(row, earlier row, reverse-complemented, score) of all homologous pairs of rows [first, last) with earlier
    rows."""
    found = [(0, 0, 0, 0)][:0]
    left, right, scores = np.empty(LANES, np.int64), np.empty(LANES, np.int64), np.empty(LANES, np.int64)
    for row in range(first, last):
        for turned in range(2):
            for start in range(0, row, LANES):
                count = min(LANES, row - start)
                for lane in range(count):
                    left[lane], right[lane] = row + turned * rows, start + lane
                align(text, lengths, left, right, count, 0, work, scores)
                for lane in range(count):
                    if scores[lane] >= THRESHOLD:
                        found.append((row, start + lane, turned, scores[lane]))
    return found


def all_pairs(sequences):
    """Homologous pairs from comparing all rows with all, (P, 4) int64 as `homologous_pairs`."""
    text, lengths = homology.pack(sequences, True)
    rows = len(sequences)

    def part(span):
        return homologous_pairs(text, lengths, rows, *span, workspace(int(lengths.max())))

    borders = np.sqrt(np.linspace(0, rows**2, 65)).astype(int)
    with ThreadPoolExecutor(THREADS) as pool:
        found = list(pool.map(part, itertools.pairwise(borders.tolist())))
    return np.array([pair for part in found for pair in part], np.int64).reshape(-1, 4)


def components(pairs, rows):
    """Group of every row, by first occurrence."""
    graph = coo_matrix((np.ones(len(pairs), np.int8), (pairs[:, 0], pairs[:, 1])), shape=(rows, rows))
    return pd.factorize(connected_components(graph, directed=False)[1])[0]


def timed(what, function, *arguments):
    """Call the function and print wall and CPU seconds, including child processes; returns its result and both
    times."""

    def cpu():
        own = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
        return sum(usage.ru_utime + usage.ru_stime for usage in own)

    wall, busy = time.perf_counter(), cpu()
    result = function(*arguments)
    wall, busy = time.perf_counter() - wall, cpu() - busy
    print(f"{what:58s}{wall:8.1f} s wall{busy:8.1f} s CPU", flush=True)
    return result, (wall, busy)


def read_fasta(path):
    """{name: sequence} of a gzipped FASTA file."""
    with gzip.open(path, "rt") as stream:
        records = stream.read().split(">")[1:]
    return {name: "".join(lines) for name, *lines in map(str.split, records)}


def blast(folder):
    """Build a database of sequences.fa in a folder and search all against all; the hits are in hits.tsv."""
    quiet = {"check": True, "cwd": folder, "stdout": subprocess.DEVNULL}
    subprocess.run(["makeblastdb", "-in", "sequences.fa", "-dbtype", "nucl", "-out", "database"], **quiet)
    subprocess.run(["blastn", "-query", "sequences.fa", "-db", "database", "-out", "hits.tsv", *BLASTN], **quiet)


def blast_scores(path, names):
    """{(row, earlier row): highest score} of the hits of two sequences, with hashFrag's correction of blastn's
    scores."""
    hits = pd.read_csv(path, sep="\t", header=None, usecols=[0, 1, 4, 5, 13, 14])
    hits.columns = ["query", "target", "mismatch", "opens", "positive", "gaps"]
    score = hits["positive"] - hits["mismatch"] - 2 * hits["opens"] - (hits["gaps"] - hits["opens"])
    number = {name: place for place, name in enumerate(names)}
    a, b = (hits[column].str.replace("_Reversed", "").map(number) for column in ("query", "target"))
    table = pd.DataFrame({"a": np.maximum(a, b), "b": np.minimum(a, b), "score": score})
    return table.groupby(["a", "b"])["score"].max().to_dict()


def common_word(first, second):
    """Whether two texts share `WORD` consecutive letters."""
    words = {first[k : k + WORD] for k in range(len(first) - WORD + 1)}
    return any(second[k : k + WORD] in words for k in range(len(second) - WORD + 1))


def example(folder):
    """Groups and time for hashFrag's example."""
    fasta = read_fasta(folder / "sequences.fa.gz")
    names = [name for name in fasta if not name.endswith("_Reversed")]
    sequences = [fasta[name] for name in names]
    with gzip.open(folder / "groups_threshold60.tsv.gz", "rt") as stream:
        group = dict(line.split() for line in stream)
    published = pd.factorize(np.array([group[name] for name in names]))[0]
    print(
        f"{len(names):,} sequences and their reverse complements; "
        f"load {os.getloadavg()[0]:.1f} on {os.cpu_count()} cores"
    )

    timed("compiling the search", homology.homologous_groups, [s[::-1] for s in sequences[:200]])
    with tempfile.TemporaryDirectory() as work:
        text = "".join(f">{name}\n{sequence}\n" for name, sequence in fasta.items())
        (Path(work) / "sequences.fa").write_text(text)
        _, theirs = timed("blastn as hashFrag runs it", blast, work)
        ours, own = timed("this search", homology.homologous_groups, sequences, THRESHOLD)
        with_reverse, _ = timed(
            "this search, with the reverse complements as rows", homology.homologous_groups, list(fasta.values())
        )
        scores = blast_scores(Path(work) / "hits.tsv", names)
    print(f"ratio of blastn alone to this search: wall {theirs[0] / own[0]:.1f}, CPU {theirs[1] / own[1]:.1f}")
    pairs, _ = timed("all pairs, exactly", all_pairs, sequences)
    truth = components(pairs, len(names))

    def together(groups):
        return int((np.bincount(groups) * (np.bincount(groups) - 1) // 2).sum())

    def kept(groups, inside):
        """Pairs of sequences in one group of `groups` that are also in one group of `inside`."""
        return together(pd.factorize(groups.astype(np.int64) * (inside.max() + 1) + inside)[0])

    print(f"\n{'':28s}{'groups':>8s}{'largest':>9s}{'pairs in a group':>18s}{'of these in ours':>18s}")
    for what, groups in (("all pairs, exactly", truth), ("hashFrag", published), ("this search", ours)):
        largest = np.bincount(groups).max()
        print(f"{what:28s}{groups.max() + 1:8,}{largest:9,}{together(groups):18,}{kept(groups, ours):18,}")
    within = [(groups[pairs[:, 0]] == groups[pairs[:, 1]]).mean() for groups in (ours, published)]
    print(
        f"homologous pairs (exact score of at least {THRESHOLD}): {len(pairs):,}; "
        f"in one group of ours {within[0]:.2%}, of hashFrag {within[1]:.2%}"
    )
    print(f"pairs in a group of hashFrag and in none of ours: {together(published) - kept(published, ours)}")
    print(f"groups with the reverse complements as rows: {with_reverse.max() + 1:,}")

    apart = pairs[published[pairs[:, 0]] != published[pairs[:, 1]]]
    print(f"\nhomologous pairs that hashFrag has in two groups: {len(apart)}; why blastn missed them")
    reasons = []
    for a, b, turned, _ in apart.tolist():
        first = dna.reverse_complement_text(sequences[a]) if turned else sequences[a]
        reported = scores.get((a, b))
        if not common_word(first, sequences[b]):
            reasons.append(f"no {WORD} letters in a row in common")
        elif reported is None:
            reasons.append(f"{WORD} letters in common, but no hit reported (extension given up)")
        elif reported < THRESHOLD:
            reasons.append("a hit, but its alignment is not the best one: it scores less than the threshold")
        else:
            reasons.append("a hit above the threshold")
    for reason, count in pd.Series(reasons, dtype="str").value_counts().items():
        print(f"  {count:5d}  {reason}")
    exact = pd.Series(apart[:, 3]).describe()
    print(f"  their exact scores: {exact['min']:.0f} to {exact['max']:.0f}, median {exact['50%']:.0f}")


def grow(count, folder):
    """Time and memory of one size, in this process."""
    real = [s for name, s in read_fasta(folder / "sequences.fa.gz").items() if not name.endswith("_Reversed")]
    sequences = synthetic_inserts.inserts(count, real)
    thresholds(["ACGT" * 20, "ACCT" * 20], 0.3)  # compile
    homology.homologous_groups([s[::-1] for s in real[:200]])
    shown = [time.perf_counter()]

    def progress(done, total):
        if time.perf_counter() > shown[0] + 60:
            shown[0] = time.perf_counter()
            print(f"  {done / total:.1%} of the word hits after {time.process_time():.0f} s CPU", flush=True)

    needed, _ = timed(f"{count:,} inserts: thresholds", thresholds, sequences, 0.3)
    groups, _ = timed(
        f"{count:,} inserts: groups, {THREADS} threads, load {os.getloadavg()[0]:.1f} on {os.cpu_count()} cores",
        lambda: homology.homologous_groups(sequences, needed, threads=THREADS, progress=progress),
    )
    sizes = np.sort(np.bincount(groups))[::-1]
    memory = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e6
    print(
        f"{'':4s}{len(sizes):,} groups, the largest {', '.join(f'{size:,}' for size in sizes[:4])}; {memory:.2f} GB",
        flush=True,
    )


def main():
    """Run one of the two comparisons."""
    if len(sys.argv) < 3 or sys.argv[1] not in ("example", "growth", "grow"):
        sys.exit(__doc__)
    command, folder, counts = sys.argv[1], Path(sys.argv[2]), [int(text) for text in sys.argv[3:]]
    if command == "example":
        example(folder)
    elif command == "grow":
        grow(counts[0], folder)
    else:
        for count in counts:
            subprocess.run([sys.executable, __file__, "grow", str(folder), str(count)], check=True)


if __name__ == "__main__":
    main()
