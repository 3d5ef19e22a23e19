"""Chromosome names."""

import re
from collections.abc import Callable
from typing import Any

from s2f.common.errors import InputError
from s2f.common.tables import MISSING, mapped

# what may come before the name of a chromosome, and the forms that the name itself may have
PREFIX = re.compile(r"^chr(?:om(?:osome)?)?[ _:-]*", re.IGNORECASE)
CONTIG = re.compile(r"(?!(?:na|nan|none|null)$)[A-Za-z0-9][\w.*|-]*", re.IGNORECASE)
# hg38 contigs for HLA alleles, the only names with a colon: in all others a colon comes before a position, as in
# chr7:100-250
HLA = re.compile(r"HLA-[A-Z0-9]+\*\d+(?::\d+)*[A-Z]?")
# human chromosomes in RefSeq: NC_000001 to NC_000024, and the mitochondrial one
REFSEQ = re.compile(r"NC_(?:0000(0[1-9]|1[0-9]|2[0-4])|012920)(?:\.[0-9]+)?")
NUMBER = re.compile(r"[0-9.]+")
# canonical names of whole chromosomes: human ones, arms and parts with a letter (fly chr2L, wheat chr1A), the sex
# chromosomes of birds, and Roman numerals (yeast, worm)
WHOLE = re.compile(r"chr(?:(?:[1-9]|1[0-9]|2[0-2])[A-DLR]?|[XYMZW]|(?=[IVX])X?(?:IX|IV|V?I{0,3}))")
# what PLINK calls 23 to 26 in human data. They are not renamed, because cattle, chickens, dogs and zebrafish have
# chromosomes with these numbers
PLINK = {"chr23": "is chrX", "chr24": "chrY", "chr25": "their common part", "chr26": "chrM"}


def chromosome(name: object) -> str:
    """Canonical chromosome name: `7`, `chr7`, `Chr7`, `chrom7`, `chromosome 7`, `07` and `7.0` give `chr7`; `x` gives
    `chrX`; `MT` gives `chrM` (two names for one molecule); RefSeq names of human chromosomes give the usual ones
    (`NC_000007.14` chr7, `NC_000023` chrX, `NC_012920` chrM); missing values and `.` stay empty.

    Contigs keep their names after `chr` (`chrUn_GL000220v1`, `chrHLA-A*01:01:01:01`). Raises `InputError` for what
    cannot be a name: a prefix followed by nothing or by another prefix, a space within the name, 0, a number with a
    fraction.
    """
    name = str(name).strip()
    if name in MISSING or name == ".":
        return ""
    bare = PREFIX.sub("", name, count=1)
    bare = bare[:-2] if bare.endswith(".0") and bare[:-2].isdigit() else bare
    numeric = NUMBER.fullmatch(bare)
    contig = CONTIG.fullmatch(bare) or HLA.fullmatch(bare)
    if not contig or PREFIX.match(bare) or (numeric and not bare.lstrip("0").isdecimal()):
        raise InputError(f"chromosome is {name!r}, expected a name such as chr7, 7, chrX, or the name of a contig")
    refseq = REFSEQ.fullmatch(bare)
    if refseq:
        return "chr" + {"23": "X", "24": "Y"}.get(refseq[1], str(int(refseq[1]))) if refseq[1] else "chrM"
    if numeric:
        return f"chr{int(bare)}"
    return "chr" + {"x": "X", "y": "Y", "m": "M", "mt": "M"}.get(bare.lower(), bare)


def chromosomes(column: Any, where: Callable[[int], str]) -> Any:
    """A text column (pandas) of chromosome names in canonical form; messages begin with `where` of the row's number."""

    def canonical_name(name: str) -> str:
        try:
            return chromosome(name)
        except InputError as error:
            raise InputError(f"{where(int((column == name).to_numpy().argmax()))}: {error}") from None

    return mapped(column, canonical_name)
