"""Windows to adapt a language model on: never what any dataset holds out."""

import numpy as np
import pandas as pd
import pytest

import adaptation_windows as program
from helpers.programs import call
from s2f.common import tables
from s2f.common.errors import InputError
from s2f.rows import canonical
from s2f.rows.stages import Stages
from s2f.splits import adaptation_windows, units


def dataset(tmp_path, name, table, parts, identity=1):
    """Paths of a rows table, its table of units and a split table."""
    frame = canonical.canonical(pd.DataFrame(table), name)
    canonical.write_rows(tmp_path / f"{name}.parquet", frame)
    split = pd.DataFrame({"row_id": frame["row_id"], "split": parts, "reason": ""})
    tables.write_table(tmp_path / f"{name}.tsv", split)
    tables.write_table(tmp_path / f"{name}.units.tsv", units.make_units(frame, identity))
    return tmp_path / f"{name}.parquet", tmp_path / f"{name}.units.tsv", tmp_path / f"{name}.tsv"


def located(letters, starts, label=1.0):
    return {
        "row_id": [f"r{i}" for i in range(len(starts))], "sequence": letters, "label": label,
        "chrom": "chr1", "start": starts, "end": [start + 10 for start in starts], "strand": "+",
    }  # fmt: skip


def test_windows_held_out_by_any_dataset_do_not_train(tmp_path):
    words = ["ACGTACGTAA", "CCGTACGTAA", "GCGTACGTAT", "TTGTACGTAA", "AAATACGTAA", "ACCCACGTAA"]
    one = dataset(tmp_path, "one", located(words, [0, 100, 200, 300, 400, 500]), ["train"] * 4 + ["val", "test"])
    # the same locus as a train row of the first is tested here; the same sequence as another's is in val here
    second = located(["GGGGGCCCCC", words[1], "CCCCCTTTTT", "ATATATATAT"], [5, 900, 1000, 1100])
    two = dataset(tmp_path, "two", second, ["test", "val", "train", "excluded"])
    stages = Stages()
    found = adaptation_windows.of_datasets([one, two], stages=stages)
    assert stages.table()[["stage", "rows"]].to_numpy().tolist() == [
        ["rows of each split", 10], ["in a part of it", 9], ["not linked or homologous to a row held out", 7],
        ["of train and val", 5], ["sequences once", 5], ["train", 3], ["val", 2],
    ]  # fmt: skip
    assert set(found["train"]["sequence"]) == {words[2], words[3], "CCCCCTTTTT"}
    assert set(found["val"]["sequence"]) == {words[4], words[1]}


def test_only_bound_windows(tmp_path):
    words = ["ACGTACGTAA", "CCGTACGTAA", "GCGTACGTAT", "TTGTACGTAA", "AAATACGTAA", "ACCCACGTAA"]
    table = located(words, range(0, 600, 100), [1.0, 0.0, 1.0, 1.0, 0.0, 1.0])
    paths = dataset(tmp_path, "one", table, ["train", "train", "train", "val", "val", "test"])
    found = adaptation_windows.of_datasets([paths], positives=True)
    assert {part: set(frame["sequence"]) for part, frame in found.items()} == {
        "train": {words[0], words[2]}, "val": {words[3]}
    }  # fmt: skip
    with pytest.raises(InputError, match=r"no window of \d+ rows remains in part 'val'"):
        table["label"] = [1.0, 1.0, 1.0, 0.0, 0.0, 1.0]
        adaptation_windows.of_datasets(
            [dataset(tmp_path, "two", table, ["train"] * 3 + ["val", "val", "test"])], positives=True
        )


RANDOM = np.random.default_rng(0)
A, B, C, D, E, F = ("".join(RANDOM.choice(list("ACGT"), 101)) for _ in range(6))


def test_homologs_of_what_is_held_out_do_not_train(tmp_path):
    words = [A, B, C, D[:50] + A[50:], D, B[:60] + E[60:]]  # the last two but one hold halves of A, the last one of B
    table = located(words, range(0, 6000, 1000))
    parts = ["train", "train", "train", "test", "val", "val"]
    paths = dataset(tmp_path, "one", table, parts, 0.3)
    found = adaptation_windows.of_datasets([paths])
    assert found["train"]["sequence"].tolist() == [C]
    assert found["val"]["sequence"].tolist() == [B[:60] + E[60:]]  # D is like the test row
    alone = adaptation_windows.of_datasets([dataset(tmp_path, "two", table, parts)])  # by loci and equal inserts
    assert alone["train"]["sequence"].tolist() == [A, B, C] and list(found["train"]) == list(canonical.COLUMNS)


def test_homologs_are_held_out_across_datasets(tmp_path):
    one = dataset(tmp_path, "one", located([A, B, C, D], range(0, 4000, 1000)), ["train", "train", "val", "test"], 0.3)
    relatives = [A[:70] + F[70:], E, F[:30] + C[30:], D[::-1]]
    two = dataset(
        tmp_path, "two", located(relatives, range(10_000, 14_000, 1000)), ["test", "train", "train", "val"], 0.3
    )
    said = []
    found = adaptation_windows.of_datasets([one, two], report=said.append)
    assert found["train"]["sequence"].tolist() == [B, E]
    assert set(found["val"]["sequence"]) == {C, D[::-1]}
    assert said == ["searching 8 rows of 2 splits for homologs on 1 thread(s)"]
    assert set(adaptation_windows.of_datasets([one])["train"]["sequence"]) == {A, B}


def test_the_program_writes_what_the_function_finds(tmp_path, monkeypatch, capsys):
    table = located(["ACGTACGTAA", "CCGTACGTAA", "GCGTACGTAT", "TTGTACGTAA", "AAATACGTAA"], [0, 100, 200, 300, 400])
    table["label"] = [1.0, 0.0, 1.0, 1.0, 1.0]
    paths = dataset(tmp_path, "one", table, ["train", "train", "train", "val", "test"])
    given = [text for name, path in zip(("--rows", "--units", "--split"), paths, strict=True) for text in (name, path)]
    out = [
        "--train",
        tmp_path / "train.parquet",
        "--val",
        tmp_path / "val.parquet",
        "--stages",
        tmp_path / "stages.tsv",
    ]
    for positives in (False, True):
        call(monkeypatch, program, *given, *["--positives"] * positives, *out)
        found = adaptation_windows.of_datasets([paths], positives=positives)
        assert len(found["train"]) == (2 if positives else 3) and len(found["val"]) == 1
        for part, rows in found.items():
            written = canonical.read_rows(tmp_path / f"{part}.parquet")
            pd.testing.assert_frame_equal(written, rows)
            assert canonical.rows_sha256(written) == canonical.rows_sha256(rows)
        assert f"train: {len(found['train'])} windows; val: 1 windows" in capsys.readouterr().out
    with pytest.raises(SystemExit):
        call(monkeypatch, program, *given, paths[2], *out)
    assert "1 --rows, 1 --units and 2 --split, expected as many of each" in capsys.readouterr().err
