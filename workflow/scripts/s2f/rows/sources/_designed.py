"""Designed sequences of Gosai 2024 (library OL46), as rows that are only ever evaluated: published is "ood:METHOD".

Two forms are read:

* test_ood_designed_{cell}.tsv from ALBench-S2F: a TSV with ID, sequence, method, target_cell, {cell}_log2FC and
  {cell}_lfcSE; all its rows are used.
* DATA-MPRA_Datasets.zip from Zenodo record 10698014: its members Validation/OL46.attributes (ID, project),
  Validation/OL46_{cell}_20220720.out (ID, log2FoldChange, lfcSE) and Fastas/OL46_reference.fasta.gz are joined by ID,
  and the measured 200-bp sequences designed for the cell are kept, as in ALBench's own file
  (trchristensen-99/ALBench-S2F, scripts/build_k562_ood_designed.py). The names of members and columns are taken from
  that script; the archive itself was not available when this was written.
"""

import gzip
import tempfile
import zipfile
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pandas as pd

from s2f.common.errors import InputError
from s2f.common.tables import LINE, numbers, read_table, refuse_repeated
from s2f.rows.canonical import EVALUATED_ONLY

METHODS = {"fsp": "FastSeqProp", "sa": "Simulated_Annealing", "al": "AdaLead"}
MEMBERS = ("Validation/OL46.attributes", "Validation/OL46_{cell}_20220720.out", "Fastas/OL46_reference.fasta.gz")
LENGTH = 200  # bp of a designed sequence
VALUES = ("label", "stderr")


def read(path: str | Path, cell: str, others: Sequence[str] = ()) -> pd.DataFrame:
    """Rows designed for and measured in `cell` (K562, HepG2, SKNSH): a frame with some of `canonical.COLUMNS`.

    With `others`, it has `label.{cell}` and `stderr.{cell}` for all these cells in place of `label` and `stderr`: the
    same rows, with their measurements in other cells if the file has them. Raises `InputError` for a file in neither
    form, a missing member or column, a cell that is not a number and an ID that occurs twice.
    """
    if zipfile.is_zipfile(path):
        return _archive(path, cell, others)
    columns = [f"{cell}_log2FC", f"{cell}_lfcSE"]
    table = read_table(path, ["ID", "sequence", "method", "target_cell", *columns], "designed sequences", numbered=True)
    for name in (cell, *others):
        for of_cell, column in ((f"label.{name}", f"{name}_log2FC"), (f"stderr.{name}", f"{name}_lfcSE")):
            table[of_cell] = numbers(table, column, path) if column in table else np.nan
    return _rows(table, cell, others, path)


def _rows(table: pd.DataFrame, cell: str, others: Sequence[str], path: str | Path) -> pd.DataFrame:
    again = table["ID"].duplicated()
    if again.any():
        fix = "keep one of its lines"
        if table.index.name == LINE:
            refuse_repeated(table, ["ID"], path, fix)
        raise InputError(f"{path}: ID {table['ID'][again].iloc[0]!r} occurs more than once; {fix}")
    measured = table[f"label.{cell}"].notna()
    if not measured.any():
        raise InputError(f"{path}: no designed sequence with a label remains of {len(table)}")
    values = {f"{name}{ending}": table[f"{name}.{of}"] for of, ending in _endings(cell, others) for name in VALUES}
    published = EVALUATED_ONLY + table["method"]
    columns = {"row_id": table["ID"], "sequence": table["sequence"], **values, "published": published}
    return pd.DataFrame(columns)[measured].reset_index(drop=True)


def _endings(cell: str, others: Sequence[str]) -> list[tuple[str, str]]:
    """(cell, suffix of its columns in the rows) for each cell."""
    return [(name, f".{name}") for name in (cell, *others)] if others else [(cell, "")]


def _archive(path: str | Path, cell: str, others: Sequence[str]) -> pd.DataFrame:
    attributes_of, measured_in, fasta_of = MEMBERS
    needed = [attributes_of, measured_in.format(cell=cell), fasta_of]
    with tempfile.TemporaryDirectory() as folder, zipfile.ZipFile(path) as archive:
        members = {name: _member(archive, name) for name in [*needed, *(measured_in.format(cell=c) for c in others)]}
        absent = [name for name in needed if members[name] is None]
        if absent:
            raise InputError(f"{path}: has no member {absent[0]}; designed sequences need {', '.join(needed)}")
        files = {name: Path(archive.extract(member, folder)) for name, member in members.items() if member}
        try:
            table = read_table(files[attributes_of], ["ID", "project"], "attributes of OL46", only=True)
            table["method"] = table["project"].map({f"BODA:{key}:{cell.lower()}": m for key, m in METHODS.items()})
            table = table[table["method"].notna()]
            for name in (cell, *others):
                values = _measured(files.get(measured_in.format(cell=name)), name)
                table = table.merge(values, on="ID", how="inner" if name == cell else "left")
        except InputError as error:
            raise InputError(str(error).replace(folder, str(path))) from None
        table["sequence"] = table["ID"].map(_sequences(files[fasta_of]))
    table = table[table["sequence"].str.len() == LENGTH].reset_index(drop=True)
    return _rows(table, cell, others, path)


def _measured(path: Path | None, cell: str) -> pd.DataFrame:
    """ID, label.{cell} and stderr.{cell} from a file of measurements; no rows if there is no file."""
    columns = ["ID", f"label.{cell}", f"stderr.{cell}"]
    if path is None:
        return pd.DataFrame({name: pd.Series(dtype="str" if name == "ID" else "float64") for name in columns})
    values = read_table(path, ["ID", "log2FoldChange", "lfcSE"], "measurements of OL46", only=True)
    label, error = (numbers(values, name, path) for name in ("log2FoldChange", "lfcSE"))
    return pd.DataFrame(dict(zip(columns, (values["ID"], label, error), strict=True)))


def _member(archive: zipfile.ZipFile, name: str) -> zipfile.ZipInfo | None:
    """The member of a zip archive called `name` in any folder, or None."""
    return next((info for info in archive.infolist() if f"/{info.filename}".endswith(f"/{name}")), None)


def _sequences(path: Path) -> dict[str, str]:
    """{ID: sequence} from a gzipped FASTA file; the ID is the whole header line."""
    records = gzip.decompress(path.read_bytes()).decode().split(">")[1:]
    return {head: "".join(lines) for head, *lines in (record.split("\n") for record in records)}
