"""The programs of interpretation, from rows and a model on disk to table and picture; and what they refuse."""

import json
import re

import pandas as pd
import pytest

from helpers import programs
from helpers.explained_models import HEADS, head_on_disk
from s2f.common.tables import write_table
from s2f.interpretation import attributions
from s2f.rows.canonical import canonical, write_rows
from s2f.rows.sources import simulated
from s2f.sequences.constructs import Construct
from s2f.sequences.flanks import GOSAI_DOWNSTREAM, GOSAI_UPSTREAM

pytestmark = pytest.mark.slow
SPEC = {"rows": 60, "seed": 1}


@pytest.fixture
def run(root, tmp_path):
    """Run a program in a folder with rows, a panel and two heads; returns what it printed."""
    table = simulated.simulate(SPEC)
    rows = canonical(table[["row_id", "sequence", "label", "allele"]], "test")
    write_rows(tmp_path / "rows.parquet", rows)
    write_table(tmp_path / "panel.tsv", rows[["row_id"]])
    window = Construct(260, GOSAI_UPSTREAM, GOSAI_DOWNSTREAM)
    for name in ("onehot", "kmer"):
        spec, _, _, rule = HEADS[name]
        head_on_disk(tmp_path / name, spec, window, "encoder-8-dropout", rule)

    def run(program, *arguments, code=0):
        done = programs.run(root, program, *arguments, folder=tmp_path)
        assert done.returncode == code, done.stdout + done.stderr
        return done.stdout + done.stderr

    return run


def explain(run, model, method, selection="chosen.tsv", code=0):
    return run(
        "interpret", "--rows", "rows.parquet", "--selection", selection, "--panel", "p", "--model", model,
        "--encoder-spec", json.dumps(HEADS[model][0]), "--method", method, "--unit", "u", "--study-seed", "0",
        "--threads", "1", "--out", f"{model}.{method}.h5", code=code,
    )  # fmt: skip


def test_from_rows_to_table_and_picture(run, tmp_path):
    run("select_sequences", "--rows", "rows.parquet", "--panel", "panel.tsv", "--top", "3", "--study-seed", "0",
        "--out", "chosen.tsv")  # fmt: skip
    printed = explain(run, "onehot", "ism")
    assert re.search(r"^3 of 3  simulated_\d+  score .* s$", printed, re.MULTILINE)
    assert "model e/none/encoder-16-dropout has no gradient" not in printed
    datasets = json.dumps({"d": {"kind": "simulated", "spec": SPEC}})
    run("interpretation_truth", "--datasets", datasets, "--attributions", "onehot.ism.h5", "--study-seed", "0",
        "--out", "truth.tsv")  # fmt: skip
    table = pd.read_csv(tmp_path / "truth.tsv", sep="\t")
    assert table["model"].tolist() == ["(the simulated activity itself)", "e/none/encoder-8-dropout"]
    assert table["value"].between(0, 1).all() and table["value"][0] > table["random_high"][0]
    run("plot_interpretation", "--attributions", "onehot.ism.h5", "--selections", "chosen.tsv", "--titles", "t",
        "--most", "6", "--out", "p.png")  # fmt: skip
    assert (tmp_path / "p.png").stat().st_size > 10_000


