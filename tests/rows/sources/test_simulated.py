import itertools

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from s2f.common.errors import InputError
from s2f.rows import sources
from s2f.rows.sources import simulated
from s2f.sequences import dna

# perfect sites (odd widths; centre = first base + width // 2) in a background without any
SITE = {"GATA": "AGATAAGAA", "SP1": "GGGGCGGGG", "AP1": "ATGACTCAT", "ETS": "ACCGGAAGT", "REPRESSOR": "AAAATCACAGC"}


@pytest.fixture(scope="module")
def truth():
    return simulated.simulate({})


def insert(*sites, length=200):
    """One insert of T with perfect sites written at (factor, first base, strand)."""
    sequence = ["T"] * length
    for factor, start, strand in sites:
        site = SITE[factor] if strand == "+" else dna.reverse_complement_text(SITE[factor])
        sequence[start : start + len(site)] = site
    return "".join(sequence)


def activity(*sequences):
    return simulated.activity(np.array([dna.encode(s) for s in sequences]))


def gain(*sites):
    """Activity of an insert with these sites above the insert without any."""
    value, base = activity(insert(*sites), insert())
    return value - base


def plain_activity(sequence):
    """The model of the module's docstring, written out for one insert with loops."""
    n = len(sequence)

    def occupancies(factor):
        matrix = simulated.motif(factor)
        width, out = len(matrix), {}
        best = sum(max(np.log2(p / 0.25) for p in row) for row in matrix)
        for start in range(n - width + 1):
            window = sequence[start : start + width]
            values = []
            for text, strength in (
                (window, 1.0),
                (dna.reverse_complement_text(window), 0.6 if factor == "ETS" else 1.0),
            ):
                bits = sum(np.log2(matrix[k]["ACGT".index(base)] / 0.25) for k, base in enumerate(text))
                values.append(strength / (1 + np.exp(-1.5 * (bits - best + 4))))
            out[start + width // 2] = max(values)
        return out

    sites = {factor: occupancies(factor) for factor in simulated.FACTORS}
    weighted = {}
    for factor, found in sites.items():
        for p, o in found.items():
            q = 1 - 0.85 * min(1, sum(r for at, r in sites["REPRESSOR"].items() if abs(at - p) <= 50))
            g = 1 - 0.6 * abs(p - (n - 1) / 2) / (n / 2)
            weighted[factor, p] = q * g * o
    drive = sum(simulated.FACTORS[factor][1] * value for (factor, _), value in weighted.items())
    for p, r in itertools.product(sites["GATA"], sites["AP1"]):
        if abs(abs(p - r) - 14) <= 9:
            kernel = np.exp(-(((abs(p - r) - 14) / 3) ** 2) / 2)
            drive += 4 * weighted["GATA", p] * weighted["AP1", r] * kernel
    gc = (sequence.count("G") + sequence.count("C")) / n
    return -0.6 + 2 * (gc - 0.45) + 5 * (1 - np.exp(-drive / 1.5))


def test_activity_is_the_documented_model(truth):
    three = insert(("GATA", 60, "+"), ("AP1", 75, "-"), ("REPRESSOR", 120, "+"))
    some = [*truth["sequence"].head(3), three]
    np.testing.assert_allclose(activity(*some), [plain_activity(s) for s in some], rtol=1e-9)


def test_each_activator_raises_activity_and_the_middle_counts_most():
    for factor in ("GATA", "SP1", "AP1", "ETS"):
        assert gain((factor, 96, "+")) > gain((factor, 20, "+")) > 0.1


def test_ets_is_stronger_on_the_plus_strand_and_the_others_do_not_care():
    assert gain(("ETS", 96, "+")) > 1.3 * gain(("ETS", 96, "-"))
    for factor in ("GATA", "SP1", "AP1"):
        assert gain((factor, 96, "+")) == pytest.approx(gain((factor, 96, "-")), rel=0.05)


def test_gata_and_ap1_help_each_other_at_the_preferred_distance_in_either_order():
    alone = gain(("GATA", 90, "+")) + gain(("AP1", 104, "+"))
    assert gain(("GATA", 90, "+"), ("AP1", 104, "+")) > 1.5 * alone
    assert gain(("AP1", 90, "+"), ("GATA", 104, "+")) > 1.5 * alone
    assert gain(("GATA", 90, "+"), ("AP1", 130, "+")) < 1.05 * alone


def test_a_repressor_works_near_and_not_far():
    alone = gain(("SP1", 60, "+"))
    assert gain(("SP1", 60, "+"), ("REPRESSOR", 90, "+")) < 0.5 * alone
    assert gain(("SP1", 60, "+"), ("REPRESSOR", 150, "+")) == pytest.approx(alone, abs=0.05)


def test_activity_saturates():
    values = [gain(*[("SP1", 12 * i, "+") for i in range(n)]) for n in range(1, 16)]
    gc = 2 * 9 / 200  # of one site
    steps = np.diff(values) - gc
    assert steps[-1] < 0.5 * steps[6]
    assert max(values) < 5 + 16 * gc


@settings(max_examples=25, deadline=None)
@given(st.integers(0, 10_000))
def test_without_ets_activity_does_not_depend_on_the_strand(seed):
    codes = np.random.Generator(np.random.PCG64(seed)).integers(0, 4, (1, 150), dtype=np.uint8)
    change = simulated.activity(codes) - simulated.activity(dna.reverse_complement(codes))
    ets = simulated._occupancy(codes, "ETS") - simulated._occupancy(dna.reverse_complement(codes), "ETS")[:, ::-1]
    bound = 5 / 1.5 * 0.33 * np.abs(ets).sum()  # slope of the saturation x weight of ETS
    assert abs(change[0]) <= bound + 1e-9


def test_motifs_have_odd_widths_and_rows_that_sum_to_one():
    for factor in simulated.FACTORS:
        matrix = simulated.motif(factor)
        assert len(matrix) % 2 == 1
        np.testing.assert_allclose(matrix.sum(axis=1), 1)
        assert (matrix > 0).all()


def test_same_seed_same_rows_and_another_seed_others(truth):
    same, other = simulated.simulate({"seed": 0}), simulated.simulate({"seed": 1, "rows": 200})
    pd.testing.assert_frame_equal(truth, same)
    assert not set(truth["sequence"]) & set(other["sequence"])


@pytest.mark.parametrize("reliability", [0.9, 0.6])
def test_label_correlates_with_activity_as_designed(reliability):
    n, seeds = 1500, range(4)
    found = []
    for seed in seeds:
        table = simulated.simulate({"rows": n, "seed": seed, "reliability": reliability})
        found.append(np.corrcoef(table["activity"], table["label"])[0, 1])
        variance, noise = table["activity"].var(ddof=0), (table["stderr"] ** 2).mean()
        assert np.sqrt(variance / (variance + noise)) == pytest.approx(reliability, rel=1e-9)
        residual = (table["label"] - table["activity"]) / table["stderr"]
        assert residual.std() == pytest.approx(1, abs=4 / np.sqrt(2 * n))
    # standard error of a mean of correlations; x 1.5 because neither activity nor stderr is Gaussian
    error = 1.5 * (1 - reliability**2) / np.sqrt(n * len(found))
    assert abs(np.mean(found) - reliability) < 4 * error


def test_noise_differs_between_rows(truth):
    assert truth["stderr"].quantile(0.95) > 1.8 * truth["stderr"].quantile(0.05) > 0


def test_planted_sites_stand_where_the_truth_says(truth):
    rows = truth[(truth["allele"] != "alt") & (truth["group"].map(truth["group"].value_counts()) < 4)]
    scores = {factor: [] for factor in simulated.FACTORS}
    for sequence, motifs in zip(rows["sequence"].head(600), rows["motifs"].head(600), strict=True):
        places = []
        for motif in filter(None, motifs.split(",")):
            factor, start, strand = motif.split(":")
            matrix, start = simulated.motif(factor), int(start)
            window = sequence[start : start + len(matrix)]
            window = window if strand == "+" else dna.reverse_complement_text(window)
            scores[factor].append(np.mean(np.log2(matrix[np.arange(len(matrix)), dna.encode(window)] / 0.25)))
            places += range(start, start + len(matrix))
        assert len(places) == len(set(places))
    for factor, values in scores.items():
        assert len(values) > 20
        assert np.mean(values) > 0.7, factor  # a random window has a mean below zero


def test_families_are_homologs_on_one_chromosome(truth):
    families = [table for _, table in truth.groupby("group") if len(table) > 2]
    assert len(families) == 150
    for family in families:
        assert len(family) == 4
        assert family["chrom"].nunique() == 1
        codes = np.array([dna.encode(s) for s in family["sequence"]])
        for i, j in itertools.combinations(range(4), 2):
            assert 0.03 < (codes[i] != codes[j]).mean() < 0.40  # two copies of 5-15 % each


def test_pairs_differ_in_one_recorded_base_and_their_delta_is_real(truth):
    ref = truth[truth["allele"] == "ref"].set_index("pair_id")
    alt = truth[truth["allele"] == "alt"].set_index("pair_id").loc[ref.index]
    assert len(ref) == 300
    for name in ("chrom", "start", "end", "group", "motifs"):
        assert (ref[name] == alt[name]).all()
    for r, a, offset in zip(ref["sequence"], alt["sequence"], alt["snv_offset"], strict=True):
        assert [i for i, (x, y) in enumerate(zip(r, a, strict=True)) if x != y] == [offset]
    delta = (alt["activity"] - ref["activity"]).abs()
    inside = alt["snv_in_site"].astype(bool)
    assert 0.35 < inside.mean() < 0.6
    assert delta[inside].mean() > 3 * delta[~inside].mean()
    assert np.corrcoef(alt["activity"] - ref["activity"], alt["label"] - ref["label"])[0, 1] > 0.3


def test_chromosomes_give_validation_and_test_rows(truth):
    assert truth["chrom"].nunique() == 23
    assert truth["chrom"].isin(["chr19", "chr21", "chrX"]).mean() == pytest.approx(0.086, abs=0.03)
    assert truth["chrom"].isin(["chr7", "chr13"]).mean() == pytest.approx(0.090, abs=0.03)
    assert truth.groupby("group")["chrom"].nunique().max() == 1


def test_read_hides_the_truth(truth):
    rows, stages = sources.read("simulated", {}, {"rows": 200, "seed": 3, "length": 150})
    assert stages.counts == [("simulated", 200)]
    assert "activity" not in rows
    assert rows["row_id"].str.startswith("simulated_").all()
    assert (rows["sequence"].str.len() == 150).all()
    assert ((rows["end"] - rows["start"]) == 150).all()
    assert truth["row_id"].iloc[123] == "simulated_000123"


@pytest.mark.parametrize(
    ("spec", "message"),
    [
        ({"rows": 10}, "rows is 10, expected at least 50"),
        ({"rows": 100.5}, "rows is 100.5, expected a whole number"),
        ({"reliability": 1.0}, "reliability is 1.0, expected a number above 0 and below 1"),
        ({"reliability": "high"}, "reliability is 'high', expected a number"),
        ({"pair_rows": 0.9}, "pair_rows is 0.9, expected a share that is at most 1 together with family_rows"),
        ({"noise": 1}, "unknown key 'noise'; known: composite, family_rows"),
    ],
)
def test_settings_out_of_range_are_named(spec, message):
    with pytest.raises(InputError, match=message):
        sources.read("simulated", {}, spec)


def test_files_are_refused():
    with pytest.raises(InputError, match="reads no files, but 'files' has 'rows'"):
        sources.read("simulated", {"rows": "x.tsv"}, {})


def ridge(features, label, train, penalty):
    """Predictions of a ridge regression on standardised features, in the dual form."""
    scaled = (features - features[train].mean(axis=0)) / (features[train].std(axis=0) + 1e-9)
    kernel = scaled @ scaled[train].T
    mean = label[train].mean()
    return mean + kernel @ np.linalg.solve(kernel[train] + penalty * np.eye(train.sum()), label[train] - mean)


@pytest.mark.slow
def test_kmers_learn_a_part_and_the_model_itself_learns_more(truth):
    codes = np.array([dna.encode(s) for s in truth["sequence"]])
    counts = np.zeros((len(codes), 4**5))
    for strand in (codes, dna.reverse_complement(codes)):
        words = sum(4 ** (4 - k) * strand[:, k : k + 196].astype(int) for k in range(5))
        for i in range(len(words)):
            counts[i] += np.bincount(words[i], minlength=4**5)
    test = truth["chrom"].isin(["chr7", "chr13"]).to_numpy()
    label = truth["label"].to_numpy()
    kmer = np.corrcoef(ridge(counts, label, ~test, 3e4)[test], label[test])[0, 1]
    occupancy = np.column_stack([simulated._occupancy(codes, factor).sum(axis=1) for factor in simulated.FACTORS])
    linear = np.corrcoef(ridge(occupancy, label, ~test, 1.0)[test], label[test])[0, 1]
    ceiling = np.corrcoef(truth["activity"][test], label[test])[0, 1]
    assert 0.45 < kmer < 0.72
    assert kmer + 0.05 < linear < ceiling - 0.04
