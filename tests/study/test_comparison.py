"""What a study says of its comparison: folds, series, and which task a baseline does."""

import copy

import pytest

from helpers.minimal_study import MINIMAL
from s2f.common import kinds
from s2f.common.errors import InputError
from s2f.evaluation import markdown
from s2f.study import comparison, jobs, runs, validate


def with_kfold(**changes):
    config = copy.deepcopy(MINIMAL)
    config["splits"]["cv3"] = {"kind": "kfold", "folds": 3, **changes}
    config["datasets"]["simulated_d"]["splits"] = ["cv3", "chromosome"]
    return config


def test_a_kfold_stands_for_its_folds():
    checked = validate.validated(with_kfold(inner=0.2))
    folds = ["cv3-fold0", "cv3-fold1", "cv3-fold2"]
    assert list(checked["splits"]) == ["chromosome", *folds]
    assert checked["splits"]["cv3-fold1"] == {
        "kind": "kfold", "folds": 3, "by": "chromosome", "inner": 0.2, "seed": 0, "fold": 1,
    }  # fmt: skip
    assert checked["datasets"]["simulated_d"]["splits"] == [*folds, "chromosome"]
    assert {run.split for run in runs.runs(checked)} == {*folds, "chromosome"}
    assert comparison.families(checked, "simulated_d") == {"cv3": folds}
    assert comparison.families_and_splits(checked, "simulated_d") == ["cv3", "chromosome"]
    spec = comparison.comparison_spec(checked)["datasets"]["simulated_d"]
    assert spec["folds"] == {"cv3": folds} and list(spec["panels"]) == [*folds, "chromosome"]
    assert spec["panels"]["cv3-fold2"]["chromosome"]["path"] == "results/simulated_d/panels/cv3-fold2/chromosome.tsv"
    assert jobs.split_seed({**checked, "seed": 7}, "cv3-fold0") == 7


def test_single_folds_have_no_mean():
    config = with_kfold()
    config["datasets"]["simulated_d"]["splits"] = ["cv3-fold1"]
    checked = validate.validated(config)
    assert checked["datasets"]["simulated_d"]["splits"] == ["cv3-fold1"]
    assert comparison.families(checked, "simulated_d") == {}
    assert comparison.families_and_splits(checked, "simulated_d") == ["cv3-fold1"]
    config["datasets"]["simulated_d"]["splits"] = ["cv3-fold1", "cv3"]
    assert len(validate.validated(config)["datasets"]["simulated_d"]["splits"]) == 3


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda c: c["splits"].update({"cv3-fold1": {"kind": "random"}}), "splits.cv3: its fold 'cv3-fold1' is also"),
        (lambda c: c["datasets"]["simulated_d"].update(splits=["cv3-fold3"]), "'cv3-fold3' is not in the section"),
        (lambda c: c["splits"]["cv3"].update(folds=1), "splits.cv3.folds: 1 is less than the minimum of 2"),
        (lambda c: c["splits"]["cv3"].update(fold=1), "splits.cv3: key 'fold' is unknown"),
        (
            lambda c: c["splits"]["cv3"].update(by="cluster"),
            r"splits.cv3.by: 'cluster' is not one of .*locus.*locus \(formerly cluster\)",
        ),
        (lambda c: c["splits"]["chromosome"].update(train_rows=0), "splits.chromosome.train_rows: 0 is less than"),
    ],
)
def test_bad_folds_are_refused(change, message):
    config = with_kfold()
    change(config)
    with pytest.raises(InputError, match=message):
        validate.validated(config)


def test_limited_training_rows_are_drawn_with_the_seed_of_the_study():
    config = copy.deepcopy(MINIMAL) | {"seed": 7}
    assert jobs.split_seed(validate.validated(config), "chromosome") == 0
    for kind in kinds.names("splits"):
        assert "train_rows" in kinds.schema("splits", kind)["properties"]
    config["splits"]["chromosome"]["train_rows"] = 100
    assert jobs.split_seed(validate.validated(config), "chromosome") == 7


def classification(**baselines):
    config = copy.deepcopy(MINIMAL)
    config["datasets"]["simulated_d"]["task"] = "classification"
    config["baselines"] = {name: {"kind": kind} for name, kind in baselines.items()}
    config["models"] = [{"baselines": list(baselines)}]
    return config


def test_baselines_are_refused_on_a_task_they_do_not_do():
    assert validate.validated(classification(mean="mean", words="kmer_logistic", gc="gc"))
    with pytest.raises(
        InputError,
        match=r"baselines\.ridge: kind kmer_ridge is only for regression, but dataset 'simulated_d' is a class",
    ):
        validate.validated(classification(ridge="kmer_ridge"))
    with pytest.raises(InputError, match=r"baselines\.m: kind malinois is only for regression"):
        validate.validated(classification(m="malinois"))
    for kind in ("kmer_logistic", "gc"):
        config = classification(b=kind)
        config["datasets"]["simulated_d"]["task"] = "regression"
        with pytest.raises(InputError, match=f"baselines.b: kind {kind} is only for classification, but dataset"):
            validate.validated(config)


def test_floors_are_the_baselines_whose_kind_is_one():
    checked = validate.validated(classification(mean="mean", words="kmer_logistic", gc="gc"))
    assert comparison.floors(checked) == ["mean", "words", "gc"]


def with_series(**second):
    config = with_kfold()
    config["datasets"]["simulated_d"]["series"] = "s"
    config["datasets"]["simulated_e"] = {**copy.deepcopy(config["datasets"]["simulated_d"]), **second}
    return config


