"""The sample tables of two public MPRAs, made on the user's own machine from what their authors published.

    python -m s2f.rows.samples FOLDER

fetches the published files into FOLDER/published (`FILES`: addresses with the commit, each checked by its SHA-256) and
writes the tables of the tutorial and of the studies rivals_sample and stage2_sample into FOLDER/mpra, so that FOLDER is
their data_dir. Neither repository has a licence file, so nothing of them is part of this project or passed on.
Activities and differences are rounded to six decimals, and differences are taken before rounding.

Mattioli 2019 (Genome Research; kmattioli/2018__lncRNA_promoter_MPRA), pool 1 in the plasmid pMPRA1:

* mattioli_pool1_pMPRA1_K562.tsv, one row per insert, in the published order: the name (`unique_id`) and what it says
  (`oligo_type`, coordinates in hg19), mean log2(RNA/DNA) of the replicates that measured it, in K562 with their
  standard deviation (n - 1) and number; `K562_class`, what the authors call it (`combined_class`). The ten scrambles of
  a locus share a name, so the files of the cells are joined by the sequence: no two inserts have the same.
* mattioli_snp_pairs.tsv, one row per pair of alleles of the authors' table of SNPs, with its difference
  (`combined_l2fc`) and adjusted p value (`combined_padj`; empty where they did not test).

Gosai 2024 (Nature), 1,000 inserts of each of five parts (de-Boer-Lab/dna_active_learning, files demo_*.txt):

* gosai_sample.tsv: inserts without the N at their ends. In the part test_snv two lines each are a pair, first the
  reference.
* gosai_snv_pairs.tsv: these pairs. `kind` is SNV if exactly one base differs, otherwise indel_or_multi, without bases.
"""

import argparse
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from s2f.common.errors import InputError, run
from s2f.common.files import check_writable, sha256_file, write_text
from s2f.common.tables import numbers, read_table
from s2f.rows.downloads import fetch

_GITHUB = "https://raw.githubusercontent.com"
_MATTIOLI = f"{_GITHUB}/kmattioli/2018__lncRNA_promoter_MPRA/f60084434467a61dcb48451ef3a94d8d92666cc3/data"
_GOSAI = f"{_GITHUB}/de-Boer-Lab/dna_active_learning/f76bd5821ee648f634a94cfde6f7721bd75b4c6b/data/human"
ACTIVITIES = "POOL1__pMPRA1__{}__activities_per_element.txt"
CLASSES = "POOL1__pMPRA1__K562__pvals.txt"
SNPS = "K562__POOL1_active_snp_results.txt"
_NOT_TESTED = ("", "NA__too_many_rep_NAs")
PARTS = ("train", "val", "test", "pool", "test_snv")


def _file(url: str, size: int, sha256: str) -> tuple[str, dict[str, Any]]:
    """Name and download, as in the section `downloads` of a study."""
    return url.rpartition("/")[2], {"urls": [url], "size": size, "sha256": sha256}


FILES = dict(
    [
        _file(
            f"{_MATTIOLI}/02__activs/{ACTIVITIES.format('K562')}",
            1_733_237,
            "606ddb5715e8a90dd654a19d642c780d92ac38768d932fc5182aae61218c8697",
        ),
        _file(
            f"{_MATTIOLI}/02__activs/{ACTIVITIES.format('HepG2')}",
            2_877_189,
            "240ff48d7a2d07b814dfe7b52b85a51590eeeebf586f72fd15dbece60882ab72",
        ),
        _file(
            f"{_MATTIOLI}/02__activs/{ACTIVITIES.format('HeLa')}",
            1_653_100,
            "1a8402c4dbf57113e5043fce5ce40e94f4f34a10d2677680168e3211e2d963b8",
        ),
        _file(
            f"{_MATTIOLI}/03__pvals/{CLASSES}",
            2_068_502,
            "7b018186bca119e2e22f6497e849cf2ed291ce0f88a96b9568644560ad7dc2a3",
        ),
        _file(
            f"{_MATTIOLI}/07__snps/{SNPS}",
            1_258_864,
            "86b2efe9cefbc174a1c14993f42603fe7f895b040393d1e31a75801a75f07d01",
        ),
        _file(
            f"{_GOSAI}/demo_train.txt",
            219_523,
            "9fad2923a1a0c860982c204426cd6103179f8aa98ee4ea957aaa27b053aa19f6",
        ),
        _file(
            f"{_GOSAI}/demo_val.txt",
            219_250,
            "dc3bc5f58ce3948cabcc269f4cd688cc7b2b342bc55f3c194612c4d73e9be15e",
        ),
        _file(
            f"{_GOSAI}/demo_test.txt",
            219_451,
            "10340c37ed00dea644e3993bf82c92da0ff1e4954e2e4ca6453df092b44920f2",
        ),
        _file(
            f"{_GOSAI}/demo_pool.txt",
            219_416,
            "f32f0d9af122d89c3503ed3b31edb2c5c40ee9e3622efbccb5d1edcbc3ad110c",
        ),
        _file(
            f"{_GOSAI}/demo_test_snv.txt",
            219_544,
            "5d0a0a9d447d108d5a1160f078312e47b069d36fab221c7df353f51bb2badb1b",
        ),
    ]
)


