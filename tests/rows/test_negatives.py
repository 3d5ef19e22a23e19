import collections
import itertools

import numpy as np
import pandas as pd
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from s2f.rows import negatives
from s2f.rows.peaks import centred
from s2f.sequences import dna
from s2f.sequences.genome import Genome

LENGTH = 31


def rng(seed=0):
    return np.random.Generator(np.random.PCG64(seed))


def neighbours(text):
    return collections.Counter(itertools.pairwise(text))


@settings(deadline=None)
@given(st.one_of(st.text("ACGT", min_size=1, max_size=60), st.text("AC", min_size=1, max_size=60)), st.integers(0, 99))
@example("A" * 50, 0)
@example("ACGT" * 12, 0)
@example("A" * 40 + "C" + "A" * 9 + "G", 0)
@example("ACGNNNACGT", 0)
def test_a_shuffle_keeps_neighbours_and_ends(text, seed):
    new = negatives.shuffled(text, rng(seed))
    assert neighbours(new) == neighbours(text)
    assert (new[0], new[-1], len(new)) == (text[0], text[-1], len(text))
    assert new == negatives.shuffled(text, rng(seed))


@pytest.mark.parametrize("text", ["AACAGACA", "ACCACTAGA", "GATTAGACA"])
def test_all_shuffles_are_equally_likely(text):
    possible = {p for p in set(itertools.permutations(text)) if neighbours(p) == neighbours(text) and p[0] == text[0]}
    draws, chance = 4000, rng(7)
    counts = collections.Counter(negatives.shuffled(text, chance) for _ in range(draws))
    assert set(counts) == {"".join(p) for p in possible}
    expected = draws / len(possible)
    squares = sum((count - expected) ** 2 / expected for count in counts.values())
    assert squares < len(possible) - 1 + 4 * np.sqrt(2 * len(possible))  # chi-square: its mean and four sd


@pytest.fixture(scope="module")
def genome(tmp_path_factory):
    """Two chromosomes whose GC content changes along them."""
    path, chance, text = tmp_path_factory.mktemp("genome") / "hg.fa", rng(1), ""
    for name in ("chr1", "chr2"):
        gc = np.repeat(np.linspace(0.2, 0.8, 30), 1000)
        codes = np.where(
            chance.random(len(gc)) < gc, chance.integers(1, 3, len(gc)), 3 * chance.integers(0, 2, len(gc))
        )
        text += f">{name}\n{dna.decode(codes.astype(np.uint8))}\n"
    path.write_text(text)
    return Genome.open(path)


def peaks(seed, count, signal=4.0):
    chance = rng(seed)
    start = np.sort(chance.choice(290, count, replace=False)) * 100 + 200
    return pd.DataFrame(
        {
            "chrom": np.where(chance.random(count) < 0.6, "chr1", "chr2"),
            "start": start,
            "end": start + chance.integers(5, 90, count),
            "strand": np.where(chance.random(count) < 0.5, "+", "-"),
            "signal": signal,
            "line": 1,
        }
    )


def positives_of(table, genome):
    windows = centred(table.assign(group=negatives.locus(table)), LENGTH)
    return windows.assign(sequence=genome.fetch(windows)).reset_index(drop=True)


def make(kind, positives, own, genome, seed=0, distance=60):
    if kind == "other_rbp":
        return negatives.other_rbp(positives, own, peaks(99, 200), genome, distance, LENGTH, seed)
    if kind == "flank":
        return negatives.flank(positives, own, genome, distance, 600, seed)
    if kind == "gc_matched":
        return negatives.gc_matched(positives, own, genome, distance, 0.05, seed)
    return negatives.dinucleotide_shuffle(positives, seed)


def gap(row, peak):
    return max(peak.start - row.end, row.start - peak.end) if peak.chrom == row.chrom else np.inf


