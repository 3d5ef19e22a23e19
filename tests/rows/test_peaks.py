import gzip

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from s2f.common.errors import InputError
from s2f.rows.peaks import centred, read_peaks, tiled

NARROW = "chr4\t100\t146\tQKI_K562_IDR\t1000\t-\t4.25\t8.5\t-1\t-1"


def test_a_narrowpeak_gives_signal_value_and_line(tmp_path):
    text = f"track name=x\n# note\n{NARROW}\n7\t5\t9\t.\t1000\t+\t3\t3\t-1\t-1\r\n\n"
    for path, content in ((tmp_path / "a.bed", text.encode()), (tmp_path / "b.bed.gz", gzip.compress(text.encode()))):
        path.write_bytes(content)
        assert read_peaks(path).to_numpy().tolist() == [
            ["chr4", 100, 146, "QKI_K562_IDR", "-", 4.25, 3],
            ["chr7", 5, 9, ".", "+", 3.0, 4],
        ]


def test_a_bed6_gives_its_score_or_none(tmp_path):
    (tmp_path / "a.bed").write_text("chr1\t5\t9\tx\t12.5\t+\nchr1\t5\t9\ty\t.\t-\n")
    signal = read_peaks(tmp_path / "a.bed")["signal"]
    assert signal[0] == 12.5 and np.isnan(signal[1])


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("chr1\t5\t9", r"a.bed: line 2: 3 columns separated by tabs, expected at least 6 \(BED6"),
        (NARROW.replace("\t", " "), "line 2: 1 columns separated by tabs"),
        (NARROW + "\t0", "line 2: 11 columns, expected 10 as in the lines before"),
        (NARROW.replace("100\t", "1e2\t", 1), "line 2: start is '1e2', expected a whole number"),
        (NARROW.replace("100\t", "-1\t", 1), "line 2: start is '-1', expected a whole number of at least 0"),
        (NARROW.replace("146", "146.0"), "line 2: end is '146.0', expected a whole number"),
        (NARROW.replace("146", "100"), "line 2: end is 100, expected a number above start, 100"),
        (NARROW.replace("\t-\t", "\t.\t"), r"line 2: strand is '\.', expected \+ or -, because RNA has one"),
        (NARROW.replace("4.25", "high"), r"line 2: signalValue \(column 7\) is 'high', expected a number"),
        (NARROW.replace("4.25", "nan"), r"line 2: signalValue \(column 7\) is 'nan', expected a number"),
        (NARROW.replace("4.25", "."), r"line 2: signalValue \(column 7\) is '\.', expected a number"),
        (NARROW.replace("chr4", "."), "line 2: chromosome is '.', expected a name"),
    ],
)
def test_mistakes_name_file_and_line(tmp_path, line, message):
    (tmp_path / "a.bed").write_text(f"{NARROW}\n{line}\n")
    with pytest.raises(InputError, match=message):
        read_peaks(tmp_path / "a.bed")


def test_a_file_without_peaks_is_refused(tmp_path):
    (tmp_path / "a.bed").write_text("track name=x\n")
    with pytest.raises(InputError, match=r"a.bed: there are no peaks, expected lines of BED6 or narrowPeak"):
        read_peaks(tmp_path / "a.bed")


def regions(*rows):
    return pd.DataFrame(rows, columns=["chrom", "start", "end", "strand"])


def test_windows_are_centred_as_in_published_sets():
    table = centred(regions(("chr1", 100, 147, "+"), ("chr1", 100, 148, "-"), ("chr1", 100, 148, "+")), 51)
    assert table["start"].tolist() == [98, 99, 99]
    assert (table["end"] - table["start"]).tolist() == [51, 51, 51]


