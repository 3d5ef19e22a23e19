"""The program that designs, on small models: its files, the judge, the truth, and what it refuses before any work."""

import json
import re
import shlex

import numpy as np
import pandas as pd
import pytest

import design_sequences as program
import plot_design
from helpers.explained_models import BARE, HEADS, WINDOW, baseline_on_disk, head_on_disk, rows_of, some_inserts
from helpers.programs import PNG, call, parser_of
from s2f.common.errors import InputError
from s2f.common.files import read_json, write_json
from s2f.common.tables import write_table
from s2f.design import files, models, request, summary, truth
from s2f.interpretation import scorer
from s2f.models.checkpoint import fingerprint
from s2f.models.predictions import VALIDATION
from s2f.plots import designs as picture
from s2f.rows.canonical import canonical, write_rows
from s2f.rows.sources.simulated import activity, simulate
from s2f.sequences import dna

pytestmark = pytest.mark.usefixtures("compiled_quickly")


@pytest.fixture(autouse=True)
def in_the_process_of_the_tests(monkeypatch):
    """JAX is imported already: too late for its share of the machine."""
    monkeypatch.setattr(program, "limit_to_job_resources", lambda *_: None)


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """Two k-mer regressions, a head on one-hot windows, one of two cells, a classifier, a constant, starts, an
    ensemble."""
    folder = tmp_path_factory.mktemp("design")
    codes = some_inserts(150, 40, 6)
    rows = rows_of(codes).assign(label=np.isin(codes, [1, 2]).sum(axis=1) / 4.0)
    for name, part in (("ridge", rows[:100]), ("ridge2", rows[50:])):
        baseline_on_disk(folder / name, "kmer_ridge", WINDOW, {"k": [2], "alphas": [1.0]}, part, rows[100:])
    binary = rows.assign(label=(rows["label"] > 5).astype(float))
    baseline_on_disk(folder / "binary", "kmer_logistic", WINDOW, {"k": [2], "C": [1.0]}, binary, binary,
                     task="classification")  # fmt: skip
    baseline_on_disk(folder / "mean", "mean", WINDOW, {}, rows, rows)
    spec, construct, slug, rule = HEADS["onehot"]
    head_on_disk(folder / "onehot", spec, construct, slug, rule)
    head_on_disk(folder / "cells", spec, construct, slug, rule, ["K562", "HepG2"])
    (folder / "cells" / VALIDATION).write_text("row_id\tcell\tlabel\tprediction\nv\tK562\t1\t1\nv\tHepG2\t0\t0\n")
    table = pd.DataFrame({"row_id": [f"v{i}" for i in range(60)], "label": np.linspace(-1, 1, 60)})
    for name, slope in (("ridge", 1.0), ("ridge2", 1.0), ("onehot", 0.5)):
        write_table(folder / name / VALIDATION, table.assign(prediction=slope * table["label"] + 0.1))
    members = [
        {
            "folder": f"members/{number}",
            "fingerprint": fingerprint(folder / name),
            "model": name,
            "split": "s",
            "seed": 1,
        }
        for number, name in enumerate(("ridge", "ridge2"))
    ]
    ensemble = {"kind": "ensemble", "members": members}
    write_json(folder / "both" / "model.json", read_json(folder / "ridge" / "model.json") | ensemble)
    (folder / "both" / "members").mkdir()
    for number, name in enumerate(("ridge", "ridge2")):
        (folder / "both" / "members" / str(number)).symlink_to(folder / name)
    fasta(folder / "starts.fa", codes[:3])
    return folder


def fasta(path, codes):
    path.write_text("".join(f">s{i} x\n{dna.decode(own)}\n" for i, own in enumerate(codes)))
    return path


def designed(monkeypatch, folder, out, *more, model=("ridge",), judge="onehot", start=True):
    """What `files.read` gives of a design."""
    words = ["--model", *(folder / name for name in model), "--judge", folder / judge, "--out", out, "--gpus", "0"]
    call(monkeypatch, program, *words, *(["--start", folder / "starts.fa"] if start else []), *more)
    return files.read(out)


