"""The score of validation: values by scikit-learn, and where it says nothing."""

import numpy as np
import pandas as pd
import pytest
from sklearn.metrics import roc_auc_score

from s2f.common.errors import InputError
from s2f.models.validation import auroc, check_cells, check_classes, pearson, score_of_task, validation_score


@pytest.mark.parametrize("digits", [1, 6])
def test_auroc_is_that_of_scikit_learn_with_ties_and_without(digits):
    random = np.random.default_rng(digits)
    for count in (3, 50, 400):
        labels = np.r_[0.0, 1.0, random.integers(0, 2, count - 2)]
        scores = (random.random(count) + 0.2 * labels).round(digits)
        assert auroc(labels, scores) == pytest.approx(roc_auc_score(labels, scores), abs=1e-12)
    assert auroc([0, 0, 1, 1], [1, 2, 2, 3]) == 3.5 / 4


@pytest.mark.parametrize(
    ("labels", "scores"),
    [([1, 1], [0.1, 0.2]), ([0, 1], [0.5, 0.5 + 1e-8]), ([0, 1], [0.5, np.nan]), ([], [])],
)
def test_auroc_without_meaning_is_no_number(labels, scores):
    assert auroc(labels, scores) is None


def test_scores_are_undefined_where_they_say_nothing():
    assert pearson([1, 2, 3], [2, 4, 6.0]) == pytest.approx(1)
    assert auroc([0, 1, 1, 0], [0.1, 0.4, 0.4, 0.4]) == pytest.approx(0.75)
    for x in ([1, 1], [1, 1 + 1e-9], [1, float("nan")], [1, float("inf")]):
        assert pearson(x, [1, 2]) is None and pearson([1, 2], x) is None and auroc([0, 1], x) is None
    assert pearson([1], [1]) is None and auroc([1, 1], [1, 2]) is None


def test_a_part_with_one_class_is_refused_by_name():
    both, one = pd.DataFrame({"label": [0.0, 1.0]}), pd.DataFrame({"label": [1.0, 1.0]})
    check_classes({"train": both, "val": both, "test": one}, "s.tsv")
    with pytest.raises(InputError, match=r"s.tsv: part val: every label of its 2 rows is 1"):
        check_classes({"train": both, "val": one}, "s.tsv")


def test_the_score_of_several_cells_is_their_mean_over_the_rows_that_are_measured():
    labels = np.array([[0.0, 1], [1, np.nan], [2, 0], [np.nan, 3], [4, 1]])
    predictions = np.array([[0.0, 1], [1, 9], [3, 0], [9, 2], [4, 2]])
    found = validation_score("regression", labels, predictions)
    by_hand = pearson([0, 1, 3, 4], [0, 1, 2, 4]), pearson([1, 0, 2, 2], [1, 0, 3, 1])
    assert found == pytest.approx(np.mean(by_hand))
    predictions[:, 1] = 5.0  # constant in one cell
    assert validation_score("regression", labels, predictions) is None


def test_a_part_without_labels_of_a_cell_is_refused_by_name():
    many = pd.DataFrame({"label.K562": np.arange(12.0), "label.HepG2": [*range(10), np.nan, np.nan]})
    two = many.iloc[[0, 10]]
    check_cells({"train": many, "val": many}, ["K562", "HepG2"], "s.tsv")
    check_cells({"train": two, "val": many}, ["K562"], "s.tsv")  # a model of the first cell needs no other
    check_cells({"train": two[["label.K562"]], "val": two[["label.K562"]]}, [], "s.tsv")
    with pytest.raises(InputError, match=r"s.tsv: part train: 1 of 2 rows have a label of HepG2, expected 2 or more"):
        check_cells({"train": two, "val": many}, ["K562", "HepG2"], "s.tsv")
    with pytest.raises(
        InputError, match=r"part val: 9 of 11 rows have a label of HepG2, expected 10 or more; remove this cell"
    ):
        check_cells({"train": many, "val": many[1:]}, ["K562", "HepG2"], "s.tsv")


def test_the_score_of_a_task_is_found_beside_another_metric():
    assert score_of_task("regression", {"metric": "pearson", "value": 0.5}) == 0.5
    assert score_of_task("regression", {"metric": "entropy_spearman", "value": 0.9, "pearson": 0.4}) == 0.4
    assert score_of_task("regression", {"metric": "entropy_spearman", "value": 0.9}) is None
    assert score_of_task("classification", {"metric": "auroc", "value": None}) is None