def main() -> None:
    """Write the tables and say where they are."""
    parser = argparse.ArgumentParser(
        prog="python -m s2f.rows.samples",
        description="Make the sample tables of the tutorial and of two studies from what their authors published.",
    )
    parser.add_argument("folder", type=Path, help="folder of the tables, the data_dir of the studies")
    parser.add_argument("--mirror", default="", help="folder or URL of a folder that may hold the published files")
    arguments = parser.parse_args()
    make(arguments.folder, mirror=arguments.mirror)
    print(
        "The published files have no licence: keep the tables for your own use, and cite Mattioli 2019 and Gosai 2024."
    )


def make(
    folder: Path,
    files: dict[str, dict[str, Any]] = FILES,
    mirror: str = "",
    pause: float = 5.0,
    report: Callable[[str], object] = print,
) -> None:
    """Fetch what is missing of `files` into `folder`/published, and write the four tables into `folder`/mpra.

    A table that is there already is left as it is. Raises `InputError` if a file cannot be fetched (with all that are
    missing, their addresses and places), if a file that is there is another, or if a table would replace another.
    """
    raw = folder / "published"
    _gather(raw, files, mirror, pause, report)
    promoters, inserts = of_promoters(raw), of_inserts(raw)
    tables = {
        "mattioli_pool1_pMPRA1_K562.tsv": promoters,
        "mattioli_snp_pairs.tsv": of_promoter_pairs(raw, promoters),
        "gosai_sample.tsv": inserts.drop(columns="exact"),
        "gosai_snv_pairs.tsv": of_insert_pairs(inserts),
    }
    for name, table in tables.items():
        path, text = folder / "mpra" / name, table.to_csv(sep="\t", index=False, lineterminator="\n")
        if path.exists() and path.read_bytes() != text.encode():
            raise InputError(f"{path}: is another table than the one made here, and is not overwritten; move it away")
        if not path.exists():  # a newer file would have its studies run again
            check_writable(path)
            write_text(path, text)
        report(f"{path}: {len(table):,} rows")


def _gather(
    raw: Path, files: dict[str, dict[str, Any]], mirror: str, pause: float, report: Callable[[str], object]
) -> None:
    """Check the files that are there, then fetch the others."""
    for name, download in files.items():
        if (raw / name).exists() and (found := sha256_file(raw / name)) != download["sha256"]:
            raise InputError(
                f"{raw / name}: sha256 is {found}, expected {download['sha256']}, that of {download['urls'][0]}; "
                "delete it, and it is fetched again"
            )
    missing = [name for name in files if not (raw / name).exists()]
    if missing:
        check_writable(raw / missing[0])
        megabytes = sum(files[name]["size"] for name in missing) / 1e6
        report(f"{len(missing)} files to fetch, {megabytes:.1f} MB")
    for position, name in enumerate(missing):
        try:
            fetch(name, files[name], raw / name, mirror, pause, report, mirror_option="--mirror FOLDER")
        except InputError as error:
            others = "".join(f"\n  {files[other]['urls'][0]}" for other in missing[position + 1 :])
            raise InputError(f"{error}" + (f"\nAlso missing in {raw}:{others}" if others else "")) from None


def of_promoters(raw: Path) -> pd.DataFrame:
    """Mattioli's inserts, as in the module's docstring."""
    k562, replicates = _replicates(raw, "K562")
    coordinates = k562["unique_id"].str.extract(r"__(chr\w+):(\d+)\.\.(\d+),([+-])__").fillna("")
    table = k562[["unique_id"]].assign(
        pool="POOL1", plasmid="pMPRA1", oligo_type=k562["unique_id"].str.split("__").str[0]
    )
    table[["chr_hg19", "start", "end", "strand"]] = coordinates
    table["sequence"], table["length"] = k562["element"], k562["element"].str.len()
    table["K562_log2_mean"] = replicates.mean(axis=1).round(6)
    table["K562_log2_sd"] = replicates.std(axis=1).round(6)
    table["n_reps"] = replicates.notna().sum(axis=1)
    for cell in ("HepG2", "HeLa"):
        other, replicates = _replicates(raw, cell)
        table[f"{cell}_log2_mean"] = table["sequence"].map(replicates.mean(axis=1).round(6).set_axis(other["element"]))
    classes = read_table(raw / CLASSES, ["element", "combined_class"], "classes of Mattioli 2019", only=True)
    table["K562_class"] = table["sequence"].map(classes.set_index("element")["combined_class"])
    return table


