"""The production studies: what they plan, and the data half of the one of K562 run on a small table of its format."""

import collections
import copy
import gzip
import hashlib
import zipfile

import numpy as np
import pytest
import yaml

from helpers import jobs_of_study, table_s2
from helpers.forked_snakemake import jobs, snakemake
from s2f.common.errors import InputError
from s2f.common.tables import read_table
from s2f.rows.canonical import read_rows
from s2f.study import validate

TABLE = "DATA-Table_S2__MPRA_dataset.txt"
ARCHIVE = "DATA-MPRA_Datasets.zip"
PANELS = ("id", "leak_free", "leak_free_snv", "snv", "snv_variant_key", "ood")
FOLDS = "sequences_human.bed.gz"
CHAIN = "hg19ToHg38.over.chain.gz"


@pytest.fixture
def path(root):
    return root / "config" / "studies" / "k562_full.yaml"


@pytest.mark.slow
def test_the_plan_lists_every_job_and_the_docs_say_what_jobs_ask_a_cluster_for(root, path):
    planned = jobs_of_study.jobs(path)
    assert jobs_of_study.table(planned) in (root / "docs" / "cluster_jobs.md").read_text()
    by_rule = collections.Counter()
    for (rule, *_), count in planned.items():
        by_rule[rule] += count
    assert by_rule == {
        "download": 5, "make_rows": 1, "make_units": 1, "make_split": 2, "audit_split": 2, "make_panel": 12, "embed": 2,
        "make_subset": 12, "learning_curve": 1, "plot_learning_curve": 1,  # four parts of the rows, three seeds
        "train_head": 72 + 12, "evaluate_head": 72 + 12, "train_baseline": 30 + 36, "evaluate_baseline": 30 + 36,
        "make_ensemble": 2, "calibrate": 1, "compare": 1, "plot_split": 2, "plot_audit": 2, "plot_calibration": 2,
        "plot_comparison": 2, "comparison_page": 1,
        "select_sequences": 2, "interpret": 8, "plot_interpretation": 2, "summarise_interpretation": 1,
    }  # fmt: skip


@pytest.mark.slow
def test_a_dry_run_of_the_lentimpra_study(root, tmp_path):
    study_of = root / "config" / "studies" / "lentimpra_full.yaml"
    planned = jobs(snakemake(root, tmp_path, "--dry-run", "--configfile", str(study_of)))
    counts = {"download": 3, "make_rows": 3, "make_split": 3, "make_panel": 3, "train_head": 27, "train_baseline": 24}
    assert {job: planned[job] for job in counts} == counts


@pytest.mark.slow
def test_the_data_half_from_a_mirror(root, tmp_path, path):
    mirror = tmp_path / "mirror"
    mirror.mkdir()
    table_s2.write(mirror / TABLE, table_s2.generate(2000)[0])
    write_archive(mirror / ARCHIVE)
    work = tmp_path / "work"
    work.mkdir()
    wanted = [
        f"results/k562_gosai/panels/{split}/{panel}.tsv" for split in ("chromosome", "hashfrag") for panel in PANELS
    ]
    asked = [*wanted, "--configfile", str(path), "--config", f"mirror={mirror}"]
    assert "2,000 rows, expected 798,064" in snakemake(root, work, *asked, check=False)
    small = tmp_path / "small.yaml"
    small.write_text(with_small_folds(path.read_text().replace("read: 798064", "read: 2000"), mirror))
    asked[asked.index(str(path))] = str(small)
    snakemake(root, work, *asked)
    assert (work / "resources" / TABLE).read_bytes() == (mirror / TABLE).read_bytes()
    assert (work / "resources" / f"{TABLE}.sha256").exists()
    stages = (work / "results" / "k562_gosai" / "rows.stages.tsv").read_text()
    assert "read\t2000\t0\t2000\t\n" in stages and "\ndesigned\t40\t\t\t\n" in stages
    assert stages.endswith("note\t\t\t\tstage 'chr7+chr13' has 155 rows, expected 62582\n")
    assert "rows, expected 62582" in (work / "logs" / "k562_gosai" / "make_rows.log").read_text()
    for split in ("chromosome", "hashfrag"):  # designed sequences are evaluated, and only in their own panel
        panels = {name: read_table(work / f"results/k562_gosai/panels/{split}/{name}.tsv") for name in ("id", "ood")}
        assert len(panels["ood"]) == 40 and not set(panels["id"]["row_id"]) & set(panels["ood"]["row_id"])
    folder = work / "results" / "k562_gosai" / "panels" / "chromosome"
    rows = read_rows(work / "results" / "k562_gosai" / "rows.parquet").set_index("row_id")
    test = rows.loc[read_table(folder / "id.tsv")["row_id"]]
    held_out = test[(test["chrom"] == "chr7") & test["start"].notna()]  # as the small folds have it
    assert 0 < len(held_out) < len(test)
    assert sorted(read_table(folder / "leak_free.tsv")["row_id"]) == sorted(held_out.index)
    snvs = read_table(folder / "snv.tsv")
    on_7 = snvs["ref_row_id"].isin(held_out.index) & snvs["alt_row_id"].isin(held_out.index)
    assert read_table(folder / "leak_free_snv.tsv")["pair_id"].tolist() == snvs["pair_id"][on_7].tolist() != []
    # another mirror or address is no reason to do anything again
    config = yaml.safe_load(small.read_text())
    config["downloads"][TABLE]["urls"].append("https://example.org/copy.txt")
    (tmp_path / "other.yaml").write_text(yaml.safe_dump(config))
    again = ["--dry-run", "--configfile", str(tmp_path / "other.yaml"), "--config", "mirror=elsewhere"]
    assert "Nothing to be done" in snakemake(root, work, *wanted, *again)