def test_designs_are_written_with_what_model_and_judge_say(monkeypatch, folder, tmp_path):
    designs, ways, about = designed(monkeypatch, folder, tmp_path / "out", "--rounds", "4", "--gc", "0.2", "0.7")
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == [
        "design.json", "designs.fa", "designs.tsv", "trajectories.tsv",
    ]  # fmt: skip
    codes = np.stack([dna.encode(text) for text in designs["sequence"]])
    for column, name in (("prediction", "ridge"), ("judge", "onehot")):
        alone = scorer.load(folder / name, as_cached=True).score(codes)
        np.testing.assert_allclose(designs[column], alone, rtol=1e-5, atol=1e-6)
    assert (designs["prediction"] > designs["prediction_start"] + 0.3).all() and (designs["changes"] == 4).all()
    np.testing.assert_allclose(designs["judge_expected"], 0.5 * designs["change"])
    half = designs["prediction"] - designs["low"].astype(float)
    np.testing.assert_allclose(half, 0.1, atol=1e-9)  # all errors of the validation rows are -0.1
    assert ways.groupby("start")["objective"].is_monotonic_increasing.all() and ways["step"].max() == 4
    lines = (tmp_path / "out" / "designs.fa").read_text().splitlines()
    assert lines[0].startswith(">s0.evolution prediction=") and lines[1::2] == designs["sequence"].tolist()
    assert about["model"] == "kmer_ridge" and about["judge_per_model"] == 0.5
    (tmp_path / "out" / ".snakemake_timestamp").touch()
    # the same again replaces the same, also in a folder of the workflow; another seed is no reason for another result
    # where nothing is random
    again, *_ = designed(monkeypatch, folder, tmp_path / "out", "--rounds", "4", "--gc", "0.2", "0.7", "--seed", "9")
    pd.testing.assert_frame_equal(designs, again)
    line = summary.line(designs, about)
    assert line["n"] == 3 and sum(line[name] for name in ("agrees", "doubts", "opposes", "unchanged")) == 3


def test_an_ensemble_is_its_members(monkeypatch, folder, tmp_path):
    options = ("--method", "annealing", "--steps", "30", "--penalty", "0.5", "--seed", "3")
    both, *_ = designed(monkeypatch, folder, tmp_path / "a", *options, model=("both",))
    listed, _, about = designed(monkeypatch, folder, tmp_path / "b", *options, model=("ridge", "ridge2"))
    pd.testing.assert_frame_equal(both, listed)
    np.testing.assert_allclose(both["objective"], both["prediction"] - 0.5 * both["sd"])
    assert len(about["members"]) == 2 and (both["sd"] > 0).all()


def test_gradients_lead_upwards_from_random_starts(monkeypatch, folder, tmp_path):
    designs, *_ = designed(monkeypatch, folder, tmp_path / "out", "--method", "straight_through", "--steps", "15",
                           "--random", "2", "--protect", "0-5", "38-40", model=("onehot",), judge="ridge",
                           start=False)  # fmt: skip
    assert (designs["objective"] > designs["objective_start"]).all()
    for before, after in zip(designs["start_sequence"], designs["sequence"], strict=True):
        assert (before[:5], before[38:]) == (after[:5], after[38:])


@pytest.mark.parametrize("method", [("--rounds", "2"), ("--method", "straight_through", "--steps", "15")])
def test_two_cells_are_told_apart(monkeypatch, folder, tmp_path, method):
    words = ("--cell", "HepG2", "--against", "K562", *method)
    head_on_disk(tmp_path / "kmer", {"kind": "kmer", "k": 2}, WINDOW, "encoder-16-dropout", "mean", ["K562", "HepG2"])
    (tmp_path / "kmer" / VALIDATION).write_text((folder / "cells" / VALIDATION).read_text())
    designs, *_ = designed(monkeypatch, folder, tmp_path / "out", *words, model=("cells",), judge=tmp_path / "kmer")
    codes = np.stack([dna.encode(text) for text in designs["sequence"]])
    values = next(scorer.load(folder / "cells", as_cached=True).outputs([scorer.Chunk(codes)])).mean(axis=0)
    np.testing.assert_allclose(designs["prediction"], values[:, 1] - values[:, 0], rtol=1e-4, atol=1e-6)
    assert (designs["change"] > 0).all()


