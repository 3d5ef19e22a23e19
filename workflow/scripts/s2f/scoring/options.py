"""Which options of scoring may be combined. Studies are checked with it, so it does not import numpy."""

from collections.abc import Callable, Mapping
from typing import Any

from s2f.common.errors import InputError

OF_GENOME = ("vcf", "variants", "bed")
INPUTS = ("fasta", "table", "pairs", *OF_GENOME, "satmut")
# Saturation mutagenesis: for each element, the experiment whose values CAGI5 uses. Other experiments measure the same
# variants again, which would count twice if pooled. PKLR-48h is the seventh, for tables that have it.
EXPERIMENTS = ("GP1BA", "HBB", "HBG1", "F9", "LDLR.2", "SORT1")
BARCODES = 10  # as in the data portal: an effect of SORT1 with 9 barcodes has the wrong sign, at a p value of 3e-90
# for each option: the inputs that it applies to
ONLY_FOR = {
    "columns": ("table", "pairs"), "id_column": ("table", "pairs"), "separator": ("table", "pairs", "variants"),
    "genome": OF_GENOME, "length": (*OF_GENOME, "satmut"), "offsets": ("vcf", "variants"),
    "longest": ("vcf", "variants"),
    "strand": ("vcf", "variants"), "genes": ("vcf", "variants"), "measured": ("vcf", "variants", "pairs"),
    "tile": ("fasta", "table", "bed"), "vcf_out": ("vcf",), "elements": ("satmut",), "experiments": ("satmut",),
    "barcodes": ("satmut",),
}  # fmt: skip


def check(given: Mapping[str, Any], strand_rule: str, called: Callable[[str], str]) -> str:
    """Which of `INPUTS` is `given` {option: value}; options that are not given are absent or empty.

    `strand_rule` is the model's; `called(option)` is the name of an option in messages. Raises `InputError` for no
    input or several, for options of another input, and for options that contradict each other or the model.
    """
    found = [name for name in INPUTS if given.get(name)]
    if len(found) != 1:
        what = f"{', '.join(map(called, found))} are given together" if found else "nothing to score is given"
        raise InputError(f"{what}; expected one of {', '.join(map(called, INPUTS))}")
    (kind,) = found
    for name, inputs in ONLY_FOR.items():
        if given.get(name) and kind not in inputs:
            raise InputError(
                f"{called(name)} is only for {', '.join(map(called, inputs))}, but the input is "
                f"{called(kind)}; remove it"
            )
    if kind in OF_GENOME and not given.get("genome"):
        raise InputError(f"{called(kind)} needs {called('genome')}, a FASTA of its build")
    if kind == "satmut":
        if not given.get("elements"):
            raise InputError(f"{called(kind)} needs {called('elements')}, the table of the mutagenised elements")
        if strand_rule != "mean":
            raise InputError(
                f"{called(kind)} is read on both strands of the DNA, but the model reads only one, as for RNA"
            )
    wanted = 1 if kind == "table" else 2
    columns = given.get("columns") or ()
    if columns and len(columns) != wanted:
        raise InputError(
            f"{called('columns')} has {len(columns)} names, expected {wanted}, the columns of "
            f"sequences for {called(kind)}"
        )
    for name in ("offsets", "shifts"):
        places = given.get(name) or ()
        if len(set(places)) < len(places):
            raise InputError(f"{called(name)} holds a value twice; give each value once")
    separator = given.get("separator")
    if separator and len(separator) != 1:
        raise InputError(f"{called('separator')} is {separator!r}, expected one character")
    strand, genes = given.get("strand"), given.get("genes")
    if strand == "file" and kind == "vcf":
        raise InputError(f"{called('strand')}: a VCF has no column of strands; give {called('genes')}, a GTF")
    if strand and genes:
        raise InputError(f"give {called('strand')} or {called('genes')}, not both")
    if kind in ("vcf", "variants") and strand_rule == "forward" and not (strand or genes):
        raise InputError(
            f"the model reads one strand, so the strand of the transcript must be known: give {called('genes')}, a "
            "GTF, or "
            f"{called('strand')}: +, -, both, or file for a column of the table"
        )
    return kind
