"""A user's own table: any TSV or CSV, and a mapping from our columns to its columns.

files: `rows`; or one file for each part of a published split, under the names of the parts (train, dev, test). spec:

* `columns`: our name -> the file's name, or, for all columns of a file without a header, its number from 1. sequence
  and label are required (in a dataset with cells, a `label.{cell}` for each, and `stderr.{cell}` if there is one);
  row_id, stderr, chrom, start, end, strand, allele, variant, pair_id, group and published are optional. Coordinates
  belong to the insert (see `rows.placement`). Without row_id, a row is named after its file and line, `train:17`;
  without published, rows of several files get the names of the files.
* `first_base`: 0 if coordinates count from 0 and exclude the end (default), 1 if they count from 1 and include it.
* `separator`: one character, a tab by default.
* `missing`: further texts that mean a missing value, besides none, NA, NaN, nan, None and null; in columns of names
  (pair_id, group, ...) the texts in `NO_NAME` do so as well.
* `max_stderr`: keep rows with a standard error strictly below this; a row without one is dropped, because nothing is
  known about its precision. With cells, this applies to each label separately. Default: no filter.
* `drop_missing_label`: drop rows without a label, whatever else they contain (default), or refuse them.
"""

from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd

from s2f.common import kinds
from s2f.common.contents import breaks_off
from s2f.common.errors import InputError
from s2f.common.tables import MISSING, line_of, numbers, read_table, refuse, refuse_repeated, stripped
from s2f.rows import placement
from s2f.rows.canonical import COLUMNS, OF_CELL, letters_other_than
from s2f.rows.sources import complete_pairs, file_of, measured, names_of
from s2f.rows.stages import Stages
from s2f.sequences import dna
from s2f.sequences.chromosomes import chromosomes
from s2f.sequences.intervals import LONGEST

# those of our columns that may be empty, as text
OPTIONAL = ("chrom", "strand", "allele", "variant", "pair_id", "group", "published")
# what some of these may contain, if they are not empty
ALLOWED = {"strand": ("+", "-", "."), "allele": ("ref", "alt")}
# how tables write that a row has no such name; otherwise all these rows would be one group
NO_NAME = (".", "-", "N/A", "n/a", "#N/A", "NULL", "none")
# the end of a refusal of a label that is not a number
OR_MISSING = " (or one of the texts in `missing`, which mean no value)"
# the end of a refusal of coordinates that do not belong to the inserts
WITHOUT_COORDINATES = "; or remove start and end from 'columns'"


def read(files: dict[str, str], spec: dict[str, Any], cells: Sequence[str] = ()) -> tuple[pd.DataFrame, Stages]:
    """Rows and stages, as the module says. Raises `InputError` with file, line or column, and what is expected."""
    options = kinds.settings("sources", "table", spec)
    columns = _check_options(options, cells)
    if not files:
        file_of(files, "rows", "table")  # says which name is missing
    found = {name: _read_file(name, path, columns, options, cells) for name, path in files.items()}
    parts = {name: part for name, (part, _) in found.items()}
    _refuse_names_in_two_files(parts, files)
    if "published" not in columns and len(files) > 1:
        parts = {name: part.assign(published=name) for name, part in parts.items()}
    stages = Stages()
    stages.keep("read", np.arange(sum(count for _, count in found.values())))
    stages.notes += [
        f"{path}: the last line has no line break at its end: the file may be cut off"
        for path in files.values()
        if breaks_off(path)
    ]
    table = pd.concat(parts.values(), ignore_index=True)

    table = measured(table, stages, cells)
    most = options["max_stderr"]
    if most is not None and cells:
        for cell in cells:
            precise = table[f"stderr.{cell}"] < most
            table[f"label.{cell}"] = table[f"label.{cell}"].where(precise)
            stages.part(f"label of {cell} with stderr below {most}", int(table[f"label.{cell}"].notna().sum()))
        has_label = table[[f"label.{cell}" for cell in cells]].notna()
        table = stages.keep(f"stderr below {most} in a cell", table, has_label.any(axis=1))
    elif most is not None:
        table = stages.keep(f"stderr below {most}", table, table["stderr"] < most)
    return (complete_pairs(table, names_of(files)) if "pair_id" in table else table), stages


