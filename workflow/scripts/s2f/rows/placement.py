"""Whether coordinates belong to their insert: they span the same number of bases, and its variant lies in it."""

from pathlib import Path

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from s2f.common.errors import InputError
from s2f.common.tables import line_of
from s2f.rows.canonical import letters_of
from s2f.sequences import dna

VARIANT = r"(?i)^(?P<chrom>[^:\s]+):(?P<pos>[0-9]{1,15}):(?P<ref>[A-Z*.<>-]+):(?P<alt>[A-Z*.<>-]+)$"
_COMPLEMENT = np.frombuffer(bytes(range(256)).translate(dna.COMPLEMENT_BYTE), np.uint8)
_COMPLEMENT_TEXT = str.maketrans("ACGT", "TGCA")


def parsed(variants: pd.Series) -> pd.DataFrame:
    """The fields of variants such as chr7:70038969:G:T: chrom as written, pos from 1 (float64, NaN if a variant has any
    other form of name), ref and alt in upper case."""
    import pyarrow
    import pyarrow.compute as pc

    fields = pc.extract_regex(pyarrow.array(variants, pyarrow.large_string()), VARIANT)
    chrom, pos, ref, alt = (pc.struct_field(fields, i) for i in range(4))
    texts = {"chrom": chrom, "ref": pc.utf8_upper(ref), "alt": pc.utf8_upper(alt)}
    out = {name: pd.Series(pc.fill_null(text, "").to_pandas(), dtype="str") for name, text in texts.items()}
    return pd.DataFrame({**out, "pos": pc.cast(pos, "float64").to_numpy(zero_copy_only=False)}).set_axis(variants.index)


def is_snv(variants: pd.DataFrame) -> NDArray[np.bool_]:
    """Which of the variants from `parsed` replace one letter by one letter: (N,)."""
    return ((variants["ref"].str.len() == 1) & (variants["alt"].str.len() == 1)).to_numpy(bool)


