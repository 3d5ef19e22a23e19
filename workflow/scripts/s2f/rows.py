"""Rows: the canonical form of an assay table, its checks, its fingerprint and its file."""

import hashlib
import re

import numpy as np
import pandas as pd
import pyarrow as pa

from s2f import dna
from s2f.files import MISSING, InputError, atomic

# column -> pandas dtype; `label` is the measured value (log2FC, or 0/1 in a classification); `variant` is the variant
# that the insert was made for, as chr7:70038969:G:T (position from 1, as in VCF)
COLUMNS = {
    "row_id": "str", "sequence": "str", "label": "float64", "stderr": "float64",
    "chrom": "str", "start": "Int64", "end": "Int64", "strand": "str",
    "allele": "str", "variant": "str", "pair_id": "str", "group": "str", "published": "str",
}  # fmt: skip
NUMBERS = ("label", "stderr", "start", "end")
TASKS = ("regression", "classification")
# what may stand before the name of a chromosome, and what such a name is
PREFIX = re.compile(r"^chr(?:om(?:osome)?)?[ _:-]*", re.IGNORECASE)
CONTIG = re.compile(r"(?!(?:na|nan|none|null)$)[A-Za-z0-9][\w.*-]*", re.IGNORECASE)
NUMBER = re.compile(r"[0-9.]+")
# `published` of rows that are only ever evaluated begins so: designed sequences, "ood:METHOD"
EVALUATED_ONLY = "ood:"


def canonical(table, path, task="regression"):
    """Check a table and return it in canonical form.

    `table` needs `row_id`, `sequence`, `label`; other columns of `COLUMNS` are filled with missing values and unknown
    ones refused. Text columns become text, sequences upper-case ACGTN with U as T, chromosomes `chr7` (never `7`).
    `path` names the source in messages. Raises `InputError` with the row at fault for: an empty or duplicate row_id
    or one with a tab or line break, illegal base, empty sequence, non-finite label, a label other than 0 and 1 in a
    classification, a negative or infinite stderr, an end without start (or the reverse) or not after it, strands
    other than + and -, alleles other than ref and alt.
    """
    unknown = set(table.columns) - set(COLUMNS)
    if unknown:
        raise ValueError(f"unknown row columns {sorted(unknown)}")
    if len(table) == 0:
        raise InputError(f"{path}: no rows are left; check the filters and the label column")
    table = table.reset_index(drop=True)
    out = pd.DataFrame({name: _column(table, name, dtype) for name, dtype in COLUMNS.items()})

    ids = out["row_id"]
    if (ids == "").any():
        raise InputError(f"{path}: row {int((ids == '').argmax()) + 1}: row_id is empty")
    if not ids.is_unique:
        raise InputError(f"{path}: row_id {ids[ids.duplicated()].iloc[0]!r} occurs more than once")
    letters = letters_of(ids)[0].tobytes()
    if any(letter in letters for letter in (b"\t", b"\n", b"\r")):
        broken = ids.str.contains("[\t\n\r]")
        raise InputError(f"{path}: row_id {ids[broken].iloc[0]!r} holds a tab or a line break")
    sequences = out["sequence"]
    if (sequences == "").any() or letters_other_than(b"ACGTN", sequences):
        out["sequence"] = [_clean(s, row, path) for s, row in zip(sequences, ids, strict=True)]
    out["chrom"] = chromosomes(out["chrom"], lambda row: f"{path}: row {ids.iloc[row]!r}")

    def refuse(bad, column, expected):
        """Name the first row of the mask `bad`, its value in `column` and what is expected there."""
        if bad.any():
            row = out.iloc[int(np.argmax(bad))]
            value = repr(row[column]) if isinstance(row[column], str) else row[column]
            raise InputError(f"{path}: row {row['row_id']!r}: {column} is {value}, {expected}")

    label, stderr, start, end = (out[name].to_numpy(np.float64, na_value=np.nan) for name in NUMBERS)
    refuse(~np.isfinite(label), "label", "missing or not finite")
    if task == "classification":
        refuse(~np.isin(label, (0.0, 1.0)), "label", "a classification expects 0 or 1")
    refuse((stderr < 0) | np.isinf(stderr), "stderr", "expected a number of at least 0")
    refuse(np.isnan(start) != np.isnan(end), "end", "expected both start and end, or neither")
    refuse(end <= start, "end", "expected a number above start (coordinates are 0-based and half-open)")
    refuse(~out["strand"].isin(["", "+", "-"]), "strand", "expected +, - or empty")
    refuse(~out["allele"].isin(["", "ref", "alt"]), "allele", "expected ref, alt or empty")
    return out