@pytest.mark.parametrize(
    "changed, message",
    [
        ({"judge": "ridge2"}, "are both of the family 'kmer' and would make the same errors"),
        (
            {"judge": "binary", "model": ("onehot",)},
            "judge 'kmer_logistic' is for a classification, but the model is for a reg",
        ),
        ({"judge": "nowhere"}, "nowhere: is not a folder, expected the folder best_model of a run"),
        ({"model": ("ridge", "ridge")}, "ridge: is given twice"),
        ({"model": ("ridge", "onehot"), "judge": "mean"}, "'mean' predicts a constant"),
        ({"more": ("--penalty", "1")}, "has no spread, because it is a single model; give several models"),
        ({"more": ("--method", "straight_through")}, "'kmer_ridge' has no gradient, but straight_through needs one"),
        ({"more": ("--cell", "K562")}, "cell 'K562': model .*ridge predicts one label, without a named cell"),
        ({"more": ("--against", "K562")}, "--against: needs --cell"),
        ({"more": ("--goal", "target")}, "--target: is the value to reach with goal target"),
        ({"more": ("--protect", "30-41")}, "protect 30-41: reaches beyond the insert of 40 bp"),
        ({"more": ("--protect", "9-9")}, "--protect: 9-9 is not an interval"),
        ({"more": ("--gc", "0.6", "0.4")}, "--gc: is 0.6 to 0.4, expected a range"),
        ({"more": ("--forbidden", "GAXTC")}, "--forbidden: 'GAXTC' is not a site"),
        ({"more": ("--homopolymer", "1")}, "'s0' breaks the constraint 'no run of one base longer than 1' .3 of 3"),
        ({"fasta": ">a\nACGTN\n"}, "'a': N at position 4"),
        ({"fasta": ">a\nACGTX\n"}, "line 1: 'a': .*X"),
        ({"fasta": ">a\nACGT\n"}, "'a' has 4 bp, but the model was trained on inserts of 40 bp"),
        ({"fasta": f">a\n{'ACGT' * 10}\n>a\n{'ACGT' * 10}\n"}, "line 3: 'a' occurs twice"),
        ({"random": ("--forbidden", "NC", "NG", "NA", "NT")}, r"none of 1,000 random sequences of 40 bp meets .*100%"),
        ({"out": "onehot"}, "onehot: holds '.*', which is not part of a design"),
        ({"more": ("--confidence", "2")}, "confidence is 2.0"),
    ],
)
def test_what_cannot_be_is_refused_before_a_model_is_loaded(monkeypatch, folder, tmp_path, changed, message):
    monkeypatch.setattr(models, "load_model", lambda *_: pytest.fail("a model was loaded"))
    words = ["--model", *(folder / name for name in changed.get("model", ("ridge",)))]
    words += ["--judge", folder / changed.get("judge", "onehot")]
    words += ["--out", folder / changed["out"] if "out" in changed else tmp_path / "out", *changed.get("more", ())]
    path = folder / "starts.fa"
    if "fasta" in changed:
        path = tmp_path / "own.fa"
        path.write_text(changed["fasta"])
    words += ["--random", "2", *changed["random"]] if "random" in changed else ["--start", path]
    with pytest.raises(InputError, match=message):
        call(monkeypatch, program, *words)
    assert not (tmp_path / "out").exists()


def test_a_job_that_fails_leaves_nothing(monkeypatch, folder, tmp_path):
    def broken(*_):
        raise KeyboardInterrupt

    monkeypatch.setattr(request, "_fasta", broken)  # the tables are written by then
    with pytest.raises(KeyboardInterrupt):
        designed(monkeypatch, folder, tmp_path / "out", "--rounds", "1")
    assert not list(tmp_path.iterdir())


