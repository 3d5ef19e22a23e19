"""Floors of a classification: k-mer logistic regression and GC content."""

import json

import numpy as np
import pandas as pd
import pytest
from sklearn.linear_model import LogisticRegression

from s2f.baselines import gc, kmer_logistic, kmer_ridge
from s2f.common import kinds
from s2f.common.errors import InputError
from s2f.models.validation import auroc
from s2f.sequences import dna


def random_rows(count, seed=0, motif="ACTAAC", length=40):
    """Half of the rows hold the motif."""
    generator = np.random.default_rng(seed)
    codes = generator.integers(0, 4, (count, length)).astype(np.uint8)
    labels = np.arange(count) % 2.0
    for place in np.flatnonzero(labels == 1):
        start = generator.integers(0, length - len(motif))
        codes[place, start : start + len(motif)] = dna.encode(motif)
    return pd.DataFrame({"sequence": [dna.decode(line) for line in codes], "label": labels})


def fitted(kind, folder, train, val, **spec):
    history, validation = kind.train(train, val, None, spec, 0, folder)
    assert history == []
    return kind.load(folder, {}), validation


def test_weights_are_those_of_scikit_learn(tmp_path):
    train, val = random_rows(300), random_rows(100, 1)
    predict, validation = fitted(kmer_logistic, tmp_path, train, val, k=[1, 2], C=[0.1], scaling="standard")
    x = kmer_ridge.counts(list(train["sequence"]), [1, 2], kmer_ridge.features([1, 2], False)).astype(float)
    x_val = kmer_ridge.counts(list(val["sequence"]), [1, 2], kmer_ridge.features([1, 2], False)).astype(float)
    mean, sd = x.mean(axis=0), x.std(axis=0)
    oracle = LogisticRegression(C=0.1, tol=1e-10, max_iter=10_000).fit((x - mean) / sd, train["label"])
    expected = oracle.predict_proba((x_val - mean) / sd)[:, 1]
    assert np.allclose(predict(list(val["sequence"])), expected, atol=1e-5)
    assert validation == {
        "tried": [(0.1, validation["value"])],
        "metric": "auroc",
        "value": pytest.approx(auroc(val["label"], expected), abs=1e-9),
        "epoch": 0,
        "ended": "solved",
    }


def test_c_is_the_best_on_validation_rows(tmp_path):
    train, val = random_rows(400), random_rows(200, 1)
    _, validation = fitted(kmer_logistic, tmp_path, train, val)
    details = json.loads((tmp_path / "details.json").read_text())
    assert details["C_tried"] == sorted(kinds.settings("baselines", "kmer_logistic", {})["C"])
    assert (
        details["val_auroc"][details["C_tried"].index(details["C"])] == max(details["val_auroc"]) == validation["value"]
    )
    assert validation["value"] > 0.8
    assert details["parameters"] == 4 + 16 + 64 + 256 + 1


def test_strands_are_told_apart_unless_asked_not_to(tmp_path):
    train, val = random_rows(200), random_rows(50, 1)
    turned = [dna.reverse_complement_text(s) for s in val["sequence"]]
    predict, _ = fitted(kmer_logistic, tmp_path, train, val, C=[0.1])
    assert predict(list(val["sequence"]), "reverse") == pytest.approx(predict(turned), rel=1e-12)  # sums in other order
    assert not np.allclose(predict(list(val["sequence"])), predict(turned), atol=1e-2)
    (tmp_path / "both").mkdir()
    predict, _ = fitted(kmer_logistic, tmp_path / "both", train, val, C=[0.1], reverse_complement=True)
    assert np.allclose(predict(list(val["sequence"])), predict(turned), atol=1e-6)


@pytest.mark.parametrize("kind", [gc, kmer_logistic])
def test_predictions_are_probabilities_and_training_is_deterministic(kind, tmp_path):
    train, val = random_rows(200), random_rows(50, 1)
    both = []
    for name in "ab":
        (tmp_path / name).mkdir()
        both.append(fitted(kind, tmp_path / name, train, val)[0](list(val["sequence"])))
    assert both[0].dtype == np.float64 and np.array_equal(*both)
    assert (both[0] > 0).all() and (both[0] < 1).all()
    assert np.isfinite(kind.load(tmp_path / "a", {})(["NNNN", "ACGT"])).all()