def offsets(pos: np.ndarray, start: np.ndarray, length: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Where the base at `pos` (N,), from 1, lies in inserts of `length` (N,) that begin at `start` (N,), from 0, in the
    genome: offsets from 0 (N,) for inserts on the plus strand, and for those on the minus strand, which begin at the
    other end. NaN if a position is not known."""
    before = pos - 1 - start
    return before, length - 1 - before


def as_designed(snvs: pd.DataFrame, variants: pd.DataFrame, start: np.ndarray, strand: np.ndarray) -> NDArray[np.bool_]:
    """Whether SNVs match their variants, (N,); True if a variant is not an SNV or a position is not known.

    `snvs` has the offset, ref_base and alt_base of two inserts, and their length; an insert on the minus strand has the
    complements of the variant's bases, counted from its other end. If the strand is unknown, either may match.
    """
    unknown = np.isnan(start) | np.isnan(variants["pos"].to_numpy()) | ~is_snv(variants)
    plus, minus = offsets(variants["pos"].to_numpy(), start, snvs["length"].to_numpy(np.float64))
    fits = np.zeros(len(snvs), bool)
    for offset, other, turned in ((plus, "-", False), (minus, "+", True)):
        same = (snvs["offset"].to_numpy(np.float64) == offset) & (strand != other)
        for name in ("ref", "alt"):
            base = variants[name].str.translate(_COMPLEMENT_TEXT) if turned else variants[name]
            same &= snvs[f"{name}_base"].to_numpy(object) == base.to_numpy(object)
        fits |= same
    return unknown | fits


def check(
    table: pd.DataFrame,
    path: str | Path,
    from_one: str = "",
    fix: str = "",
    slack: int = 0,
    variants: pd.DataFrame | None = None,
) -> None:
    """Refuse rows of a source whose coordinates do not belong to their inserts.

    `table` has sequence, start and end, and may have chrom, strand, allele and variant; `variants` are the parsed
    fields of the latter, if already known. Rows without coordinates pass. The interval must have as many bases as the
    insert, give or take `slack`, and for an indel the number of bases by which it changes the length; the length of an
    alternate allele is unknown if no variant gives it. An insert with an SNV must have the reference or the alternate
    base at its position, on its strand. Raises `InputError` with the line, the row, both lengths or bases, and what
    would fit; `fix` says what to do, `from_one` what to do if coordinates count from 1.
    """
    if not {"start", "end"} <= set(table):
        return
    start, end = (table[name].to_numpy(np.float64, na_value=np.nan) for name in ("start", "end"))
    length = table["sequence"].str.len().to_numpy(np.float64)
    empty = pd.Series("", table.index, dtype="str")
    if variants is None and (table.get("variant", empty) != "").any():
        variants = parsed(table["variant"])
    allowed = np.full(len(table), float(slack))
    told = np.zeros(len(table), bool)
    if variants is not None:
        allowed += np.abs(variants["ref"].str.len() - variants["alt"].str.len()).to_numpy(np.float64)
        told = _of_bases(variants)
    allowed[(table.get("allele", empty) == "alt").to_numpy(bool) & ~told] = np.inf
    surplus = end - start - length
    wrong = (np.abs(surplus) > allowed) & (end > start)  # False for NaN; other ends are refused in any row
    if wrong.any():
        row = int(wrong.argmax())
        placed = np.isfinite(surplus) & np.isfinite(allowed)
        hint = ""
        if (surplus[placed] == -1).mean() > 0.5:  # a start of 0 cannot count from 1
            inclusive = "; ends seem to be the position of the last base: add 1"
            hint = inclusive if (start == 0).any() else f"; starts seem to be counted from 1{from_one}"
        elif not from_one and (surplus[placed] == 1).mean() > 0.5:
            hint = "; starts seem to be counted from 0"
        raise InputError(
            f"{_place(table, path, row)}: from start {start[row]:.0f} to end {end[row]:.0f} are "
            f"{end[row] - start[row]:.0f} bases, but the insert has {length[row]:.0f}; expected the interval of the "
            f"insert itself, with start counted from 0 and end exclusive{hint}{fix}"
        )
    if variants is not None:
        _check_variants(table, variants, start, length, path, fix)


def _check_variants(
    table: pd.DataFrame,
    variants: pd.DataFrame,
    start: np.ndarray,
    length: np.ndarray,
    path: str | Path,
    fix: str,
) -> None:
    rows = np.flatnonzero(is_snv(variants) & _of_bases(variants) & np.isfinite(start))
    if not len(rows):
        return
    table, variants, start, length = table.iloc[rows], variants.iloc[rows], start[rows], length[rows]
    empty = pd.Series("", table.index, dtype="str")
    chrom = table.get("chrom", empty)
    elsewhere = ((chrom != variants["chrom"]) & (chrom != "")).to_numpy()
    if elsewhere.any():
        row = int(elsewhere.argmax())
        raise InputError(
            f"{_place(table, path, row)}: variant is {table['variant'].iloc[row]!r}, but the insert lies on "
            f"{chrom.iloc[row]}; expected one chromosome{fix}"
        )
    strand, allele = (table.get(name, empty).to_numpy(object) for name in ("strand", "allele"))
    fits = _has_base(table, variants, start, length, strand, allele)
    if fits.all():
        return
    row = int((~fits).argmax())
    hint = ""
    for moved, of_strand, text in (
        (start - 1, strand, "they fit if start and end are one less"),
        (start, np.full(len(strand), "+", object), "they fit as sequences of the plus strand, whatever their strand"),
        (start, np.full(len(strand), "-", object), "they fit as sequences of the minus strand, whatever their strand"),
        (start, np.where(strand == "+", "-", "+"), "they fit on the other strand"),
        (start + 1, strand, "they fit if start and end are one more"),
    ):
        if _has_base(table, variants, moved, length, of_strand, allele).mean() > max(0.9, fits.mean()):
            hint = f"; {text}"
            break
    of = variants.iloc[row]
    expected = {"ref": of["ref"], "alt": of["alt"]}.get(allele[row], f"{of['ref']} or {of['alt']}")
    sense = {"-": " of the minus strand", "+": " of the plus strand"}.get(strand[row], "")
    raise InputError(
        f"{_place(table, path, row)}: variant is {table['variant'].iloc[row]!r}, but the insert from start "
        f"{start[row]:.0f}{sense} does not have {expected} there, as in {(~fits).sum():,} of {len(fits):,} such "
        f"rows{hint}{fix}"
    )


def _has_base(
    table: pd.DataFrame,
    variants: pd.DataFrame,
    start: np.ndarray,
    length: np.ndarray,
    strand: np.ndarray,
    allele: np.ndarray,
) -> NDArray[np.bool_]:
    """Whether each insert has the base of its allele (or of either, if unknown), or N, at its SNV's position: (N,)."""
    fits = np.zeros(len(table), bool)
    letters, begins, _ = letters_of(table["sequence"].str.upper().str.replace("U", "T"))
    for offset, other, turned in zip(
        offsets(variants["pos"].to_numpy(), start, length), "-+", (False, True), strict=True
    ):
        within = (offset >= 0) & (offset < length) & (strand != other)
        for name in ("ref", "alt"):
            asked = np.flatnonzero(within & ((allele == name) | (allele == "")))
            found = letters[begins[asked] + offset[asked].astype(np.int64)]
            expected = letters_of(variants[name].iloc[asked])[0]  # one letter each
            fits[asked] |= (found == (_COMPLEMENT[expected] if turned else expected)) | (found == ord("N"))
    return fits


def _of_bases(variants: pd.DataFrame) -> NDArray[np.bool_]:
    """Which variants give the bases of both alleles, rather than - or <DEL>: (N,)."""
    return (variants["ref"].str.fullmatch("[ACGTN]+") & variants["alt"].str.fullmatch("[ACGTN]+")).to_numpy(bool)


def _place(table: pd.DataFrame, path: str | Path, row: int) -> str:
    named = f": row {table['row_id'].iloc[row]!r}" if "row_id" in table else ""
    return f"{path}: line {line_of(table, row)}{named}"
