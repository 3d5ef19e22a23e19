"""Gosai 2024 MPRA in K562, HepG2 and SK-N-SH: Table S2 of the paper (798,064 rows), filtered as for training Malinois.

files: `rows`, the table (tab-separated, with the columns `COLUMNS`; Zenodo record 10698014); optionally `designed`, the
measurements of designed sequences, added as rows that are only ever evaluated: either test_ood_designed_*.tsv from
ALBench-S2F or the archive DATA-MPRA_Datasets.zip from the same Zenodo record (see `_designed`).

spec: `label`, K562_log2FC (default), HepG2_log2FC or SKNSH_log2FC, and the filters. With cells, the label and standard
error of each cell are its columns {cell}_log2FC and {cell}_lfcSE, and the rows are the same. The filters are those of
boda2 (MPRA data module, sjgosai/boda2 @ d74deca7), in its order and always over all three cells; null switches one off:

    read      every line
    complete  drop rows that lack any of three labels, three standard errors, chromosome, project or sequence
    project   `projects` (UKBB, GTEX, CRE)
    stderr    the largest of three standard errors is strictly below `max_stderr` (1.0)
    outlier   mean - `sd_cutoff` sd < label < mean + `sd_cutoff` sd + `up_cutoff_move` in every cell (6 sd, 4.0; the
              published Malinois run moved by 3.0), mean and sd (ddof 1) over the rows kept so far
    allele    `alleles`: all, or reference: reference alleles and inserts without a variant
    length    inserts of at least `min_length` bp

`expected` maps a stage, or one of the chromosome parts of the published split that are counted after it, to its
expected count; the table of stages shows both. What the table contains, and what is decided here:

* IDs are chr:pos:ref:alt:allele:window, with allele R or A and pos from 1 in hg19, followed in some rows by a haplotype
  tag (Alt_...: a second variant in the insert); CRE rows have chr:pos:NA:NA. `variant` is chr:pos:ref:alt; `pair_id`
  adds window and haplotype, so that ref and alt are paired within one window of one haplotype; `group` is the locus,
  chr:pos.
* One ID can occur in several lines (an oligo measured in several libraries). Such lines, and their partners, are
  distinguished in row_id and pair_id by @ and the column OL, then by .2, .3 ... in the order of the file.
* In window wC, a single-base variant lies at offset 99 of 200 bp (468 of 468 published pairs), so `start` = pos - 100
  and `end` = pos + 100; for indels, whose inserts may be shorter, this is accurate to within the indel. The position of
  the variant in other windows is not published. An SNV reveals it: its two inserts differ there, either as given or,
  for an insert of the other strand, as complements. The indels and single alleles of a window get the coordinates of
  its SNVs if at least `ENOUGH` of these, and a share of `ALIKE` of them, agree on position and length. All others, and
  CRE rows, have no start and end, only chromosome and group.
"""

from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np
import pandas as pd
import pyarrow
import pyarrow.compute as pc

from s2f.common import kinds
from s2f.common.contents import breaks_off
from s2f.common.errors import InputError
from s2f.common.tables import MISSING, line_of, numbers, read_table, refuse, rows_where
from s2f.rows.canonical import letters_other_than
from s2f.rows.sources import _designed, complete_pairs, file_of
from s2f.rows.stages import Stages
from s2f.sequences import dna
from s2f.sequences.chromosomes import chromosomes

CELLS = ("K562", "HepG2", "SKNSH")
LABELS = tuple(f"{cell}_log2FC" for cell in CELLS)
ERRORS = tuple(f"{cell}_lfcSE" for cell in CELLS)
COLUMNS = ("IDs", "chr", "data_project", "OL", "class", *LABELS, *ERRORS, "sequence")
# the parts of the published chromosome split
PUBLISHED_PARTS = {"chr7+chr13": ("chr7", "chr13"), "chr19+chr21+chrX": ("chr19", "chr21", "chrX")}
CENTRE = 100  # a window wC begins CENTRE bases before pos
ALIKE, ENOUGH = 0.99, 10
STAGES = (
    "read",
    "complete",
    "project",
    "stderr",
    "outlier",
    "allele",
    "length",
    *PUBLISHED_PARTS,
    "other chromosomes",
    "designed",
)
_COMPLEMENT = str.maketrans("ACGT", "TGCA")
# four groups, the most that RE2 handles fast; `of_pair` is missing if the insert has no variant
ID = (
    r"^(?P<chrom>[^:\s]+):(?P<pos>[0-9]+)(?:-[0-9]+)?:(?P<change>[A-Za-z*.<>-]+:[A-Za-z*.<>-]+)"
    r"(?::(?P<of_pair>[RA]:[^:\s]+(?::\S+)?))?$"
)