def test_gc_content_by_hand():
    assert gc.gc_content(["ACGT", "GGC", "AN", "GCNA"]).tolist() == [0.5, 1.0, 0.0, 2 / 3]
    assert np.isnan(gc.gc_content(["NN"])).all()


@pytest.mark.parametrize("rich", [0.0, 1.0])
def test_gc_learns_its_direction(rich, tmp_path):
    table = pd.DataFrame(
        {"sequence": ["GGCA", "GCGT", "ATAG", "TTAA"] * 10, "label": [rich, rich, 1 - rich, 1 - rich] * 10}
    )
    predict, validation = fitted(gc, tmp_path, table, table)
    assert validation["value"] == 1
    low, high = predict(["AATT", "GGCC"])
    assert (high > 0.5 > low) == (rich == 1)
    assert np.array_equal(predict(["AACG"], "reverse"), predict(["AACG"]))
    assert predict(["NN"])[0] == pytest.approx(predict(["GA"])[0], abs=0.2)


def test_gc_of_one_content_predicts_the_prevalence(tmp_path):
    table = pd.DataFrame({"sequence": ["ACGT"] * 40, "label": [1.0] * 10 + [0.0] * 30})
    predict, validation = fitted(gc, tmp_path, table, table)
    assert predict(["ACGT"])[0] == pytest.approx(0.25, abs=1e-4)
    assert validation["value"] is None


@pytest.mark.parametrize(
    ("kind", "change", "spec", "message"),
    [
        (gc, {"label": 1.0}, {}, "baseline gc: 20 training rows of one class, expected labels 0 and 1"),
        (kmer_logistic, {"label": 0.0}, {"C": [1]}, "baseline kmer_logistic: .* one class"),
        (gc, {"label": 0.5}, {}, "baseline gc: a training row has label 0.5, expected 0 or 1"),
        (gc, {}, {"k": [1]}, "baseline gc: unknown key 'k'"),
        (kmer_logistic, {}, {"k": []}, r"k is \[\], expected one or more sizes from 1 to 6"),
        (kmer_logistic, {}, {"k": [7]}, r"k is \[7\]"),
        (kmer_logistic, {}, {"C": [0]}, r"C is \[0.0\], expected positive numbers"),
        (kmer_logistic, {}, {"scaling": "log"}, "scaling is 'log', expected standard or count"),
        (kmer_logistic, {}, {"alphas": [1]}, "unknown key 'alphas'"),
    ],
)
def test_bad_input_is_refused(kind, change, spec, message, tmp_path):
    table = random_rows(20)
    with pytest.raises(InputError, match=message):
        kind.train(table.assign(**change), table, None, spec, 0, tmp_path)


def test_a_c_to_choose_needs_validation_rows_of_both_classes(tmp_path):
    table = random_rows(20)
    with pytest.raises(InputError, match="C cannot be chosen without validation rows of both classes; give one C"):
        kmer_logistic.train(table, table[:0], None, {}, 0, tmp_path)
    kmer_logistic.train(table, table[:0], None, {"C": [0.1]}, 0, tmp_path)


def test_broken_weights_are_refused(tmp_path):
    table = random_rows(20)
    kmer_logistic.train(table, table, None, {"C": [0.1]}, 0, tmp_path)
    (tmp_path / "weights.npz").write_bytes(b"nothing")
    with pytest.raises(InputError, match=r"weights.npz: does not hold the weights of a k-mer regression"):
        kmer_logistic.load(tmp_path, {})


def test_both_are_registered():
    assert {"gc", "kmer_logistic"} <= set(kinds.names("baselines"))


def test_known_figures_on_published_sets(shared, tmp_path):
    """GC content and 1- to 4-mers on QKI_K562: AUROC 0.674 and 0.959, measured independently of this code."""
    folder = shared / "data" / "eclip" / "csv_101nt" / "QKI_K562_IDR"
    train, val, test = (pd.read_csv(folder / f"{part}.csv") for part in ("train", "dev", "test"))
    inserts = list(test["sequence"])
    for kind, expected in ((gc, 0.674), (kmer_logistic, 0.959)):
        (tmp_path / kind.__name__).mkdir()
        predict, _ = fitted(kind, tmp_path / kind.__name__, train, val)
        assert auroc(test["label"], predict(inserts)) == pytest.approx(expected, abs=0.005)
