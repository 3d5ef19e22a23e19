"""Gosai 2024 MPRA in K562, HepG2 and SK-N-SH: Table S2 of the paper (798,064 rows), filtered as Malinois was trained.

files: `rows`, the table (tab-separated, the columns of `COLUMNS`; Zenodo record 10698014); optionally `designed`, the
measurements of designed sequences, added as rows that are only ever evaluated: the file test_ood_designed_*.tsv of
ALBench-S2F or the archive DATA-MPRA_Datasets.zip of the same Zenodo record (see `_designed`).

spec: `label`, K562_log2FC (default), HepG2_log2FC or SKNSH_log2FC, and the filters. They are those of boda2 (MPRA data
module, sjgosai/boda2 @ d74deca7), in its order, always over all three cells whatever the label; null switches one off:

    read      every line
    complete  drop rows that lack one of three labels, three standard errors, chromosome, project or sequence
    project   `projects` (UKBB, GTEX, CRE)
    stderr    the largest of three standard errors is below `max_stderr` (1.0), not equal to it
    outlier   mean - `sd_cutoff` sd < label < mean + `sd_cutoff` sd + `up_cutoff_move` in every cell (6 sd, 4.0; the
              published Malinois run moved by 3.0), mean and sd (ddof 1) over the rows kept so far
    allele    `alleles`: all, or reference: reference alleles and inserts without a variant
    length    inserts of at least `min_length` bp

`expected` maps a stage, or one of the chromosome parts of the published split that are counted after it, to the count
it should have; the table of stages shows both. What the table holds and what is decided here:

* IDs are chr:pos:ref:alt:allele:window, allele R or A, pos from 1 in hg19, then in some rows a haplotype tag (Alt_...:
  a second variant of the insert); CRE rows have chr:pos:NA:NA. `variant` is chr:pos:ref:alt, `pair_id` adds window and
  haplotype, so that ref and alt are paired within one window of one haplotype; `group` is the locus, chr:pos.
* One ID can stand in several lines (an oligo measured in several libraries). Such lines, and their partners, are told
  apart by @ and the column OL, then by .2, .3 ... in the order of the file, in row_id and pair_id.
* In window wC a single-base variant lies at offset 99 of 200 bp (468 of 468 published pairs), so `start` = pos - 100
  and `end` = pos + 100; for indels, whose inserts may be shorter, that is the window to within the indel. Where the
  variant lies in other windows and in CRE rows is not published: they have no start and end, only chromosome and group.
"""

import os
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow
import pyarrow.compute as pc

from s2f.files import MISSING, InputError, numbers, read_table
from s2f.rows import Stages, chromosomes
from s2f.sources import _designed, complete_pairs, file_of, settings

CELLS = ("K562", "HepG2", "SKNSH")
LABELS = tuple(f"{cell}_log2FC" for cell in CELLS)
ERRORS = tuple(f"{cell}_lfcSE" for cell in CELLS)
COLUMNS = ("IDs", "chr", "data_project", "OL", "class", *LABELS, *ERRORS, "sequence")
DEFAULTS = {
    "label": LABELS[0], "projects": ["UKBB", "GTEX", "CRE"], "max_stderr": 1.0, "sd_cutoff": 6.0,
    "up_cutoff_move": 4.0, "alleles": "all", "min_length": None, "expected": {},
}  # fmt: skip
# parts of the published chromosome split
PARTS = {"chr7+chr13": ("chr7", "chr13"), "chr19+chr21+chrX": ("chr19", "chr21", "chrX")}
CENTRE = 100  # a window wC begins CENTRE bases before pos
STAGES = (
    "read",
    "complete",
    "project",
    "stderr",
    "outlier",
    "allele",
    "length",
    *PARTS,
    "other chromosomes",
    "designed",
)
ID = (
    r"^(?P<chrom>[^:\s]+):(?P<pos>[0-9]+)(?:-[0-9]+)?:(?:NA:NA|(?P<ref>[A-Za-z*.<>-]+):(?P<alt>[A-Za-z*.<>-]+):"
    r"(?P<allele>[RA]):(?P<window>[^:\s]+)(?P<tag>:\S+)?)$"
)


