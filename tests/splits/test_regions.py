"""Panels within regions: midpoints, both rows of a pair, lift-over between builds, and what held-out folds hold."""

import gzip

import numpy as np
import pandas as pd
import pytest

from helpers.linked_rows import units_of
from s2f.common.errors import InputError
from s2f.rows import sources
from s2f.rows.canonical import canonical
from s2f.rows.stages import Stages
from s2f.sequences.bed import read_bed
from s2f.splits import regions
from s2f.splits.make import make_split
from s2f.splits.panels import make_panel

# From build hg90 to hg91, made by hand: chr1 has two blocks, with a gap of 20 bases that the other build lacks, and 10
# that it has more; chr2:50-150 lies reversed on chr3; chr4:0-100 lies in two places.
CHAIN = """\
chain 1000 chr1 1000 + 100 400 chr1 1200 + 150 440 1
100 20 10
180

chain 500 chr2 500 + 50 150 chr3 800 - 100 200 2
100

chain 400 chr4 300 + 0 100 chr4 300 + 0 100 3
100

chain 40 chr4 300 + 0 100 chr5 300 + 0 100 4
100
"""


@pytest.fixture
def chain(tmp_path):
    path = tmp_path / "hg90ToHg91.over.chain.gz"
    path.write_bytes(gzip.compress(CHAIN.encode()))
    return path


def bed(tmp_path, *lines, name="regions.bed"):
    (tmp_path / name).write_text("".join("\t".join(map(str, line)) + "\n" for line in lines))
    return str(tmp_path / name)