def read(files: dict[str, str], spec: dict[str, Any], cells: Sequence[str] = ()) -> tuple[pd.DataFrame, Stages]:
    """Rows and stages, as in the module's docstring.

    Raises `InputError` with the file, line and column for a missing or renamed column, a line with a different number
    of cells, a cell that is not a number or not a sequence, an ID in another form, and a chromosome that differs from
    the ID's.
    """
    options = kinds.settings("sources", "gosai", spec)
    path = file_of(files, "rows", "gosai")
    for key, allowed in (("label", LABELS), ("alleles", ("all", "reference"))):
        if options[key] not in allowed:
            hint = kinds.near(options[key], allowed)
            raise InputError(f"source gosai: {key} is {options[key]!r}, expected one of {', '.join(allowed)}{hint}")
    unknown = sorted(set(options["expected"]) - set(STAGES))
    if unknown:
        raise InputError(f"source gosai: expected has no stage {unknown[0]!r}{kinds.nearest(unknown[0], STAGES)}")
    raw = read_table(path, COLUMNS, "Table S2 of Gosai 2024", only=True, numbered=True)
    if len(raw) != options["expected"].get("read", len(raw)):
        raise InputError(
            f"{path}: {len(raw):,} rows, expected {options['expected']['read']:,}: the file is cut off, or it is "
            "another version; get it again, or correct expected.read in the study"
        )
    labels, errors = (np.column_stack([numbers(raw, name, path) for name in names]) for names in (LABELS, ERRORS))
    refuse((errors < 0).any(axis=1), raw, ERRORS, path, "a number of at least 0")
    table = _parsed(raw, path)
    wanted = [CELLS.index(cell) for cell in cells] or [LABELS.index(options["label"])]
    for cell in wanted:
        ending = f".{CELLS[cell]}" if cells else ""
        table[f"label{ending}"], table[f"stderr{ending}"] = labels[:, cell], errors[:, cell]

    stages = Stages(options["expected"])
    if breaks_off(path):
        line = line_of(raw, len(raw) - 1)
        stages.notes.append(f"{path}: line {line} has no line break at its end: the file may be cut off")
    kept = np.zeros(len(table), bool)
    kept[_kept(options, stages, raw, table, labels, errors)] = True
    table = rows_where(table, kept)
    for part, names in PUBLISHED_PARTS.items():
        stages.part(part, table["chrom"].isin(names).sum())
    stages.part("other chromosomes", (~table["chrom"].isin(sum(PUBLISHED_PARTS.values(), ()))).sum())
    table = complete_pairs(table, path)
    if "designed" in files:
        added = _designed.read(files["designed"], *([cells[0], cells[1:]] if cells else [CELLS[wanted[0]]]))
        both = table["row_id"][table["row_id"].isin(added["row_id"])]
        if len(both):
            raise InputError(
                f"{path}, {files['designed']}: row_id {both.iloc[0]!r} is in both files ({len(both):,} such rows), "
                "expected a unique name for each row; remove these rows from one file"
            )
        stages.part("designed", len(added))
        table = pd.concat([table, added], ignore_index=True)
    return table, stages


def _kept(
    options: dict[str, Any],
    stages: Stages,
    raw: pd.DataFrame,
    table: pd.DataFrame,
    labels: np.ndarray,
    errors: np.ndarray,
) -> np.ndarray:
    """Indices of the rows that pass all filters, in order; the result of each filter is counted in `stages`."""
    indices = stages.keep("read", np.arange(len(raw)))
    complete = ~np.isnan(labels).any(axis=1) & ~np.isnan(errors).any(axis=1)
    for name in ("chr", "data_project", "sequence"):
        complete &= ~raw[name].isin(MISSING).to_numpy()
    indices = stages.keep("complete", indices, complete)
    project = options["projects"] is None or raw["data_project"].isin(options["projects"]).to_numpy()
    indices = stages.keep("project", indices, _where(project, indices))
    precise = options["max_stderr"] is None or errors.max(axis=1) < options["max_stderr"]
    indices = stages.keep("stderr", indices, _where(precise, indices))
    inside = True
    if options["sd_cutoff"] is not None and len(indices):
        mean, spread = labels[indices].mean(axis=0), options["sd_cutoff"] * labels[indices].std(axis=0, ddof=1)
        inside = ((labels < mean + spread + options["up_cutoff_move"]) & (labels > mean - spread)).all(axis=1)
    indices = stages.keep("outlier", indices, _where(inside, indices))
    allele = options["alleles"] == "all" or (table["allele"] != "alt").to_numpy()
    indices = stages.keep("allele", indices, _where(allele, indices))
    long = options["min_length"] is None or raw["sequence"].str.len().to_numpy() >= options["min_length"]
    return stages.keep("length", indices, _where(long, indices))


