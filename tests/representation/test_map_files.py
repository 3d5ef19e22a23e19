"""Files of dependency maps, which rows are mapped, planted pairs by hand, programs, and pictures."""

import json

import h5py
import matplotlib.image
import numpy as np
import pandas as pd
import pytest

import measure_dependency_map
import plot_dependency_map
from helpers import programs
from helpers.programs import call
from s2f.common import tables
from s2f.common.errors import InputError
from s2f.plots import dependency_map
from s2f.representation import map_files, planted_pairs
from s2f.rows import canonical as rows
from s2f.rows.sources import simulated_rbp
from s2f.rows.stages import Stages

SOURCE = {"rows": 60, "length": 31, "seed": 2}


def simulated():
    return simulated_rbp.simulate(SOURCE)


def painted(length, first, others=0.5, pairs=2.0):
    """A map in which the planted pairs of a hairpin are of one brightness and the rest of another."""
    found = np.full((length, length), others)
    a, b = planted_pairs.planted(first).T
    found[a, b], found[b, a] = pairs + 1, pairs - 1  # the mean of both directions counts
    np.fill_diagonal(found, 0)
    return found.astype(np.float32)


def write(path, table, **about):
    """A file of painted maps of simulated rows."""
    results = [(painted(31, max(0, first)), np.ones((31, 4), np.float32)) for first in table["first"]]
    map_files.write(path, table, results, **{"provenance": "painted", **about})
    return path


# which rows


def panel():
    return pd.DataFrame({"row_id": ["d", "c", "b", "a"], "sequence": "ACGT", "label": [1.0, 0.0, 1.0, 1.0]})


def test_rows_by_label_then_row_id():
    assert map_files.select(panel(), "classification", 2)["row_id"].tolist() == ["a", "b"]
    assert map_files.select(panel(), "regression", 4)["row_id"].tolist() == ["a", "b", "d", "c"]
    assert map_files.select(panel(), "classification", 3, ["c", "a"])["row_id"].tolist() == ["c", "a"]


def test_rows_that_are_not_there():
    with pytest.raises(InputError, match="rows: expected 4 rows to map, but the panel has only 3 positive rows"):
        map_files.select(panel(), "classification", 4)
    with pytest.raises(InputError, match="rows: expected 5 rows to map, but the panel has only 4 rows with a label"):
        map_files.select(panel(), "regression", 5)
    with pytest.raises(InputError, match="ids: row 'x' is not in the panel"):
        map_files.select(panel(), "regression", 1, ["a", "x"])


def test_rows_with_n_are_passed_over():
    rows = panel().assign(sequence=["ACGT", "ACGT", "ACGT", "ACNT"])
    assert map_files.select(rows, "classification", 2)["row_id"].tolist() == ["b", "d"]
    with pytest.raises(InputError, match="expected 3 rows to map, but the panel has only 2 positive rows without N"):
        map_files.select(rows, "classification", 3)
    assert map_files.select(rows, "classification", 2, ["a"])["row_id"].tolist() == ["a"]  # refused later, by name


def stages_of(*given):
    stages = Stages()
    map_files.select(*given, stages)
    return stages.table().fillna({"removed": -1}).to_numpy().tolist()


def test_rows_passed_over_are_counted():
    rows = pd.DataFrame({"row_id": list("abcdef"), "sequence": ["ACNT", "ACGT", "ACGT", "ACGT", "ACGT", "NNNN"]})
    rows["label"] = [1.0, np.nan, 1.0, 0.0, 1.0, 0.0]
    counts = [["rows of the panel", 6, 0], ["without N", 4, 2], ["with a label", 3, 1]]
    assert stages_of(rows, "regression", 3, []) == [*counts, ["first by label", 3, -1]]
    assert stages_of(rows, "classification", 1, []) == [*counts, ["positives", 2, -1], ["first by label", 1, -1]]
    assert stages_of(rows, "regression", 3, ["a"]) == [["rows of the panel", 6, 0], ["named by ids", 1, -1]]
    # in a dataset with cells a row without a label of the first cell has no place in an order by labels
    with pytest.raises(
        InputError, match=r"expected 4 rows .* has only 3 rows with a label .*without N 4, with a label 3"
    ):
        map_files.select(rows, "regression", 4)


# files


