"""Rows: the canonical form of an assay table, its checks, its fingerprint and its file."""

import hashlib

import numpy as np
import pandas as pd

from s2f import dna
from s2f.files import InputError, atomic

# column -> pandas dtype; `label` is the measured value (log2FC, or 0/1 in a classification)
COLUMNS = {
    "row_id": "str", "sequence": "str", "label": "float64", "stderr": "float64",
    "chrom": "str", "start": "Int64", "end": "Int64", "strand": "str",
    "allele": "str", "pair_id": "str", "group": "str", "published": "str",
}  # fmt: skip
TASKS = ("regression", "classification")


def canonical(table, path, task="regression"):
    """Check a table and return it in canonical form.

    `table` needs `row_id`, `sequence`, `label`; other columns of `COLUMNS` are filled with missing values and unknown
    ones refused. Sequences become upper-case ACGTN with U as T, chromosomes `chr7` (never `7`). `path` names the
    source in messages. Raises `InputError` with the row at fault for: duplicate or empty row_id, illegal base, empty
    sequence, non-finite label, a label other than 0 and 1 in a classification, alleles other than ref and alt.
    """
    unknown = set(table.columns) - set(COLUMNS)
    if unknown:
        raise ValueError(f"unknown row columns {sorted(unknown)}")
    if len(table) == 0:
        raise InputError(f"{path}: no rows are left; check the filters and the label column")
    table = table.reset_index(drop=True)
    out = pd.DataFrame(index=table.index)
    for name, dtype in COLUMNS.items():
        empty = "" if dtype == "str" else np.nan if dtype == "float64" else pd.NA
        column = table[name] if name in table else pd.Series([empty] * len(table), index=table.index)
        out[name] = column.fillna("").astype(object) if dtype == "str" else column.astype(dtype)

    duplicated = out["row_id"].duplicated()
    if duplicated.any():
        raise InputError(f"{path}: row_id {out['row_id'][duplicated].iloc[0]!r} occurs more than once")
    if (out["row_id"] == "").any():
        raise InputError(f"{path}: row {int((out['row_id'] == '').argmax()) + 1}: row_id is empty")
    out["sequence"] = [_clean(s, row, path) for s, row in zip(out["sequence"], out["row_id"], strict=True)]
    out["chrom"] = out["chrom"].map(chromosome)
    bad = ~np.isfinite(out["label"])
    if bad.any():
        raise InputError(f"{path}: row {out['row_id'][bad].iloc[0]!r}: label is missing or not finite")
    if task == "classification" and not out["label"].isin([0.0, 1.0]).all():
        row = out[~out["label"].isin([0.0, 1.0])].iloc[0]
        raise InputError(f"{path}: row {row['row_id']!r}: label is {row['label']}, a classification expects 0 or 1")
    if not out["allele"].isin(["", "ref", "alt"]).all():
        row = out[~out["allele"].isin(["", "ref", "alt"])].iloc[0]
        raise InputError(f"{path}: row {row['row_id']!r}: allele is {row['allele']!r}, expected ref, alt or empty")
    return out


def _clean(sequence, row, path):
    try:
        if not sequence:
            raise ValueError("sequence is empty")
        return dna.clean(sequence)
    except ValueError as error:
        raise InputError(f"{path}: row {row!r}: {error}") from None


def chromosome(name):
    """Canonical chromosome name: `7`, `chr7`, `Chr7` and `7.0` give `chr7`, `x` gives `chrX`; empty stays empty."""
    name = str(name).strip()
    if name in ("", "NA", "nan", "None"):
        return ""
    bare = name[3:] if name.lower().startswith("chr") else name
    bare = bare[:-2] if bare.endswith(".0") and bare[:-2].isdigit() else bare
    return "chr" + (bare.upper() if bare.lower() in ("x", "y", "m", "mt") else bare)


def rows_sha256(table):
    """SHA-256 over the sorted (row_id, sequence, label) of rows: the fingerprint every result table carries.

    Labels enter as the shortest text that gives the same float64 (Python repr), so the value does not depend on
    files or platforms.
    """
    lines = sorted(
        f"{row}\t{sequence}\t{float(label)!r}\n"
        for row, sequence, label in zip(table["row_id"], table["sequence"], table["label"], strict=True)
    )
    return hashlib.sha256("".join(lines).encode()).hexdigest()


def sequences_sha256(row_ids, sequences):
    """SHA-256 over the sorted (row_id, sequence): what an embedding cache was made from, whatever the label."""
    lines = sorted(f"{row}\t{sequence}\n" for row, sequence in zip(row_ids, sequences, strict=True))
    return hashlib.sha256("".join(lines).encode()).hexdigest()


def write_rows(path, table):
    """Write canonical rows as parquet, atomically."""
    with atomic(path) as temporary:
        table.to_parquet(temporary, index=False)


def read_rows(path, columns=None):
    """Read rows written by `write_rows`; `columns` limits what is read. Raises `InputError` when the file is broken."""
    try:
        return pd.read_parquet(path, columns=columns)
    except FileNotFoundError:
        raise InputError(f"{path}: no such file; it is made by the rule make_rows") from None
    except (OSError, ValueError) as error:
        raise InputError(f"{path}: not a readable table of rows: {error}") from None


class Stages:
    """Counts how many rows each filter keeps: the table `rows.stages.tsv`."""

    def __init__(self):
        self.counts = []

    def keep(self, stage, table, mask=None):
        """Record `stage` after keeping the rows of `mask` (all when None) and return them."""
        table = table if mask is None else table[mask]
        self.counts.append((stage, len(table)))
        return table

    def table(self):
        """Data frame with columns stage, rows, removed."""
        out = pd.DataFrame(self.counts, columns=["stage", "rows"])
        out["removed"] = (-out["rows"].diff()).fillna(0).astype(int)
        return out
