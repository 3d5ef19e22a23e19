import itertools

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from s2f.common.errors import InputError
from s2f.common.tables import write_table
from s2f.rows import sources
from s2f.rows.canonical import canonical, read_rows, write_rows
from s2f.sequences import dna
from s2f.splits.linked_rows import canonical_sequences, clusters
from s2f.splits.make import make_split
from s2f.splits.table import PARTS, check_split, parts_of

examples = settings(deadline=None, max_examples=40)  # no deadline: the machine may be busy
CHROMOSOMES = {"kind": "chromosome", "val": ["chr2"], "test": ["chr3"]}
PUBLISHED = {"kind": "published", "train": ["train", "pool"], "val": ["val"], "test": ["test", "test_snv"]}
RANDOM = {"kind": "random", "val": 0.2, "test": 0.2, "seed": 0}


def rows_of(sequences, **columns):
    """Canonical rows r0, r1 ... with these sequences."""
    ids = [f"r{i}" for i in range(len(sequences))]
    return canonical(pd.DataFrame({"row_id": ids, "sequence": sequences, "label": 0.0, **columns}), "rows")


def unlinked(count, **columns):
    """`count` rows with sequences that have nothing to do with each other."""
    words = map("".join, itertools.product("AC", repeat=10))  # no reverse complement among them
    return rows_of(list(itertools.islice(words, count)), **columns)


def split_of(rows, parts):
    return pd.DataFrame({"row_id": rows["row_id"], "split": parts})


def by_id(split):
    return dict(zip(split["row_id"], split["split"], strict=True))


def linked(a, b):
    """Whether a split must keep two rows together: the rule, once more, in plain words."""
    return (
        a.sequence in (b.sequence, dna.reverse_complement_text(b.sequence))
        or (a.pair_id == b.pair_id != "")
        or (a.group == b.group != "")
        or (a.chrom == b.chrom != "" and not pd.isna(a.start + b.start) and a.start < b.end and b.start < a.end)
    )


row = st.fixed_dictionaries(
    {
        "sequence": st.text("ACGT", min_size=2, max_size=4),
        "pair_id": st.sampled_from(["", "", "", "p", "q"]),
        "group": st.sampled_from(["", "", "", "g", "h"]),
        "chrom": st.sampled_from(["", "1", "chr1", "chr2", "3"]),
        "start": st.none() | st.integers(0, 60),
        "published": st.sampled_from(["", "train", "pool", "val", "test", "test_snv"]),
    }
)
# one row of each part that is linked to nothing
alone = [
    {"sequence": "CCCCCA", "chrom": "chr1", "published": "train"},
    {"sequence": "CCCCCC", "chrom": "chr2", "published": "val"},
    {"sequence": "CCCCCT", "chrom": "chr3", "published": "test"},
]
random_rows = st.lists(row, max_size=12).map(lambda lines: rows_of_lines([*alone, *lines]))


def rows_of_lines(lines):
    """Rows that share sequences, orientations, pairs, groups and loci now and then; each place is 5 bp."""
    table = pd.DataFrame(lines, columns=[*alone[0], "pair_id", "group", "start"])
    return rows_of(table["sequence"], **table.drop(columns="sequence").assign(end=table["start"] + 5))


# --- clusters


@examples
@given(random_rows)
def test_clusters_are_what_links_connect(rows):
    expected = list(range(len(rows)))
    for (i, a), (j, b) in itertools.combinations(enumerate(rows.itertuples()), 2):
        if linked(a, b):
            expected = [expected[i] if label == expected[j] else label for label in expected]
    assert clusters(rows).tolist() == pd.factorize(np.array(expected))[0].tolist()


def test_each_kind_of_link():
    rows = rows_of(
        ["AACC", "GGTT", "AACG", "AAAA", "CCCC", "ACAC", "AGAG", "CACA", "AAAC", "AAAG"],
        pair_id=["", "", "", "p", "p", "", "", "", "", ""],
        group=["", "", "", "", "", "g", "g", "", "", ""],
        chrom=["", "", "", "", "", "", "", "7", "chr7", "chr7"],
        start=[None] * 7 + [100, 109, 119],
        end=[None] * 7 + [110, 119, 130],
    )
    # reverse complements; another; a pair; a group; windows that overlap by one base; a window that only touches
    assert clusters(rows).tolist() == [0, 0, 1, 2, 2, 3, 3, 4, 4, 5]


def test_empty_keys_and_missing_places_link_nothing():
    assert clusters(unlinked(6, chrom="chr1")).tolist() == list(range(6))
    assert clusters(unlinked(6, start=10, end=20)).tolist() == list(range(6))