def _where(passed: Any, indices: np.ndarray) -> np.ndarray:
    """The mask `passed` at `indices`; True means that a filter is off."""
    return np.ones(len(indices), bool) if passed is True else passed[indices]


def _parsed(raw: pd.DataFrame, path: str) -> pd.DataFrame:
    """Row columns derived from IDs, chr and sequence, for every line of the file."""

    def column(texts: Any) -> pd.Series:
        return _series(texts).set_axis(raw.index)

    parts = _by_chunks(lambda chunk: pc.extract_regex(chunk, ID), raw["IDs"])
    chrom, pos, change, of_pair = (pc.fill_null(pc.struct_field(parts, i), "") for i in range(4))
    varies = pc.not_equal(of_pair, "")
    whole = pc.and_(pc.is_valid(parts), pc.or_(varies, pc.equal(change, "NA:NA")))
    expected = "chr:pos:ref:alt:allele:window, allele R or A, or chr:pos:NA:NA"
    refuse(~whole.to_numpy(), raw, ["IDs"], path, expected)
    chrom, of_id = (
        chromosomes(names, lambda row: f"{path}: line {line_of(raw, row)}") for names in (raw["chr"], column(chrom))
    )
    other = (chrom != of_id) & (chrom != "")
    refuse(other.to_numpy(), raw, ["chr"], path, "the chromosome of the ID")
    if letters_other_than(b"ACGTNacgtn", raw["sequence"]):
        dna = _by_chunks(lambda chunk: pc.match_substring_regex(chunk, "^[ACGTNacgtn]+$"), raw["sequence"])
        odd = ~dna.to_numpy() & ~raw["sequence"].isin(MISSING).to_numpy()
        refuse(odd, raw, ["sequence"], path, "letters A, C, G, T, N")

    window = pc.utf8_slice_codeunits(of_pair, 2)  # its name, followed in some rows by a haplotype tag
    group = _joined(pyarrow.array(of_id, pyarrow.string()), pos, ":")
    variant = _joined(group, change, ":")
    pair = _joined(variant, window, ":")
    reference = pc.starts_with(of_pair, "R")
    key = column(pc.if_else(varies, pair, pyarrow.array(raw["IDs"], pyarrow.string())))
    suffix = _libraries(raw, key, reference.to_numpy())
    pair_id = column(pc.if_else(varies, _joined(pair, pyarrow.array(suffix, pyarrow.string()), ""), ""))
    position = pc.cast(pos, "int64").to_numpy()
    start, end = _places(raw["sequence"], position, column(change), column(window), pair_id, reference.to_numpy())
    return pd.DataFrame(
        {
            "row_id": raw["IDs"] + suffix,
            "sequence": raw["sequence"],
            "chrom": of_id,
            "start": pd.arrays.IntegerArray(start, end < 0),
            "end": pd.arrays.IntegerArray(end, end < 0),
            "allele": column(pc.if_else(varies, pc.if_else(reference, "ref", "alt"), "")),
            "variant": column(pc.if_else(varies, variant, "")),
            "pair_id": pair_id,
            "group": column(group),
        }
    )