def with_small_folds(text, mirror):
    """The text of the study with the checksums of small files that stand in the mirror for folds and chain: fold7 is
    chromosome 7, moved by a thousand bases."""
    chain = "".join(f"chain 1 {c} 2000000000 + 0 1000000000 {c} 2000000000 + 1000 1000001000 {n}\n1000000000\n\n"
                    for n, c in enumerate(["chr7", "chr13"]))  # fmt: skip
    contents = {FOLDS: "chr7\t1000\t1000001000\tfold7\nchr13\t0\t1000001000\tfold6\n", CHAIN: chain}
    known = yaml.safe_load(text)["downloads"]
    for name, content in contents.items():
        (mirror / name).write_bytes(gzip.compress(content.encode()))
        text = text.replace(known[name]["md5"], hashlib.md5((mirror / name).read_bytes()).hexdigest())
    return text


def write_archive(path):
    """An archive with the members that hold library OL46: 40 sequences designed for K562 and 2 for another cell."""
    random = np.random.Generator(np.random.PCG64(0))
    names = [f"design{i}" for i in range(42)]
    sequences = ["".join(random.choice(list("ACGT"), 200)) for _ in names]
    methods = [("fsp", "sa", "al")[i % 3] for i in range(42)]
    projects = [f"BODA:{method}:{'k562' if i < 40 else 'hepg2'}" for i, method in enumerate(methods)]
    measured = [f"{name}\t{i / 10}\t0.2\n" for i, name in enumerate(names)]
    with zipfile.ZipFile(path, "w") as archive:
        lines = "".join(f"{name}\t{project}\n" for name, project in zip(names, projects, strict=True))
        archive.writestr("MPRA_Datasets/Validation/OL46.attributes", "ID\tproject\n" + lines)
        text = "ID\tlog2FoldChange\tlfcSE\n" + "".join(measured)
        archive.writestr("MPRA_Datasets/Validation/OL46_K562_20220720.out", text)
        fasta = "".join(f">{name}\n{sequence}\n" for name, sequence in zip(names, sequences, strict=True))
        archive.writestr("MPRA_Datasets/Fastas/OL46_reference.fasta.gz", gzip.compress(fasta.encode()))


@pytest.mark.slow
def test_a_download_that_fails_says_what_to_do(root, tmp_path, path):
    config = yaml.safe_load(path.read_text())
    config["downloads"][TABLE]["urls"] = [(tmp_path / "gone.txt").as_uri()]
    del config["datasets"]["k562_gosai"]["source"]["files"]["designed"]
    config["datasets"]["k562_gosai"]["source"]["expected"] = {"read": 400}
    (tmp_path / "study.yaml").write_text(yaml.safe_dump(config))
    rows = "results/k562_gosai/rows.parquet"
    said = snakemake(root, tmp_path, rows, "--configfile", str(tmp_path / "study.yaml"), check=False)
    assert f"error: download {TABLE}: no source provided the file\n  file://" in said
    assert "gone.txt: No such file or directory" in said
    assert f"save it as resources/{TABLE}, or give a folder that holds it with --config mirror=FOLDER" in said
    (tmp_path / "resources").mkdir(exist_ok=True)
    table_s2.write(tmp_path / "resources" / TABLE, table_s2.generate(400)[0])  # by hand
    snakemake(root, tmp_path, rows, "--configfile", str(tmp_path / "study.yaml"))
    assert (tmp_path / rows).exists()


@pytest.mark.parametrize(
    ("place", "value", "message"),
    [
        (("panels", "snv"), {"kind": "pairs", "match": "variant_key"}, "the panel's name must contain variant_key"),
        (("panels", "my_variant_key"), {"kind": "rows", "match": "variant_key"}, "key 'match' is unknown"),
        (("panels", "id"), {"kind": "rows", "file": "{data_dir}/id.tsv"}, "panels.id.file: .* add --config data_dir"),
        (("source", "expected"), {"raw": 5}, "source.expected: key 'raw' is unknown"),
        (("source", "label"), "A549_log2FC", "source.label: 'A549_log2FC' is not one of"),
    ],
)
def test_mistakes_are_named_before_anything_is_fetched(path, place, value, message):
    config = copy.deepcopy(yaml.safe_load(path.read_text()))
    config["datasets"]["k562_gosai"][place[0]][place[1]] = value
    with pytest.raises(InputError, match=f"datasets.k562_gosai.*{message}"):
        validate.validated(config)


@pytest.mark.parametrize(
    ("entry", "message"),
    [
        ({}, "key 'urls' is missing"),
        ({"urls": ["resources/x"]}, r"downloads.x.txt.urls.0: 'resources/x' is not an address"),
        ({"urls": ["https://a/b"], "sha256": "abc"}, "downloads.x.txt.sha256: 'abc' is not a SHA-256"),
        ({"urls": ["https://a/b"], "checksum": "abc"}, "key 'checksum' is unknown"),
    ],
)
def test_mistakes_in_downloads_are_named(path, entry, message):
    config = yaml.safe_load(path.read_text())
    config["downloads"]["x.txt"] = entry
    with pytest.raises(InputError, match=message):
        validate.validated(config)