def read(files, spec):
    """Rows and stages, as the module says.

    Raises `InputError` with file, line and column for a missing or renamed column, a line of another length, a cell
    that is no number or no sequence, an ID of another form and a chromosome other than that of the ID.
    """
    spec = settings(spec, DEFAULTS, "gosai")
    path = file_of(files, "rows", "gosai")
    for key, allowed in (("label", LABELS), ("alleles", ("all", "reference"))):
        if spec[key] not in allowed:
            raise InputError(f"source gosai: {key} is {spec[key]!r}, expected one of {', '.join(allowed)}")
    unknown = sorted(set(spec["expected"]) - set(STAGES))
    if unknown:
        raise InputError(f"source gosai: expected has no stage {unknown[0]!r}; known: {', '.join(STAGES)}")
    raw = read_table(path, COLUMNS, "Table S2 of Gosai 2024")
    if len(raw) != spec["expected"].get("read", len(raw)):
        raise InputError(
            f"{path}: {len(raw):,} rows, {spec['expected']['read']:,} are expected: the file is cut off or another "
            "version; get it again, or correct expected.read in the study"
        )
    labels, errors = (np.column_stack([numbers(raw, name, path) for name in names]) for names in (LABELS, ERRORS))
    _refuse((errors < 0).any(axis=1), raw, ERRORS, path, "a number of at least 0")
    table = _parsed(raw, path)
    cell = LABELS.index(spec["label"])
    table["label"], table["stderr"] = labels[:, cell], errors[:, cell]

    stages = Stages(spec["expected"])
    with Path(path).open("rb") as stream:
        stream.seek(-1, os.SEEK_END)
        if stream.read() not in b"\r\n":
            stages.notes.append(f"{path}: line {len(raw) + 1} has no line break at its end: the file may be cut off")
    kept = np.zeros(len(table), bool)
    kept[_kept(spec, stages, raw, table, labels, errors)] = True
    table = pd.DataFrame({name: column[kept] for name, column in table.items()})  # a third of the time of table[kept]
    for part, names in PARTS.items():
        stages.part(part, table["chrom"].isin(names).sum())
    stages.part("other chromosomes", (~table["chrom"].isin(sum(PARTS.values(), ()))).sum())
    table = complete_pairs(table, path)
    if "designed" in files:
        added = _designed.read(files["designed"], CELLS[cell])
        stages.part("designed", len(added))
        table = pd.concat([table, added], ignore_index=True)
    return table, stages


def _kept(spec, stages, raw, table, labels, errors):
    """Places of the rows that pass all filters, in order; each filter is counted in `stages`."""
    places = stages.keep("read", np.arange(len(raw)))
    complete = ~np.isnan(labels).any(axis=1) & ~np.isnan(errors).any(axis=1)
    for name in ("chr", "data_project", "sequence"):
        complete &= ~raw[name].isin(MISSING).to_numpy()
    places = stages.keep("complete", places, complete)
    project = spec["projects"] is None or raw["data_project"].isin(spec["projects"]).to_numpy()
    places = stages.keep("project", places, _where(project, places))
    precise = spec["max_stderr"] is None or errors.max(axis=1) < spec["max_stderr"]
    places = stages.keep("stderr", places, _where(precise, places))
    inside = True
    if spec["sd_cutoff"] is not None and len(places):
        mean, spread = labels[places].mean(axis=0), spec["sd_cutoff"] * labels[places].std(axis=0, ddof=1)
        inside = ((labels < mean + spread + spec["up_cutoff_move"]) & (labels > mean - spread)).all(axis=1)
    places = stages.keep("outlier", places, _where(inside, places))
    allele = spec["alleles"] == "all" or (table["allele"] != "alt").to_numpy()
    places = stages.keep("allele", places, _where(allele, places))
    long = spec["min_length"] is None or raw["sequence"].str.len().to_numpy() >= spec["min_length"]
    return stages.keep("length", places, _where(long, places))