def _column(table, name, dtype):
    """One column of the canonical form in its dtype, filled with missing values where the table has none."""
    if name in table:
        column = table[name].astype(dtype)
        return column.fillna("") if dtype == "str" else column
    missing = {"str": "", "float64": np.nan, "Int64": pd.NA}[dtype]
    return pd.Series(missing, index=table.index, dtype=dtype)


def letters_of(column):
    """The bytes of all texts of a column in a row, uint8, and where each of the N begins and how long it is, int64."""
    texts = pa.array(column, pa.large_string())
    texts = texts.combine_chunks() if isinstance(texts, pa.ChunkedArray) else texts
    ends = np.frombuffer(texts.buffers()[1], np.int64)[texts.offset : texts.offset + len(texts) + 1]
    return _letters(texts), ends[:-1] - ends[0], np.diff(ends)


def letters_other_than(known, column):
    """Whether a text of a column holds a byte that is not among the bytes `known`."""
    texts = pa.array(column, pa.large_string())
    chunks = texts.chunks if isinstance(texts, pa.ChunkedArray) else [texts]
    return any(_letters(chunk).tobytes().translate(None, known) for chunk in chunks)


def _letters(texts):
    """The bytes of all texts of an arrow array in a row, uint8."""
    ends = np.frombuffer(texts.buffers()[1], np.int64)
    return np.frombuffer(texts.buffers()[2] or b"", np.uint8)[ends[texts.offset] : ends[texts.offset + len(texts)]]


def _clean(sequence, row, path):
    try:
        if not sequence:
            raise ValueError("sequence is empty")
        return dna.clean(sequence)
    except ValueError as error:
        raise InputError(f"{path}: row {row!r}: {error}") from None


def chromosome(name):
    """Canonical chromosome name: `7`, `chr7`, `Chr7`, `chrom7`, `chromosome 7`, `07` and `7.0` give `chr7`, `x` gives
    `chrX`, `MT` gives `chrM` (one molecule, two names); missing and `.` stay empty.

    Contigs keep their names (`chrUn_GL000220v1`). Raises `InputError` for what can be neither: nothing or another
    prefix after the prefix, a space within the name, 0, a number with a fraction.
    """
    name = str(name).strip()
    if name in MISSING or name == ".":
        return ""
    bare = PREFIX.sub("", name, count=1)
    bare = bare[:-2] if bare.endswith(".0") and bare[:-2].isdigit() else bare
    numeric = NUMBER.fullmatch(bare)
    if not CONTIG.fullmatch(bare) or PREFIX.match(bare) or (numeric and not bare.lstrip("0").isdecimal()):
        raise InputError(f"chromosome is {name!r}, expected a name as chr7, 7, chrX or that of a contig")
    if numeric:
        return f"chr{int(bare)}"
    return "chr" + {"x": "X", "y": "Y", "m": "M", "mt": "M"}.get(bare.lower(), bare)


def chromosomes(column, place):
    """A text column of chromosome names in canonical form; `place`, a function of the row's number, begins messages."""

    def canonical_name(name):
        try:
            return chromosome(name)
        except InputError as error:
            raise InputError(f"{place(int((column == name).to_numpy().argmax()))}: {error}") from None

    return mapped(column, canonical_name)