def _read_file(
    name: str, path: str, columns: dict[str, str], options: dict[str, Any], cells: Sequence[str]
) -> tuple[pd.DataFrame, int]:
    """The rows of one file that have a label, under our names and with numbers as numbers; and its number of rows."""
    header = options["columns"] == columns
    raw = read_table(path, columns.values(), "table", options["separator"], header=header, only=True, numbered=True)
    missing = (*MISSING, *options["missing"])
    count = len(raw)
    labels, errors = _measures("label", cells), _measures("stderr", cells)
    fix = OR_MISSING
    if not header:
        fix += "; if the first line is a header, give the names in it as 'columns'"
    values = {ours: numbers(raw, columns[ours], path, missing, fix, labels=True) for ours in labels}
    has_label = pd.DataFrame(values).notna().any(axis=1)
    if not options["drop_missing_label"]:
        refuse(~has_label, raw, [columns[labels[0]]], path, "a number (or set drop_missing_label: true)")
    if "row_id" in columns:
        ids = stripped(raw[columns["row_id"]])
        given = (ids != "").to_numpy()
        fix = "make it unique, or omit columns.row_id"
        refuse_repeated(raw[given], [columns["row_id"]], path, fix, ids[given])
    # anything else in a row without a label does not matter
    if not has_label.all():
        raw, values = raw[has_label], {ours: column[has_label] for ours, column in values.items()}
    table = pd.DataFrame(
        {ours: values[ours] if ours in values else stripped(raw[theirs]) for ours, theirs in columns.items()}
    )

    if "row_id" in table:
        refuse(table["row_id"] == "", raw, [columns["row_id"]], path, "a name")
    else:
        table["row_id"] = [f"{name}:{line}" for line in table.index]
    _refuse_other_letters(table, raw, columns, path, missing)
    for ours in errors:
        if ours in table:
            table[ours] = numbers(raw, columns[ours], path, missing)
            refuse(table[ours] < 0, raw, [columns[ours]], path, "a number of at least 0")
    for ours in OPTIONAL:
        if ours in table:
            # - may also be a strand
            absent = table[ours].isin((*missing, *NO_NAME)) & ~table[ours].isin(ALLOWED.get(ours, ()))
            table[ours] = table[ours].mask(absent, "")
    for ours, allowed in ALLOWED.items():
        if ours in table:
            expected = f"{', '.join(allowed)} or nothing"
            refuse(~table[ours].isin([*allowed, ""]), raw, [columns[ours]], path, expected)
    if "strand" in table:
        table["strand"] = table["strand"].replace(".", "")
    _read_places(table, raw, columns, path, options["first_base"], missing)
    return table, count


def _read_places(
    table: pd.DataFrame,
    raw: pd.DataFrame,
    columns: dict[str, str],
    path: str,
    first_base: int,
    missing: Sequence[str],
) -> None:
    """Make a table's coordinates and variants canonical, in place; refuse any that do not belong to the insert."""
    for ours in ("start", "end"):
        if ours in table:
            position = numbers(raw, columns[ours], path, missing)
            whole = position.isna() | ((position >= first_base) & (position % 1 == 0) & (position <= LONGEST))
            expected = f"a whole number from {first_base} to {LONGEST:,}, longer than any chromosome"
            refuse(~whole, raw, [columns[ours]], path, expected)
            table[ours] = (position - (first_base if ours == "start" else 0)).astype("Int64")
    if "start" in table and "end" in table:
        refuse((table["end"] <= table["start"]).fillna(False), raw, [columns["end"]], path, "an end after the start")
    if "chrom" in table:
        table["chrom"] = chromosomes(table["chrom"], lambda row: f"{path}: line {line_of(raw, row)}")
    variants = None
    if "variant" in table:
        table["variant"], variants = _canonical_variants(table["variant"], path)
    from_one = ": set first_base: 1" if first_base == 0 else ""
    placement.check(table, path, from_one, WITHOUT_COORDINATES, variants=variants)


