"""The plan of a study as large as all eCLIP experiments, on a smaller size; in full: tests/helpers/large_study.py."""

import pytest

from helpers import large_study


@pytest.mark.slow
def test_a_plan_costs_no_more_per_job_when_a_study_grows(tmp_path):
    """A job of the plan may cost a seven hundredth of Snakemake's start, that is some 5 ms: it costs half of that, and
    cost three times as much when each job looked at all code, and more with each dataset when it looked at all runs."""
    few, start, _ = large_study.plan(tmp_path / "small", proteins=2, folds=2)
    many, seconds, _ = large_study.plan(tmp_path / "large", proteins=10, folds=5)
    datasets, splits, runs = 20, 100, 1000
    assert many == {
        "all": 1, "download": 11, "make_rows": datasets, "make_units": datasets, "make_split": splits,
        "make_panel": splits, "audit_split": splits, "embed_strand": 3 * datasets,
        "train_head": runs // 2, "train_baseline": runs // 2,
        "evaluate_head": runs // 2, "evaluate_baseline": runs // 2, "plot_split": splits, "plot_audit": splits,
        "plot_comparison": datasets, "plot_calibration": datasets,
        "calibrate": 1, "compare": 1, "comparison_page": 1, "compare_across": 1, "total": sum(many.values()) // 2,
    }  # fmt: skip
    assert (seconds - start) / (many["total"] - few["total"]) < start / 700
