"""Sample tables, made of hand-made files in the published formats, and of the real files where they were fetched."""

import hashlib
import io
import re

import pandas as pd
import pytest

from s2f.common.errors import InputError
from s2f.rows import samples, sources

LOCUS = "chr2:100..104,+__7"
WT, SNP = f"WILDTYPE_BUT_HAS_SNP__mrna.noflip.NA__{LOCUS}.1.0.0", f"WILDTYPE_SNP_INDIV__mrna.noflip.NA__{LOCUS}.1.1.0"
HAPLO = f"WILDTYPE_SNP_PLUS_HAPLO__mrna.noflip.NA__{LOCUS}.1.1.1"
SCRAMBLES, RANDOM = f"SCRAMBLED__mrna.noflip.NA__{LOCUS}.1.0.0", "RANDOM__NA.noflip.NA__NA__9.1.0.0"
ACTIVITIES = {
    "K562": [
        ("unique_id", "element", "rna_1", "rna_2", "rna_3"),
        (WT, "AAAC", "1.0", "2.0", "1.00000061"),
        (SNP, "AAAG", "", "0.1234567", ""),
        (HAPLO, "AATG", "", "", ""),
        (SCRAMBLES, "CAAA", "0.5", "0.5", "0.5"),
        (SCRAMBLES, "ACAA", "-1.0", "", "1.0"),
        (RANDOM, "GGGG", "3.0", "3.0", "3.0"),
    ],
    "HepG2": [  # in another order
        ("unique_id", "element", "rna_3", "rna_10"),
        (SCRAMBLES, "ACAA", "", ""),
        (RANDOM, "GGGG", "0.7", "0.9"),
        (WT, "AAAC", "0.1", "0.3"),
        (SCRAMBLES, "CAAA", "4.0", "5.0"),
        (SNP, "AAAG", "", "0.2"),
        (HAPLO, "AATG", "0.3", "0.3"),
    ],
}
ACTIVITIES["HeLa"] = [row[:3] for row in ACTIVITIES["HepG2"]]
PVALS = [("unique_id", "element", "oligo_type", "combined_padj", "combined_class")]
PVALS += [(row[0], row[1], "-", "1.0", f"class of {row[1]}") for row in ACTIVITIES["HepG2"][1:]]
SNPS = [
    ("unique_id", "wt_id", "SNP", "combined_l2fc", "combined_pval", "combined_padj"),
    (SNP, WT, "rs1", "-1.2098769", "0.5", "2.77e-10"),
    (HAPLO, WT, "rs1,rs2", "", "NA__too_many_rep_NAs", "NA__too_many_rep_NAs"),
]
DEMO = {part: [("ACGTN", "0.1234567"), ("NNACGN", "-2.0")] for part in samples.PARTS}
DEMO["test_snv"] = [("ACGT", "1.0000004"), ("ATGT", "1.5000006"), ("NACG", "0.1"), ("ACGG", "0.2")]

