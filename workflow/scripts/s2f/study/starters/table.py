"""A first study of a table of sequences and labels."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd

from s2f.common.errors import InputError
from s2f.rows import sources
from s2f.rows.canonical import labels_of
from s2f.rows.sources.table import OR_MISSING, WITHOUT_COORDINATES
from s2f.rows.survey import Survey, survey
from s2f.sequences.constructs import Construct
from s2f.splits.table import FEWEST
from s2f.study.starters.choices import (
    WANTED_SHARE,
    Inserts,
    Models,
    Split,
    add_sections,
    add_strand_rule,
    construct_of,
    split_of,
)
from s2f.study.starters.draft import Draft, dataset_name, scalar


def write(draft: Draft, path: Path) -> None:
    """Append the sections of a study. Raises `InputError` as `survey` and the source `table` do, and for inserts that
    no window holds."""
    found, rows = _read(survey(path))
    binary = not found.cells and bool(np.isin(rows["label"], (0.0, 1.0)).all())
    task = "classification" if binary else "regression"
    labels, about = labels_of(rows), Inserts.of(rows)
    name = dataset_name(path.name.split(".")[0])
    count = f"{len(rows):,} of {found.rows:,} rows have a label" if found.rows > len(rows) else f"{len(rows):,} rows"
    draft.summary = f"{count}; {about.text(found.rna)}."
    low, high = np.nanmin(labels), np.nanmax(labels)
    draft.say(2, draft.summary)
    draft.add(f"  {scalar(name)}:")
    if task == "classification":
        draft.add(f"    task: classification  # labels are 0 and 1; {int(labels.sum()):,} are 1")
    else:
        if low >= 0 and high > 1000:
            draft.ask(
                4,
                f"the labels reach from {low:g} to {high:g}: are they counts? If so, write their logarithms into the "
                "table, or the largest few rows will dominate training",
            )
        draft.add(f"    task: regression  # labels from {low:g} to {high:g}")
    add_strand_rule(draft, found.rna, task)
    measured = found.columns.get("label", "")
    if isinstance(measured, str) and measured:
        draft.add(f"    measured: {scalar(measured)}  # name of the label on the axes of plots; add its unit")
    _add_source(draft, found, path)
    if found.cells:
        draft.add(f"    cells: [{', '.join(found.cells)}]  # each has its own label; plots show the first")
    construct = construct_of(about, task, found.rna)
    split = split_of(rows, about, task, path)
    draft.add(f"    construct: {construct.name}", f"    splits: [{split.name}]", "    panels:")
    draft.add("      held_out: {kind: rows}  # all test rows")
    if "pair_id" in found.columns and task == "regression":
        _add_pairs(draft, rows, split)
    Construct.from_spec(construct.spec).check_inserts(rows, path)
    add_sections(draft, construct, split, Models(task, found.rna, bool(found.cells), about.one_length), found)


def _read(found: Survey) -> tuple[Survey, pd.DataFrame]:
    """The rows as the source reads them with the settings found, without coordinates that do not belong to the
    inserts."""
    try:
        files, rule = {"rows": found.path}, "forward" if found.rna else "mean"
        rows, _ = sources.read("table", files, found.spec(), "regression", found.cells, rule)
        return found, rows
    except InputError as error:
        text, label, end = str(error).partition(OR_MISSING)
        if label:  # there is no study yet in which `missing` could be written
            raise InputError(f"{text}; correct the cell, or empty it if there is no value{end}") from None
        text, coordinates, _ = str(error).partition(WITHOUT_COORDINATES)
        if not coordinates:
            raise
        columns = {ours: name for ours, name in found.columns.items() if ours not in ("start", "end")}
        return _read(
            replace(found, columns=columns, notes=found.notes | {"chrom": f"start and end are not used: {text}"})
        )


def _add_source(draft: Draft, found: Survey, path: Path) -> None:
    """Append the source of a dataset, with what was found and asked about each of its options."""
    draft.add("    source:", "      kind: table")
    draft.add(f"      files: {{rows: {scalar(str(path))}}}")
    spec = found.spec()
    if "separator" in spec:
        draft.add(f'      separator: "{found.separator}"')
    if "missing" in found.questions:
        draft.ask(6, found.questions["missing"])
        draft.add(f"      missing: [{', '.join(map(scalar, found.missing))}]")
    if found.first_base:
        draft.add("      first_base: 1  # start and end count from 1, and end is the last base of the insert")
    draft.add(f"      columns:{'' if found.header else '  # by number, as the file has no header'}")
    said = set()
    for ours in ("columns", *found.columns):
        about = ours.partition(".")[0]  # with several cells, the comment is above the label of the first
        if about not in said and about in found.notes:
            draft.say(8, found.notes[about])
        if about not in said and about in found.questions:
            draft.ask(8, found.questions[about])
        said.add(about)
        if ours in found.columns:
            draft.add(f"        {ours}: {scalar(found.columns[ours])}")
    if any(ours.startswith("stderr") for ours in found.columns):
        draft.add("      # max_stderr: 1.0  # leaves out labels with a larger standard error")


def _add_pairs(draft: Draft, rows: pd.DataFrame, split: Split) -> None:
    """Append a panel of pairs of alleles if the test rows contain enough of them."""
    alternate = (rows["pair_id"] != "") & (rows["allele"] == "alt")
    known = split.test is not None
    count = int((alternate & split.test).sum() if known else alternate.sum() * WANTED_SHARE)
    if count >= FEWEST:
        draft.add(f"      alleles: {{kind: pairs}}  # effects of variants: {'' if known else 'about '}{count:,} pairs")
    else:
        draft.say(6, f"no panel of variants: it needs {FEWEST} pairs of alleles among the test rows; there are {count}")