def rows_at(*places):
    """Rows r0, r1 … at (chrom, start, end); None where a row has no coordinates."""
    known = [place or ("", pd.NA, pd.NA) for place in places]
    table = pd.DataFrame(known, columns=["chrom", "start", "end"]).assign(
        row_id=[f"r{number}" for number in range(len(places))],
        sequence=["ACGT" * 3 + "ACGT"[n % 4] + "ACGT"[n // 4] for n in range(len(places))],
        label=range(len(places)),
    )
    return canonical(table, "rows")


def kept(rows, within):
    """Ids of the rows that a panel of all of them keeps."""
    return regions.limited(pd.DataFrame({"row_id": rows["row_id"]}), rows, within, "p")["row_id"].tolist()


# --- where a row is


def test_the_midpoint_decides_and_regions_are_half_open(tmp_path):
    file = bed(tmp_path, ("chr1", 100, 200))
    rows = rows_at(
        ("chr1", 50, 150),  # base 100
        ("chr1", 49, 150),  # base 99, although half of it lies in the region
        ("chr1", 190, 209),  # base 199
        ("chr1", 190, 210),  # base 200
        ("chr2", 50, 150),
        ("chr1", 120, 130),
    )
    assert kept(rows, file) == ["r0", "r2", "r5"]


def test_regions_may_overlap_be_named_in_other_ways_and_be_chosen_by_name(tmp_path):
    file = bed(tmp_path, ("1", 0, 1000, "a"), ("chr1", 10, 20, "b"), ("Chr1", 990, 1500, "b"), ("chr2", 0, 50, "c"))
    rows = rows_at(("chr1", 500, 502), ("chr1", 12, 14), ("chr1", 1400, 1402), ("chr2", 1, 3), ("chr2", 90, 92))
    assert kept(rows, file) == ["r0", "r1", "r2", "r3"]
    assert kept(rows, {"file": file, "names": ["b"]}) == ["r1", "r2"]
    assert kept(rows, {"file": file, "names": ["b", "c"]}) == ["r1", "r2", "r3"]


def test_what_is_left_out_is_counted(tmp_path, chain, capsys):
    file = bed(tmp_path, ("chr1", 0, 1200), ("chr5", 0, 300))
    rows = rows_at(("chr1", 150, 152), None, ("chr1", 205, 207), ("chr4", 10, 12), ("chr2", 60, 62), ("chr9", 1, 3))
    assert kept(rows, {"file": file, "chain": str(chain)}) == ["r0"]
    assert capsys.readouterr().out == (
        f"panel p: within {file}: 1 of 6 items are kept; 1 elsewhere, 1 without coordinates, 2 not lifted over, 1 "
        "lifted to several places\n"
    )
    stages = Stages()
    regions.limited(pd.DataFrame({"row_id": rows["row_id"]}), rows, {"file": file, "chain": str(chain)}, "p", stages)
    table = stages.table()
    assert table["stage"].tolist() == ["with coordinates", "lifted over", "lifted to one place", "in the regions"]
    assert table["rows"].tolist() == [5, 3, 2, 1]


@pytest.mark.parametrize(
    ("chrom", "base", "lifts_to"),
    [
        ("chr1", 99, None),  # before the first block
        ("chr1", 100, ("chr1", 150)),
        ("chr1", 199, ("chr1", 249)),
        ("chr1", 200, None),  # the gap
        ("chr1", 219, None),
        ("chr1", 220, ("chr1", 260)),
        ("chr1", 399, ("chr1", 439)),
        ("chr1", 400, None),
        ("chr2", 50, ("chr3", 699)),  # reversed: counted from the other end of chr3, which has 800 bases
        ("chr2", 149, ("chr3", 600)),
        ("chr2", 150, None),
        ("chr4", 10, None),  # two places
        ("chr7", 10, None),  # a chromosome without a chain
    ],
)
def test_a_base_lifts_over_by_its_block(chain, chrom, base, lifts_to):
    names, bases, found = regions.lifted(np.array([chrom], object), np.array([base]), chain)
    assert ((names[0], bases[0]) if found[0] == regions.ELSEWHERE else None) == lifts_to


def test_lifted_rows_are_asked_where_they_come_to_lie(tmp_path, chain):
    file = bed(tmp_path, ("chr3", 650, 700), ("chr1", 255, 265))
    rows = rows_at(("chr2", 50, 52), ("chr2", 98, 102), ("chr2", 99, 103), ("chr1", 219, 222), ("chr1", 259, 261))
    # chr2:51 -> chr3:698, 100 -> 649, 101 -> 648; chr1:220 -> 260; chr1:260 -> 300
    assert kept(rows, {"file": file, "chain": str(chain)}) == ["r0", "r3"]
    assert kept(rows, file) == ["r4"]


def test_real_elements_lift_to_their_published_places(shared, tmp_path):
    """Kircher 2019 states both builds of each variant; a chain of one block per element joins them."""
    variants = pd.read_csv(shared / "data" / "satmut" / "satmut_variants.tsv.gz", sep="\t")
    blocks = []
    for number, (_, own) in enumerate(variants.groupby("element")):
        first, size = own["pos_hg19"].min() - 1, int(np.ptp(own["pos_hg19"])) + 1
        to = own["pos_hg38"].min() - 1
        chrom = own["chrom"].iloc[0]
        place, other = f"250000000 + {first} {first + size}", f"250000000 + {to} {to + size}"
        blocks.append(f"chain 1 {chrom} {place} {chrom} {other} {number}\n{size}\n\n")
    chain = tmp_path / "hg19ToHg38.over.chain"
    chain.write_text("".join(blocks))
    one_based = variants["pos_hg19"].to_numpy()
    names, bases, found = regions.lifted(variants["chrom"].to_numpy(object), one_based - 1, chain)
    assert len(variants) == 11856 and set(found) == {regions.ELSEWHERE}
    assert (bases + 1 == variants["pos_hg38"]).all() and (names == variants["chrom"]).all()
    assert (bases + 1 != one_based).all()


# --- panels of a split


def test_panels_of_rows_and_pairs_are_limited(tmp_path):
    file = bed(tmp_path, ("chr7", 0, 1000))
    near, beyond = [("chr7", 10 * n, 10 * n + 14) for n in range(6)], [("chr7", 995, 1009)] * 2
    rows = rows_at(*near, *beyond, None, None, None, None)
    rows["allele"] = ["ref", "alt"] * 5 + ["", ""]
    rows["pair_id"] = [f"p{n // 2}" for n in range(10)] + ["", ""]
    rows["sequence"] = ["ACGTACGTACGTA" + "CG"[n % 2] + "A" * (n // 2) for n in range(12)]
    split = pd.DataFrame({"row_id": rows["row_id"], "split": ["test"] * 10 + ["train", "val"]})
    pairs = make_panel(rows, split, {"kind": "pairs", "within": file}, "snv", units_of(rows))
    assert pairs["pair_id"].tolist() == ["p0", "p1", "p2"]  # p3 lies beyond, p4 nowhere
    panel = make_panel(rows, split, {"kind": "rows", "within": file}, "id", units_of(rows))
    assert panel["row_id"].tolist() == [f"r{n}" for n in range(6)]
    assert len(make_panel(rows, split, {"kind": "pairs"}, "snv", units_of(rows))) == 5


def test_a_pair_needs_both_of_its_rows(tmp_path):
    file = bed(tmp_path, ("chr7", 0, 100))
    rows = rows_at(("chr7", 10, 24), ("chr7", 200, 214), ("chr7", 30, 44))
    panel = pd.DataFrame({"pair_id": ["a", "b"], "ref_row_id": ["r0", "r0"], "alt_row_id": ["r1", "r2"]})
    assert regions.limited(panel, rows, file, "p")["pair_id"].tolist() == ["b"]


def test_real_rows_within_real_regions(shared, tmp_path, capsys):
    """Mattioli 2019: the panel of a chromosome split, limited to one arm of chromosome 7, and counted by pandas."""
    mpra = shared / "data" / "mpra"
    files = {"rows": mpra / "mattioli_pool1_pMPRA1_K562.tsv", "pairs": mpra / "mattioli_snp_pairs.tsv"}
    rows, _ = sources.read("mattioli", files, {})
    split = make_split(rows, {"kind": "chromosome", "without_chromosome": "train"}, 0, units_of(rows))
    file = bed(tmp_path, ("chr7", 0, 58_000_000, "p"), ("chr7", 58_000_000, 160_000_000, "q"))
    panel = make_panel(rows, split, {"kind": "rows", "within": {"file": file, "names": ["p"]}}, "p_arm", units_of(rows))
    measured = rows[rows["chrom"] == "chr7"]
    middle = (measured["start"] + measured["end"]) // 2
    assert panel["row_id"].tolist() == measured["row_id"][middle < 58_000_000].tolist()
    assert 0 < len(panel) < len(make_panel(rows, split, {"kind": "rows"}, "id", units_of(rows)))
    assert f"{len(panel)} of " in capsys.readouterr().out


# --- held-out folds of AlphaGenome


@pytest.mark.parametrize(
    ("fold", "expected"), [("fold1", 8_654_196), ("fold4", 5_064_651), ("fold5", 12_194_652), ("fold7", 88_756_593)]
)
def test_what_the_test_parts_of_the_published_folds_hold_of_chr7_and_chr13(shared, fold, expected):
    """FOLD_0, FOLD_1, FOLD_2, FOLD_3: 8.6, 5.0, 12.1 and 88.7 Mb, cut off after the first digit."""
    path = shared / "data" / "folds" / "borzoi_folds_merged.hg38.bed"
    lines = [line for line in read_bed(path, 4) if line.cells[3] == fold and line.chrom in ("chr7", "chr13")]
    bases = sum(line.end - line.start for line in lines)
    assert bases == expected


def test_overlapping_windows_and_merged_regions_hold_the_same_bases(shared):
    folder = shared / "data" / "folds"
    windows = regions.read_regions(folder / "sequences_human.bed.gz", ["fold7"])
    merged = regions.read_regions(folder / "borzoi_folds_merged.hg38.bed", ["fold7"])
    base = np.arange(0, 159_000_000, 20_011)
    chrom = np.full(len(base), "chr7", object)
    inside = [one.holding(chrom, base, base + 1) >= 0 for one in (windows, merged)]
    assert (inside[0] == inside[1]).all() and 0.3 < inside[0].mean() < 0.6


# --- refusals


def test_a_panel_without_a_row_in_the_regions_is_refused(tmp_path):
    rows = rows_at(("chr1", 5, 9), ("chr2", 5, 9), None)
    message = r"panel p: within .*: 0 of 3 items are kept; 2 elsewhere, 1 without coordinates\. Are rows and "
    r"regions of the same"
    with pytest.raises(InputError, match=message):
        kept(rows, bed(tmp_path, ("chr9", 0, 100)))


@pytest.mark.parametrize(
    ("lines", "names", "message"),
    [
        ([("chr1", 9, 5)], [], "regions.bed: line 1: end is 5, expected a number above start, 9"),
        ([("chr1", 0, 5, "a")], ["b"], "regions.bed: no region is called 'b'; there are: a"),
        ([("chr1", 0, 5)], ["b"], r"regions.bed: line 1: 3 columns separated by tabs, expected at least 4 \(chrom"),
        ([("# nothing",)], [], "regions.bed: there are no regions, expected lines of BED"),
    ],
)
def test_bad_regions_are_refused(tmp_path, lines, names, message):
    with pytest.raises(InputError, match=message):
        kept(rows_at(("chr1", 1, 3)), {"file": bed(tmp_path, *lines), "names": names})


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (CHAIN.replace("100 20 10", "100 20 x"), "invalid alignment line: 100 20 x"),
        (CHAIN.replace("180", "18"), "does not match|do not match|not match"),
        ("chr1\t5\t9\n", "alignment line found before chain header"),
        ("# nothing\n", "holds no chain"),
        (None, "cannot open"),
    ],
)
def test_bad_chain_files_are_refused(tmp_path, text, message):
    path = tmp_path / "bad.chain"
    if text:
        path.write_text(text)
    with pytest.raises(InputError, match=f"bad.chain: .*({message})"):
        kept(rows_at(("chr1", 1, 3)), {"file": bed(tmp_path, ("chr1", 0, 9)), "chain": str(path)})


def test_a_chain_file_in_the_wrong_direction_is_refused(tmp_path, chain):
    rows = rows_at(("chr1", 150, 152))
    with pytest.raises(
        InputError, match=r"hg90ToHg91.over.chain.gz: leads to Hg91, but the regions of .* are on hg90: expec"
    ):
        kept(rows, {"file": bed(tmp_path, ("chr1", 0, 900), name="folds.hg90.bed"), "chain": str(chain)})
    right = bed(tmp_path, ("chr1", 0, 900), name="folds.hg91.bed")
    assert kept(rows, {"file": right, "chain": str(chain)}) == ["r0"]
