"""Mattioli 2019 promoter MPRA, K562, 114-bp inserts with hg19 coordinates.

files: `rows`, a TSV with unique_id, oligo_type, chr_hg19, start, end, strand, sequence, the label column and, for a
label `X_mean` with replicate statistics, `X_sd` and n_reps; optionally `pairs`, a TSV with wt_id, snp_id, seq_ref,
seq_alt, K562_ref and K562_alt, without which rows have neither allele nor pair_id. spec: `label`, the label column
(default K562_log2_mean). With cells (K562, HepG2, HeLa), the label of each cell is its column {cell}_log2_mean; 5,347
of 7,152 rows have all three. `python -m s2f.rows.samples` makes both files.

What the file contains, and what is decided here:

* unique_id is not unique: 7,152 rows have 6,252 ids, because the ten scrambles of each of 100 loci share one. They are
  different sequences with separate labels (no two rows of the file have the same sequence), so none is dropped; they
  become `.scramble01` ... `.scramble10`, numbered by sequence, so that an id does not depend on the order of rows.
* FLIPPED rows are separate measurements of the reverse complement, not copies, so they are kept.
* `pair_id` is the unique_id of the reference row, shared by it and its alternate alleles (one to several per locus;
  SNP_PLUS_HAPLO rows change several bases). A pair that lost an allele because it was not measured is not a pair.
* `group` is the maximal run of overlapping intervals on a chromosome, as chrom:start-end, over all rows of the file
  regardless of their labels: ref and alt, both orientations, scrambles (which have the same composition and are the
  study's matched controls) and neighbouring windows that share sequence stay on one side of a split. RANDOM rows have
  no coordinates and no group. Intervals are half-open (end - start = length); in 15 control rows they are one base
  longer than the sequence.
* `stderr` is the standard error of the mean over replicates, sd / sqrt(n_reps); missing if n_reps < 2. From 2 to 4
  replicates it is rough (0.001 to 3.4): good enough for a filter, but not safe as a weight.
"""

from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd

from s2f.common import kinds
from s2f.common.errors import InputError
from s2f.common.tables import line_of, numbers, read_table, refuse_repeated
from s2f.rows import placement
from s2f.rows.sources import complete_pairs, file_of, measured
from s2f.rows.stages import Stages
from s2f.sequences.chromosomes import chromosome

PAIRED_LABEL = "K562_log2_mean"  # the label that the pairs file repeats


def read(files: dict[str, str], spec: dict[str, Any], cells: Sequence[str] = ()) -> tuple[pd.DataFrame, Stages]:
    """Rows and stages, as in the module's docstring. Raises `InputError` if rows and pairs disagree."""
    label = kinds.settings("sources", "mattioli", spec)["label"]
    path = file_of(files, "rows", "mattioli")
    labels = {f".{cell}": f"{cell}_log2_mean" for cell in cells} or {"": label}
    columns = ["unique_id", "oligo_type", "chr_hg19", "start", "end", "strand", "sequence", *labels.values()]
    raw = read_table(path, columns, "Mattioli MPRA", numbered=True)
    stages = Stages()
    stages.keep("read", raw)

    table = pd.DataFrame({"row_id": _row_ids(raw), "sequence": raw["sequence"]})
    for ending, column in labels.items():
        table[f"label{ending}"] = numbers(raw, column, path)
        table[f"stderr{ending}"] = _stderr(raw, column, path)
    fix = "rename or remove one (only scrambles of a locus may share a name)"
    refuse_repeated(raw, ["unique_id"], path, fix, table["row_id"])
    table["chrom"] = raw["chr_hg19"].map(chromosome)
    for name in ("start", "end"):
        table[name] = numbers(raw, name, path).astype("Int64")
    table["strand"] = raw["strand"]
    table["group"] = loci(table["chrom"], table["start"], table["end"])
    paired = next((f"label{ending}" for ending, column in labels.items() if column == PAIRED_LABEL), None)
    if "pairs" in files:
        table["allele"], table["pair_id"] = _pairs(table, paired, path, files["pairs"])
    table = measured(table, stages, cells)
    placement.check(table, path, slack=1)  # for the 15 control rows
    return (complete_pairs(table, path) if "pairs" in files else table), stages