# what is made of them; cells are separated by |
PROMOTERS = f"""\
unique_id|pool|plasmid|oligo_type|chr_hg19|start|end|strand|sequence|length\
|K562_log2_mean|K562_log2_sd|n_reps|HepG2_log2_mean|HeLa_log2_mean|K562_class
{WT}|POOL1|pMPRA1|WILDTYPE_BUT_HAS_SNP|chr2|100|104|+|AAAC|4|1.333334|0.57735|3|0.2|0.1|class of AAAC
{SNP}|POOL1|pMPRA1|WILDTYPE_SNP_INDIV|chr2|100|104|+|AAAG|4|0.123457||1|0.2||class of AAAG
{HAPLO}|POOL1|pMPRA1|WILDTYPE_SNP_PLUS_HAPLO|chr2|100|104|+|AATG|4|||0|0.3|0.3|class of AATG
{SCRAMBLES}|POOL1|pMPRA1|SCRAMBLED|chr2|100|104|+|CAAA|4|0.5|0.0|3|4.5|4.0|class of CAAA
{SCRAMBLES}|POOL1|pMPRA1|SCRAMBLED|chr2|100|104|+|ACAA|4|0.0|1.414214|2|||class of ACAA
{RANDOM}|POOL1|pMPRA1|RANDOM|||||GGGG|4|3.0|0.0|3|0.8|0.7|class of GGGG
"""
PROMOTER_PAIRS = f"""\
snp|wt_id|snp_id|chr_hg19|start|end|strand|seq_ref|seq_alt|K562_ref|K562_alt|delta|first_diff_0based\
|combined_l2fc_published|combined_padj_published
rs1|{WT}|{SNP}|chr2|100|104|+|AAAC|AAAG|1.333334|0.123457|-1.209877|3|-1.209877|0.0
rs1,rs2|{WT}|{HAPLO}|chr2|100|104|+|AAAC|AATG|1.333334|||2||
"""
INSERT_PAIRS = """\
pair_id|kind|first_diff_0based|ref_base|alt_base|seq_ref|seq_alt|K562_log2FC_ref|K562_log2FC_alt|delta_log2FC
pair000|SNV|1|C|T|ACGT|ATGT|1.0|1.500001|0.5
pair001|indel_or_multi|3|||ACG|ACGG|0.1|0.2|0.1
"""
LAST_INSERTS = """\
gosai_pool_0000|pool|||ACGT|4|ACGTN|0.123457
gosai_pool_0001|pool|||ACG|3|NNACGN|-2.0
gosai_test_snv_0000|test_snv|pair000|ref|ACGT|4|ACGT|1.0
gosai_test_snv_0001|test_snv|pair000|alt|ATGT|4|ATGT|1.500001
gosai_test_snv_0002|test_snv|pair001|ref|ACG|3|NACG|0.1
gosai_test_snv_0003|test_snv|pair001|alt|ACGG|4|ACGG|0.2
"""


@pytest.fixture
def published(tmp_path):
    """A section of downloads as `samples.FILES`: hand-made files at addresses of this machine."""
    tables = {samples.ACTIVITIES.format(cell): rows for cell, rows in ACTIVITIES.items()}
    tables |= {samples.CLASSES: PVALS, samples.SNPS: SNPS}
    tables |= {f"demo_{part}.txt": rows for part, rows in DEMO.items()}
    assert set(tables) == set(samples.FILES)
    folder = tmp_path / "server"
    folder.mkdir()
    files = {}
    for name in samples.FILES:
        data = "".join("\t".join(row) + "\n" for row in tables[name]).encode()
        (folder / name).write_bytes(data)
        address = (folder / name).as_uri()
        files[name] = {"urls": [address], "size": len(data), "sha256": hashlib.sha256(data).hexdigest()}
    return files


def make(folder, files, **more):
    lines = []
    samples.make(folder, files, pause=0, report=lines.append, **more)
    return "\n".join(lines)


def test_tables_are_made_from_the_published_files(tmp_path, published):
    folder = tmp_path / "data"
    assert "10 files to fetch" in make(folder, published)
    tables = {path.name: path.read_text().replace("\t", "|") for path in (folder / "mpra").iterdir()}
    assert tables.pop("mattioli_pool1_pMPRA1_K562.tsv") == PROMOTERS
    assert tables.pop("mattioli_snp_pairs.tsv") == PROMOTER_PAIRS
    assert tables.pop("gosai_snv_pairs.tsv") == INSERT_PAIRS
    header, *inserts = tables.pop("gosai_sample.tsv").splitlines(keepends=True)
    assert header == "row_id|split|pair_id|allele|insert|insert_len|sequence_as_published|K562_log2FC\n"
    assert "".join(inserts[-6:]) == LAST_INSERTS and len(inserts) == 12
    assert tables == {}


def test_the_sources_of_the_studies_read_the_tables(tmp_path, published):
    make(tmp_path, published)
    folder = tmp_path / "mpra"
    files = {"rows": folder / "mattioli_pool1_pMPRA1_K562.tsv", "pairs": folder / "mattioli_snp_pairs.tsv"}
    rows, _ = sources.read("mattioli", files, {})
    assert rows["allele"].tolist()[:2] == ["ref", "alt"] and len(rows) == 5
    files = {"rows": folder / "gosai_sample.tsv", "pairs": folder / "gosai_snv_pairs.tsv"}
    rows, _ = sources.read("gosai_sample", files, {})
    assert rows["published"].drop_duplicates().tolist() == list(samples.PARTS)


