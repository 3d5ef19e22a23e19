"""The judge of attributions: against scikit-learn, against planted sites, and against nothing but chance."""

import numpy as np
import pandas as pd
import pytest
from sklearn.metrics import average_precision_score

from helpers.explained_models import WINDOW, baseline_on_disk, linear, some_inserts
from s2f.common.errors import InputError
from s2f.interpretation import attributions, mutagenesis, truth
from s2f.interpretation import scorer as models
from s2f.rows.sources import simulated, simulated_rbp
from s2f.sequences import dna

RNG = np.random.default_rng(0)
SPEC = {"rows": 60, "seed": 1}


def sites(spec=SPEC):
    """Planted positions of all rows of simulated binding sites."""
    table = simulated_rbp.simulate(spec)
    return truth.planted("simulated_rbp", spec, table["row_id"], table["sequence"])


@pytest.mark.parametrize("digits", [1, 8])  # with ties and without
def test_average_precision_is_that_of_scikit_learn(digits):
    importance, positives = RNG.normal(size=50).round(digits), RNG.random((4, 50)) < 0.3
    expected = [average_precision_score(row, np.abs(importance)) for row in positives]
    np.testing.assert_allclose(truth.average_precision(importance, positives), expected)


def test_planted_positions_hold_the_motifs():
    table = simulated.simulate(SPEC)
    positives = truth.planted("simulated", SPEC, table["row_id"][:20], table["sequence"][:20])
    for row, sites in zip(positives, table["motifs"][:20], strict=True):
        widths = [len(simulated.FACTORS[site.split(":")[0]][0]) for site in sites.split(",") if site]
        assert row.sum() == sum(widths)
    table = simulated_rbp.simulate(SPEC)
    positives = truth.planted("simulated_rbp", SPEC, table["row_id"], table["sequence"])
    assert (positives.sum(1) == np.where(table["bound"], simulated_rbp.SITE, 0)).all()
    loops = [s[f + 5 : f + 12] for s, f, b in zip(table["sequence"], table["first"], table["bound"], strict=True) if b]
    assert np.mean([loop == simulated_rbp.LOOP for loop in loops]) > 0.4
    assert (positives.argmax(1)[table["bound"]] == table["first"][table["bound"]]).all()


def test_planted_refuses_what_it_does_not_know():
    with pytest.raises(InputError, match="source 'gosai' has no truth; known: simulated, simulated_rbp"):
        truth.planted("gosai", {}, [], [])
    with pytest.raises(InputError, match="row 'r1' does not come from this simulation"):
        truth.planted("simulated", SPEC, ["simulated_000001", "r1"], ["A", "C"])


def test_random_attributions_are_found_random():
    """Also smooth ones, whose neighbouring positions are no independent draws."""
    positives = sites()
    values = []
    for seed in range(20):
        noise = np.random.default_rng(seed).normal(size=positives.shape)
        smooth = np.array([np.convolve(row, np.ones(15), "same") for row in noise])
        values.append(truth.against_planted(smooth, positives, seed)["p_value"])
    assert np.mean(np.array(values) < 0.05) <= 0.2 and np.median(values) > 0.15


@pytest.mark.parametrize("n", [10, 100])
def test_a_profile_that_is_the_same_for_all_sequences_is_no_finding(n):
    """Sites keep off the ends; a model that is blind but fades out there must not pass for one that sees them."""
    spec, values = {"rows": 400, "seed": 1}, []
    positives = sites(spec)
    positives = positives[positives.any(1)]
    x = np.arange(positives.shape[1])
    for seed in range(6):
        rng = np.random.default_rng(seed)
        blind = np.minimum(np.minimum(x, x[::-1]), 20) / 20 + 0.05 * rng.normal(size=(n, len(x)))
        values.append(truth.against_planted(blind, rng.permutation(positives)[:n], seed)["p_value"])
    assert min(values) > 0.01 and np.median(values) > 0.15
    rng = np.random.default_rng(0)
    weak = positives[:n] * 0.6 + rng.normal(size=(n, len(x)))
    assert truth.against_planted(weak, positives[:n])["p_value"] < 0.05


