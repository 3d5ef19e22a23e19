"""An MPRA as written by MPRAsnakeflow, MPRAlib or the IGVF consortium: counts per oligo and replicate, and the design.

files: `rows` and `design`. `rows` is a table in one of two forms, recognised by its columns:

* counts of replicates (`reporter_experiment.oligo.*.tsv.gz`): replicate, oligo_name, dna_counts, rna_counts,
  log2FoldChange (of RNA over DNA), n_bc, the number of barcodes. The label is the unweighted mean of log2FoldChange
  over replicates, and `stderr` its standard error, sd / sqrt(n), missing with one replicate. The label is not the
  log2FoldChange of summed counts, which `combine_replicates` of MPRAlib gives. From 2 or 3 replicates a standard error
  is rough.
* results per element (`reporter_element.tsv.gz` from IGVF): oligo_name, log2FoldChange. There are no replicates, so
  there is no `stderr` and nothing is filtered.

`design` has the sequences: FASTA, or the IGVF table (`reporter_sequence_design.tsv.gz`): name, sequence, chr, start and
end (from 0, half-open), strand, SPDI, allele; missing values are NA, and lists are JSON. Coordinates are taken from the
columns (the column `ref` gives the build); those inside names may be of another build. Two oligos of one window with
the reference and the alternate allele of one variant are a pair; an oligo with several variants is in no pair. If an
oligo's length differs from its interval's and no variant explains why (indels without SPDI), only its chromosome is
kept.

In names, MPRAsnakeflow replaces blanks and square brackets by `_`: names are compared in that form, and row ids use it.

spec: `min_barcodes`, the fewest barcodes with which a replicate counts for an oligo; `min_replicates`, the fewest
replicates that must count.
"""

import json
import re
from typing import Any

import numpy as np
import pandas as pd

from s2f.common import kinds
from s2f.common.contents import read_text
from s2f.common.errors import InputError
from s2f.common.tables import line_of, numbers, read_table, refuse, refuse_repeated
from s2f.rows import placement
from s2f.rows.sources import complete_pairs, file_of
from s2f.rows.stages import Stages
from s2f.sequences.genome import records

COUNTS = ["replicate", "oligo_name", "dna_counts", "rna_counts", "log2FoldChange", "n_bc"]
ELEMENTS = ["oligo_name", "log2FoldChange"]
PLACED = ["chr", "start", "end", "strand", "SPDI", "allele"]
ABSENT = ("NA", "")
CHANGED = re.compile(r"[\s\[\]]")  # characters that MPRAsnakeflow replaces
SPDI = re.compile(r"[^:\s]+:(\d+):([ACGTN]*):([ACGTN]*)")


def read(files: dict[str, str], spec: dict[str, Any]) -> tuple[pd.DataFrame, Stages]:
    """Rows and stages, as in the module's docstring.

    Raises `InputError` with the file, line and column for a table in neither form, a cell that is not a number, an
    oligo that occurs twice in a replicate or is not in the design, names in the design that become equal, and a variant
    that is not where its coordinates say.
    """
    settings = kinds.settings("sources", "mpra_counts", spec)
    path, design_path = (file_of(files, name, "mpra_counts") for name in ("rows", "design"))
    raw = read_table(path, ELEMENTS, "counts of an MPRA", numbered=True)
    name = raw["oligo_name"].map(_name)
    design = _design(design_path)
    refuse(~name.isin(design.index), raw, ["oligo_name"], path, f"a name of {design_path}")
    stages = Stages()
    measured = _of_replicates(raw, name, path, settings, stages) if set(COUNTS) <= set(raw) else None
    if measured is None:
        if "replicate" in raw:
            missing = next(column for column in COUNTS if column not in raw)
            raise InputError(f"{path}: column {missing!r} is missing; counts of replicates need {', '.join(COUNTS)}")
        measured = _of_elements(raw, name, path, stages)
    table = design.loc[measured.index].assign(**{column: measured[column] for column in measured})
    table.insert(0, "row_id", table.index)
    table = table.reset_index(drop=True)
    if "start" not in table:
        return table, stages
    several, displaced = int((table.pop("variants") > 1).sum()), int(table.pop("displaced").sum())
    for count, what in (
        (several, "have several variants each, so they are in no pair"),
        (displaced, "do not have the length of their intervals, which are ignored"),
    ):
        if count:
            stages.notes.append(f"{design_path}: {count} oligos {what}")
    return complete_pairs(table, design_path), stages