def test_pairs_bottom_and_ids_from_panel_to_pictures(run, tmp_path):
    rows = pd.read_parquet(tmp_path / "rows.parquet")
    names, codes = rows["row_id"].tolist(), [list(text) for text in rows["sequence"][:6]]
    for ref, alt, place in ((0, 1, 20), (2, 3, 40), (4, 5, 60)):
        codes[alt] = list(codes[ref])
        codes[alt][place] = "ACGT"["TGCA".index(codes[ref][place])]
    rows["sequence"] = ["".join(text) for text in codes] + rows["sequence"].tolist()[6:]
    rows["label"] = [0.0, 0.1, 0.0, 2.0, 0.0, 1.0, *rows["label"].tolist()[6:]]
    rows["allele"] = ["ref", "alt"] * 3 + [""] * (len(rows) - 6)
    write_rows(tmp_path / "rows.parquet", rows)
    pairs = pd.DataFrame({"pair_id": ["p0", "p1", "p2"], "ref_row_id": names[0:6:2], "alt_row_id": names[1:6:2]})
    write_table(tmp_path / "pairs.tsv", pairs)
    run("select_sequences", "--rows", "rows.parquet", "--panel", "pairs.tsv", "--pairs", "2", "--bottom", "1",
        "--ids", names[9], "--study-seed", "0", "--out", "chosen.tsv")  # fmt: skip
    chosen = pd.read_csv(tmp_path / "chosen.tsv", sep="\t", keep_default_na=False)
    assert chosen["role"].tolist() == ["id", *["pair"] * 4, "bottom"]
    assert chosen["row_id"].tolist()[:5] == [names[9], names[2], names[3], names[4], names[5]]
    methods = ("ism", "saliency")
    for method in methods:
        explain(run, "onehot", method)
    run("plot_interpretation", "--attributions", *[f"onehot.{method}.h5" for method in methods], "--selections",
        "chosen.tsv", "chosen.tsv", "--titles", "t", "t", "--most", "6", "6", "--out",
        *[f"{method}.png" for method in methods])  # fmt: skip
    for method in methods:
        assert (tmp_path / f"{method}.png").stat().st_size > 20_000
    found, _ = attributions.read(tmp_path / "onehot.ism.h5")
    at = {name: i for i, name in enumerate(found["row_id"])}
    alt = "ACGT".index(rows["sequence"][3][40])
    change = found["score"][at[names[3]]] - found["score"][at[names[2]]]
    assert found["attribution"][at[names[2]], 40, alt] == pytest.approx(change, abs=1e-5) and change
    run("summarise_interpretation", "--attributions", "onehot.ism.h5", "onehot.saliency.h5", "--out", "all.tsv")
    table = pd.read_csv(tmp_path / "all.tsv", sep="\t")
    assert (
        table["method"].tolist() == ["ism", "saliency"]
        and table["sequences"].tolist() == [chosen["row_id"].nunique()] * 2
    )
    assert (table["seconds_per_sequence"] > 0).all() and table["complete"].tolist() == ["-", "-"]


def test_bad_input_ends_with_a_message_and_no_file(run, tmp_path):
    rows = pd.read_parquet(tmp_path / "rows.parquet")
    write_table(tmp_path / "chosen.tsv", pd.DataFrame({"row_id": [rows["row_id"][4]]}))
    printed = explain(run, "kmer", "saliency", code=1)  # all methods and mistakes: test_gradients, test_models
    assert "error: model e/none/encoder-8-dropout has no gradient; use mutagenesis" in printed
    name, sequence = rows["row_id"][4], rows["sequence"][4]
    changed = sequence[:7] + "N" + sequence[8:]
    write_rows(tmp_path / "rows.parquet", rows.assign(sequence=[*rows["sequence"][:4], changed, *rows["sequence"][5:]]))
    message = f"error: rows.parquet: row '{name}': N at position 7; only A, C, G and T can be explained"
    assert message in explain(run, "onehot", "ism", code=1)
    write_rows(
        tmp_path / "rows.parquet", rows.assign(sequence=[*rows["sequence"][:4], sequence[:9], *rows["sequence"][5:]])
    )
    printed = explain(run, "onehot", "window", code=1)
    assert f"error: rows.parquet: row '{name}': 9 bp, expected at least one window, 10 bp" in printed
    assert not list(tmp_path.glob("*.h5"))


def test_mutagenesis_is_benchmarked(run):
    lines = run("bench", "--quick", "--parts", "mutagenesis", "--encoder-batch", "8").splitlines()
    table = [line for line in lines if "(extrapolated)" in line]
    assert [line[:42].strip() for line in table] == [
        "one by one, whole windows", "batched, whole windows", "batched, flanks encoded once",
        "batched, only neighbours encoded anew",
    ]  # fmt: skip
    assert all(float(line[42:58].replace(",", "")) > 0 for line in table) and table[0].split()[-5] == "1.0"
    assert all(float(line.split()[-4]) > 0 for line in table)  # seconds of the first call