def _refuse_other_letters(
    table: pd.DataFrame, raw: pd.DataFrame, columns: dict[str, str], path: str, missing: Sequence[str]
) -> None:
    """Refuse a sequence that is missing (NA could be read as bases) or contains a letter that is not a base."""
    sequences = table["sequence"]
    absent = sequences.isin(missing)
    refuse(absent, raw, [columns["sequence"]], path, "letters A, C, G, T, U, N; fill it or delete the line")
    if letters_other_than(b"ACGTUNacgtun", sequences):
        for position, sequence in enumerate(sequences):
            try:
                dna.encode(sequence)
            except ValueError as error:
                raise InputError(
                    f"{path}: line {line_of(raw, position)}: {columns['sequence']} is {sequence!r}: {error}; "
                    "correct or delete the line"
                ) from None


def _refuse_names_in_two_files(parts: dict[str, pd.DataFrame], files: dict[str, str]) -> None:
    seen = pd.concat([part["row_id"].to_frame().assign(file=name) for name, part in parts.items()])
    again = seen["row_id"].duplicated().to_numpy()
    if again.any():
        position = int(again.argmax())
        name = seen["row_id"].iloc[position]
        before = int((seen["row_id"] == name).to_numpy().argmax())
        first, second = (f"{files[seen['file'].iloc[at]]}: line {line_of(seen, at)}" for at in (before, position))
        raise InputError(
            f"{second}: row_id is {name!r}, as in {first}; expected a unique name for each row of all files: rename or "
            "remove one"
        )


def _canonical_variants(variants: pd.Series, path: str) -> tuple[pd.Series, pd.DataFrame]:
    """Variants such as 7:70038969:g:t as chr7:70038969:G:T (other forms stay as they are), and the fields of all
    variants (`placement.parsed`), with canonical chromosomes."""
    fields = placement.parsed(variants)
    told = fields["pos"].notna()
    chrom = chromosomes(fields["chrom"].where(told, ""), lambda row: f"{path}: line {line_of(variants, row)}: variant")
    position = fields["pos"].astype("Int64").astype("str")
    named = chrom + ":" + position + ":" + fields["ref"] + ":" + fields["alt"]
    return named.where(told, variants), fields.assign(chrom=chrom)


def _measures(name: str, cells: Sequence[str]) -> list[str]:
    """`name` for a single label, or `name.{cell}` for each cell."""
    return [f"{name}.{cell}" for cell in cells] or [name]


def _check_options(options: dict[str, Any], cells: Sequence[str]) -> dict[str, str]:
    """The mapping of columns (for a file without a header, to the names that `read_table` gives them); refuses every
    mistake that can be seen without the file."""
    columns = options.get("columns", {})
    known = [*(name for name in COLUMNS if not cells or name not in OF_CELL.values())]
    known += [name for what in OF_CELL.values() for name in _measures(what, cells) if cells]
    for name in columns:
        if name not in known:
            raise InputError(f"source table: 'columns' has no {name!r}{kinds.nearest(name, known)}")
    for name in ("sequence", *_measures("label", cells)):
        if name not in columns:
            raise InputError(f"source table: 'columns' lacks {name!r}: give the name of its column in the file")
    if len(options["separator"]) != 1:
        raise InputError(f"source table: separator is {options['separator']!r}, expected one character")
    for key, needs in (("start", "chrom"), ("end", "chrom"), ("pair_id", "allele")):
        if key in columns and needs not in columns:
            raise InputError(f"source table: 'columns' has {key!r} but lacks {needs!r}, which it needs")
    for name in _measures("stderr", cells):
        if options["max_stderr"] is not None and name not in columns:
            raise InputError(
                f"source table: max_stderr is set, but 'columns' lacks {name!r}; add it, or remove max_stderr"
            )
    numbered = [name for name, column in columns.items() if isinstance(column, int)]
    if numbered and len(numbered) < len(columns):
        named = next(name for name in columns if name not in numbered)
        raise InputError(
            f"source table: 'columns' has the number {columns[numbered[0]]} for {numbered[0]!r} and the name "
            f"{columns[named]!r} for {named!r}, expected numbers for all (a file without a header) or names for all"
        )
    return {name: f"column {number}" for name, number in columns.items()} if numbered else columns