def test_the_judge_agrees_by_what_rows_let_expect():
    words = request.verdicts(np.array([2.0, 2.0, 2.0, -2.0, 0.0]), np.array([1.1, 0.9, -0.1, -1.5, 1.0]), 1.0)
    assert words == ["agrees", "doubts", "opposes", "agrees", "unchanged"]
    assert request.verdicts(np.array([2.0]), np.array([0.01]), np.nan) == ["agrees"]


def test_rows_of_a_panel_are_chosen_by_label_or_drawn(monkeypatch, folder, tmp_path):
    codes = some_inserts(30, 40, 8)
    write_rows(tmp_path / "rows.parquet", canonical(rows_of(codes).assign(label=np.arange(30.0)), "test", "regression"))
    write_table(tmp_path / "panel.tsv", pd.DataFrame({"row_id": [f"r{i}" for i in range(5, 30)]}))
    words = ("--rows", tmp_path / "rows.parquet", "--panel", tmp_path / "panel.tsv", "--rounds", "1", "--count")
    for take, expected in (("lowest", ["r5", "r6"]), ("highest", ["r29", "r28"])):
        found, *_ = designed(monkeypatch, folder, tmp_path / "out", *words, "2", "--take", take, start=False)
        assert found["start"].tolist() == expected
    drawn = [designed(monkeypatch, folder, tmp_path / "out", *words, "3", "--seed", seed, start=False)[0]["start"]
             for seed in ("1", "2")]  # fmt: skip
    assert set(drawn[0]) != set(drawn[1])
    with pytest.raises(InputError, match="expected 26 starts, but of 25 rows 25 have 40 bp"):
        designed(monkeypatch, folder, tmp_path / "out", *words, "26", start=False)
    split = pd.DataFrame(
        {"row_id": [f"r{i}" for i in range(30)], "split": ["train"] * 10 + ["val"] * 2 + ["test"] * 18, "reason": ""}
    )
    write_table(tmp_path / "split.tsv", split)
    with pytest.raises(
        InputError, match="expected 25 starts, but of 25 rows 25 have 40 bp and no N, and 20 of these meet"
    ):
        designed(monkeypatch, folder, tmp_path / "out", *words, "25", "--avoid-training", tmp_path / "rows.parquet",
                 tmp_path / "split.tsv", start=False)  # fmt: skip


def test_the_truth_of_simulated_designs():
    options = {"rows": 60, "seed": 2, "length": 100}
    rows = simulate(options)
    start, end = rows["sequence"][:4].tolist(), rows.sort_values("activity")["sequence"][-4:].tolist()
    value = lambda sequences: activity(np.stack([dna.encode(text) for text in sequences]))  # noqa: E731
    designs = pd.DataFrame(
        {"start_sequence": start, "sequence": end, "verdict": ["agrees"] * 3 + ["opposes"], "judge_start": 0.0,
         "judge": 0.5, "prediction_start": 0.0, "prediction": 2.0}
    )  # fmt: skip
    about = {
        "name": "best", "method": "evolution", "model": "m", "judge": "j", "penalty": 0, "goal": "maximise",
        "dataset": "d", "split": "s", "target": None, "sequences_scored": 40, "seconds": 1.0,
    }  # fmt: skip
    split = pd.DataFrame({"row_id": rows["row_id"], "split": ["train"] * 50 + ["test"] * 10})
    lines = truth.judge(designs, about, "simulated", options, split)
    assert [line["group"] for line in lines] == ["all", "agrees", "opposes"] and lines[0]["n"] == 4
    gain = value(end) - value(start)
    assert lines[0]["truth_gain"] == pytest.approx(gain.mean()) and lines[1]["truth_gain"] == pytest.approx(
        gain[:3].mean()
    )
    assert lines[0]["train_p99"] == pytest.approx(np.quantile(rows["activity"][:50], 0.99))
    assert lines[0]["truth_per_prediction"] == pytest.approx(gain.mean() / 2)
    assert lines[0]["share_above_p99"] == np.mean(value(end) >= lines[0]["train_p99"])
    assert lines[0]["best_truth"] == value(end).max()
    aimed = truth.judge(designs, about | {"goal": "target", "target": 1.0}, "simulated", options, split)[0]
    assert aimed["truth_gain"] == pytest.approx((np.abs(value(start) - 1) - np.abs(value(end) - 1)).mean())
    assert np.isnan([aimed[name] for name in ("best_truth", "train_p99", "share_above_p99")]).all()
    with pytest.raises(InputError, match="the true activity of a new sequence is not known"):
        truth.activity("simulated_rbp", start)


