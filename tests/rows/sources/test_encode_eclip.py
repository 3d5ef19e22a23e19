import collections
import gzip
import itertools
import re

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from s2f.common.errors import InputError
from s2f.rows import sources
from s2f.sequences import dna
from s2f.splits import linked_rows

CHROMOSOMES = {
    name: dna.decode(np.random.Generator(np.random.PCG64(seed)).integers(0, 4, 9000).astype(np.uint8))
    for seed, name in enumerate(("chr1", "chr2", "chr3"))
}
KINDS = ("other_rbp", "flank", "dinucleotide_shuffle", "gc_matched")


def narrow(chrom, start, end, strand="+", signal=5.0, name="QKI_K562_IDR"):
    return f"{chrom}\t{start}\t{end}\t{name}\t1000\t{strand}\t{signal}\t9\t-1\t-1\n"


def some_peaks(seed, count=40, name="QKI_K562_IDR"):
    """Peaks at least 150 nt apart, of widths that leave one base in the middle."""
    rng = np.random.Generator(np.random.PCG64(seed))
    starts = rng.choice(np.arange(2, 56), count, replace=False) * 150
    widths, places = 2 * rng.integers(3, 30, count) + 1, rng.integers(1, 4, count)
    strands, signals = rng.choice(["+", "-"], count), 3 + rng.random(count)
    return [
        (f"chr{place}", int(start), int(start + width), str(strand), float(signal), name)
        for place, start, width, strand, signal in zip(places, starts, widths, strands, signals, strict=True)
    ]


def write(folder, peaks, genome=CHROMOSOMES, others=()):
    files = {"peaks": folder / "qki.bed", "genome": folder / "hg.fa"}
    files["peaks"].write_text(peaks if isinstance(peaks, str) else "".join(narrow(*peak) for peak in peaks))
    files["genome"].write_text("".join(f">{name}\n{letters}\n" for name, letters in genome.items()))
    for name, rows in dict(others).items():
        files[name] = folder / f"{name}.bed"
        files[name].write_text("".join(narrow(*row) for row in rows))
    return files


def read(files, kind="dinucleotide_shuffle", task="classification", **spec):
    spec = {"rbp": "QKI", "cell": "K562", "length": 51, **({"negatives": {"kind": kind}} if kind else {}), **spec}
    return sources.read("encode_eclip", files, spec, task)


@pytest.fixture(scope="module")
def files(tmp_path_factory):
    folder = tmp_path_factory.mktemp("eclip")
    others = {"TARDBP": some_peaks(11, name="."), "PUM2": some_peaks(12, name="PUM2_HepG2_IDR")}
    return write(folder, some_peaks(1), others=others)


def of_kind(files, kind):
    return files if kind == "other_rbp" else {name: files[name] for name in ("peaks", "genome")}


@pytest.mark.parametrize("kind", KINDS)
def test_both_classes_are_of_one_size_and_length_and_the_same_again(files, kind):
    rows, stages = read(of_kind(files, kind), kind)
    again, _ = read(of_kind(files, kind), kind)
    pd.testing.assert_frame_equal(rows, again)
    counts = rows["label"].value_counts()
    assert counts[0.0] == counts[1.0] > 10
    assert (rows["sequence"].str.len() == 51).all() and not rows["sequence"].duplicated().any()
    assert (rows["group"] != "").all() and rows["strand"].isin(["+", "-"]).all()
    assert rows["row_id"].str.startswith("QKI_K562|chr").all()
    table = stages.table().set_index("stage")["rows"]
    assert table["read"] == 40
    assert table["with a negative"] == table["negatives"] == counts[1.0]
    assert any(stage.startswith(f"{kind}: ") for stage in table.index)


@pytest.mark.parametrize("kind", KINDS)
def test_windows_are_the_genome_in_rna_sense(files, kind):
    rows, _ = read(of_kind(files, kind), kind)
    for row in rows[rows["label"].eq(1) | (kind != "dinucleotide_shuffle")].itertuples():
        plus = CHROMOSOMES[row.chrom][row.start : row.end]
        assert row.sequence == (plus if row.strand == "+" else dna.reverse_complement_text(plus))


