"""The lines that end a run: its own jobs by rule, what was made, where to look."""

import os
import time

from s2f.study.run_summary import failures, losses, lost_models, scored, summary
from s2f.study.runs import Run

HEADER = "s\th:m:s\tmax_rss\n"


def test_jobs_of_this_run_by_rule_and_what_was_made(tmp_path):
    now = time.time()
    for name, seconds, age in (("a", 12.5, 0), ("b", 30.0, 0), ("c", 7.0, 0), ("old", 99.0, 500)):
        path = tmp_path / f"{name}.tsv"
        path.write_text(f"{HEADER}1.0\t-\t-\n{seconds}\t-\t-\n")  # the last line is that of the last attempt
        os.utime(path, (now - age, now - age))
    (tmp_path / "short.tsv").write_text(f"{HEADER}NA\tNA\tNA\n")
    benchmarks = {
        "train": [tmp_path / "a.tsv", tmp_path / "b.tsv"],
        "embed": [tmp_path / "c.tsv", tmp_path / "old.tsv", tmp_path / "never.tsv"],
        "short": [tmp_path / "short.tsv"],
        "other": [tmp_path / "old.tsv"],
    }
    tables = (tmp_path / "compare.tsv", tmp_path / "compare.md")
    plots = tmp_path / "plots"
    lines = summary(benchmarks, now - 60, 75.0, tables, plots)
    assert lines == [
        "4 jobs in 1 min 15 s. Seconds by rule, summed over its jobs:",
        "  train     2 jobs      42.5 s   86 %",
        "  embed     1 job        7.0 s   14 %",
        "  short     1 job        0.0 s    0 %",
    ]
    (plots / "d").mkdir(parents=True)
    (plots / "d" / "x.png").touch()
    rows = ["d\ts\tid\tA", "d\ts\tsnv\tA", "d\ts\tid\tB"]
    tables[0].write_text("\n".join(["dataset\tsplit\tpanel\tmodel", *rows]) + "\n")
    lines = summary(benchmarks, now - 60, 5.0, tables, plots)
    assert lines[0].startswith("4 jobs in 5 s.")
    assert lines[-2] == "Made: 2 models compared on 2 panels, 1 picture"
    assert lines[-1] == f"Look at {tables[1]} (for people), {tables[0]} (for programs), {plots}/ (pictures)"
    (tmp_path / "compare.html").touch()
    assert summary(benchmarks, now - 60, 5.0, tables, plots)[-1].startswith(f"Look at {tmp_path}/compare.html (for peo")


def test_a_table_of_an_earlier_run_is_not_said_to_be_made(tmp_path):
    (tmp_path / "a.tsv").write_text(f"{HEADER}1.0\t-\t-\n")
    table = tmp_path / "compare.tsv"
    table.write_text("no such columns\n")
    os.utime(table, (1, 1))
    lines = summary({"a": [tmp_path / "a.tsv"]}, time.time() - 60, 1.0, (table, tmp_path / "compare.md"), tmp_path)
    assert len(lines) == 2


def test_a_run_without_jobs_says_nothing(tmp_path):
    assert summary({"train": [tmp_path / "never.tsv"]}, 0, 1.0, ("compare.tsv", "compare.md"), tmp_path) == []


def test_what_was_not_scored_is_counted_by_reason(tmp_path):
    for name in ("a", "b"):
        (tmp_path / f"{name}.tsv").write_text("variant\tdelta\n" + "x\t1\n" * 3)
        (tmp_path / f"{name}.skipped.tsv").write_text("line\treason\n")
    (tmp_path / "b.skipped.tsv").write_text("line\treason\n1\tstar_allele\n2\tno_alt\n3\tno_alt\n")
    tables = [tmp_path / "a.tsv", tmp_path / "b.tsv", tmp_path / "never.tsv"]
    assert scored(tables, 0) == [
        f"{tables[0]}: 3 scores", f"{tables[1]}: 3 scores; not scored: 2 no_alt, 1 star_allele",
    ]  # fmt: skip
    assert scored(tables, time.time() + 60) == []


def test_a_stage_that_drops_more_than_a_share_is_named(tmp_path):
    now = time.time()
    for name, age in (("rows", 0), ("old", 500)):
        lines = ["stage\trows\tremoved", "read\t100\t0", "without N\t50\t50", "asked for\t10\t", "measured\t4\t6"]
        (tmp_path / f"{name}.stages.tsv").write_text("\n".join([*lines, "part\t1\t"]) + "\n")
        os.utime(tmp_path / f"{name}.stages.tsv", (now - age, now - age))
    tables = [tmp_path / f"{name}.stages.tsv" for name in ("rows", "old", "never")]
    measured = f"{tables[0]}: measured: 6 of 10 dropped (60 %), more than warn_dropped: "
    assert losses(tables, now - 60, 0.5) == [f"{measured}0.5"]
    assert losses(tables, now - 60, 0.4) == [
        f"{tables[0]}: without N: 50 of 100 dropped (50 %), more than warn_dropped: 0.4", f"{measured}0.4",
    ]  # fmt: skip
    assert losses(tables, now - 60, 1) == []


def test_a_note_of_a_table_of_stages_is_said(tmp_path):
    path = tmp_path / "random.stages.tsv"
    path.write_text("stage\trows\tremoved\tnote\nrows\t10\t0\t\nnote\t\t\t3 rows lie on chr7p12\n")
    assert losses([path], 0, 0.5) == [f"{path}: 3 rows lie on chr7p12"]


def test_what_went_wrong_is_said_at_the_end(tmp_path):
    """The error of each log that ends with one, not of an earlier run; of a fault of the program, its last line."""
    logs = {
        "bad": "python -P -m embed\nprogress\nerror: 2 problems:\n  one\n  two\n", "good": "all is well\n",
        "fault": "Traceback (most recent call last):\n  File x\nKeyError: 'y'\n", "old": "error: long ago\n",
    }  # fmt: skip
    for name, text in logs.items():
        (tmp_path / name).write_text(text)
    os.utime(tmp_path / "old", (0, 0))
    said = failures([*(tmp_path / name for name in logs), tmp_path / "absent"], time.time() - 100)
    assert said == [
        "What went wrong, by the log of each job:", f"{tmp_path / 'bad'}:\n  error: 2 problems:\n    one\n    two",
        f"{tmp_path / 'fault'}:\n  error: KeyError: 'y'",
    ]  # fmt: skip
    assert failures([tmp_path / "good"], 0) == []


def test_a_model_that_is_missing_under_its_metrics_is_named(tmp_path):
    """After a failed training Snakemake has removed it, and an older table of it still stands."""
    runs = [Run("d", "s", model, 1) for model in ("there", "lost", "new")]
    for run in runs[:2]:
        (tmp_path / run.folder / "best_model").mkdir(parents=True)
        (tmp_path / run.folder / "metrics.tsv").touch()
    assert lost_models(runs, tmp_path) == []
    (tmp_path / runs[1].folder / "best_model").rmdir()
    (warning,) = lost_models(runs, tmp_path)
    assert warning.startswith(f"{tmp_path / runs[1].folder}/best_model is missing") and "(1 such model)" in warning
    assert "with --forcerun and the path of the model at its end" in warning