def test_the_picture_sets_model_beside_judge(monkeypatch, folder, tmp_path, texts):
    folders = []
    for method, steps in (("evolution", ("--rounds", "2")), ("annealing", ("--steps", "20"))):
        folders.append(tmp_path / method)
        designed(monkeypatch, folder, folders[-1], "--method", method, *steps)
    call(monkeypatch, plot_design, "--designs", *folders, "--unit", "log2FC", "--out", tmp_path / "p.png")
    assert (tmp_path / "p.png").read_bytes().startswith(PNG)
    assert {"evolution: model", "annealing: judge", "expected from validation rows", "50% of that"} <= set(texts)
    assert "change in the model's prediction\n(log2FC)" in texts
    assert any("design design: maximise, n = 3 starts" in text for text in texts)
    designs, ways, about = files.read(folders[0])
    picture.drawn(
        tmp_path / "p.png",
        [(designs, ways, about | {"goal": "target", "target": -1.5})],
        0.4,
        f"log2FC, {'A' * 20} minus {'B' * 20}",
    )
    assert any("design design: target -1.5, n = 3 starts" in text for text in texts) and "40% of that" in texts
    assert f"mean prediction\n(log2FC, {'A' * 20} minus\n{'B' * 20})" in texts
    x, model, judge = picture.way(files.read(folders[0])[1])
    assert x[0] == 1 and (np.diff(model) >= 0).all() and len(judge) == len(x)
    about = json.loads((folders[0] / "design.json").read_text())
    assert about["judges"][0]["lineage"] == "onehot" and about["members"][0]["lineage"] == "kmer"


def test_a_model_of_one_strand_designs_too(monkeypatch, folder, tmp_path):
    rows = rows_of(some_inserts(60, 40, 4)).assign(label=np.arange(60) % 2.0)
    baseline_on_disk(tmp_path / "rna", "kmer_logistic", BARE, {"k": [3], "C": [1.0]}, rows, rows, "forward",
                     "classification")  # fmt: skip
    baseline_on_disk(tmp_path / "gc", "gc", BARE, {}, rows, rows, "forward", "classification")
    for name in ("rna", "gc"):
        table = pd.DataFrame({"row_id": list("abcd"), "label": [0, 1, 0, 1], "prediction": [0.1, 0.9, 0.4, 0.6]})
        write_table(tmp_path / name / VALIDATION, table)
    designs, _, about = designed(monkeypatch, folder, tmp_path / "out", "--rounds", "2", model=(tmp_path / "rna",),
                                 judge=tmp_path / "gc")  # fmt: skip
    codes = np.stack([dna.encode(text) for text in designs["sequence"]])
    np.testing.assert_allclose(designs["prediction"], scorer.load(tmp_path / "rna").score(codes), rtol=1e-5)
    assert about["unit"] == "logit" and about["judge_per_model"] == pytest.approx(1) and designs["low"].eq("").all()


def test_the_commands_of_the_page_are_those_of_the_programs(root):
    page = (root / "docs" / "design.md").read_text()
    commands = [line for block in re.findall(r"```bash\n(.*?)```", page, re.DOTALL) for line in block.splitlines()]
    assert len(commands) == 4
    for command in commands:
        python, *flags, name = shlex.split(command)[:4]
        assert (python, flags) == ("python", ["-P", "-m"])
        parser_of(name).parse_args(shlex.split(command)[4:])
