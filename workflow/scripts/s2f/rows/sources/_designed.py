"""Designed sequences of Gosai 2024 (library OL46), as rows that are only ever evaluated: published is "ood:METHOD".

Two forms are read:

* test_ood_designed_{cell}.tsv of ALBench-S2F: a TSV with ID, sequence, method, target_cell, {cell}_log2FC and
  {cell}_lfcSE; all its rows are taken.
* DATA-MPRA_Datasets.zip of Zenodo record 10698014: its members Validation/OL46.attributes (ID, project),
  Validation/OL46_{cell}_20220720.out (ID, log2FoldChange, lfcSE) and Fastas/OL46_reference.fasta.gz are joined by ID,
  and the measured sequences of 200 bp kept that were designed for the cell, as ALBench made its file
  (trchristensen-99/ALBench-S2F, scripts/build_k562_ood_designed.py). Names of members and columns are those of that
  script; the archive itself could not be had when this was written.
"""

import gzip
import tempfile
import zipfile
from pathlib import Path

import pandas as pd

from s2f.common.errors import InputError
from s2f.common.tables import numbers, read_table
from s2f.rows.canonical import EVALUATED_ONLY

METHODS = {"fsp": "FastSeqProp", "sa": "Simulated_Annealing", "al": "AdaLead"}
MEMBERS = ("Validation/OL46.attributes", "Validation/OL46_{cell}_20220720.out", "Fastas/OL46_reference.fasta.gz")
LENGTH = 200  # bp of a designed sequence


def read(path: str | Path, cell: str) -> pd.DataFrame:
    """Rows designed for and measured in `cell` (K562, HepG2, SKNSH), a frame with some columns of `canonical.COLUMNS`.

    Raises `InputError` for a file of neither form, a missing member or column, a cell that is no number and an ID that
    occurs twice.
    """
    if zipfile.is_zipfile(path):
        return _archive(path, cell)
    label, error = f"{cell}_log2FC", f"{cell}_lfcSE"
    table = read_table(path, ["ID", "sequence", "method", "target_cell", label, error], "designed sequences")
    return _rows(table, numbers(table, label, path), numbers(table, error, path), path)


def _rows(table: pd.DataFrame, label: pd.Series, error: pd.Series, path: str | Path) -> pd.DataFrame:
    again = table["ID"].duplicated()
    if again.any():
        raise InputError(f"{path}: ID {table['ID'][again].iloc[0]!r} occurs more than once")
    measured = label.notna()
    if not measured.any():
        raise InputError(f"{path}: no designed sequence with a label is left of {len(table)}")
    return pd.DataFrame(
        {
            "row_id": table["ID"],
            "sequence": table["sequence"],
            "label": label,
            "stderr": error,
            "published": EVALUATED_ONLY + table["method"],
        }
    )[measured].reset_index(drop=True)


def _archive(path: str | Path, cell: str) -> pd.DataFrame:
    names = [member.format(cell=cell) for member in MEMBERS]
    with tempfile.TemporaryDirectory() as folder, zipfile.ZipFile(path) as archive:
        members = {name: _member(archive, name) for name in names}
        absent = [name for name, member in members.items() if member is None]
        if absent:
            raise InputError(f"{path}: has no member {absent[0]}; designed sequences need {', '.join(names)}")
        attributes, measured, fasta = (Path(archive.extract(member, folder)) for member in members.values() if member)
        try:
            designs = read_table(attributes, ["ID", "project"], "attributes of OL46")
            designs["method"] = designs["project"].map({f"BODA:{key}:{cell.lower()}": m for key, m in METHODS.items()})
            values = read_table(measured, ["ID", "log2FoldChange", "lfcSE"], "measurements of OL46")
            values = values.assign(
                label=numbers(values, "log2FoldChange", measured), error=numbers(values, "lfcSE", measured)
            )
        except InputError as error:
            raise InputError(str(error).replace(folder, str(path))) from None
        table = designs[designs["method"].notna()].merge(values, on="ID")
        table["sequence"] = table["ID"].map(_sequences(fasta))
    table = table[table["sequence"].str.len() == LENGTH].reset_index(drop=True)
    return _rows(table, table["label"], table["error"], path)


def _member(archive: zipfile.ZipFile, name: str) -> zipfile.ZipInfo | None:
    """The member of a zip archive that is `name` in whatever folder; None where there is none."""
    return next((info for info in archive.infolist() if f"/{info.filename}".endswith(f"/{name}")), None)


def _sequences(path: Path) -> dict[str, str]:
    """{ID: sequence} of a gzipped FASTA file; the ID is the whole header line."""
    records = gzip.decompress(path.read_bytes()).decode().split(">")[1:]
    return {head: "".join(lines) for head, *lines in (record.split("\n") for record in records)}