@pytest.mark.parametrize("kind", ["flank", "dinucleotide_shuffle"])
def test_a_negative_made_for_a_positive_shares_its_group_and_no_split_parts_them(files, kind):
    rows, _ = read(of_kind(files, kind), kind)
    assert (rows.groupby("group")["label"].nunique() == 2).all()
    labels = linked_rows.loci(rows)
    assert (pd.Series(labels).groupby(rows["group"]).nunique() == 1).all()


def mirrored(peaks):
    """Peaks and genome as seen from the other strand."""
    length = {name: len(letters) for name, letters in CHROMOSOMES.items()}
    turned = [(c, length[c] - end, length[c] - start, "+-"[s == "+"], *rest) for c, start, end, s, *rest in peaks]
    return turned, {name: dna.reverse_complement_text(letters) for name, letters in CHROMOSOMES.items()}


@settings(max_examples=6, deadline=None)
@given(st.integers(0, 10**6), st.booleans())
def test_the_other_strand_of_the_genome_gives_the_same_rows(tmp_path_factory, seed, tile):
    peaks = some_peaks(seed)
    spec = {"windows": "tile", "length": 16, "extend": 1} if tile else {}
    one, other = (
        read(write(tmp_path_factory.mktemp("strand"), *args), None, "regression", label="signal", **spec)[0]
        for args in ((peaks,), mirrored(peaks))
    )
    assert sorted(zip(one["sequence"], one["label"], strict=True)) == sorted(
        zip(other["sequence"], other["label"], strict=True)
    )
    assert collections.Counter(one["strand"])["+"] == collections.Counter(other["strand"])["-"]


@settings(max_examples=6, deadline=None)
@given(st.integers(0, 10**6))
@pytest.mark.parametrize("kind", ["other_rbp", "flank", "gc_matched"])
def test_no_negative_lies_within_100_nt_of_a_peak_of_any_signal(tmp_path_factory, kind, seed):
    peaks = some_peaks(seed, 25)
    others = {"PUM2": some_peaks(seed + 1, 50, ".")} if kind == "other_rbp" else {}
    files = write(tmp_path_factory.mktemp("near"), peaks, others=others)
    rows, _ = read(files, kind, min_signal=3.3)
    for row in rows[rows["label"] == 0].itertuples():
        for chrom, start, end, *_ in peaks:
            assert chrom != row.chrom or row.start - end >= 100 or start - row.end >= 100


@pytest.mark.parametrize("length", [101, 301, 501])
@pytest.mark.parametrize("kind", ["flank", "other_rbp", "gc_matched"])
def test_no_negative_shares_bases_with_a_positive_however_long_the_windows(tmp_path, kind, length):
    """Peaks of 60 nt: a window of 301 nt around one reaches beyond the 100 nt that negatives keep from peaks."""
    draw = np.random.Generator(np.random.PCG64(0))
    genome = {name: dna.decode(draw.integers(0, 4, 60000).astype(np.uint8)) for name in ("chr1", "chr2", "chr3")}
    places = [(name, start, "+" if start % 2000 else "-") for name in genome for start in range(3000, 57000, 3000)]
    peaks = [(name, start, start + 60, strand) for name, start, strand in places]
    # sites of another protein: 41 nt between its window and the positive's, and far off
    others = [
        (name, start + by, start + by + 60, strand, 5.0, ".")
        for name, start, strand in places
        for by in (length + 40, 1400)
    ]
    files = write(tmp_path, peaks, genome, {"PUM2": others} if kind == "other_rbp" else {})
    rows, stages = read(files, kind, length=length)
    bound, unbound = rows[rows["label"] == 1], rows[rows["label"] == 0]
    assert len(bound) == len(unbound) > 20
    for row in unbound.itertuples():
        same = bound[bound["chrom"] == row.chrom]
        assert (np.maximum(same["start"] - row.end, row.start - same["end"]) >= 100).all()
    parts = dict(stages.parts)
    near = parts[f"{kind}: 100 nt from any peak"] - parts[f"{kind}: 100 nt from any positive window"]
    assert (near > 0) == (length > 101 or kind != "other_rbp")


def test_shuffles_keep_dinucleotides(files):
    rows, _ = read(of_kind(files, ""), "dinucleotide_shuffle")
    pairs = rows["sequence"].map(lambda s: tuple(sorted(collections.Counter(itertools.pairwise(s)).items())))
    assert (pairs.groupby(rows["group"]).nunique() == 1).all()


