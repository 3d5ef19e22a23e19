"""The measurement on a GPU runs as a program at small sizes; what it cannot measure is a row with the reason."""

import sys

import pytest

from bench import gpu, processes, table
from helpers import programs
from s2f.common.errors import InputError


def plan(folder, **changes):
    known = {"folder": str(folder), "data": str(folder), "rows": 8, "scaled": "", "memory": 0.0, "threads": 1}
    return gpu.Plan(**{**known, "quick": True, **changes})


def test_parts_give_rows_below_a_head(root, tmp_path):
    done = programs.run(root, "bench.gpu", "--quick", "--parts", "limits", "rows", "--folder", tmp_path)
    assert done.returncode == 0, done.stdout + done.stderr
    head, rows = table.read(tmp_path / "gpu.tsv")
    assert [line.split(":")[0] for line in head] == ["card", "quick", "machine", "versions", "commit", "date"]
    measured = {(row["part"], row["what"]): float(row["measured"]) for row in rows if row["measured"]}
    assert {part for part, _ in measured} == {"limits", "rows"} and min(measured.values()) > 0
    assert ("limits", "float32 products") in measured and (
        "rows",
        "1,024 rows of 200 bp checked and written",
    ) in measured
    (lacking,) = [row for row in rows if not row["measured"]]  # needs a card
    assert "pinned memory" in lacking["what"] and lacking["remark"] == "not measured: no GPU"
    page = (tmp_path / "gpu.md").read_text()
    assert all(line in page for line in (*head, "fraction of the limit", "TFLOP/s", lacking["remark"]))
    assert sorted(path.name for path in tmp_path.iterdir()) == ["gpu.md", "gpu.tsv", "limits.json"]  # no large files


def test_a_part_that_fails_or_is_late_is_a_row_with_the_reason(tmp_path, monkeypatch):
    monkeypatch.setattr(table, "_kept", {})
    path = tmp_path / "gpu.tsv"
    table.begin(path, ["card: none"])
    note = f"from bench import table; table.keep({str(path)!r}, 'p'); table.note('a rate', 2, 'rows/s', 1, 4, 'memory')"
    for name, seconds, code in (
        ("late", 1, f"{note}; import subprocess; subprocess.run(['sleep', '60'])"),
        ("failing", 60, "print('begun'); raise ValueError('no such kernel')"),
        ("killed", 60, "import os; print('last words', flush=True); os.kill(os.getpid(), 11)"),
        ("working", 60, note),
    ):
        gpu.run_part(plan(tmp_path), name, seconds, [sys.executable, "-c", code])
    rate, late, failing, killed, last = table.read(path)[1]
    assert rate == last and rate["fraction"] == "0.5" and rate["limited_by"] == "memory"
    assert [row["remark"] for row in (late, failing, killed)] == [
        "not measured: not done after 1 s", "not measured: ValueError: no such kernel",
        "not measured: SIGSEGV; last words",
    ]  # fmt: skip
    assert [row["part"] for row in (late, failing, killed)] == ["late", "failing", "killed"]
    assert "| a rate | 2 rows/s | 1 rows/s | 4 rows/s (memory) | 50.0% |" in table.markdown(path)


def test_programs_know_the_options_of_whole_jobs(tmp_path):
    here, training = plan(tmp_path), {"epochs": 3}
    options = {
        "embed": gpu.embed_options(here, here.encoder()),
        "train_head": gpu.train_options(here, ["boda-mean-8", "boda-center-8"], training, "a name"),
    }
    for program, own in options.items():
        found = programs.parser_of(program).parse_args([*processes.texts_of(own), "--threads", "2", "--gpus", "0"])
        assert str(found.rows) == str(tmp_path / "rows.parquet")
    assert found.training == [training] * 2 and found.modes == [{"kind": "no_shift"}] * 2


def test_parts_fit_into_ten_minutes_and_bring_those_that_they_need():
    assert sum(part.seconds for part in gpu.PARTS.values()) < 600
    assert gpu._with_needed(["train", "limits"]) == ["limits", "rows", "embed", "train"]