def test_a_file_comes_back_as_written(tmp_path):
    table = pd.DataFrame({"row_id": ["a", "b"], "sequence": ["ACGTA", "ACG"], "label": [1.0, 0.5]})
    random = np.random.Generator(np.random.PCG64(0))
    results = [(random.random((n, n), np.float32), random.random((n, 4), np.float32)) for n in (5, 3)]
    map_files.write(tmp_path / "maps.h5", table, iter(results), encoder="e", versions={"torch": "1"})
    found, about = map_files.read(tmp_path / "maps.h5")
    assert [(one.row_id, one.sequence, one.label) for one in found] == [("a", "ACGTA", 1.0), ("b", "ACG", 0.5)]
    for one, (own, influence) in zip(found, results, strict=True):
        assert np.array_equal(one.map, own) and np.array_equal(one.influence, influence)
    assert about["encoder"] == "e" and json.loads(about["versions"]) == {"torch": "1"}
    assert "row i, column j" in about["definition"]
    with h5py.File(tmp_path / "maps.h5") as file:
        assert file["map"].shape == (2, 5, 5) and np.isnan(file["map"][1, 3:]).all()
        assert np.isnan(file["influence"][1, 3:]).all()


def test_a_killed_job_leaves_no_file(tmp_path):
    def dies():
        yield np.zeros((31, 31)), np.zeros((31, 4))
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        map_files.write(tmp_path / "maps.h5", simulated()[:2], dies())
    assert list(tmp_path.iterdir()) == []


def test_other_files_are_refused(tmp_path):
    with pytest.raises(InputError, match="no such file; it is made by the rule dependency_map"):
        map_files.read(tmp_path / "maps.h5")
    (tmp_path / "text.h5").write_text("x")
    with pytest.raises(InputError, match=r"text.h5: is broken or not a file of dependency maps"):
        map_files.read(tmp_path / "text.h5")
    with h5py.File(tmp_path / "other.h5", "w") as file:
        file.attrs["format"] = "s2f-embeddings-1"
    with pytest.raises(InputError, match="format is 's2f-embeddings-1', expected 's2f-dependency-maps-1'"):
        map_files.read(tmp_path / "other.h5")


# planted pairs


def test_planted_pairs_are_complements_in_the_simulation():
    table = simulated()
    sites = table[table["bound"]]
    complement = dict(zip("ACGT", "TGCA", strict=True))
    for sequence, first in zip(sites["sequence"], sites["first"], strict=True):
        pairs = planted_pairs.planted(first)
        assert pairs.tolist()[0] == [first, first + 16] and pairs.tolist()[-1] == [first + 4, first + 12]
        assert all(complement[sequence[a]] == sequence[b] for a, b in pairs)
    assert len(sites) == 30


def test_bright_pairs_are_found_and_dark_ones_are_not():
    bright = planted_pairs.measure(painted(31, 4), 4)
    assert bright["planted"] == pytest.approx(2.0) and bright["others"] == pytest.approx(0.5)
    assert bright["auprc"] == bright["auprc_all"] == 1
    # distances 16, 14, 12, 10, 8 in 31 letters
    assert bright["prevalence"] == pytest.approx(5 / (15 + 17 + 19 + 21 + 23))
    assert bright["prevalence_all"] == pytest.approx(5 / (31 * 30 / 2))
    dark = planted_pairs.measure(painted(31, 4), 9)
    assert dark["planted"] < 0.6 and dark["auprc"] < 0.2
    even = planted_pairs.measure(painted(31, 4, pairs=0.5, others=0.5), 4)
    assert even["auprc"] == pytest.approx(even["prevalence"])


def test_a_map_with_gaps_is_refused():
    broken = painted(31, 4)
    broken[0, 3] = np.nan
    with pytest.raises(InputError, match="not finite"):
        planted_pairs.measure(broken, 4)


def test_table_leaves_out_what_has_no_pairs(tmp_path):
    table = simulated()
    mapped = map_files.read(write(tmp_path / "maps.h5", table))[0]
    found = planted_pairs.table(mapped, SOURCE, "maps.h5")
    assert found["row_id"].tolist() == table["row_id"][table["kind"].isin(["site", "stem"])].tolist()
    assert set(found["kind"]) == {"site", "stem"} and (found["auprc"] == 1).all()
    unpaired = [one for one, kind in zip(mapped, table["kind"], strict=True) if kind in ("decoy", "background")]
    with pytest.raises(InputError, match=r"maps.h5: none of 24 sequences holds a paired hairpin; map positive rows"):
        planted_pairs.table(unpaired, SOURCE, "maps.h5")
    with pytest.raises(InputError, match=r"row 'simulated_rbp_000000' does not come from this simulation"):
        planted_pairs.table(mapped, {**SOURCE, "seed": 3}, "maps.h5")


# programs and pictures


def test_program_measures_planted_pairs(tmp_path, monkeypatch):
    write(tmp_path / "maps.h5", simulated())
    arguments = ("--maps", tmp_path / "maps.h5", "--source", json.dumps(SOURCE), "--out", tmp_path / "pairs.tsv")
    call(monkeypatch, measure_dependency_map, *arguments)
    table = tables.read_table(tmp_path / "pairs.tsv", planted_pairs.COLUMNS)
    assert len(table) == 36 and set(table["auprc"]) == {"1.0"}
    stages = tables.read_table(tmp_path / "pairs.stages.tsv")
    assert stages.to_numpy().tolist() == [["mapped", "60", "0"], ["with a paired hairpin", "36", "24"]]