def _replicates(raw: Path, cell: str) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Names and sequences of a cell's file, and log2(RNA/DNA) of each replicate; NaN where not measured."""
    path = raw / ACTIVITIES.format(cell)
    table = read_table(path, ["unique_id", "element"], "activities of Mattioli 2019")
    return table, pd.DataFrame({name: numbers(table, name, path) for name in table if name.startswith("rna_")})


def of_promoter_pairs(raw: Path, promoters: pd.DataFrame) -> pd.DataFrame:
    """Mattioli's pairs of alleles, as in the module's docstring."""
    path = raw / SNPS
    snps = read_table(path, ["SNP", "wt_id", "unique_id", "combined_l2fc", "combined_padj"], "SNPs of Mattioli 2019")
    _, replicates = _replicates(raw, "K562")
    # scrambles, which alone share names, are not in pairs
    rows = promoters.assign(exact=replicates.mean(axis=1)).drop_duplicates("unique_id").set_index("unique_id")
    ref, alt = (rows.loc[snps[column]].reset_index() for column in ("wt_id", "unique_id"))
    pairs = pd.DataFrame({"snp": snps["SNP"], "wt_id": snps["wt_id"], "snp_id": snps["unique_id"]})
    for name in ("chr_hg19", "start", "end", "strand"):
        pairs[name] = ref[name]
    pairs["seq_ref"], pairs["seq_alt"] = ref["sequence"], alt["sequence"]
    pairs["K562_ref"], pairs["K562_alt"] = ref["K562_log2_mean"], alt["K562_log2_mean"]
    pairs["delta"] = (alt["exact"] - ref["exact"]).round(6)
    pairs["first_diff_0based"] = _first_differences(pairs)
    pairs["combined_l2fc_published"] = numbers(snps, "combined_l2fc", path).round(6)
    pairs["combined_padj_published"] = numbers(snps, "combined_padj", path, missing=_NOT_TESTED).round(6)
    return pairs


def of_inserts(raw: Path) -> pd.DataFrame:
    """Gosai's inserts, as in the module's docstring, and `exact`, the label before rounding."""
    parts = []
    for part in PARTS:
        path = raw / f"demo_{part}.txt"
        lines = read_table(path, text="inserts of Gosai 2024", header=False)
        number = np.arange(len(lines))
        paired = part == "test_snv"
        table = pd.DataFrame({"row_id": [f"gosai_{part}_{i:04}" for i in number], "split": part})
        table["pair_id"] = [f"pair{i // 2:03}" if paired else "" for i in number]
        table["allele"] = [("ref", "alt")[i % 2] if paired else "" for i in number]
        table["insert"] = lines["column 1"].str.strip("N")
        table["insert_len"] = table["insert"].str.len()
        table["sequence_as_published"] = lines["column 1"]
        table["exact"] = numbers(lines, "column 2", path)
        table["K562_log2FC"] = table["exact"].round(6)
        parts.append(table)
    return pd.concat(parts, ignore_index=True)


def of_insert_pairs(inserts: pd.DataFrame) -> pd.DataFrame:
    """Gosai's pairs of alleles, as in the module's docstring, from the table of `of_inserts`."""
    ref, alt = (inserts[inserts["allele"] == allele].reset_index(drop=True) for allele in ("ref", "alt"))
    pairs = pd.DataFrame({"pair_id": ref["pair_id"], "seq_ref": ref["insert"], "seq_alt": alt["insert"]})
    first = _first_differences(pairs)
    alleles = list(zip(pairs["seq_ref"], pairs["seq_alt"], first, strict=True))
    snv = [len(a) == len(b) and a[i + 1 :] == b[i + 1 :] for a, b, i in alleles]
    pairs.insert(1, "kind", np.where(snv, "SNV", "indel_or_multi"))
    pairs.insert(2, "first_diff_0based", first)
    pairs.insert(3, "ref_base", [a[i] if one else "" for (a, _, i), one in zip(alleles, snv, strict=True)])
    pairs.insert(4, "alt_base", [b[i] if one else "" for (_, b, i), one in zip(alleles, snv, strict=True)])
    pairs["K562_log2FC_ref"], pairs["K562_log2FC_alt"] = ref["K562_log2FC"], alt["K562_log2FC"]
    pairs["delta_log2FC"] = (alt["exact"] - ref["exact"]).round(6)
    return pairs


def _first_differences(pairs: pd.DataFrame) -> list[int]:
    """Offset, from 0, of the first base that differs; the length of the shorter allele if it begins the other."""
    return [
        next((i for i, (one, other) in enumerate(zip(a, b, strict=False)) if one != other), min(len(a), len(b)))
        for a, b in zip(pairs["seq_ref"], pairs["seq_alt"], strict=True)
    ]


if __name__ == "__main__":
    run(main)