def mapped(column, function):
    """A text column with `function` applied to each of its texts, once to those that recur."""
    codes, texts = pd.factorize(column, use_na_sentinel=False)
    return pd.Series(pd.array([function(text) for text in texts.tolist()], "str").take(codes), index=column.index)


def rows_where(table, mask):
    """The rows of `table` at which `mask`, bool (N,), is true: `table[mask]` in a third of its time."""
    return pd.DataFrame({name: column[mask] for name, column in table.items()})


def rows_sha256(table):
    """SHA-256 over the sorted (row_id, sequence, label) of rows: the fingerprint every result table carries.

    Labels enter as the shortest text that gives the same float64 (Python repr), so the value does not depend on
    files or platforms.
    """
    columns = (table["row_id"].tolist(), table["sequence"].tolist(), table["label"].to_numpy(np.float64).tolist())
    return _sha256([f"{row}\t{sequence}\t{label!r}\n" for row, sequence, label in zip(*columns, strict=True)])


def sequences_sha256(row_ids, sequences):
    """SHA-256 over the sorted (row_id, sequence): what an embedding cache was made from, whatever the label."""
    columns = (np.asarray(row_ids, object), np.asarray(sequences, object))
    return _sha256([f"{row}\t{sequence}\n" for row, sequence in zip(*columns, strict=True)])


def _sha256(lines):
    lines.sort()
    return hashlib.sha256("".join(lines).encode()).hexdigest()


def write_rows(path, table):
    """Write canonical rows as parquet, atomically."""
    with atomic(path) as temporary:
        # lz4 is read in half the time of snappy and 12 % larger; a dictionary pays only where texts recur
        recurring = [name for name in ("chrom", "strand", "allele", "published") if name in table]
        table.to_parquet(temporary, index=False, compression="lz4", use_dictionary=recurring)


def read_rows(path, columns=None):
    """Read rows written by `write_rows`; `columns` limits what is read. Raises `InputError` when the file is broken."""
    try:
        return pd.read_parquet(path, columns=columns)
    except FileNotFoundError:
        raise InputError(f"{path}: no such file; it is made by the rule make_rows") from None
    except (OSError, ValueError) as error:
        raise InputError(f"{path}: not a readable table of rows: {error}") from None


class Stages:
    """Counts how many rows each filter keeps: the table `rows.stages.tsv`.

    `expected` {stage: count} are known counts; they stand beside ours and `warnings` names those that differ, after
    the `notes`, sentences of the source about what is odd.
    """

    def __init__(self, expected=None):
        self.expected = expected or {}
        self.counts = []
        self.parts = []
        self.notes = []

    def keep(self, stage, table, mask=None):
        """Record `stage` after keeping the rows of `mask` (all when None) and return them."""
        table = table if mask is None else table[mask]
        self.counts.append((stage, len(table)))
        return table

    def part(self, stage, count):
        """Record the count of a part of the rows, which filters nothing."""
        self.parts.append((stage, int(count)))

    def table(self):
        """Data frame with columns stage, rows, removed (missing for parts) and, where counts are known, expected."""
        out = pd.DataFrame(self.counts, columns=["stage", "rows"])
        out["removed"] = (-out["rows"].diff()).fillna(0).astype(int)
        if self.parts:
            out = pd.concat([out.astype({"removed": "Int64"}), pd.DataFrame(self.parts, columns=["stage", "rows"])])
        if self.expected:
            out["expected"] = out["stage"].map(self.expected).astype("Int64")
        return out.reset_index(drop=True)

    def warnings(self):
        """The notes, and a sentence for every stage whose count is not the expected one, or that was not reached."""
        found = dict([*self.counts, *self.parts])
        return self.notes + [
            f"stage {stage!r} has {found.get(stage, 'no')} rows, {count} are expected"
            for stage, count in self.expected.items()
            if found.get(stage) != count
        ]