def test_each_filter_is_counted(tmp_path):
    twin = CHROMOSOMES["chr1"][1000:1100]
    genome = {**CHROMOSOMES, "chr2": "N" * 60 + twin + CHROMOSOMES["chr2"][160:]}
    peaks = [
        ("chr1", 1025, 1076), ("chr1", 1050, 1080, "+", 4.0), ("chr1", 1050, 1080, "-", 4.5),
        ("chr2", 85, 136, "+", 6.0), ("chr2", 20, 51), ("chr1", 3, 9), ("chr1", 8990, 9000),
        ("chr3", 400, 451, "+", 3.1), ("chr14_GL000194v1_random", 5, 90), ("chr3", 700, 751),
    ]  # fmt: skip
    rows, stages = read(write(tmp_path, peaks, genome), min_signal=4)
    assert stages.counts == [
        ("read", 10), ("standard chromosomes", 9), ("signal at least 4", 8), ("window in the FASTA", 6),
        ("best of overlapping", 5), ("without N", 4), ("best of equal sequences", 3), ("with a negative", 3),
    ]  # fmt: skip
    positives = rows[rows["label"] == 1]["row_id"].str.removeprefix("QKI_K562|").tolist()
    assert positives == ["chr1:1040-1091(-)", "chr2:85-136(+)", "chr3:700-751(+)"]


def test_a_negative_has_no_n_and_no_sequence_of_another_row(tmp_path):
    bound, twice = CHROMOSOMES["chr1"][1000:1100], CHROMOSOMES["chr3"][500:600]
    genome = {**CHROMOSOMES, "chr2": "N" * 90 + bound + twice + CHROMOSOMES["chr2"][290:]}
    others = [("chr2", 60, 101), ("chr2", 115, 166), ("chr2", 215, 266), ("chr3", 525, 576), ("chr3", 900, 951)]
    peaks = [("chr1", 1025, 1076), ("chr1", 5000, 5051), ("chr1", 7000, 7051)]
    files = write(tmp_path, peaks, genome, {"PUM2": [(*row, "+", 5.0, ".") for row in others]})
    rows, stages = read(files, "other_rbp")
    assert dict(stages.parts)["other_rbp: new sequence without N"] == 2
    assert rows.loc[rows["label"] == 0, "start"].tolist() == [215, 900]
    assert not rows["sequence"].duplicated().any()


def test_signal_is_a_regression_label(files):
    rows, _ = read(of_kind(files, ""), None, "regression", label="signal")
    assert len(rows) == 40
    assert rows["label"].between(3, 4).all() and rows["label"].nunique() == 40


def test_tiles_of_a_long_peak_share_its_group(tmp_path):
    peaks = [("chr1", 100, 130), ("chr1", 120, 200, "+", 8.0), ("chr2", 100, 2000, "-"), ("chr3", 50, 70)]
    rows, stages = read(write(tmp_path, peaks), None, "regression", label="signal", windows="tile", length=40)
    assert ("joined where overlapping", 3) in stages.counts
    groups = rows.groupby("group", sort=False)
    assert groups.size().to_dict() == {"chr1:100-200(+)": 4, "chr2:100-2000(-)": 7, "chr3:50-70(+)": 1}
    assert rows.loc[rows["chrom"] == "chr1", ["start", "label"]].to_numpy().tolist() == [
        [100, 8.0], [120, 8.0], [140, 8.0], [160, 8.0],
    ]  # fmt: skip
    assert rows["sequence"].str.len().tolist() == [40] * 11 + [20]


def test_other_chromosomes_can_be_asked_for(tmp_path):
    files = write(tmp_path, [("chrUn", 100, 151), ("chr1", 100, 151)], {**CHROMOSOMES, "chrUn": CHROMOSOMES["chr3"]})
    rows, stages = read(files, chromosomes=["Un"])
    assert set(rows["chrom"]) == {"chrUn"}
    assert ("chromosomes", 1) in stages.counts