def test_a_second_time_nothing_is_fetched_or_written(tmp_path, published):
    make(tmp_path, published)
    before = {path: path.stat().st_mtime_ns for path in (tmp_path / "mpra").iterdir()}
    gone = {name: file | {"urls": ["http://nowhere.invalid/x"]} for name, file in published.items()}
    assert "fetch" not in make(tmp_path, gone)
    assert {path: path.stat().st_mtime_ns for path in (tmp_path / "mpra").iterdir()} == before


def test_another_file_is_refused_before_anything_is_made(tmp_path, published):
    name = "demo_val.txt"
    published[name]["sha256"] = "0" * 64  # the server has another
    with pytest.raises(InputError, match=rf"download {name}: .*\n.*sha256 is .*, expected 0000"):
        make(tmp_path, published)
    assert not (tmp_path / "mpra").exists() and not (tmp_path / "published" / name).exists()
    (tmp_path / "published" / name).write_text("ACGT\t1\n")  # fetched by hand
    with pytest.raises(InputError, match=rf"published/{name}: sha256 is .*, expected 0000.*; delete it"):
        make(tmp_path, published)
    assert not (tmp_path / "mpra").exists()


def test_another_table_is_not_overwritten(tmp_path, published):
    path = tmp_path / "mpra" / "gosai_sample.tsv"
    path.parent.mkdir()
    path.write_text("mine\n")
    with pytest.raises(InputError, match=r"gosai_sample.tsv: is another table than the one made here"):
        make(tmp_path, published)
    assert path.read_text() == "mine\n"


def test_without_network_all_files_and_their_place_are_named(tmp_path, published):
    folder, server = tmp_path / "data", tmp_path / "server"
    (folder / "published").mkdir(parents=True)
    first, second, *others = published
    (server / first).rename(folder / "published" / first)  # by hand
    offline = {name: file | {"urls": [f"http://nowhere.invalid/{name}"]} for name, file in published.items()}
    with pytest.raises(InputError) as caught:
        make(folder, offline)
    message = str(caught.value)
    place = folder / "published"
    assert f"By hand: get the file from http://nowhere.invalid/{second} and save it as {place / second}" in message
    assert "or give a folder that holds it with --mirror FOLDER" in message
    assert message.endswith(
        f"Also missing in {place}:" + "".join(f"\n  http://nowhere.invalid/{name}" for name in others)
    )
    assert first not in message and not (folder / "mpra").exists()
    make(folder, offline, mirror=str(server))
    assert len(list((folder / "mpra").iterdir())) == 4


def test_addresses_name_a_commit():
    for name, file in samples.FILES.items():
        (url,) = file["urls"]
        assert re.fullmatch(rf"https://raw\.githubusercontent\.com/[\w-]+/\w+/[0-9a-f]{{40}}/data/.*/{name}", url)
        assert re.fullmatch("[0-9a-f]{64}", file["sha256"])


def test_the_real_files_give_the_reference_tables(root, shared, tmp_path):
    """Cell by cell. The reference table joins the cells of Mattioli 2019 by name: the scrambles of a locus, which
    share one, all have the label of the last in HepG2 and HeLa."""
    fetched = root / "runs" / "data" / "published"
    if not all((fetched / name).exists() for name in samples.FILES):
        pytest.skip("needs the published files: python -m s2f.rows.samples runs/data")
    make(tmp_path, samples.FILES, mirror=str(fetched))
    for path in sorted((tmp_path / "mpra").iterdir()):
        reference = (shared / "data" / "mpra" / path.name).read_bytes()
        if path.name != "mattioli_pool1_pMPRA1_K562.tsv":
            assert path.read_bytes() == reference, path.name
            continue
        ours, theirs = (
            pd.read_csv(io.BytesIO(data), sep="\t", dtype=str, keep_default_na=False)
            for data in (path.read_bytes(), reference)
        )
        for column in ("HepG2_log2_mean", "HeLa_log2_mean"):
            last = ours.groupby("unique_id")[column].last()
            assert theirs.pop(column).equals(ours["unique_id"].map(last))
            ours = ours.drop(columns=column)
        assert ours.equals(theirs)