@given(st.integers(1, 2000), st.integers(1, 60), st.sampled_from("+-"), st.integers(0, 5))
def test_tiles_lie_in_their_region_and_cover_it_up_to_four_lengths(bases, length, strand, seed):
    tiles = tiled(regions(("chr1", 500, 500 + bases, strand)), length, seed)
    assert (tiles["start"] >= 500).all() and (tiles["end"] <= 500 + bases).all()
    assert ((tiles["end"] - tiles["start"]) == min(length, bases)).all()
    if bases <= 4 * length:
        covered = {base for row in tiles.itertuples() for base in range(row.start, row.end)}
        assert len(covered) == bases
        first = tiles["start"] - 500 if strand == "+" else 500 + bases - tiles["end"]
        assert first.tolist()[:-1] == [i * max(1, length // 2) for i in range(len(tiles) - 1)]
    else:
        assert 1 <= len(tiles) <= round(np.sqrt(bases / length))


def test_random_tiles_depend_on_seed_and_region_alone():
    long, other = ("chr1", 0, 9000, "+"), ("chr2", 0, 9000, "-")
    alone, both = tiled(regions(long), 100, 3), tiled(regions(other, long), 100, 3)
    assert len(alone) == 9
    assert both[both["chrom"] == "chr1"].to_numpy().tolist() == alone.to_numpy().tolist()
    assert tiled(regions(long), 100, 4)["start"].tolist() != alone["start"].tolist()


BED6 = "chr1\t5\t90\tx\t12.5\t+"
FORMATS = [
    (BED6, 12.5),
    (f"{BED6}\t7\t80", 12.5),  # BED8
    (f"{BED6}\t5\t90\t255,0,0", 12.5),  # BED9
    (f"{BED6}\t0\t0\t.", 12.5),
    (f"{BED6}\t5\t90\t0\t2\t10,20\t0,60,", 12.5),  # BED12
    (f"{BED6}\t4.25\t8.5\t-1", 4.25),  # broadPeak
    (f"{BED6}\t4.25\t8.5\t-1\t-1", 4.25),  # narrowPeak
    (f"{BED6}\t4.25\t8.5\t-1\t-1\t", 4.25),  # and empty columns
    (f"{BED6}\t4.25\t8.5\t-1\t\t\t", 4.25),
    (f"{BED6}\t\t", 12.5),
]


@pytest.mark.parametrize(("line", "signal"), FORMATS)
def test_the_signal_is_where_the_format_has_it(tmp_path, line, signal):
    (tmp_path / "a.bed").write_text(f"{line}\n{line}\n")
    assert read_peaks(tmp_path / "a.bed")["signal"].tolist() == [signal] * 2


@pytest.mark.parametrize(
    ("line", "message"),
    [
        (f"{NARROW}\t7", "line 1: 11 columns, expected a format of peaks: 6 (BED6), 8 (BED8), 9 (BED9 or "
         "broadPeak), 10 (narrowPeak) or 12 (BED12); cut -f1-6 makes a BED6, whose score (column 5) is the signal"),
        (f"{BED6}\t4.25", "line 1: 7 columns, expected a format of peaks"),
        (f"{BED6}\t5\t90\t0\t2\t1,1\t0,9\t1\t2\t3", "line 1: 15 columns, expected a format of peaks"),
        (f"{BED6}\t4.25\t8.5", "line 1: columns 7 to 8 are '4.25', '8.5', which do not fit BED8, the format with 8 "
         "columns; cut -f1-6 makes a BED6, whose score (column 5) is the signal"),
        (f"{BED6}\t4.25\t8.5\tred", "line 1: columns 7 to 9 are '4.25', '8.5', 'red'"),
        (f"{BED6}\t4.25\t8.5\t-1\t0.5", "line 1: columns 7 to 10 are '4.25', '8.5', '-1', '0.5', which do not fit "
        "narrowPeak, the format with 10"),
        (f"{BED6}\t4.25\t8.5\tGENE\t3", "line 1: columns 7 to 10 are '4.25', '8.5', 'GENE', '3', which do not fit "
        "narrowPeak, the format with 10"),
        (f"{BED6}\t5\t900\t0\t2\t10,20\t0,60", "line 1: columns 7 to 12 are '5', '900', '0', '2', '10,20', '0,60'"),
    ],
)  # fmt: skip
def test_every_other_format_is_refused_by_name(tmp_path, line, message):
    (tmp_path / "a.bed").write_text(f"{line}\n")
    with pytest.raises(InputError) as error:
        read_peaks(tmp_path / "a.bed")
    assert str(error.value).startswith(f"{tmp_path / 'a.bed'}: {message}")


def test_peaks_are_those_of_the_narrowpeak_however_they_are_kept(shared):
    faults = shared / "cases" / "faults" / "peaks"
    for name in ("bom", "cr", "broadpeak9"):
        found = read_peaks(faults / f"{name}.bed")
        assert found["signal"].tolist() == [4.5, 5.5, 6.5, 7.5] and found["line"].tolist() == [1, 2, 3, 4]
        assert found["start"].tolist() == [500, 1200, 490, 1500]
