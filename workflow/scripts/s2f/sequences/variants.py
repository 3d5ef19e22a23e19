"""Variants as data: columns with one row per ALT of each record, in the order of the file, and keys.

`variant_judge.Judge` says which of them a model can score; `normal_form` gives them the form of `bcftools norm`.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass, fields
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from s2f.common.errors import InputError
from s2f.sequences import dna

LAST_POSITION = 2**31 - 1  # the limit of the format


_KEY = re.compile(
    r"(?P<contig>\S+?)(?P<mark>[:_-])(?P<pos>[0-9]{1,10})(?P=mark)(?P<ref>[A-Za-z]+)(?P=mark)(?P<alt>[A-Za-z]+)"
)
_ACGT = dna.codes_of(np.arange(256, dtype=np.uint8))
_ACGT[[ord("U"), ord("u")]] = dna.N_CODE  # the REF of DNA has no U


@dataclass(frozen=True)
class Variant:
    """One ALT of one record: `pos` from 1, texts as written, the `line` in its file and the ALT's number, from 1."""

    contig: str
    pos: int
    ref: str
    alt: str
    id: str = "."
    line: int = 0
    alt_index: int = 1
    strand: str = ""
    offset: int = -1

    @property
    def key(self) -> str:
        """`chr7:70038969:G:T`; this identifies a variant, because IDs are not unique."""
        return f"{self.contig}:{self.pos}:{self.ref}:{self.alt}"


class Columns:
    """Columns of equal length, as arrays; a mask or indices select rows."""

    def __len__(self) -> int:
        return len(getattr(self, fields(self)[0].name))  # type: ignore[arg-type]

    def rows(self: Any, chosen: Any) -> Any:
        """The rows selected by a mask (N,), or by indices, in their order."""
        return type(self)(*(getattr(self, field.name)[chosen] for field in fields(self)))

    def table(self: Any) -> pd.DataFrame:
        """The columns as a data frame."""
        return pd.DataFrame({field.name: getattr(self, field.name) for field in fields(self)})


@dataclass(frozen=True)
class Variants(Columns):
    """N variants as columns (N,), one per ALT: texts as written (object), `pos` from 1, `line` in the file.

    `record` is the number, from 0, of the record within its batch, whose line a `vcf.Batch` keeps; `alt_index` numbers
    the record's ALTs from 1. `strand` is the strand of the transcript, + or -, if the file gives one, otherwise empty;
    `offset` is the position of the first changed base in the window, in the model's orientation, if the file gives one,
    otherwise -1.
    """

    contig: NDArray[np.object_]
    pos: NDArray[np.int64]
    id: NDArray[np.object_]
    ref: NDArray[np.object_]
    alt: NDArray[np.object_]
    line: NDArray[np.int64]
    alt_index: NDArray[np.int64]
    record: NDArray[np.int64]
    strand: NDArray[np.object_]
    offset: NDArray[np.int64]

    @staticmethod
    def of(variants: Sequence[Variant]) -> "Variants":
        """Columns made from single variants, each a record."""

        def column(name: str) -> list[Any]:
            return [getattr(variant, name) for variant in variants]

        return Variants(
            contig=texts(column("contig")),
            pos=np.array(column("pos"), np.int64),
            id=texts(column("id")),
            ref=texts(column("ref")),
            alt=texts(column("alt")),
            line=np.array(column("line"), np.int64),
            alt_index=np.array(column("alt_index"), np.int64),
            record=np.arange(len(variants)),
            strand=texts(column("strand")),
            offset=np.array(column("offset"), np.int64),
        )

    def __getitem__(self, row: int) -> Variant:
        return Variant(*(getattr(self, field.name)[row] for field in fields(Variant)))

    def keys(self) -> list[str]:
        """The `Variant.key` of each variant."""
        columns = (self.contig, self.pos.tolist(), self.ref, self.alt)
        return [f"{contig}:{pos}:{ref}:{alt}" for contig, pos, ref, alt in zip(*columns, strict=True)]


def texts(column: Any) -> NDArray[np.object_]:
    """A text column (N,) as an array of objects."""
    found = np.empty(len(column), object)
    found[:] = column
    return found


def parsed_key(key: str, where: str = "") -> Variant:
    """The variant named by `chr7:70038969:G:T`, `7-70038969-G-T` or `chr7_70038969_G_T`, with the key as its ID.

    Raises `InputError` for keys of any other form; `where` (file and line) begins the message.
    """
    found = _KEY.fullmatch(key.strip())
    if not found:
        raise InputError(
            f"{where}{': ' if where else ''}variant is {key!r}, expected contig, position, REF and ALT such as "
            f"chr7:70038969:G:T, both alleles with the base before an insertion or deletion{_fix(key)}"
        )
    return Variant(found["contig"], int(found["pos"]), found["ref"], found["alt"], id=key.strip())


def _fix(key: str) -> str:
    key = key.strip()
    if re.fullmatch(r"rs\d+", key):
        return "; an rs number does not give the alleles: take them from dbSNP"
    if (re.match(r"N[CGMRT]_\d+\.\d+:", key) and ">" in key) or re.search(r":[gcn]\.", key):
        return "; this is HGVS"
    if re.fullmatch(r"[^:]+:\d+:[ACGTacgt]*:[ACGTacgt]*", key):
        return "; this may be SPDI, whose positions count from 0 and which omits that base"
    if re.search(r"\d,\d", key):
        return "; write the position without commas"
    if re.search(r"[ACGT][>/|][ACGT]", key, re.IGNORECASE):
        return "; write : between the alleles"
    return ""


def letters(column: NDArray[np.object_]) -> tuple[NDArray[np.uint8], NDArray[np.int64]]:
    """Codes of the letters of N texts laid end to end (4 or more for anything but A, C, G and T), and where each text
    begins, (N + 1,)."""
    joined = np.frombuffer("".join(column).encode("ascii", "replace"), np.uint8)
    lengths = np.fromiter(map(len, column), np.int64, len(column))
    return _ACGT[joined], np.append(0, np.cumsum(lengths))