@pytest.mark.parametrize(
    ("peaks", "message"),
    [
        ("chr1\t5\t90\n", r"qki.bed: line 1: 3 columns separated by tabs, expected at least 6 \(BED6"),
        (
            narrow("chr1", 400, 451) + narrow("chr9", 5, 90),
            r"line 2: chromosome 'chr9' is not in .*hg.fa, which has chr1.*chromosomes: .*\(incomplete_genome: true\)",
        ),
        (
            narrow("chr1", 400, 451) + narrow("chr2", 8990, 9001),
            "line 2: end is 9001, beyond the 9000 bases of chr2 in",
        ),
        (narrow("chr1", "4e2", 451), "line 1: start is '4e2', expected a whole number"),
        (narrow("chr1", 451, 451), "line 1: end is 451, expected a number above start"),
        (narrow("chr1", 400, 451, "."), r"line 1: strand is '\.', expected \+ or -"),
        (narrow("chrUn_1", 400, 451), r"no peak remains at 'standard chromosomes' \(peaks: read 1, standard chr.* 0\)"),
        (narrow("chr1", 3, 9), "no peak remains at 'window in the FASTA'"),
        (narrow("chr1", 400, 451, name="PUM2_K562_IDR"), "line 1: peaks are of 'PUM2_K562_IDR', expected QKI K562"),
        (narrow("chr1", 400, 451, name="QKI_HepG2_IDR"), "line 1: peaks are of 'QKI_HepG2_IDR', expected QKI K562"),
    ],
)
def test_mistakes_in_the_peaks_name_file_and_line(tmp_path, peaks, message):
    with pytest.raises(InputError, match=message):
        read(write(tmp_path, peaks))


def test_a_threshold_that_nothing_passes_and_scores_that_are_missing(tmp_path, files):
    with pytest.raises(InputError, match="no peak remains at 'signal at least 9'"):
        read(of_kind(files, ""), min_signal=9)
    bed6 = write(tmp_path, "chr1\t400\t451\tx\t7\t+\nchr1\t900\t951\tx\t.\t+\n")
    assert len(read(bed6)[0]) == 4
    with pytest.raises(InputError, match=r"qki.bed: line 2: signal is missing, expected a number"):
        read(bed6, min_signal=3)


def test_an_empty_class_of_negatives_says_where_they_went(tmp_path):
    files = write(tmp_path, [("chr1", 400, 451)], others={"PUM2": [("chr1", 420, 490, "+", 5.0, ".")]})
    with pytest.raises(
        InputError, match=r"no negative of kind other_rbp remains: other peaks 1, .* 100 nt from any peak 0"
    ):
        read(files, "other_rbp")
    full = write(tmp_path, [("chr1", 130, 181)], {"chr1": CHROMOSOMES["chr1"][:310]})
    message = r"no negative of kind flank remains: positions tried \d+, 100 nt from any peak 0, .* with a flank 0"
    with pytest.raises(InputError, match=message):
        read(full, "flank")


def test_mistakes_in_the_peaks_of_others_name_their_file(tmp_path):
    files = write(tmp_path, [("chr1", 400, 451)], others={"PUM2": [("chr9", 420, 490, "+", 5.0, ".")]})
    with pytest.raises(InputError, match=r"PUM2.bed: line 1: chromosome 'chr9' is not in"):
        read(files, "other_rbp")
    files = write(tmp_path, [("chr1", 400, 451)], others={"PUM2": [("chr1", 420, 490, "+", 5.0, "QKI_HepG2_IDR")]})
    with pytest.raises(InputError, match=r"PUM2.bed: line 1: peaks are of QKI, expected another protein"):
        read(files, "other_rbp")


def test_a_window_longer_than_its_piece_is_refused_or_left_out(tmp_path):
    genome = {"chr1:350-500": CHROMOSOMES["chr1"][350:500], "chr1:900-930": CHROMOSOMES["chr1"][900:930]}
    files = write(tmp_path, [("chr1", 400, 451), ("chr1", 905, 925)], genome)
    message = r"qki.bed: line 2: no piece in .*hg.fa holds chr1:890-941\(\+\), the window of 51 nt \(1 such windows\)"
    with pytest.raises(InputError, match=message):
        read(files)
    files["peaks"].write_text(files["peaks"].read_text() + narrow("chr9", 5, 90))  # a chromosome that it lacks
    rows, stages = read(files, incomplete_genome=True)
    assert rows["start"].tolist() == [400, 400]
    assert ("window in the FASTA", 1) in stages.counts