def _of_replicates(
    raw: pd.DataFrame, name: pd.Series, path: str, settings: dict[str, Any], stages: Stages
) -> pd.DataFrame:
    """label and stderr of each oligo, indexed by its name."""
    barcodes = numbers(raw, "n_bc", path)
    refuse(~(barcodes >= 0) | (barcodes % 1 != 0), raw, ["n_bc"], path, "a whole number of at least 0")
    value = numbers(raw, "log2FoldChange", path)
    fix = "keep one line for each oligo of a replicate"
    refuse_repeated(raw, ["replicate", "oligo_name"], path, fix, raw["replicate"] + "\t" + name)
    least, replicates = settings["min_barcodes"], settings["min_replicates"]
    stages.keep("read", np.arange(name.nunique()))
    stages.part("lines of replicates", len(raw))
    known = value.notna()
    if not known.all():
        stages.part("lines with log2FoldChange", int(known.sum()))
    counted = (barcodes >= least) & known
    stages.part(f"lines with {least} barcodes or more", int((barcodes >= least).sum()))
    of_oligo = value[counted].groupby(name[counted], sort=False).agg(["mean", "std", "count"])
    of_oligo = stages.keep(f"{least} barcodes in a replicate", of_oligo)
    of_oligo = stages.keep(f"{replicates} replicates or more", of_oligo, of_oligo["count"] >= replicates)
    return pd.DataFrame({"label": of_oligo["mean"], "stderr": of_oligo["std"] / np.sqrt(of_oligo["count"])})


def _of_elements(raw: pd.DataFrame, name: pd.Series, path: str, stages: Stages) -> pd.DataFrame:
    """label of each oligo, indexed by its name."""
    refuse_repeated(raw, ["oligo_name"], path, "keep one line for each oligo", name)
    value = numbers(raw, "log2FoldChange", path).set_axis(name)
    stages.keep("read", value)
    stages.notes.append(f"{path}: has no replicates, so nothing is filtered by barcodes and there is no standard error")
    return pd.DataFrame({"label": stages.keep("label measured", value, value.notna())})


def _name(text: str) -> str:
    return CHANGED.sub("_", text.strip())


def _design(path: str) -> pd.DataFrame:
    """Sequences by name, with, if known, chrom, start, end, strand, allele, variant, pair_id and the number of
    `variants`."""
    if read_text(path, "design").lstrip()[:1] == b">":
        rows = [(header, line, letters.decode("latin-1")) for header, line, letters in records(path)]
        raw = pd.DataFrame(rows, columns=["name", "line", "sequence"]).set_index("line")
    else:
        raw = read_table(path, ["name", "sequence"], "design of an MPRA", numbered=True)
    names = raw["name"].map(_name)
    fix = "rename one oligo or remove it (blanks and square brackets in names are read as _)"
    refuse_repeated(raw, ["name"], path, fix, names)
    table = raw[["sequence"]].copy()
    if set(PLACED) <= set(raw):
        _add_places(table, raw, path)
        surplus = table["end"] - table["start"] - table["sequence"].str.len()
        displaced = ((surplus != 0) & (table["variant"] == "")).fillna(False).astype(bool)
        if displaced.sum() > surplus.notna().sum() / 2:  # then indels are not the reason
            displaced[:] = False
        table[["start", "end"]] = table[["start", "end"]].mask(displaced)
        placement.check(table.assign(row_id=names), path)
        table["displaced"] = displaced
    return table.set_axis(names)


def _add_places(table: pd.DataFrame, raw: pd.DataFrame, path: str) -> None:
    """Add coordinates and alleles from the IGVF table, in place."""
    texts = {column: raw[column].where(~raw[column].isin(ABSENT), "") for column in PLACED}
    table["chrom"] = texts["chr"]
    for column in ("start", "end"):
        position = numbers(raw, column, path)
        whole = position.isna() | ((position >= 0) & (position % 1 == 0))
        refuse(~whole, raw, [column], path, "a whole number of at least 0")
        table[column] = position.astype("Int64")
    refuse(~texts["strand"].isin(["+", "-", ".", ""]), raw, ["strand"], path, "+, - or NA")
    table["strand"] = texts["strand"].replace(".", "")
    found = []
    for position, (spdi, allele, chrom, start, strand) in enumerate(
        zip(texts["SPDI"], texts["allele"], texts["chr"], texts["start"], table["strand"], strict=True)
    ):
        where = f"{path}: line {line_of(raw, position)}"
        variants, alleles = (_list(text, column, where) for text, column in ((spdi, "SPDI"), (allele, "allele")))
        if len(variants) != len(alleles):
            raise InputError(
                f"{where}: SPDI has {len(variants)} entries but allele has {len(alleles)}, expected the same number"
            )
        if len(variants) != 1:
            found.append(("", "", "", len(variants)))
            continue
        fields = SPDI.fullmatch(variants[0])
        if fields is None or alleles[0] not in ("ref", "alt"):
            raise InputError(
                f"{where}: SPDI is {variants[0]!r} and allele {alleles[0]!r}, expected a variant such as "
                "NC_000001.11:13704271:C:T and ref or alt"
            )
        first, ref, alt = fields.groups()
        named = f"{chrom}:{int(first) + 1}:{ref}:{alt}" if chrom and ref and alt else ""
        found.append((alleles[0], named, f"{variants[0]}@{start}{strand}", 1))
    for column, values in zip(("allele", "variant", "pair_id", "variants"), zip(*found, strict=True), strict=True):
        table[column] = values


def _list(text: str, column: str, where: str) -> list[str]:
    """The entries of a JSON list; an empty text has none."""
    if not text:
        return []
    try:
        entries = json.loads(text)
    except ValueError:
        entries = None
    if not isinstance(entries, list) or not all(isinstance(entry, str) for entry in entries):
        raise InputError(f'{where}: {column} is {text!r}, expected a JSON list, such as ["ref"], or NA')
    return entries
