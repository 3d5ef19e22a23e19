"""Panels: named evaluation sets made from the test rows of a split."""

from typing import Any

import numpy as np

from s2f.common import kinds
from s2f.common.errors import InputError
from s2f.common.tables import rows_where
from s2f.rows.canonical import EVALUATED_ONLY
from s2f.rows.stages import Stages
from s2f.splits import panel_files, regions
from s2f.splits.table import FEWEST, parts_checked
from s2f.splits.units_table import check_loci


def make_panel(
    rows: Any,
    split: Any,
    section: dict[str, Any],
    name: str,
    units: Any,
    stages: Stages | None = None,
    split_name: str = "",
) -> Any:
    """Evaluation set `name` from canonical `rows` and the table of a `split`; `section` is its section in a study.

    A panel consists of the test rows, limited to the published parts in its `published` if given; rows that are only
    ever evaluated (designed sequences) are included only if named there. With `file`, the rows or pairs listed in a
    published file are used instead (see `panel_files`); `label` is the label in its columns, and `incomplete` skips
    what the dataset lacks instead of refusing the file. `within` keeps what lies in regions (see `regions`). What is
    made from the rows depends on the kind. `group` is what a bootstrap draws as a whole: the unit from the table
    `units` (`units_table.read_units`, in the order of the rows), or the units that pairs join. The counts of what is
    dropped, and why, are added to `stages`. `split_name` is how messages call the split.

    Raises `InputError` for a split or units that do not belong to the rows (`parts_checked`, `check_loci`), a panel of
    fewer than 3 items, a locus with more than one reference and a file that lists rows that are not in test.
    """
    stages = stages or Stages()
    options = {"kind": section["kind"]} | kinds.settings("panels", section["kind"], section)
    unit, locus = units["unit"].to_numpy(), units["locus"].to_numpy()
    parts = parts_checked(rows, split, locus)
    check_loci(rows, locus, parts == "test", parts == "excluded")
    if "file" in options:
        panel = _listed(rows, unit, parts, options, name, stages)
    else:
        in_test = parts == "test"
        panel = _of_test(_with_unit(rows_where(rows, in_test), unit[in_test]), options, name, stages)
    if "within" in options:
        panel = regions.limited(panel, rows, options["within"], name, stages)
    if len(panel) < FEWEST:
        items = kinds.facts("panels", options["kind"])["items"]
        what, count = stages.counts[0]
        where = f"panel {name}" + (f", split {split_name}" if split_name else "")
        fix = (
            "give test a larger share or more chromosomes in the split's section, or a k-fold split fewer folds; or "
            "loosen the panel's own conditions"
        )
        raise InputError(
            f"{where}: {len(panel)} {items} remain of {count} {what}, expected at least {FEWEST} ({stages}); {fix}"
        )
    return panel


def _of_test(test: Any, options: dict[str, Any], name: str, stages: Stages) -> Any:
    """The panel described by `options`, without a file."""
    if options.get("published"):
        absent = sorted(set(options["published"]) - set(test["published"]))
        if absent:
            there = ", ".join(sorted(set(test["published"]))) or "none"
            raise InputError(
                f"panel {name}: no test row belongs to the published part {absent[0]!r}; there are: {there}"
            )
        test = test[test["published"].isin(options["published"])]
    else:
        test = test[~test["published"].str.startswith(EVALUATED_ONLY)]
    stages.left("test rows", len(test))
    panel = kinds.module("panels", options["kind"]).of_test(test, options, name, stages)
    if len(panel) != stages.counts[-1][1]:
        stages.left(f"of the kind {options['kind']}", len(panel))
    return panel


def _with_unit(rows: Any, unit: np.ndarray) -> Any:
    return rows.assign(unit=[f"u{number}" for number in unit])


def _listed(rows: Any, unit: np.ndarray, parts: np.ndarray, options: dict[str, Any], name: str, stages: Stages) -> Any:
    path = options["file"]
    items, frames = panel_files.read(path, options["label"])
    if items != kinds.facts("panels", options["kind"])["items"]:
        raise InputError(f"panel {name}: {path} lists {items}, but the panel is of kind {options['kind']}")
    indices = np.array([panel_files.find(rows, frame, path) for frame in frames])
    found: Any = (indices >= 0).all(axis=0)
    stages.left(f"{items} of {path}", len(found))
    stages.left("in the dataset", found.sum())
    print(f"panel {name}: {found.sum()} of the {len(found)} {items} of {path} are in the dataset")
    if not found.all() and not options.get("incomplete"):
        lost = next(
            frame["row_id"].iloc[i] for frame, p in zip(frames, indices, strict=True) for i in np.flatnonzero(p < 0)
        )
        raise InputError(
            f"panel {name}: {(~found).sum()} of the {len(found)} {items} of {path} are not in the dataset, for "
            f"example {lost!r}; published files were made before filters, so switch off the filters of the source, "
            "or set incomplete: true"
        )
    indices = indices[:, found]
    wrong = parts[indices] != "test"
    if wrong.any():
        index = indices[wrong][0]
        raise InputError(
            f"panel {name}: row {rows['row_id'].iloc[index]!r} of {path} is {parts[index]} in this split, expected "
            "test; a split of kind file puts the rows of such files there"
        )
    lists = [_with_unit(rows.iloc[p], unit[p]) for p in indices]
    return kinds.module("panels", options["kind"]).of_lists(lists)