@pytest.mark.parametrize(
    ("spec", "message"),
    [
        ({"rbp": ""}, "rbp is missing: name the protein"),
        ({"windows": "center"}, "windows is 'center', expected centre or tile"),
        ({"extend": 5}, "extend needs windows tile"),
        ({"negatives": None}, "label bound needs negatives"),
        ({"label": "signal"}, "label signal must not have any"),
        (
            {"negatives": {"kind": "random"}},
            "negatives: kind 'random' is unknown; known: dinucleotide_shuffle, flank, gc_m",
        ),
        ({"negatives": {"kind": "other_rbp"}}, "other_rbp need peaks of other proteins in 'files', by name"),
        (
            {"length": 101, "negatives": {"kind": "flank", "reach": 205}},
            "reach is 205, expected at least 210: windows of",
        ),
        (
            {"windows": "tile", "negatives": {"kind": "gc_matched"}},
            "several lengths, which would give away negatives of kind gc_m",
        ),
    ],
)
def test_settings_that_contradict_each_other_are_refused(files, spec, message):
    with pytest.raises(InputError, match=message):
        read(of_kind(files, ""), **spec)


def test_files_of_others_go_with_their_kind_only(files):
    with pytest.raises(
        InputError, match=r"peaks of other proteins in 'files' \(TARDBP, PUM2\) go with negatives of kind"
    ):
        read(files, "flank")
    with pytest.raises(InputError, match="files: 'TARDBP' is the protein itself, expected other proteins"):
        read(files, "other_rbp", rbp="TARDBP")


# ENCODE accessions of the peaks, K562
PEAKS = {
    "QKI": "ENCFF786UOW", "TARDBP": "ENCFF037TVC", "PUM2": "ENCFF880MWQ", "PTBP1": "ENCFF907HNN",
    "RBFOX2": "ENCFF206RIM", "GTF2F1": "ENCFF278ZCU",
}  # fmt: skip


@pytest.mark.parametrize(
    ("rbp", "motif", "positive", "reverse", "identical"),
    [
        # shares with the motif in the sequences and in their reverse complements, as known of the published windows
        ("QKI", "ACTAAC", 0.361, 0.003, 1647),
        ("TARDBP", "GTGTGT", 0.607, 0.014, 4430),
        ("PUM2", "TGTA.ATA", 0.356, 0.028, 2600),
    ],
)
def test_real_peaks_give_the_published_windows_in_the_sense_of_the_rna(
    shared, rbp, motif, positive, reverse, identical
):
    folder = shared / "data" / "eclip"
    files = {name: folder / "narrowPeak" / f"{accession}.bed.gz" for name, accession in PEAKS.items()}
    files = {"peaks": files.pop(rbp), "genome": folder / "genome_pieces.hg38.fa.gz", **files}
    rows, _ = read(files, "other_rbp", rbp=rbp, min_signal=4.0, incomplete_genome=True)
    bound, other = (rows.loc[rows["label"] == label, "sequence"] for label in (1, 0))
    assert bound.str.contains(motif).mean() == pytest.approx(positive, abs=0.007)
    turned = bound.map(dna.reverse_complement_text)
    assert turned.str.contains(motif).mean() == pytest.approx(reverse, abs=0.003)
    assert other.str.contains(motif).mean() < 0.1 * positive
    lines = (folder / "fasta_w51" / f"{rbp}_K562_IDR.positives.fa").read_text().split()
    published = dict(zip([header[1:] for header in lines[::2]], lines[1::2], strict=True))
    own = dict(zip(rows["row_id"].str.split("|").str[1], rows["sequence"], strict=True))
    both = published.keys() & own.keys()
    assert all(published[name] == own[name] for name in both)
    # of overlapping windows theirs keeps the first, ours the one of the highest signal
    assert len(both) == identical >= 0.985 * len(published)


def test_flanks_of_real_peaks_keep_their_distance_from_windows_longer_than_their_peak(shared):
    folder = shared / "data" / "eclip"
    files = {"peaks": folder / "narrowPeak" / f"{PEAKS['QKI']}.bed.gz", "genome": folder / "genome_pieces.hg38.fa.gz"}
    rows, _ = read(files, "flank", length=101, min_signal=4.0, incomplete_genome=True)
    bound, unbound = rows[rows["label"] == 1], rows[rows["label"] == 0]
    assert len(unbound) > 20
    for chrom, same in unbound.groupby("chrom"):
        other = bound[bound["chrom"] == chrom]
        apart = np.maximum(
            other["start"].to_numpy()[:, None] - same["end"].to_numpy(),
            same["start"].to_numpy() - other["end"].to_numpy()[:, None],
        )
        assert apart.size == 0 or apart.min() >= 100