def test_one_sequence_alone_says_nothing():
    positives = sites()
    positives = positives[positives.any(1)][:1]
    assert truth.against_planted(positives.astype(float), positives)["p_value"] == 1


def test_rows_of_another_simulation_are_refused():
    table = simulated.simulate(SPEC)[:2]
    with pytest.raises(InputError, match=f"row '{table['row_id'][1]}' has another sequence in this simulation"):
        truth.planted("simulated", SPEC, table["row_id"], [table["sequence"][0], table["sequence"][0]])


def test_sequences_that_cannot_be_judged_get_a_line_that_says_so():
    table = simulated_rbp.simulate(SPEC)
    table = table[~table["bound"]][:4]
    found = {"row_id": table["row_id"].to_numpy(), "sequence": table["sequence"].to_numpy(), "label": np.zeros(4)}
    found["importance"] = RNG.random((4, 101))
    about = {"dataset": "d", "split": "s", "panel": "p", "model": "m", "method": "ism", "seed": "1"}
    planted, motif = truth.judge(found, about, {"kind": "simulated_rbp", "spec": SPEC, "motif": "ACTAAC"})
    assert tuple(planted) == tuple(motif) == truth.COLUMNS
    assert (planted["n"], planted["note"]) == (0, "no sequence has planted positions") and np.isnan(planted["value"])
    assert (motif["n"], motif["note"], motif["measure"]) == (0, "no sequence has label 1", "motif ACTAAC")


def test_a_line_says_how_many_of_the_sequences_count():
    table = simulated_rbp.simulate(SPEC)
    about = {"dataset": "d", "split": "s", "panel": "p", "model": "m", "method": "ism", "seed": "1"}
    bound, other = table[table["bound"]], table[~table["bound"]]
    mixed = pd.concat([bound[:3], other[:2]])
    for chosen, count, note in (
        (bound[:4], 4, ""), (mixed, 3, "3 of 5 sequences count: they have both planted and other positions"),
    ):  # fmt: skip
        found = {name: chosen[name].to_numpy() for name in ("row_id", "sequence")}
        found |= {"label": np.zeros(len(chosen)), "importance": RNG.random((len(chosen), 101))}
        for line in truth.judge(found, about, {"kind": "simulated_rbp", "spec": SPEC}):
            assert (line["n"], line["note"]) == (count, note)


def test_true_attributions_are_found_true():
    positives = sites()
    found = truth.against_planted(positives - 0.1, positives)
    assert found["value"] == 1 and found["p_value"] < 1e-3 and found["n"] == 30
    assert found["random_low"] < found["random"] < found["random_high"] < 0.5
    assert found["prevalence"] == pytest.approx(17 / 101)
    with pytest.raises(InputError, match="no sequence has planted positions"):
        truth.against_planted(np.ones((2, 5)), np.zeros((2, 5), bool))


def test_the_activity_itself_is_the_best_model():
    table = simulated.simulate(SPEC)[:6]
    best = truth.oracle("simulated", table["sequence"])
    positives = truth.planted("simulated", SPEC, table["row_id"], table["sequence"])
    assert truth.against_planted(best, positives)["value"] > 0.6
    codes = dna.encode(table["sequence"].iloc[0])
    mutated = codes.copy()
    found = []
    for base in range(4):
        mutated[17] = base
        found.append(simulated.activity(mutated[None])[0])
    assert best[0, 17] == pytest.approx(found[codes[17]] - (sum(found) - found[codes[17]]) / 3)
    assert truth.oracle("simulated_rbp", []) is None


