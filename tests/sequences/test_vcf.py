import bz2
import contextlib
import gzip
import warnings
from pathlib import Path

import numpy as np
import pytest

from helpers.variants import HEADER, vcf_text
from s2f.common import contents
from s2f.common.errors import InputError
from s2f.sequences import vcf
from s2f.sequences.variant_judge import Judge
from s2f.sequences.vcf import Field, read_header, read_vcf, refuse_unsorted, written

ROWS = [(5, "G", "A"), (7, "T", "A,<DEL>,*"), (9, "TA", "T"), (9, "T", "."), (30, "C", "CGG,CG")]


def rows_of(path, **options):
    """(contig, pos, id, ref, alt, line, alt_index) of all variants of a file."""
    names = ("contig", "pos", "id", "ref", "alt", "line", "alt_index")
    found = []
    for batch in read_vcf(path, **options):
        columns = [getattr(batch.variants, name).tolist() for name in names]
        found += list(zip(*columns, strict=True))
        cells = [batch.lines[row].split("\t") for row in batch.variants.record]
        assert [cell[1] for cell in cells] == list(map(str, columns[1]))
    return found


# --- reading ---


@pytest.mark.parametrize("size", [1, 2, 100])
@pytest.mark.parametrize("block", [16, 2**22])
@pytest.mark.parametrize("way", ["plain", "crlf", "cr", "no end", "blank lines", "gzip", "members", "bzip2", "mark"])
def test_records_are_the_same_however_the_file_is_kept(tmp_path, monkeypatch, way, block, size):
    monkeypatch.setattr(contents, "BLOCK", block)
    path, text = tmp_path / "in.vcf", vcf_text(ROWS)
    blank = 0
    if way == "blank lines":
        text, blank = text.replace("chr1\t7", "\n  \nchr1\t7") + "\n\n", 2
    data = text.encode()
    data = {
        "crlf": data.replace(b"\n", b"\r\n"),
        "cr": data.replace(b"\n", b"\r"),
        "no end": data[:-1],
        "gzip": gzip.compress(data),
        "members": gzip.compress(data[:100]) + gzip.compress(data[100:]),  # as bgzip writes
        "bzip2": bz2.compress(data),
        "mark": b"\xef\xbb\xbf" + data,
    }.get(way, data)
    path.write_bytes(data)
    lines = [4, 5 + blank, 6 + blank, 7 + blank, 8 + blank]
    expected = [
        ("chr1", pos, f"v{i}", ref, allele, lines[i], number)
        for i, (pos, ref, alt) in enumerate(ROWS)
        for number, allele in enumerate(alt.split(","), 1)
    ]
    assert rows_of(path, batch=size) == expected
    assert all(len(batch.lines) <= size for batch in read_vcf(path, batch=size))


def test_cells_are_text_as_it_is(tmp_path):
    path = tmp_path / "in.vcf"
    record = "01\t60\tNA\tg\tA\t.\tLowQual;q10\tNOTE=two words #3;X=β=2\tGT:DP\t0|1:7\t./.:."
    path.write_text(f"##source=x\n{HEADER.splitlines()[2]}\tFORMAT\ts 1\ts2\n{record}\n", encoding="utf-8")
    (batch,) = read_vcf(path)
    assert batch.lines == [record] and read_header(path).samples == ("s 1", "s2")
    assert batch.variants[0].key == "01:60:g:A" and batch.variants[0].id == "NA"


def test_a_file_without_records(tmp_path):
    (tmp_path / "in.vcf").write_text(HEADER)
    assert list(read_vcf(tmp_path / "in.vcf")) == [] and read_header(tmp_path / "in.vcf").samples == ()


GOOD = "chr1\t60\tgood\tG\tA\t.\tPASS\t."