def _where(passed, places):
    """The mask `passed` at `places`; True stands for a filter that is off."""
    return np.ones(len(places), bool) if passed is True else passed[places]


def _parsed(raw, path):
    """Row columns that follow from IDs, chr and sequence, for every line of the file."""
    parts = _by_chunks(lambda chunk: pc.extract_regex(chunk, ID), raw["IDs"])
    expected = "chr:pos:ref:alt:allele:window, allele R or A, or chr:pos:NA:NA"
    _refuse(parts.is_null().to_numpy(zero_copy_only=False), raw, ["IDs"], path, expected)
    part = {
        name: _series(pc.struct_field(parts, name))
        for name in ("chrom", "pos", "ref", "alt", "allele", "window", "tag")
    }
    chrom, of_id = (chromosomes(names, lambda row: f"{path}: line {row + 2}") for names in (raw["chr"], part["chrom"]))
    other = (chrom != of_id) & (chrom != "")
    _refuse(other.to_numpy(), raw, ["chr"], path, "the chromosome of the ID")
    dna = _by_chunks(lambda chunk: pc.match_substring_regex(chunk, "^[ACGTNacgtn]+$"), raw["sequence"])
    odd = ~dna.to_numpy(zero_copy_only=False) & ~raw["sequence"].isin(MISSING).to_numpy()
    _refuse(odd, raw, ["sequence"], path, "letters A, C, G, T, N")

    varies = part["allele"] != ""
    group = of_id + ":" + part["pos"]
    variant = group + ":" + part["ref"] + ":" + part["alt"]
    pair = variant + ":" + part["window"] + part["tag"]
    suffix = _libraries(raw, pair.where(varies, raw["IDs"]))
    centred = (part["window"] == "wC").to_numpy()
    pos = pc.cast(pc.struct_field(parts, "pos"), "int64").to_numpy()
    return pd.DataFrame(
        {
            "row_id": raw["IDs"] + suffix,
            "sequence": raw["sequence"],
            "chrom": of_id,
            "start": pd.arrays.IntegerArray(pos - CENTRE, ~centred),
            "end": pd.arrays.IntegerArray(pos + CENTRE, ~centred),
            "allele": part["allele"].map({"R": "ref", "A": "alt", "": ""}),
            "variant": variant.where(varies, ""),
            "pair_id": (pair + suffix).where(varies, ""),
            "group": group,
        }
    )


def _by_chunks(function, column):
    """A function of arrow text on the chunks of a column, on as many threads as arrow itself takes."""
    texts = pyarrow.array(column, pyarrow.string())
    chunks = texts.chunks if isinstance(texts, pyarrow.ChunkedArray) else [texts]
    chunks = chunks or [pyarrow.array([], pyarrow.string())]
    with ThreadPoolExecutor(pyarrow.cpu_count()) as pool:
        return pyarrow.chunked_array(list(pool.map(function, chunks)))


def _series(array):
    """Text of an arrow array, with empty text for what is missing."""
    return pd.Series(pc.fill_null(array, "").to_pandas(), dtype="str")


def _libraries(raw, key):
    """What tells lines with one ID apart: "@OL", ".2", ...; empty for a `key` whose lines have IDs of their own."""
    suffix = pd.Series("", index=raw.index, dtype="str")
    again = raw["IDs"].duplicated(keep=False)
    if again.any():
        rows = key.isin(key[again])
        number = raw[rows].groupby(["IDs", "OL"]).cumcount() + 1
        suffix[rows] = "@" + raw["OL"][rows] + ("." + number.astype("str")).where(number > 1, "")
    return suffix


def _refuse(bad, raw, columns, path, expected):
    """Raise `InputError` for the first row of the mask `bad`, with its line and the cells of `columns`."""
    if bad.any():
        place = int(bad.argmax())
        cells = " and ".join(f"{name} is {_short(raw[name].iloc[place])!r}" for name in columns)
        raise InputError(f"{path}: line {place + 2}: {cells}, expected {expected}")


def _short(cell):
    return cell if len(cell) <= 60 else cell[:60] + "..."