def test_motifs_in_iupac_letters():
    assert np.flatnonzero(truth.occurrences("TGTAGATATGTATATA", "TGTANATA")).tolist() == [0, 8]
    assert not truth.occurrences("ACGTACGNAC", "TGN").any()
    assert np.flatnonzero(truth.occurrences("AUGU".replace("U", "T"), "U")).tolist() == [1, 3]
    with pytest.raises(InputError, match="motif is 'AXA', expected IUPAC letters"):
        truth.occurrences("ACGT", "AXA")
    with pytest.raises(InputError, match="motif ACGTA is longer than the sequence of 4 letters"):
        truth.occurrences("ACGT", "ACGTA")


def test_motif_under_the_highest_window():
    codes = some_inserts(40, 51, 9)
    places = RNG.integers(0, 45, 40)
    importances = RNG.normal(size=(40, 51)) * 0.1
    for row, place, importance in zip(codes, places, importances, strict=True):
        row[place : place + 6] = dna.encode("ACTAAC")
        importance[place : place + 6] += 1
    sequences = [dna.decode(row) for row in codes]
    found = truth.against_motif(importances, sequences, "ACTAAC")
    assert found["value"] == 1 and found["p_value"] < 1e-3 and 0.02 < found["random"] < 0.1
    shuffled = truth.against_motif(RNG.normal(size=(40, 51)), sequences, "ACTAAC")
    assert shuffled["p_value"] > 1e-3 and shuffled["value"] < 0.3


def test_a_place_where_the_motif_often_is_is_no_finding():
    codes = some_inserts(60, 51, 9)
    for row, place in zip(codes, RNG.integers(8, 13, 60), strict=True):
        row[place : place + 6] = dna.encode("ACTAAC")
    blind = np.exp(-(((np.arange(51) - 12) / 4) ** 2)) + 0.05 * RNG.normal(size=(60, 51))
    found = truth.against_motif(blind, [dna.decode(row) for row in codes], "ACTAAC")
    assert found["value"] > 0.3 and found["p_value"] > 0.05


def test_table_has_a_line_per_model_and_one_of_the_oracle(tmp_path):
    table = simulated.simulate(SPEC)[:4]
    rows = table[["row_id", "sequence", "label"]]
    scorer = linear(RNG.normal(size=(200, 4)))
    found = attributions.attribute_all(scorer, "ism", rows, {}, report=lambda line: None)
    about = attributions.describe(scorer, "ism", {}, 0, "u")
    attributions.write(tmp_path / "a.h5", rows, found, panel="p", **about)
    dataset = {"kind": "simulated", "spec": SPEC}
    lines = truth.judge(*attributions.read(tmp_path / "a.h5"), dataset)
    assert [line["model"] for line in lines] == ["(the simulated activity itself)", "formula"]
    assert lines[0]["value"] > lines[1]["value"] and lines[1]["seed"] == 1


def found_by_mutagenesis(folder, kind, settings, rows):
    """How well a model trained on simulated rows finds the planted sites of the 20 highest rows of those held out."""
    spec = {"rows": rows, "seed": 1}
    table = simulated.simulate(spec)
    long = type(WINDOW)(200, "", "")
    baseline_on_disk(folder / kind, kind, long, settings, table[400:], table[200:400])
    scorer = models.load(folder / kind)
    best = table[:200].nlargest(20, "label")
    changes = [mutagenesis.saturation(scorer, dna.encode(sequence))[0] for sequence in best["sequence"]]
    importances = np.array([mutagenesis.importance_of_substitutions(one) for one in changes])
    return truth.against_planted(importances, truth.planted("simulated", spec, best["row_id"], best["sequence"]))


@pytest.mark.slow
def test_mutagenesis_of_a_ridge_finds_planted_sites(tmp_path):
    """Average precision at least 0.25 above rotated attributions (measured: 0.5 above)."""
    found = found_by_mutagenesis(tmp_path, "kmer_ridge", {"k": [5, 6], "alphas": [2e3, 5e3, 1e4]}, 3000)
    assert found["value"] > found["random_high"] + 0.25 and found["p_value"] < 1e-3
