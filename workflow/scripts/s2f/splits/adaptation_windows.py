"""Windows for task-adaptive training: the training rows of datasets, without what any of their splits holds out."""

from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import pandas as pd

from s2f.common.errors import InputError
from s2f.common.tables import read_table
from s2f.rows.canonical import read_rows
from s2f.rows.stages import Stages
from s2f.splits.homology.groups import homologous_groups, now_and_then
from s2f.splits.linked_rows import joined, loci
from s2f.splits.table import PARTS, check_split
from s2f.splits.units_table import read_units


def of_datasets(
    tables: Sequence[tuple[str | Path, str | Path, str | Path]],
    positives: bool = False,
    threads: int = 1,
    report: Callable[[str], object] = print,
    stages: Stages | None = None,
) -> dict[str, pd.DataFrame]:
    """{"train": rows, "val": rows} of several datasets, each given by the paths of rows.parquet, units.tsv and split.

    A row is linked with rows that have an equal sequence in either orientation, overlapping coordinates, or the same
    pair or group. Among all rows, in whatever dataset, that it is linked with or homologous to, also through a chain of
    rows, the part that best protects the evaluation decides: what one dataset tests on is never trained on. The units
    say which rows are homologous within a dataset; homologs between datasets are searched here, with the thresholds
    given in the units. `positives`: use only rows whose label is 1, the bound windows of a classification. Equal
    sequences are kept once. The counts of what is dropped are added to `stages`. Raises `InputError` if a part remains
    empty, and if some datasets have coordinates and others have none: windows of one locus that were cut differently
    could then not be recognised.
    """
    stages = stages or Stages()
    frames = []
    for number, (path, units, split) in enumerate(tables):
        rows = read_rows(path)
        of_row = read_units(units, rows)
        parts = check_split(rows, read_table(split, ["row_id", "split"], "split"))
        rank = pd.Index(PARTS).get_indexer(parts)  # -1 for excluded rows
        names = {name: rows[name].where(rows[name] == "", f"{number} " + rows[name]) for name in ("pair_id", "group")}
        frames.append(rows.assign(rank=rank, **names, unit=of_row["unit"], threshold=of_row["threshold"], table=number))
    placed = [bool(frame["start"].notna().any()) for frame in frames]
    several = len({path for path, *_ in tables}) > 1
    if several and len(set(placed)) > 1:
        with_, without = (
            next(path for (path, *_), p in zip(tables, placed, strict=True) if p == want) for want in (1, 0)
        )
        raise InputError(
            f"{with_} has coordinates and {without} has none, so it is unknown whether one trains on what the other "
            "evaluates; adapt to them separately"
        )
    rows = pd.concat(frames, ignore_index=True)
    links = [loci(rows), rows.groupby(["table", "unit"]).ngroup().to_numpy()]
    if several:
        report(f"searching {len(rows):,} rows of {len(tables)} splits for homologs on {threads} thread(s)")
        needed = rows["threshold"].to_numpy()
        links.append(
            homologous_groups(rows["sequence"].tolist(), needed, threads=threads, progress=now_and_then(report))
        )
    linked = joined(links)
    highest = np.full(linked.max() + 1, -1)
    np.maximum.at(highest, linked, rows["rank"].to_numpy())
    stages.left("rows of each split", len(rows))
    stages.left("in a part of it", (rows["rank"] >= 0).sum())
    usable = (rows["rank"] == highest[linked]) & (rows["rank"] >= 0)
    stages.left("not linked or homologous to a row held out", usable.sum())
    usable &= rows["rank"] < PARTS.index("test")
    stages.choose("of train and val", usable.sum())
    if positives:
        usable &= rows["label"] == 1
        stages.choose("bound", usable.sum())
    found = {}
    for number, part in enumerate(PARTS[:2]):
        chosen = rows[usable & (rows["rank"] == number)].drop_duplicates("sequence")
        if chosen.empty:
            raise InputError(f"{tables[0][0]}: no window of {len(rows)} rows remains in part {part!r}")
        stages.part(part, len(chosen))
        found[part] = chosen.drop(columns=["rank", "unit", "threshold", "table"]).reset_index(drop=True)
    stages.left("sequences once", sum(map(len, found.values())))
    return found
