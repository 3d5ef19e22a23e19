"""Sources: one module per kind of assay table; `read` gives its rows in canonical form.

A source is a module of this package with ``read(files, spec) -> (table, Stages)``: `files` maps names to paths, `spec`
is its section of the config, and `table` has columns from `canonical.COLUMNS`. A source that can give the labels of
several cells says so by its fact `cells`; for datasets with cells it is called as ``read(files, spec, cells)``, and
`table` then has columns `label.{cell}` and, if known, `stderr.{cell}` in place of `label` and `stderr`. The module's
name is its kind; its options and facts are in the YAML beside it (see `common.kinds`).
"""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from s2f.common import kinds
from s2f.common.errors import InputError
from s2f.rows import canonical
from s2f.rows.stages import MEASURED, Stages


def read(
    kind: str,
    files: dict[str, str],
    spec: dict[str, Any],
    task: str = "regression",
    cells: Sequence[str] = (),
    strand_rule: str = "",
) -> tuple[pd.DataFrame, Stages]:
    """Rows of the source `kind` in canonical form (see `rows.canonical`) and the `Stages` of its filters.

    With `cells`, each row has their labels, and rows without any are dropped. Raises `InputError` for an unknown kind,
    a cell that the source does not have, the letter U if the `strand_rule` is mean, labels that are all equal, and
    whatever the source finds wrong in its files or options.
    """
    if len(cells) == 1:
        raise InputError(
            f"source {kind}: cells is {cells[0]}, expected two or more; choose a single one with the option label"
        )
    facts = kinds.facts("sources", kind)
    known = facts["cells"]
    strange = [cell for cell in cells if cell not in known]
    if strange and not facts["cells_of_columns"]:
        raise InputError(f"source {kind}: cell {strange[0]!r}{kinds.nearest(strange[0], known)}")
    table, stages = kinds.module("sources", kind).read(files, spec, *([cells] if cells else []))
    name = names_of(files) or kind
    if table.empty:
        raise InputError(f"{name}: no rows remain{stages.emptied()}")
    if strand_rule == "mean":
        _refuse_rna(table, name)
    rows = canonical.canonical(table, name, task, cells)
    _refuse_constant_labels(rows, name, task)
    return rows, stages


def _refuse_constant_labels(rows: pd.DataFrame, path: str | Path, task: str) -> None:
    """Refuse labels, of any cell, that are equal in all rows: nothing can be learned from them or measured."""
    labels = canonical.labels_of(rows).reshape(len(rows), -1)
    for of_cell, cell in zip(labels.T, canonical.cells_of(rows) or [""], strict=True):
        known = of_cell[np.isfinite(of_cell)]
        if len(known) > 1 and known.min() == known.max():
            expected = (
                "rows of both classes, 1 and 0" if task == "classification" else "a measured value, which differs"
            )
            raise InputError(
                f"{path}: the label{f' of {cell}' if cell else ''} is {known[0]:g} in all {len(known):,} rows, "
                f"expected {expected}; is it the right column?"
            )


def _refuse_rna(table: pd.DataFrame, path: str | Path) -> None:
    """Refuse sequences with the letter U: they would be averaged with a strand that RNA does not have."""
    letters = canonical.letters_of(table["sequence"])[0].tobytes()
    if b"U" in letters or b"u" in letters:
        row = table[table["sequence"].str.contains("U", case=False, regex=False)].iloc[0]
        raise InputError(
            f"{path}: row {row['row_id']!r} has the letter U, so it is RNA, which has one strand; expected "
            "strand_rule: forward of the dataset, or T instead of U if the rows are DNA"
        )


def measured(table: pd.DataFrame, stages: Stages, cells: Sequence[str] = ()) -> pd.DataFrame:
    """The rows with a label, or, if there are `cells`, with a label in any of them; counted in `stages`."""
    if not cells:
        return stages.keep(MEASURED, table, table["label"].notna())
    has_label = table[[f"label.{cell}" for cell in cells]].notna()
    for cell in cells:
        stages.part(f"label of {cell}", int(has_label[f"label.{cell}"].sum()))
    return stages.keep(MEASURED, table, has_label.any(axis=1))


def file_of(files: dict[str, str], name: str, kind: str) -> str:
    """The path under `name` in the `files` of a source; `InputError` if the config does not give it."""
    if name not in files:
        given = ", ".join(sorted(files)) or "none"
        raise InputError(f"source {kind}: file {name!r} is missing from 'files'; given: {given}")
    return files[name]


def names_of(files: dict[str, str]) -> str:
    """What messages call the files of the rows: the single file, or all of them."""
    return str(files["rows"]) if "rows" in files else ", ".join(map(str, files.values()))


def complete_pairs(table: pd.DataFrame, path: str | Path) -> pd.DataFrame:
    """`table` with an empty `pair_id` wherever it does not link one ref row with at least one alt row.

    Filters can remove one allele of a pair; the remaining row is an ordinary one (its `group` still ties it to its
    locus). Raises `InputError` for a pair with two ref rows, and for a row of a pair without an allele: no delta could
    be computed.
    """
    paired = (table["pair_id"] != "").to_numpy(bool)
    ref, alt = (paired & (table["allele"] == allele).to_numpy(bool) for allele in ("ref", "alt"))
    odd = paired & ~ref & ~alt
    if odd.any():
        row = table.iloc[int(odd.argmax())]
        raise InputError(
            f"{path}: row {row['row_id']!r} has a pair_id, but allele is {row['allele']!r}, expected ref or alt"
        )
    pair, names = pd.factorize(table["pair_id"])
    refs, alts = (np.bincount(pair[chosen], minlength=len(names)) for chosen in (ref, alt))
    if (refs > 1).any():
        name = min(names[refs > 1])
        members = table["row_id"][ref & (table["pair_id"] == name).to_numpy(bool)]
        raise InputError(f"{path}: pair {name!r} has {len(members)} ref rows, expected one: {', '.join(members[:3])}")
    whole = paired & ((refs == 1) & (alts >= 1))[pair]
    return table.assign(pair_id=table["pair_id"].where(whole, ""))