@pytest.mark.parametrize("seed", range(3))
def test_a_long_chain_of_loci_and_groups_is_one_cluster(seed):
    """Rows in any order, each linked to the next by its locus or its group by turns, and one row that is alone."""
    order = np.random.Generator(np.random.PCG64(seed)).permutation(1000)
    start = [*(order // 2 * 100), None]
    group = [*(f"g{(i + 1) // 2}" for i in order), ""]
    rows = unlinked(1001, chrom="chr1", start=start, end=[i if i is None else i + 50 for i in start], group=group)
    assert clusters(rows).tolist() == [0] * 1000 + [1]


def test_a_long_interval_holds_what_lies_inside_it():
    rows = unlinked(4, chrom="chr1", start=[0, 10, 50, 100], end=[100, 20, 60, 110])
    assert clusters(rows).tolist() == [0, 0, 0, 1]


def test_equal_places_on_two_chromosomes_are_two_loci():
    rows = unlinked(4, chrom=["chr1", "chr2", "1", "2"], start=[5, 5, 9, 9], end=[10, 10, 14, 14])
    assert clusters(rows).tolist() == [0, 1, 0, 1]


def test_clusters_do_not_depend_on_the_index_of_the_rows():
    rows = rows_of(["AAAA", "ACAC", "TTTT", "AGAG"], chrom="chr1", start=[0, 50, 90, 52], end=[5, 55, 95, 57])
    assert clusters(rows[1:]).tolist() == [0, 1, 0] and clusters(rows).tolist() == [0, 1, 0, 1]


@pytest.mark.parametrize("length", [63, 64, 65, 70, 71, 199, 200])
def test_long_sequences_are_compared_whole_and_in_both_orientations(length):
    random = np.random.Generator(np.random.PCG64(length))
    first, other = ("".join(random.choice(list("ACGT"), length)) for _ in range(2))
    swap = {"A": "C", "C": "A", "G": "T", "T": "G"}
    near = [swap[first[0]] + first[1:], first[:-1] + swap[first[-1]], first[:-1]]  # all share the middle
    middle = [first[: length // 2] + swap[first[length // 2]] + first[length // 2 + 1 :]]
    rows = rows_of([first, *near, *middle, other, dna.reverse_complement_text(first), other])
    assert clusters(rows).tolist() == [0, 1, 2, 3, 4, 5, 0, 5]


def test_canonical_sequences_are_equal_for_both_orientations():
    sequences = ["ACGTT", "AACGT", "GGGN", "NCCC", "A"]
    assert canonical_sequences(sequences) == ["AACGT", "AACGT", "GGGN", "GGGN", "A"]


# --- no leak, whatever the rows


@examples
@given(random_rows, st.integers(0, 3))
def test_made_splits_never_leak(rows, seed):
    pairs = [(i, j) for (i, a), (j, b) in itertools.combinations(enumerate(rows.itertuples()), 2) if linked(a, b)]
    for spec in (CHROMOSOMES, PUBLISHED, {**RANDOM, "val": 0.3, "test": 0.3}):
        try:
            split = make_split(rows, spec, seed)
        except InputError as error:  # one big cluster can leave no room for another part
            assert spec["kind"] == "random" and "is empty" in str(error)
            continue
        parts, reasons = split["split"].tolist(), split["reason"].tolist()
        assert split["row_id"].tolist() == rows["row_id"].tolist()
        assert not [(i, j) for i, j in pairs if "excluded" not in (parts[i], parts[j]) and parts[i] != parts[j]]
        assert [part == "excluded" for part in parts] == [reason != "" for reason in reasons]


@examples
@given(random_rows, st.data())
def test_no_leak_passes_the_check_and_nothing_else_fails_it(rows, data):
    free = st.lists(st.sampled_from([*PARTS, "excluded"]), min_size=len(rows) - 3, max_size=len(rows) - 3)
    parts = [*PARTS, *data.draw(free)]
    label, used = clusters(rows), np.array(parts) != "excluded"
    if (pd.Series(parts)[used].groupby(label[used]).nunique() > 1).any():
        with pytest.raises(InputError, match="split: linked rows lie in different parts: r"):
            check_split(rows, split_of(rows, parts))
    else:
        assert check_split(rows, split_of(rows, parts)).tolist() == parts


@examples
@given(st.permutations(range(8)))
def test_a_split_is_joined_by_row_id_and_not_by_place(order):
    rows, parts = unlinked(8), [PARTS[i % 3] for i in range(8)]
    assert check_split(rows, split_of(rows, parts).iloc[order]).tolist() == parts


# --- kinds


def test_whole_chromosomes():
    rows = unlinked(6, chrom=["1", "chr2", "Chr3", "x", "", "3"])
    split = make_split(rows, CHROMOSOMES, 0)
    assert split["split"].tolist() == ["train", "val", "test", "train", "excluded", "test"]
    assert split["reason"].tolist() == ["", "", "", "", "no chromosome", ""]
    assert make_split(rows, {**CHROMOSOMES, "without_chromosome": "train"}, 0)["split"].iloc[4] == "train"


def test_7_and_chr7_are_one_chromosome_in_rows_and_spec():
    rows = unlinked(5, chrom=["7", "chr7", "7.0", "chr1", "x"])
    for spelling in ("7", "chr7", "Chr7"):
        split = make_split(rows, {"kind": "chromosome", "val": ["X"], "test": [spelling]}, 0)
        assert split["split"].tolist() == ["test", "test", "test", "train", "val"]


def test_published_parts():
    rows = unlinked(6, published=["train", "pool", "val", "test", "test_snv", ""])
    split = make_split(rows, PUBLISHED, 0)
    assert split["split"].tolist() == ["train", "train", "val", "test", "test", "excluded"]
    assert split["reason"].tolist() == [""] * 5 + ["no published part"]


def test_random_parts_have_their_share():
    rows = unlinked(1000)
    split = make_split(rows, RANDOM, 0)
    assert split["split"].value_counts().to_dict() == {"train": 600, "val": 200, "test": 200}


def test_random_parts_keep_groups_whole():
    rows = unlinked(1000, group=[f"g{i // 4}" for i in range(1000)])
    split = make_split(rows, RANDOM, 0)
    assert split["split"].value_counts().to_dict() == {"train": 600, "val": 200, "test": 200}
    assert split.groupby(rows["group"])["split"].nunique().eq(1).all()


def test_random_parts_are_drawn_from_both_seeds_and_nothing_else():
    rows = unlinked(200)
    first = make_split(rows, RANDOM, 1)
    assert make_split(rows, RANDOM, 1).equals(first)
    assert not make_split(rows, RANDOM, 2).equals(first)
    assert not make_split(rows, {**RANDOM, "seed": 1}, 1).equals(first)
    assert make_split(rows.assign(label=1.0), RANDOM, 1).equals(first)


# --- what protects whom


def test_a_linked_row_stays_in_test_before_val_before_train():
    rows = unlinked(
        9,
        published=["train", "val", "test", "train", "val", "train", "val", "test", ""],
        group=["abc", "abc", "abc", "ab", "ab", "", "", "", "abc"],
    )
    split = make_split(rows, PUBLISHED, 0)
    assert split[["split", "reason"]].to_numpy().tolist() == [
        ["excluded", "linked to a test row"],
        ["excluded", "linked to a test row"],
        ["test", ""],
        ["excluded", "linked to a val row"],
        ["val", ""],
        ["train", ""],
        ["val", ""],
        ["test", ""],
        ["excluded", "no published part"],
    ]


def test_a_window_over_a_chain_of_loci_is_kept_together():
    rows = unlinked(
        7,
        published=["train", "train", "test", "train", "val", "train", "test"],
        chrom=["chr1"] * 4 + ["chr2"] * 3,
        start=[0, 150, 300, 600, 0, 300, 600],
        end=[200, 350, 500, 800, 200, 500, 800],
    )
    split = by_id(make_split(rows, PUBLISHED, 0))
    assert split == {
        "r0": "excluded", "r1": "excluded", "r2": "test", "r3": "train", "r4": "val", "r5": "train", "r6": "test",
    }  # fmt: skip


def test_a_part_emptied_by_exclusion_is_an_error():
    rows = unlinked(4, published=["train", "val", "test", "train"], group=["g", "", "g", "g"])
    with pytest.raises(InputError, match=r"part 'train' is empty \(rows per part: .*excluded 2"):
        make_split(rows, PUBLISHED, 0)


# --- refusals


@pytest.mark.parametrize(
    "spec, message",
    [
        ({"kind": "stratified"}, "split: kind 'stratified' is unknown; known: .*chromosome"),
        (
            {**CHROMOSOMES, "val": ["chr8"], "test": ["chr9", "chr10"]},
            "none of the chromosomes chr8, chr9, chr10 occurs",
        ),
        ({**CHROMOSOMES, "val": ["chr8"]}, r"part 'val' is empty \(rows per part: train 2, test 1\)"),
        ({**CHROMOSOMES, "val": ["3"]}, "chromosome 'chr3' is listed under val and under test"),
        ({**PUBLISHED, "test": ["test"]}, "published part 'test_snv' of the rows is not mapped to train, val or test"),
        ({**PUBLISHED, "val": ["val", "pool"]}, "published part 'pool' is listed under train and under val"),
        ({**RANDOM, "test": 0.1}, "part 'test' is empty"),
    ],
)
def test_bad_specs_are_refused(spec, message):
    rows = unlinked(4, chrom=["1", "2", "3", "1"], published=["train", "val", "test_snv", "pool"])
    if spec["kind"] == "chromosome" and spec["val"] == ["chr8"] and spec["test"] == ["chr3"]:
        rows = rows[:3].assign(chrom=["chr1", "chr2", "chr3"])
    with pytest.raises(InputError, match=message):
        make_split(rows, spec, 0)


@pytest.mark.parametrize(
    "ids, parts, message",
    [
        (["r0", "r1", "r2", "r2"], ["train", "val", "test", "test"], "row 'r2' is assigned twice"),
        (["r0", "r1", "r2"], ["train", "val", "test"], "row 'r3' is in the rows or in the split, but not in both"),
        (["r0", "r1", "r2", "r9"], ["train", "val", "test", "test"], "row 'r3' is in the rows or in the split"),
        (["r0", "r1", "r2", "r3", "r4"], ["train", "val", "test", "test", "test"], "row 'r4' is in the rows or"),
        (["r0", "r1", "r2", "r3"], ["train", "train", "test", "excluded"], "part 'val' is empty .*train 2"),
        (
            ["r0", "r1", "r2", "r3"],
            ["train", "val", "test", "valid"],
            "part 'valid' is unknown; known: train, val, test",
        ),
    ],
)
def test_the_check_refuses_a_split_that_is_not_of_these_rows(ids, parts, message):
    with pytest.raises(InputError, match=message):
        check_split(unlinked(4), pd.DataFrame({"row_id": ids, "split": parts}))


def test_the_check_names_linked_rows_with_their_parts():
    rows = rows_of(["AACC", "ACAC", "AGAG", "GGTT"])  # the last is the first from the other strand
    with pytest.raises(InputError, match=r"linked rows lie in different parts: r0 \(train\), r3 \(test\)"):
        check_split(rows, split_of(rows, ["train", "val", "test", "test"]))


# --- files and real rows


def test_parts_of_reads_a_written_split_in_any_order(tmp_path):
    rows = unlinked(6, published=["train", "val", "test", "train", "", "test"])
    write_rows(tmp_path / "rows.parquet", rows)
    write_table(tmp_path / "split.tsv", make_split(rows, PUBLISHED, 0).iloc[::-1])
    parts = parts_of(read_rows(tmp_path / "rows.parquet"), tmp_path / "split.tsv")
    assert {part: table["row_id"].tolist() for part, table in parts.items()} == {
        "train": ["r0", "r3"], "val": ["r1"], "test": ["r2", "r5"],
    }  # fmt: skip
    with pytest.raises(
        InputError, match="row 'r5' is in the rows or in the split, but not in both; make the split again"
    ):
        parts_of(rows[:5], tmp_path / "split.tsv")


def test_published_split_of_the_gosai_sample(shared):
    mpra = shared / "data/mpra"
    rows = sources.read("gosai_sample", {"rows": mpra / "gosai_sample.tsv", "pairs": mpra / "gosai_snv_pairs.tsv"}, {})[
        0
    ]
    split = make_split(rows, PUBLISHED, 0)
    assert split["split"].value_counts().to_dict() == {"train": 2000, "val": 1000, "test": 2000}
    published = {part: set(rows["sequence"][rows["published"] == part]) for part in ("test", "test_snv")}
    assert len(published["test"] & published["test_snv"]) == 17
    # told apart, these 17 are a leak and leave the weaker part
    apart = make_split(rows, {**PUBLISHED, "val": ["val", "test_snv"], "test": ["test"]}, 0)
    leaks = apart[apart["split"] == "excluded"]
    assert set(leaks["reason"]) == {"linked to a test row"}
    assert set(rows["published"][leaks.index]) == {"test_snv"} and len(leaks) >= 17


def test_chromosome_split_of_the_mattioli_library(shared):
    mpra = shared / "data/mpra"
    files = {"rows": mpra / "mattioli_pool1_pMPRA1_K562.tsv", "pairs": mpra / "mattioli_snp_pairs.tsv"}
    rows = sources.read("mattioli", files, {})[0]
    split = make_split(rows, {"kind": "chromosome", "val": ["chr19", "chr21", "chrX"], "test": ["chr7", "chr13"]}, 0)
    assert split["split"].value_counts()[["val", "test"]].to_dict() == {"val": 376, "test": 346}
    assert set(rows["chrom"][split["split"] == "test"]) == {"chr7", "chr13"}
    assert set(split["reason"]) == {"", "no chromosome"}


@pytest.mark.parametrize("part", [None, "", "Train"])
def test_a_row_without_a_known_part_is_refused(part):
    rows = rows_of(["ACGT", "CCGA", "TTGA"])
    with pytest.raises(InputError, match="is unknown; known: train, val, test, excluded"):
        check_split(rows, pd.DataFrame({"row_id": rows["row_id"], "split": ["train", part, "test"]}))