@pytest.mark.parametrize(
    ("line", "message"),
    [
        (
            GOOD.replace("\t", " "),
            "1 columns separated by tabs, expected 8 as in the header; the cells are separated by spaces: write tabs "
            "instead",
        ),
        ("chr1\t72\tfour_columns\tA", "4 columns separated by tabs, expected 8 as in the header"),
        (GOOD + "\tGT\t0/1", "10 columns separated by tabs, expected 8 as in the header"),
        (GOOD.replace("60", "7x"), "POS is '7x', expected a whole number from 0 to 2,147,483,647"),
        (GOOD.replace("60", "-1"), "POS is '-1', expected a whole number from 0 to 2,147,483,647"),
        (GOOD.replace("60", "2147483648"), "POS is '2147483648', expected a whole number from 0 to 2,147,483,647"),
        (GOOD.replace("60", "٦٠"), "POS is '٦٠', expected a whole number from 0 to 2,147,483,647"),
        (GOOD.replace("60", "9" * 5000), f"POS is '{'9' * 5000}', expected a whole number from 0 to 2,147,483,647"),
        (GOOD.replace("60", ""), "POS is empty, expected a value"),
        (GOOD.replace("\tG\t", "\t\t"), "REF is empty, expected a value"),
        (GOOD.replace("\tA\t", "\t\t"), "ALT is empty, expected a value; write . for none"),
        (GOOD.replace("good", ""), "ID is empty, expected a value; write . for none"),
        (GOOD.replace("chr1", ""), "CHROM is empty, expected a value"),
        (GOOD.replace("\tA\t", "\tA,,C\t"), "ALT is 'A,,C', expected alleles separated by single commas"),
        (GOOD.replace("\tA\t", "\tA,\t"), "ALT is 'A,', expected alleles separated by single commas"),
        ("#" + GOOD, "begins with #, expected a record: comments may only be in the header"),
    ],
)
def test_malformed_lines_are_named(tmp_path, line, message):
    path = tmp_path / "in.vcf"
    path.write_text(HEADER + f"{GOOD}\n\n{line}\n{GOOD}\nchr1\t7\n", encoding="utf-8")
    with pytest.raises(InputError) as error:
        list(read_vcf(path))
    assert str(error.value) == f"{path}: line 6: {message}"


def test_malformed_lines_of_the_cases(shared, tmp_path):
    path = shared / "data/vcf_cases/11_malformed.vcf"
    messages = {
        7: "1 columns separated by tabs, expected 8 as in the header; the cells are separated by spaces: write tabs "
        "instead",
        8: "4 columns separated by tabs, expected 8 as in the header",
        9: "POS is '7x', expected a whole number from 0 to 2,147,483,647",
        10: "REF is empty, expected a value",
    }
    with pytest.raises(InputError) as error:
        list(read_vcf(path))
    assert str(error.value) == f"{path}: line 7: {messages[7]}"
    rows = path.read_text().splitlines()
    for line, message in messages.items():
        only = tmp_path / "only.vcf"  # the other broken lines blank
        only.write_text("".join(f"{'' if i in messages and i != line else row}\n" for i, row in enumerate(rows, 1)))
        with pytest.raises(InputError) as error:
            list(read_vcf(only))
        assert str(error.value) == f"{only}: line {line}: {message}"
    none = tmp_path / "none.vcf"
    none.write_text("".join(f"{'' if i in messages else row}\n" for i, row in enumerate(rows, 1)))
    (batch,) = read_vcf(none)
    judge = Judge(vcf_genome(shared), none, 20)
    judged = judge.judged(batch.variants)
    assert judged.reason.tolist() == ["ok", "ok"] and batch.variants.line.tolist() == [6, 11]
    assert list(zip(judged.norm_pos, judged.norm_ref, judged.norm_alt, judged.kind, strict=True)) == [
        (60, "G", "A", "SNV"),
        (76, "A", "C", "SNV"),
    ]


def vcf_genome(shared):
    from s2f.sequences.genome import Genome

    return Genome.open(shared / "data/vcf_cases/reference.fa")


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (b"", "has no line that begins with #CHROM, expected a VCF"),
        (b"##fileformat=VCFv4.2\n", "has no line that begins with #CHROM, expected a VCF"),
        (
            b"##fileformat=VCFv4.2\nchr1\t5\t.\tA\tC\t.\t.\t.\n",
            r"line 2: is 'chr1\t5\t.\tA\tC\t.\t.\t.', expected the header of a VCF, whose last line begins with "
            "#CHROM",
        ),
        (
            b"#CHROM POS ID REF ALT QUAL FILTER INFO\n",
            "line 1: columns are '#CHROM POS ID REF ALT QUAL FILTER INFO', expected #CHROM, POS, ID, REF, ALT, QUAL, "
            "FILTER, INFO and, before samples, FORMAT, separated by tabs; they are separated by spaces: write tabs "
            "instead",
        ),
        (
            b"#chrom\tpos\tref\talt\n",
            "line 1: columns are '#chrom, pos, ref, alt', expected #CHROM, POS, ID, REF, ALT, QUAL, FILTER, INFO and, "
            "before samples, FORMAT, separated by tabs",
        ),
        (
            HEADER[:-1].encode() + b"\tNA12878\n",
            "line 3: columns are '#CHROM, POS, ID, REF, ALT, QUAL, FILTER, INFO, NA12878', expected #CHROM, POS, ID, "
            "REF, ALT, QUAL, FILTER, INFO and, before samples, FORMAT, separated by tabs",
        ),
        (gzip.compress(b"BCF\2\2" + b"\0" * 50), "is BCF, expected variants (VCF): expected text"),
        (
            HEADER.encode() + "chr1\t5\tµ\tA\tC\t.\t.\t.\n".encode("latin-1"),
            "line 4: byte 0xb5 is not UTF-8 ('chr1\\t5\\tµ\\tA\\tC\\t.\\t.\\t.' if it is Windows-1252); save the file "
            "as UTF-8, or convert it: iconv -f WINDOWS-1252 -t UTF-8",
        ),
    ],
)
def test_what_is_no_vcf(tmp_path, data, message):
    path = tmp_path / "in.vcf"
    path.write_bytes(data)
    with pytest.raises(InputError) as error:
        list(read_vcf(path))
    result = f" {path} > {tmp_path / 'in.utf8.vcf'}" if "iconv" in message else ""
    assert str(error.value) == f"{path}: {message}{result}"