def test_a_series_and_its_splits():
    checked = validate.validated(with_series() | {"comparison": {"against": "mean"}})
    assert comparison.series(checked) == {"s": ["simulated_d", "simulated_e"]}
    assert comparison.across_spec(checked)["series"]["s"] == {
        "datasets": ["simulated_d", "simulated_e"],
        "proteins": {"simulated_d": "simulated_d", "simulated_e": "simulated_e"},
        "splits": ["cv3", "chromosome"], "baseline": "mean", "simulated": True,
    }  # fmt: skip
    assert comparison.series(validate.validated(MINIMAL)) == {}


@pytest.mark.parametrize(
    ("second", "message"),
    [
        ({"series": "t"}, "datasets.simulated_d.series: 's' has no other dataset, expected two or more"),
        ({"task": "classification"}, "the task of 'simulated_d' is 'regression', but for 'simulated_e' it is 'class"),
        (
            {"strand_rule": "forward"},
            "the strand_rule of 'simulated_d' is 'mean', but for 'simulated_e' it is 'forward'",
        ),
        ({"against": "mean"}, r"the baseline \(against\) of 'simulated_d' is '', but for 'simulated_e' it is 'mean'"),
        ({"series": "a b"}, "datasets.simulated_e.series: 'a b' is not a name that begins"),
    ],
)
def test_unlike_datasets_are_no_series(second, message):
    config = with_series(**second)
    config["models"] = [{"baselines": ["mean"]}]
    with pytest.raises(InputError, match=message):
        validate.validated(config)


def eclip(negatives, **changes):
    """A dataset of eCLIP peaks."""
    files = {"peaks": "qki.bed", "genome": "hg38.fa"}
    return {
        "source": {"kind": "encode_eclip", "rbp": "QKI", "files": files, "negatives": {"kind": negatives}},
        "task": "classification", "strand_rule": "forward", "construct": "w", "splits": ["chromosome"],
        "panels": {"chromosome": {"kind": "rows"}}, **changes,
    }  # fmt: skip


def of_peaks(datasets):
    config = copy.deepcopy(MINIMAL)
    config["constructs"]["w"] = {"flanks": "none", "length": 101}
    return config | {
        "datasets": datasets, "encoders": {}, "baselines": {"gc": {"kind": "gc"}}, "models": [{"baselines": ["gc"]}],
        "comparison": {},
    }  # fmt: skip


def test_a_series_counts_each_protein_once():
    """The protein is that of the source, unless the dataset names one."""
    source = {"kind": "encode_eclip", "rbp": "PTBP1", "files": {"peaks": "b.bed", "genome": "hg38.fa"}}
    source["negatives"] = {"kind": "flank"}
    datasets = {"k562": eclip("flank", series="s", protein="PTBP1"), "hepg2": eclip("flank", series="s", source=source)}
    checked = validate.validated(of_peaks(datasets))
    assert comparison.across_spec(checked)["series"]["s"]["proteins"] == {"k562": "PTBP1", "hepg2": "PTBP1"}
    del datasets["k562"]["protein"]
    checked = validate.validated(of_peaks(datasets))
    assert comparison.across_spec(checked)["series"]["s"]["proteins"] == {"k562": "QKI", "hepg2": "PTBP1"}


def test_the_same_peaks_are_no_second_experiment():
    twice = {"a": eclip("flank", series="s"), "b": eclip("dinucleotide_shuffle", series="s")}
    with pytest.raises(InputError, match="'a' and 'b' have the same peaks: a series counts each experiment once"):
        validate.validated(of_peaks(twice))


def test_a_mistake_in_negatives_is_named():
    dataset = eclip("flank")
    dataset["source"]["negatives"]["distanse"] = 3
    with pytest.raises(
        InputError, match=r"datasets\.a\.source\.negatives: key 'distanse' is unknown; did you mean 'dista"
    ):
        validate.validated(of_peaks({"a": dataset}))


def test_negatives_are_told_and_rna_has_one_strand():
    spec = comparison.comparison_spec(validate.validated(of_peaks({"a": eclip("dinucleotide_shuffle")})))
    assert spec["datasets"]["a"]["negatives"] == "dinucleotide_shuffle"
    assert "made from the positives" in markdown._measured("dinucleotide_shuffle")
    with pytest.raises(InputError, match=r"datasets\.a\.strand_rule: expected forward"):
        validate.validated(of_peaks({"a": eclip("flank", strand_rule="mean")}))


def test_differences_in_a_split_can_refer_to_another_model():
    config = with_kfold()
    model = "onehot/no_shift/boda-mean-8"
    config["models"][0]["heads"] = ["boda-mean-8"]
    config["datasets"]["simulated_d"] |= {"against": "mean", "against_in": {"cv3": model}}
    checked = validate.validated(config)
    of_split = {
        split: comparison.baseline_of(checked, "simulated_d", split) for split in ("cv3", "cv3-fold2", "chromosome")
    }
    assert of_split == {"cv3": model, "cv3-fold2": model, "chromosome": "mean"}
    assert comparison.baseline_of(checked, "simulated_d") == "mean"
    spec = comparison.comparison_spec(checked)["datasets"]["simulated_d"]
    assert spec["baseline"] == "mean" and set(spec["baselines"]) == {"cv3", "cv3-fold0", "cv3-fold1", "cv3-fold2"}
    for against_in, message in (
        ({"cv4": model}, r"simulated_d\.against_in: 'cv4' is not a split of the dataset; did you mean 'cv3'"),
        ({"cv3": "none"}, r"simulated_d\.against_in\.cv3: 'none' is not among its models"),
    ):
        config["datasets"]["simulated_d"]["against_in"] = against_in
        with pytest.raises(InputError, match=message):
            validate.validated(config)