@settings(max_examples=12, deadline=None)
@given(st.integers(0, 1000), st.integers(3, 40))
@pytest.mark.parametrize("kind", ["other_rbp", "flank", "gc_matched"])
def test_no_genomic_negative_lies_near_a_peak_or_a_positive(genome, kind, seed, count):
    own = peaks(seed, count)
    positives = positives_of(own.iloc[: count // 2 + 1], genome)  # the other half is below the threshold
    made = make(kind, positives, own, genome, seed)
    table = made.table
    for occupied in (own, positives):
        assert all(gap(row, other) >= 60 for row in table.itertuples() for other in occupied.itertuples())
    assert len(table) == len(made.kept) <= len(positives)
    assert ((table["end"] - table["start"]) == LENGTH).all()
    assert genome.fetch(table) == table["sequence"].tolist()
    assert not table["sequence"].duplicated().any() and not table["sequence"].isin(positives["sequence"]).any()
    for strand in "+-":
        rows = table[table["strand"] == strand].sort_values(["chrom", "start"])
        ahead = rows.groupby("chrom")["start"].shift(-1)
        assert not (ahead < rows["end"]).any()


@pytest.mark.parametrize("kind", ["other_rbp", "flank", "gc_matched", "dinucleotide_shuffle"])
def test_a_seed_gives_one_set_and_another_seed_another(genome, kind):
    own = peaks(5, 30)
    positives = positives_of(own, genome)
    first, again, other = (make(kind, positives, own, genome, seed) for seed in (1, 1, 2))
    pd.testing.assert_frame_equal(first.table, again.table)
    assert first.kept.tolist() == again.kept.tolist()
    assert first.table["sequence"].tolist() != other.table["sequence"].tolist()


def test_a_flank_is_the_nearest_free_window_and_shares_group_and_strand(genome):
    own = peaks(5, 12).iloc[[3]].assign(start=9000, end=9040)
    made = make("flank", positives_of(own, genome), own, genome, distance=100)
    row = made.table.iloc[0]
    assert gap(row, own.iloc[0]) in range(100, 100 + negatives.STEP)
    assert made.counts[:3] == [
        ("positions tried", 27),
        ("100 nt from any peak", 1),
        ("100 nt from any positive window", 1),
    ]
    assert row["strand"] == own["strand"].iloc[0]
    assert row["group"] == negatives.locus(own)[0]


def test_flanks_come_from_both_sides(genome):
    own = peaks(5, 40)
    positives = positives_of(own, genome)
    made = make("flank", positives, own, genome, distance=5)
    upstream = made.table["start"].to_numpy() < positives["start"].to_numpy()[made.kept]
    assert 0.25 < upstream.mean() < 0.75


def test_a_flank_too_far_is_not_taken(genome):
    own = peaks(5, 12)
    assert len(negatives.flank(positives_of(own, genome), own, genome, 100, 60, 0).table) == 0


def test_gc_matched_has_the_gc_content_strand_and_chromosome_of_its_positive(genome):
    own = peaks(5, 60)
    positives = positives_of(own, genome)
    made = make("gc_matched", positives, own, genome)
    assert len(made.kept) > 50
    for (_, row), place in zip(made.table.iterrows(), made.kept, strict=True):
        positive = positives.iloc[place]
        assert (row["chrom"], row["strand"]) == (positive["chrom"], positive["strand"])
        gc = [sum(map(one["sequence"].count, "GC")) for one in (row, positive)]
        assert abs(gc[0] - gc[1]) <= 0.05 * LENGTH


def test_gc_matched_come_from_the_whole_length_of_chromosomes(tmp_path):
    codes = rng(3).integers(0, 4, 300_000).astype(np.uint8)  # the same GC content everywhere
    (tmp_path / "hg.fa").write_text(f">chr1\n{dna.decode(codes)}\n")
    even = Genome.open(tmp_path / "hg.fa")
    own = peaks(5, 150).assign(chrom="chr1")
    made = make("gc_matched", positives_of(own, even), own, even)
    assert len(made.kept) > 130
    quartiles = np.quantile(made.table["start"] / len(codes), [0.25, 0.5, 0.75])
    np.testing.assert_allclose(quartiles, [0.25, 0.5, 0.75], atol=0.15)


def test_sites_of_others_on_the_other_strand_of_a_peak_are_left_out(genome):
    own = peaks(5, 1).assign(chrom="chr1", start=5000, end=5040, strand="+")
    others = pd.concat([own.assign(strand="-"), own.assign(start=8000, end=8050, strand="-")])
    made = negatives.other_rbp(positives_of(own, genome), own, others, genome, 100, LENGTH, 0)
    assert made.table["start"].tolist() == [8010]
    assert dict(made.counts)["100 nt from any peak"] == 1


def test_fewer_sites_of_others_leave_as_many_positives(genome):
    own = peaks(5, 40)
    others = own.iloc[:9].assign(start=own["start"] + 40, chrom="chr2")
    made = negatives.other_rbp(positives_of(own, genome), own.iloc[:0], others, genome, 0, LENGTH, 0)
    assert 0 < len(made.table) == len(made.kept) < 10


def test_a_shuffle_shares_place_and_group_and_one_letter_has_none():
    positives = pd.DataFrame(
        {
            "chrom": "chr1", "start": [0, 50, 90], "end": [40, 90, 130], "strand": "-",
            "sequence": ["A" * 40, "ACGTTGCA" * 5, "C" * 40], "group": ["a", "b", "c"],
        }
    )  # fmt: skip
    made = negatives.dinucleotide_shuffle(positives, 0)
    assert made.kept.tolist() == [1]
    row = made.table.iloc[0]
    assert row[["chrom", "start", "end", "strand", "group"]].tolist() == ["chr1", 50, 90, "-", "b"]
    assert row["sequence"] != positives["sequence"][1]
    assert neighbours(row["sequence"]) == neighbours(positives["sequence"][1])
