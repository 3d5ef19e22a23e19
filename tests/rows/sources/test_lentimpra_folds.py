"""Both forms of the lentiMPRA tables with folds, on rows made by hand: names and cells as their projects show them."""

import random

import pandas as pd
import pytest

from helpers.linked_rows import units_of
from s2f.common.errors import InputError
from s2f.rows import sources
from s2f.sequences import dna
from s2f.sequences.constructs import Construct
from s2f.sequences.flanks import LENTIMPRA_DOWNSTREAM, LENTIMPRA_UPSTREAM
from s2f.splits.make import make_split

LEFT, RIGHT = LENTIMPRA_UPSTREAM, LENTIMPRA_DOWNSTREAM[:15]
PLACED = ["seq_id", "chromosome", "start", "end", "strand", "seq", "expression", "averaged_expression", "fold"]
LEGNET = ["seq_id", "seq", "mean_value", "fold", "rev"]
SPLIT = {"kind": "published", "train": [f"fold{k}" for k in range(2, 10)], "val": ["fold1"], "test": ["fold10"]}


def element(seed):
    return "".join(random.Random(seed).choices("ACGT", k=200))


def turned(seed):
    return dna.reverse_complement_text(element(seed))


MNIST = pd.DataFrame(
    [
        ["seq10002_R", "10", "88965538", "88965738", "-", turned(2), "-1.306", "-1.306", "10"],
        ["seq10004_F", "10", "89029900", "89030100", "+", element(4), "0.43", "-0.017", "10"],
        ["seq10004_R", "10", "89029900", "89030100", "-", turned(4), "-0.464", "-0.017", "10"],
        ["ENSG00000003096", "X", "118116627", "118116827", "-", element(5), "0.88", "NA", "7"],
        ["shuffled_9", "", "", "", ".", element(9), "-0.5", "-0.5", "1"],
        ["K562_peak7_Reversed", "3", "500.0", "700", "-", turned(7), "", "0.1", "3"],
        ["control_1", "", "", "", "", element(1), "0.2", "0.2", ""],
    ],
    columns=PLACED,
)
LEGNET_ROWS = pd.DataFrame(
    [
        [name, LEFT + sequence + RIGHT, value, fold, "0"]
        for name, _, _, _, _, sequence, value, _, fold in MNIST.itertuples(index=False)
    ],
    columns=LEGNET,
)
# the same once more as reverse complements, adapters and all
REPEATED = LEGNET_ROWS.assign(seq=LEGNET_ROWS["seq"].map(dna.reverse_complement_text), rev="1")


def read(folder, table, **spec):
    table.to_csv(folder / "rows.tsv", sep="\t", index=False)
    return sources.read("lentimpra_folds", {"rows": folder / "rows.tsv"}, spec)


def test_the_form_of_mpra_mnist(tmp_path):
    rows, stages = read(tmp_path, MNIST)
    assert stages.counts == [("read", 7), ("label measured", 6)]
    assert rows["row_id"].tolist() == [name for name in MNIST["seq_id"] if name != "K562_peak7_Reversed"]
    assert rows["published"].tolist() == ["fold10", "fold10", "fold10", "fold7", "fold1", ""]
    assert rows["chrom"].tolist() == ["chr10", "chr10", "chr10", "chrX", "", ""]
    assert rows["start"].tolist()[:4] == [88965538, 89029900, 89029900, 118116627] and rows["start"].isna().sum() == 2
    assert rows["strand"].tolist() == ["-", "+", "-", "-", "", ""]
    assert rows["label"].tolist() == [-1.306, 0.43, -0.464, 0.88, -0.5, 0.2]
    rows, stages = read(tmp_path, MNIST, label="averaged_expression")
    assert stages.counts == [("read", 7), ("label measured", 6)] and rows["label"].tolist()[1:3] == [-0.017, -0.017]


def test_the_form_of_human_legnet(tmp_path):
    rows, stages = read(tmp_path, pd.concat([LEGNET_ROWS, REPEATED]).sort_values("seq_id", kind="stable"))
    assert stages.counts == [("read", 14), ("measured orientation", 7), ("label measured", 6)]
    placed = read(tmp_path, MNIST)[0].set_index("row_id")
    rows = rows.set_index("row_id").loc[placed.index]
    for column in ("sequence", "label", "group", "published"):
        assert rows[column].equals(placed[column])
    assert (rows["chrom"] == "").all()


def test_orientations_of_an_element_share_a_group_and_a_part(tmp_path):
    rows = read(tmp_path, MNIST)[0]
    assert rows["group"].tolist() == ["seq10002", "seq10004", "seq10004", "ENSG00000003096", "shuffled_9", "control_1"]
    astray = MNIST.assign(fold=MNIST["fold"].mask(MNIST["seq_id"] == "seq10004_R", "2"))
    rows = read(tmp_path, astray)[0]
    split = make_split(rows, SPLIT, 0, units_of(rows)).set_index("row_id")
    assert split["split"].tolist() == ["test", "test", "excluded", "train", "val", "excluded"]
    assert (
        split["reason"]["seq10004_R"] == "linked to a test row" and split["reason"]["control_1"] == "no published part"
    )


def test_the_insert_fills_the_construct_of_281_bp(tmp_path):
    construct = Construct.from_spec({"flanks": "lentimpra", "length": 281, "layout": "whole"})
    construct.check_inserts(read(tmp_path, LEGNET_ROWS)[0], "rows.tsv")


@pytest.mark.parametrize(
    ("table", "spec", "message"),
    [
        (
            MNIST.rename(columns={"expression": "activity"}),
            {},
            "columns are .*activity.*, expected the columns of MPRA-MNIST",
        ),
        (MNIST.rename(columns={"fold": "fold_num"}), {}, "column 'fold' is missing; the file has: 'seq_id'"),
        (LEGNET_ROWS.drop(columns="rev"), {}, "expected the columns of MPRA-MNIST .* or of human_legnet"),
        (MNIST, {"label": "mean_value"}, "label is 'mean_value', expected one of expression, averaged_expression"),
        (LEGNET_ROWS, {"label": "expression"}, "label is 'expression', expected one of mean_value, which "),
        (MNIST.assign(fold="11"), {}, "line 2: fold is '11', expected a whole number from 1 to 10"),
        (MNIST.assign(fold="2.5"), {}, "line 2: fold is '2.5', expected a whole number from 1 to 10"),
        (MNIST.assign(fold="ten"), {}, "line 2: fold is 'ten', expected a number"),
        (MNIST.assign(start="1.5"), {}, "line 2: start is '1.5', expected a whole number"),
        (MNIST[:3].assign(end="5"), {}, "row 'seq10002_R': end is 5, expected a number above start"),
        (LEGNET_ROWS.assign(seq="ACGT"), {}, "line 2: seq is 'ACGT', expected an insert between the adapters AGGACC"),
        (LEGNET_ROWS.assign(mean_value="high"), {}, "line 2: mean_value is 'high', expected a number"),
        (
            MNIST[1:3].assign(end="89030999"),
            {},
            "line 2: row 'seq10004_F': from start .* are 1099 bases, but the insert has 200",
        ),
        (
            pd.concat([LEGNET_ROWS, LEGNET_ROWS]),
            {},
            r"line \d+: row_id is 'seq10002_R', as on line \d+; expected a unique name for each row: rename or",
        ),
    ],
)
def test_what_is_of_neither_form_is_refused(tmp_path, table, spec, message):
    with pytest.raises(InputError, match=message):
        read(tmp_path, table, **spec)