def _row_ids(raw: pd.DataFrame) -> pd.Series:
    """unique_id, extended by the number of the scramble (in the order of sequences) if scrambles share it."""
    shared = raw["unique_id"].duplicated(keep=False) & (raw["oligo_type"] == "SCRAMBLED")
    number = raw.sort_values(["unique_id", "sequence"]).groupby("unique_id").cumcount() + 1  # aligned by index
    return raw["unique_id"].where(~shared, raw["unique_id"] + ".scramble" + number.astype(str).str.zfill(2))


def _stderr(raw: pd.DataFrame, label: str, path: str) -> pd.Series | float:
    """Standard error of the mean; NaN for fewer than two replicates or a label without statistics in the file."""
    deviation = label.removesuffix("_mean") + "_sd"
    if deviation not in raw or "n_reps" not in raw:
        return np.nan
    replicates = numbers(raw, "n_reps", path)
    return (numbers(raw, deviation, path) / np.sqrt(replicates)).where(replicates >= 2)


def loci(chrom: pd.Series, start: pd.Series, end: pd.Series) -> pd.Series:
    """The name of the run of overlapping half-open intervals that contains each row; empty without coordinates."""
    names = pd.Series("", index=chrom.index, dtype=object)
    placed = pd.DataFrame({"chrom": chrom, "start": start, "end": end})[(chrom != "") & start.notna() & end.notna()]
    for name, table in placed.sort_values(["start", "end"]).groupby("chrom"):
        starts, ends = table["start"].to_numpy(np.int64), table["end"].to_numpy(np.int64)
        reached = np.maximum.accumulate(ends)
        run = np.concatenate([[0], np.cumsum(starts[1:] >= reached[:-1])])  # starts are sorted: a gap begins a new run
        first, last = np.searchsorted(run, run, "left"), np.searchsorted(run, run, "right") - 1
        names[table.index] = [f"{name}:{a}-{b}" for a, b in zip(starts[first], reached[last], strict=True)]
    return names


def _pairs(table: pd.DataFrame, label: str | None, path: str, pairs_path: str) -> tuple[np.ndarray, pd.Series]:
    """Allele and pair_id of every row, checked against the pairs file: ids, sequences and, if the table has the label
    that the file repeats, the column `label`."""
    columns = ["wt_id", "snp_id", "seq_ref", "seq_alt", "K562_ref", "K562_alt"]
    pairs = read_table(pairs_path, columns, "Mattioli pairs", only=True, numbered=True)
    rows = table.set_index("row_id")
    refuse_repeated(pairs, ["snp_id"], pairs_path, "an allele has one reference: keep one of the lines")
    both = sorted(set(pairs["wt_id"]) & set(pairs["snp_id"]))
    if both:
        raise InputError(f"{pairs_path}: {both[0]!r} is both a wt_id and a snp_id, expected only one of them")
    for column, allele in (("wt_id", "ref"), ("snp_id", "alt")):
        joined = rows.reindex(pairs[column])
        value = numbers(pairs, f"K562_{allele}", pairs_path)
        agree = np.full(len(joined), True)
        if label:
            agree = np.isclose(value, joined[label], rtol=0, atol=1e-6, equal_nan=True)
        for wrong, what in (
            (~pairs[column].isin(rows.index).to_numpy(), "is not"),
            (joined["sequence"].to_numpy() != pairs[f"seq_{allele}"].to_numpy(), "has another sequence"),
            (~agree, "has another label"),
        ):
            if wrong.any():
                position = int(wrong.argmax())
                name = pairs[column].iloc[position]
                raise InputError(f"{pairs_path}: line {line_of(pairs, position)}: {column} {name!r} {what} in {path}")
    reference = pairs.set_index("snp_id")["wt_id"]
    is_ref, is_alt = table["row_id"].isin(pairs["wt_id"]), table["row_id"].isin(pairs["snp_id"])
    alleles = np.where(is_ref, "ref", np.where(is_alt, "alt", ""))
    return alleles, table["row_id"].where(is_ref, table["row_id"].map(reference)).fillna("")