def test_the_pieces_are_read_from_gzip_as_from_text(shared, tmp_path):
    folder = shared / "data" / "eclip"
    plain = tmp_path / "pieces.fa"
    plain.write_bytes(gzip.decompress((folder / "genome_pieces.hg38.fa.gz").read_bytes()))
    files = {"peaks": folder / "narrowPeak" / f"{PEAKS['QKI']}.bed.gz"}
    tables = [
        read({**files, "genome": genome}, incomplete_genome=True, min_signal=4.0)[0]
        for genome in (plain, folder / "genome_pieces.hg38.fa.gz")
    ]
    pd.testing.assert_frame_equal(*tables)
    assert re.fullmatch("[ACGT]{51}", tables[0]["sequence"][0])


@pytest.mark.parametrize("spec", [{"label": "signal"}, {"min_signal": 5.0, "label": "signal"}, {"min_signal": 5.0}])
def test_a_signal_that_is_the_same_for_all_peaks_is_refused(tmp_path, spec):
    files = write(tmp_path, "".join("\t".join(narrow(*peak).split()[:6]) + "\n" for peak in some_peaks(1)))
    kind = None if "label" in spec else "dinucleotide_shuffle"
    with pytest.raises(InputError) as error:
        read(files, kind, "classification" if kind else "regression", **spec)
    assert str(error.value) == (
        f"{files['peaks']}: every peak has the signal 1000, which is useless as a label or for min_signal; expected a "
        "narrowPeak or broadPeak with its signalValue, or a BED with a score for each peak"
    )


def test_min_signal_goes_by_the_signal_of_a_broadpeak(tmp_path):
    peaks = some_peaks(1)
    broad = "".join("\t".join(narrow(*peak).split()[:9]) + "\n" for peak in peaks)
    rows, _ = read(write(tmp_path, broad), None, "regression", label="signal", min_signal=3.5)
    expected, _ = read(write(tmp_path, peaks), None, "regression", label="signal", min_signal=3.5)
    pd.testing.assert_frame_equal(rows, expected)
    assert 5 < len(rows) < 40


def test_a_contig_that_nobody_asks_for_is_left_out_with_its_peaks(tmp_path):
    genome = CHROMOSOMES | {"HLA-A*01:01:01:01": "ACGT" * 90, "gi|568|gb|CM0.2|": "ACGT" * 9, "lcl:7/8": "ACGT" * 9}
    odd = [("HLA-A*01:01:01:01", 5, 90)]
    rows, stages = read(write(tmp_path, some_peaks(1) + odd, genome))
    expected, _ = read(write(tmp_path, some_peaks(1)))
    pd.testing.assert_frame_equal(rows, expected)
    assert stages.counts[:2] == [("read", 41), ("standard chromosomes", 40)]


def test_an_index_that_is_not_used_is_noted(tmp_path):
    files = write(tmp_path, some_peaks(1))
    (tmp_path / "hg.fa.fai").write_text("chr1\t9000\t6\t9000\t9001\n")
    _, stages = read(files)
    assert stages.warnings() == [
        f"{tmp_path / 'hg.fa.fai'}: the FASTA ends before the last record in the index, or continues after it, so "
        "it is not used; "
        "make the index again with samtools faidx, or remove it"
    ]
    table = stages.table()  # from where the terminal and compare.md have it
    assert table[table["stage"] == "note"]["note"].tolist() == stages.warnings()


def test_peaks_of_other_proteins_are_counted(tmp_path):
    others = {"PUM2": [*some_peaks(12, name="."), ("chrUn_1", 5, 9, "+", 5.0, "."), *some_peaks(13, 5, ".")]}
    _, stages = read(write(tmp_path, some_peaks(1), others=others), "other_rbp", min_signal=3.2)
    table = stages.table().set_index("stage")
    left = table.loc["peaks of PUM2: signal at least 3.2", "rows"]
    assert table.loc["peaks of PUM2: read":"peaks of PUM2: standard chromosomes", "rows"].tolist() == [46, 45]
    assert table.loc["peaks of PUM2: standard chromosomes", "removed"] == 1
    assert table.loc["peaks of PUM2: signal at least 3.2", "removed"] == 45 - left > 0
