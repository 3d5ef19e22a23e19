"""Homologous sequences and their textbook alignment, for the tests of splits and of their audit."""

import gzip
import shutil

import numpy as np
import pytest

from s2f.common.compiled_loops import keeper
from s2f.sequences import dna
from s2f.splits.homology.alignment import PAD

needs_blast = pytest.mark.skipif(shutil.which("blastn") is None, reason="needs NCBI BLAST+ (blastn) on PATH")


@keeper(__file__)
def gotoh(a, b):
    """Local alignment with three matrices, with gaps of either kind in any order: match 1, mismatch -1, gap 2 + (k -
    1)."""
    m, n = len(a), len(b)
    h = np.zeros((m + 1, n + 1), np.int64)
    e = np.full((m + 1, n + 1), -1000)
    f = np.full((m + 1, n + 1), -1000)
    for i in range(1, m + 1):
        for j in range(1, n + 1):
            e[i, j] = max(h[i - 1, j] - 2, e[i - 1, j] - 1)
            f[i, j] = max(h[i, j - 1] - 2, f[i, j - 1] - 1)
            same = 1 if a[i - 1] == b[j - 1] and a[i - 1] < 4 else -1
            h[i, j] = max(0, h[i - 1, j - 1] + same, e[i, j], f[i, j])
    return h.max()


def score(a, b):
    return gotoh(dna.encode(a), dna.encode(b))


@keeper(__file__)
def same(a, i, b, j):
    return 0 <= i < len(a) and 0 <= j < len(b) and a[i] == b[j] and a[i] < 4


@keeper(__file__)
def seed_score(a, b, word, pad):
    """Best score of a word that begins a run of equal letters, extended by up to `pad` letters a side without gaps."""
    best = 0
    for i in range(len(a)):
        for j in range(len(b)):
            run = 0
            while same(a, i + run, b, j + run):
                run += 1
            if run >= word and not same(a, i - 1, b, j - 1):
                total = word
                for step, x, y in ((-1, i - 1, j - 1), (1, i + word, j + word)):
                    gain = score = 0
                    for k in range(pad):
                        score += 1 if same(a, x + k * step, b, y + k * step) else -1
                        gain = max(gain, score)
                    total += gain
                best = max(best, total)
    return best


def candidate_score(first, second, word, seed, both_strands=True):
    """Best score of a pair on the strands on which it is a candidate (the second is reverse-complemented); 0 if it is
    none."""
    turned = [second, dna.reverse_complement_text(second)][: 1 + both_strands]
    seeds = [seed_score(dna.encode(first), dna.encode(c), word, PAD) for c in turned]
    return max([score(first, c) for c, s in zip(turned, seeds, strict=True) if s >= max(seed, 1)], default=0)


def mutated(rng, sequence, rate):
    """A relative: with substitutions, short insertions and deletions, cut at the ends, on either strand, occasionally
    with an N."""
    out = []
    for letter in sequence:
        kind = rng.random()
        if kind < rate * 0.6:
            out.append(rng.choice(list("ACGT")))
        elif kind < rate * 0.8:
            out.append(letter + "".join(rng.choice(list("ACGT"), rng.integers(1, 4))))
        elif kind < rate:
            continue
        else:
            out.append(letter if rng.random() > 0.01 else "N")
    text = "".join(out)[rng.integers(0, 8) :]
    return dna.reverse_complement_text(text) if rng.random() < 0.5 else text


def hashfrag_example(shared):
    """({name: sequence}, {name: group}) of hashFrag's example, without the reverse complements that are rows there."""
    folder = shared / "data" / "mpra" / "hashfrag_example"
    with gzip.open(folder / "groups_threshold60.tsv.gz", "rt") as stream:
        group = dict(line.split() for line in stream)
    with gzip.open(folder / "sequences.fa.gz", "rt") as stream:
        records = stream.read().split(">")[1:]
    sequence = {name: "".join(lines) for name, *lines in map(str.split, records)}
    return tuple({name: of[name] for name in of if not name.endswith("_Reversed")} for of in (sequence, group))