@pytest.fixture
def measured(tmp_path, monkeypatch):
    """`measured(parts)`: the rows of the table after these parts of the program, whose rows hold the rows of the plan;
    the card is small, and torch does not see it."""
    monkeypatch.setattr(gpu, "card", lambda: (["card: small"], {"jax": "small", "torch": ""}, 20e9))
    monkeypatch.setattr(gpu, "_free", lambda place: 10**12)
    monkeypatch.setattr(table, "_kept", {})

    def run_part(plan, name, seconds):
        table.keep(tmp_path / "gpu.tsv", name)
        table.note("rows", plan.rows, "rows", remark=plan.scaled)

    def run(*parts):
        monkeypatch.setattr(gpu, "run_part", run_part)
        monkeypatch.setattr(sys, "argv", ["gpu", "--folder", str(tmp_path), "--parts", *parts])
        gpu.main()
        return table.read(tmp_path / "gpu.tsv")[1]

    return run


def test_a_library_that_does_not_see_the_card_and_a_small_card_are_told(measured):
    small, unseen = measured("rows", "malinois")
    assert (small["measured"], small["remark"]) == ("260416", "instead of 627,660 rows: 20 GB free on the card")
    assert unseen["part"] == "malinois" and unseen["remark"] == "not measured: torch sees no GPU"


def test_rows_are_replaced_when_measured_again_on_the_same_card(measured, tmp_path, monkeypatch):
    measured("rows", "limits")
    head, before = table.read(tmp_path / "gpu.tsv")
    table.begin(tmp_path / "gpu.tsv", head, [{**row, "measured": "7"} for row in before])
    after = measured("rows")
    assert [(row["part"], row["measured"]) for row in after] == [("limits", "7"), ("rows", "260416")]
    monkeypatch.setattr(gpu, "head", lambda about: ["card: another"])
    with pytest.raises(InputError, match=r"gpu\.tsv: measured with card: small; .*, this is card: another; choose"):
        measured("rows")


def test_without_a_gpu_it_refuses(tmp_path, monkeypatch):
    monkeypatch.setattr(gpu.devices, "free_on_card", lambda number: None)
    monkeypatch.setattr(sys, "argv", ["gpu", "--folder", str(tmp_path / "new")])
    with pytest.raises(InputError, match=r"neither JAX nor torch sees a GPU.*--quick"):
        gpu.main()
    assert not (tmp_path / "new").exists()


@pytest.mark.parametrize("patience", ["0", "-1", "nan", "inf", "two"])
def test_patience_is_above_zero(monkeypatch, capsys, patience):
    monkeypatch.setattr(sys, "argv", ["gpu.py", f"--patience={patience}"])
    with pytest.raises(SystemExit, match="2"):
        gpu.main()
    assert "python -m bench.gpu: error: argument --patience: " in capsys.readouterr().err


def test_a_folder_that_cannot_be_made_is_named(measured, tmp_path, monkeypatch):
    (tmp_path / "file").touch()
    for folder, why in (("file", "File exists"), ("file/in", "Not a directory")):
        monkeypatch.setattr(sys, "argv", ["gpu", "--folder", str(tmp_path / folder)])
        with pytest.raises(InputError, match=rf"--folder .*/{folder}: cannot be made \({why}\); expected a folder"):
            gpu.main()


def test_in_seconds_less_is_better(tmp_path, monkeypatch):
    monkeypatch.setattr(table, "_kept", {})
    table.begin(tmp_path / "t.tsv", [])
    table.note("nowhere", 1, "s")
    table.keep(tmp_path / "t.tsv", "p")
    table.note("a\tjob", 50, "s", None, 10, "memory", "on few rows")
    (row,) = table.read(tmp_path / "t.tsv")[1]
    assert table.line_of(row) == ["a job (on few rows)", "50 s", "", "10 s (memory)", "20.0%"]