def _places(
    sequences: pd.Series, position: np.ndarray, change: pd.Series, window: pd.Series, pair: pd.Series, ref: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Where the insert of every line begins and ends, two arrays (N,), as the module says; ends are -1 if unknown.

    For each line, give the `position` of the variant from 1, its `change` REF:ALT, `window` with a haplotype tag or "",
    `pair` ("" without a variant) and whether it has the reference allele.
    """
    name = window.str.split(":", n=1).str[0]
    centred = (name == "wC").to_numpy()
    start, end = position - CENTRE, np.where(centred, position + CENTRE, -1)
    others = np.flatnonzero(~centred & (pair != "").to_numpy())
    if len(others) == 0:
        return start, end
    number, names = pd.factorize(pair.iloc[others])
    alleles = np.full((2, len(names)), -1)  # each pair's first line with the reference allele, with the alternate
    for row, mask in enumerate((ref[others], ~ref[others])):
        alleles[row, number[mask][::-1]] = others[mask][::-1]
    whole = np.flatnonzero((alleles >= 0).all(axis=0))
    inserts = [sequences.iloc[alleles[row, whole]].str.upper().to_numpy(object) for row in (0, 1)]
    snv, offset = dna.one_base_apart(*inserts)
    whole, inserts = whole[snv], [texts[snv] for texts in inserts]
    found = [f"{a[i]}:{b[i]}" for a, b, i in zip(*inserts, offset, strict=True)]
    stated = change.iloc[alleles[0, whole]].str.upper().tolist()
    given = np.array([a == b for a, b in zip(found, stated, strict=True)], bool)
    turned = np.array([a.translate(_COMPLEMENT) == b for a, b in zip(found, stated, strict=True)], bool)
    length = np.fromiter(map(len, inserts[0]), np.int64, len(inserts[0]))

    first = np.where(given, offset, length - 1 - offset)  # bases in the genome from the insert's beginning to the SNV
    before, wide = np.full((2, len(names)), -1)
    before[whole[given | turned]], wide[whole[given | turned]] = first[given | turned], length[given | turned]
    name = name.iloc[others].to_numpy(object)
    snvs = pd.DataFrame({"name": name, "before": before[number], "wide": wide[number]})
    one_each = snvs[(snvs["before"] >= 0) & ~pd.Series(number).duplicated()]  # an SNV has two lines or more
    counts = one_each.value_counts(sort=False).reset_index().sort_values("count", kind="stable")
    for kind, places in counts.groupby("name"):
        most = places.iloc[-1]
        if most["count"] >= max(ALIKE * places["count"].sum(), ENOUGH):
            rest = (snvs["name"] == kind) & (snvs["before"] < 0)
            snvs.loc[rest, ["before", "wide"]] = most[["before", "wide"]].tolist()
    known = (snvs["before"] >= 0).to_numpy()
    start[others] = position[others] - 1 - snvs["before"].to_numpy()
    end[others] = np.where(known, start[others] + snvs["wide"].to_numpy(), -1)
    return start, end


def _by_chunks(function: Callable[[Any], Any], column: pd.Series) -> pyarrow.ChunkedArray:
    """Apply a function of arrow text to the chunks of a column, using as many threads as arrow itself does."""
    texts = pyarrow.array(column, pyarrow.string())
    chunks = texts.chunks if isinstance(texts, pyarrow.ChunkedArray) else [texts]
    chunks = chunks or [pyarrow.array([], pyarrow.string())]
    with ThreadPoolExecutor(pyarrow.cpu_count()) as pool:
        return pyarrow.chunked_array(list(pool.map(function, chunks)))


def _joined(first: Any, second: Any, separator: str) -> Any:
    return pc.binary_join_element_wise(first, second, separator)


def _series(texts: Any) -> pd.Series:
    """A column with the texts of an arrow array."""
    return pd.Series(texts.to_pandas(), dtype="str")


def _libraries(raw: pd.DataFrame, key: pd.Series, reference: np.ndarray) -> pd.Series:
    """What distinguishes lines with the same ID: "@OL", ".2", ...; empty for a `key` whose lines have unique IDs.

    The mask `reference` separates the alleles of a key: an ID can recur only if one of them does.
    """
    number = 2 * pd.factorize(key)[0] + reference
    again = np.bincount(number)[number] > 1
    again[again] = raw["IDs"][again].duplicated(keep=False)
    told_apart = np.zeros(number.max(initial=0) // 2 + 1, bool)
    told_apart[number[again] // 2] = True
    rows = told_apart[number // 2]
    repeated = raw.loc[rows, ["IDs", "OL"]]
    count = repeated.groupby(["IDs", "OL"]).cumcount() + 1
    suffixes = "@" + repeated["OL"] + ("." + count.astype("str")).where(count > 1, "")
    suffix_of = np.zeros(len(raw), np.int64)
    suffix_of[rows] = np.arange(1, len(repeated) + 1)
    return pd.concat([pd.Series([""], dtype="str"), suffixes]).take(suffix_of).set_axis(raw.index)