def test_a_compressed_file_that_breaks_off(tmp_path):
    data = gzip.compress(vcf_text([(i, "A", "CGT"[i % 3]) for i in range(1, 3000)]).encode())
    (tmp_path / "in.vcf.gz").write_bytes(data[: len(data) // 2])
    with pytest.raises(InputError, match=r"in.vcf.gz: gzip data are broken \(.*\); fetch the file again"):
        list(read_vcf(tmp_path / "in.vcf.gz"))
    with pytest.raises(InputError, match=r"none.vcf: no such file \(variants \(VCF\)\)"):
        list(read_vcf(tmp_path / "none.vcf"))


ACCEPTED = (
    "vcf_cases/01_multiallelic.vcf",
    "vcf_cases/02_indels.vcf",
    "vcf_cases/04_letter_case.vcf",
    "vcf_cases/05_contig_names.vcf",
    "vcf_cases/06_ref_mismatch.vcf",
    "vcf_cases/07_missing_and_star.vcf",
    "vcf_cases/10_bgzip_no_contigs.vcf.gz",
    "vcf/clinvar_in_pieces.hg38.vcf",
    "vcf/mattioli_snps.hg19.vcf",
)


@pytest.mark.parametrize("file", ACCEPTED)
def test_records_equal_those_of_htslib_where_it_takes_the_file(shared, file):
    import pysam

    pysam.set_verbosity(0)
    path = shared / "data" / file
    theirs = []
    with pysam.VariantFile(str(path)) as stream:
        for record in stream:
            for number, alt in enumerate(record.alts or (".",), 1):
                theirs.append((record.chrom, record.pos, record.id or ".", record.ref, alt, number))
    ours = [(*row[:5], row[6]) for row in rows_of(path, batch=50)]
    assert ours == theirs


def test_htslib_refuses_what_our_reader_takes(shared):
    import pysam

    pysam.set_verbosity(0)
    path = shared / "data/vcf_cases/09_crlf_and_spaces.vcf"
    with pytest.raises(OSError), pysam.VariantFile(str(path)) as stream:
        list(stream)
    assert len(rows_of(path)) == 6


# --- writing ---

EFFECT = Field("S2F_DELTA", 'alt - ref, "log2"')


def names(folder):
    return sorted(path.name for path in folder.iterdir())


def rewritten(source, path, values=None, added=(EFFECT,), **options):
    """Write a file again with numbers 0, 1, ... for its variants."""
    done = 0
    with written(path, read_header(source), added, **options) as writer:
        for batch in read_vcf(source, batch=2):
            count = len(batch.variants)
            own = np.arange(done, done + count) / 8 if values is None else np.array(values[done : done + count])
            writer.write(batch, {field.name: own for field in added})
            done += count
    return path


def test_fields_are_added_and_all_else_is_carried(tmp_path):
    source = tmp_path / "in.vcf"
    columns = HEADER.splitlines()[2] + "\tFORMAT\ts1\ts2"
    records = [
        "2\t60\trs1;rs2\tg\tA,<DEL>\t10.50\tLowQual;q10\tAF=0.1,.;DB\tGT:DP\t0|1:7\t./.:.",
        "1\t5\t.\tT\t.\t.\tPASS\t.\tGT\t0/0\t0/0",
        "1\t4\tβ\tT\tA\t.\t.\tNOTE=two words #3\tGT\t0/1\t1/1",
    ]
    meta = ["##fileformat=VCFv4.1", "##ID=<Description=odd>", '##INFO=<ID=S2F,Number=1,Type=Float,Description="x">']
    source.write_text("\r\n".join([*meta, columns, records[0], "", *records[1:], ""]), encoding="utf-8")
    added = (EFFECT, Field("S2F_REASON", "Why not", "String"))
    done, path = 0, tmp_path / "out" / "out.vcf"
    deltas, reasons = [0.123456789, np.nan, np.nan, -1e-9], ["", "symbolic", "no_alt", ""]
    with written(path, read_header(source), added, meta=["##s2f_model=k562"]) as writer:
        for batch in read_vcf(source, batch=2):
            rows = slice(done, done + len(batch.variants))
            writer.write(batch, {"S2F_DELTA": deltas[rows], "S2F_REASON": reasons[rows]})
            done += len(batch.variants)
        assert not path.exists()
    assert path.read_text(encoding="utf-8").splitlines() == [
        *meta,
        "##s2f_model=k562",
        '##INFO=<ID=S2F_DELTA,Number=A,Type=Float,Description="alt - ref, \\"log2\\"">',
        '##INFO=<ID=S2F_REASON,Number=A,Type=String,Description="Why not">',
        columns,
        records[0].replace("DB", "DB;S2F_DELTA=0.123457,.;S2F_REASON=.,symbolic"),
        records[1].replace("PASS\t.", "PASS\tS2F_DELTA=.;S2F_REASON=no_alt"),
        records[2].replace("#3", "#3;S2F_DELTA=-1e-09;S2F_REASON=."),
    ]


def test_htslib_reads_the_values_of_a_compressed_file_by_its_index(tmp_path):
    import pysam

    pysam.set_verbosity(0)
    source = tmp_path / "in.vcf"
    source.write_text(vcf_text(ROWS))
    path = rewritten(source, tmp_path / "out.vcf.gz", [0.5, 1, np.nan, np.nan, -2, np.nan, 3, 4])
    assert names(tmp_path) == ["in.vcf", "out.vcf.gz", "out.vcf.gz.tbi"]
    assert path.read_bytes().endswith(bytes.fromhex("1f8b08040000000000ff0600424302001b0003000000000000000000"))
    with pysam.VariantFile(str(path)) as stream:
        assert stream.header.info["S2F_DELTA"].number == "A" and stream.header.info["S2F_DELTA"].type == "Float"
        found = {record.id: record.info["S2F_DELTA"] for record in stream.fetch("chr1", 6, 30)}
    assert found == {"v1": (1, None, None), "v2": (-2,), "v3": (None,), "v4": (3, 4)}
    assert rows_of(path) == [(*row[:5], row[5] + 1, row[6]) for row in rows_of(source)]


def test_places_that_tbi_cannot_hold_get_the_other_index(tmp_path):
    import pysam

    source = tmp_path / "in.vcf"
    source.write_text(vcf_text([(5, "A", "C"), (2**29 + 5, "A", "C")]))
    path = rewritten(source, tmp_path / "out.vcf.gz")
    assert names(tmp_path) == ["in.vcf", "out.vcf.gz", "out.vcf.gz.csi"]
    with pysam.VariantFile(str(path)) as stream:
        assert [record.id for record in stream.fetch("chr1", 2**29, 2**29 + 10)] == ["v1"]
    source.write_text(vcf_text([(5, "A", "<DEL>")]).replace("\t.\n", f"\tSVTYPE=DEL;END={2**29 + 9}\n"))
    rewritten(source, path)
    assert names(tmp_path) == ["in.vcf", "out.vcf.gz", "out.vcf.gz.csi"]
    source.write_text(vcf_text([(5, "A", "C")]))
    rewritten(source, path)  # no index of the earlier file is left
    assert names(tmp_path) == ["in.vcf", "out.vcf.gz", "out.vcf.gz.tbi"]


@pytest.mark.parametrize(
    ("rows", "line", "place", "before"),
    [
        ([(5, "A", "C"), (4, "A", "C")], 5, "chr1:4", "chr1:5"),
        ([(5, "A", "C"), (5, "A", "G"), (9, "A", "C"), (8, "A", "C,G")], 7, "chr1:8", "chr1:9"),
        ("1 5, 2 5, 1 6", 6, "1:6", "2:5"),
    ],
)
def test_an_index_needs_records_in_order(tmp_path, rows, line, place, before):
    source = tmp_path / "in.vcf"
    if isinstance(rows, str):
        text = "".join("{}\t{}\t.\tA\tC\t.\t.\t.\n".format(*row.split()) for row in rows.split(", "))
        source.write_text(HEADER + text)
    else:
        source.write_text(vcf_text(rows))
    message = (
        f"{source}: line {line}: {place} comes after {before}, expected sorted records, because an index is "
        "written; sort the file (bcftools sort), or choose a name for the result that "
        "does not end in .gz (in a study: vcf_out: vcf)"
    )
    for attempt in (lambda: refuse_unsorted(source), lambda: rewritten(source, tmp_path / "out.vcf.gz")):
        with pytest.raises(InputError) as error:
            attempt()
        assert str(error.value) == message
    assert names(tmp_path) == ["in.vcf"]
    rewritten(source, tmp_path / "out.vcf")  # in the order of the file
    assert [row[:5] for row in rows_of(tmp_path / "out.vcf")] == [row[:5] for row in rows_of(source)]


def test_a_job_that_fails_leaves_what_was_there(tmp_path):
    source = tmp_path / "in.vcf"
    source.write_text(vcf_text(ROWS))
    for name in ("out.vcf", "out.vcf.gz"):
        path = rewritten(source, tmp_path / name)
        before = {file: (tmp_path / file).read_bytes() for file in names(tmp_path)}
        with pytest.raises(KeyError), written(path, read_header(source), [EFFECT]) as writer:
            for batch in read_vcf(source):
                writer.write(batch, {})
        assert {file: (tmp_path / file).read_bytes() for file in names(tmp_path)} == before


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs /dev/full")
@pytest.mark.parametrize("count", [1, 20000])
def test_a_full_disk_is_told(tmp_path, monkeypatch, count):
    @contextlib.contextmanager
    def on_a_full_disk(path):
        yield Path("/dev/full")

    monkeypatch.setattr(vcf, "atomic", on_a_full_disk)
    (tmp_path / "in.vcf").write_text(vcf_text([(i, "A", "C") for i in range(1, count + 1)]))
    with pytest.raises(InputError, match=r"out.vcf.gz: cannot be written \(.*\); is the disk of .* full\?"):
        rewritten(tmp_path / "in.vcf", tmp_path / "out.vcf.gz")


def test_a_field_is_not_written_twice(tmp_path):
    source = tmp_path / "in.vcf"
    source.write_text(vcf_text(ROWS))
    path = rewritten(source, tmp_path / "out.vcf")
    with pytest.raises(InputError) as error:
        rewritten(path, tmp_path / "again.vcf")
    assert str(error.value) == (
        f"{path}: already has the INFO field S2F_DELTA, which would be written twice; remove it (bcftools annotate "
        "--remove INFO/S2F_DELTA), or score the file from which it was made"
    )
    rewritten(path, tmp_path / "again.vcf", added=(Field("S2F_DELTA2", "other"),))
    assert names(tmp_path) == ["again.vcf", "in.vcf", "out.vcf"]


def test_texts_that_info_cannot_hold(tmp_path):
    source = tmp_path / "in.vcf"
    source.write_text(vcf_text(ROWS[:1]))
    for text in ("two words", "a;b", "a=b", "a,b"):
        with pytest.raises(ValueError, match=r"S2F_DELTA: .* has white space, a semicolon, = or a comma"):
            rewritten(source, tmp_path / "out.vcf", [text], added=(Field("S2F_DELTA", "x", "String"),))


def test_an_empty_file_gets_an_index_too(tmp_path):
    import pysam

    (tmp_path / "in.vcf").write_text(HEADER)
    path = rewritten(tmp_path / "in.vcf", tmp_path / "out.vcf.gz")
    with warnings.catch_warnings(), pysam.VariantFile(str(path)) as stream:
        assert list(stream.fetch("chr1")) == []


def test_wide_records_come_in_small_batches(tmp_path):
    """A batch is bounded by the block of the file, not only by the number of records asked for."""
    row = "chr1\t5\t.\tA\tC\t.\t.\t.\tGT" + "\t0/1" * 2000
    columns = HEADER[:-1] + "\tFORMAT" + "".join(f"\ts{i}" for i in range(2000))
    (tmp_path / "in.vcf").write_text(columns + "\n" + f"{row}\n" * 1500)
    batches = [len(batch.lines) for batch in read_vcf(tmp_path / "in.vcf")]
    assert sum(batches) == 1500 and max(batches) * len(row) <= contents.BLOCK + len(row)