def test_program_plots_one_map(tmp_path, monkeypatch):
    table = simulated()
    write(tmp_path / "maps.h5", table[table["bound"]][:2])
    shared = ("--maps", tmp_path / "maps.h5", "--title", "painted", "--out", tmp_path / "map.png")
    call(monkeypatch, plot_dependency_map, *shared, "--place", 2, "--source", "null")
    picture = matplotlib.image.imread(tmp_path / "map.png")
    assert picture.shape[0] > 400 and picture.std() > 0.05
    assert (tmp_path / "map.png").stat().st_size < 150_000
    call(monkeypatch, plot_dependency_map, *shared, "--place", 2, "--source", json.dumps(SOURCE))
    assert not np.array_equal(picture, matplotlib.image.imread(tmp_path / "map.png"))
    with pytest.raises(InputError, match=r"maps.h5: row .* does not come from this simulation"):
        call(monkeypatch, plot_dependency_map, *shared, "--place", 2, "--source", '{"seed": 9}')
    with pytest.raises(InputError, match="--place is 3, expected 1 to 2, the sequences in the file"):
        call(monkeypatch, plot_dependency_map, *shared, "--place", 3)


def test_picture_shows_pairs_letters_units_and_n(tmp_path, monkeypatch):
    seen = []
    monkeypatch.setattr(dependency_map, "save", lambda path, draw, *size: seen.append((draw, size)))
    for length in (31, 400):
        one = map_files.MappedSequence("r1", "ACGT" * 100, 1.0, painted(length, 4), None)
        dependency_map.dependency_map(
            "x", one.__class__("r1", one.sequence[:length], 1.0, one.map, None), "title", "made"
        )
    from matplotlib.figure import Figure

    for (draw, size), length in zip(seen, (31, 400), strict=True):
        figure = Figure(figsize=size)
        draw(figure)
        axes, bar = figure.axes
        assert np.array_equal(axes.images[0].get_array(), painted(length, 4))
        assert "substituted" in axes.get_ylabel() and "affected" in axes.get_xlabel()
        figure.draw_without_rendering()  # places count from 0, as those of logos
        assert [axes.xaxis.get_major_formatter()(tick) for tick in (0, 10)] == ["0", "10"]
        assert "log2 odds ratio" in bar.get_ylabel()
        assert f"n = 1 sequence of {length} nt" in figure.get_suptitle()
        letters = [text.get_text() for text in axes.texts]
        assert letters == ([base for base in ("ACGT" * 100)[:length] for _ in "xy"] if length == 31 else [])
        assert max(size) < 13


@pytest.mark.slow
def test_program_maps_rows_of_a_panel(root, tmp_path):
    table = simulated()
    sheet = rows.canonical(table[[name for name in rows.COLUMNS if name in table]], "simulated", "classification")
    rows.write_rows(tmp_path / "rows.parquet", sheet)
    tables.write_table(tmp_path / "panel.tsv", sheet[["row_id", "group"]][10:])
    spec = {"kind": "lamar", "size": "lamar-mini", "weights": {"random": 3}}
    arguments = {
        "--rows": tmp_path / "rows.parquet", "--task": "classification", "--panel": tmp_path / "panel.tsv",
        "--first": 2, "--encoder": "mini.layer04", "--encoder-spec": json.dumps(spec), "--threads": 1,
        "--out": tmp_path / "maps.h5",
    }  # fmt: skip
    options = [part for pair in arguments.items() for part in pair]
    run = programs.run(root, "dependency_map", *options)
    assert run.returncode == 0, run.stderr
    assert "2 sequences, 188 forward passes; mini.layer04 (random weights, seed 3)" in run.stdout
    found, about = map_files.read(tmp_path / "maps.h5")
    expected = map_files.select(sheet[10:], "classification", 2)
    assert [one.row_id for one in found] == expected["row_id"].tolist()
    stages = tables.read_table(tmp_path / "maps.stages.tsv")
    assert stages["stage"].tolist() == [
        "rows of the panel", "without N", "with a label", "positives", "first by label",
    ]  # fmt: skip
    assert all(one.label == 1 and one.map.shape == (31, 31) and 0 < one.map.max() < 5 for one in found)
    assert (about["encoder"], about["licence"], about["precision"]) == (
        "mini.layer04", "none (random weights)", "float32"
    )  # fmt: skip
    assert {"torch", "transformers"} <= set(json.loads(about["versions"]))
    run = programs.run(root, "dependency_map", *options, "--ids", "nobody")
    assert run.returncode == 1 and "ids: row 'nobody' is not in the panel" in run.stderr
