"""Windows for task-adaptive training: the training rows of datasets, without what any of their splits holds out."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pandas as pd

from s2f.common.errors import InputError
from s2f.common.tables import read_table
from s2f.rows.canonical import read_rows
from s2f.splits.linked_rows import clusters
from s2f.splits.table import PARTS, check_split


def of_datasets(pairs: Sequence[tuple[str | Path, str | Path]], positives: bool = False) -> dict[str, pd.DataFrame]:
    """{"train": rows, "val": rows} of several datasets, each a pair of paths (rows.parquet, table of its split).

    A row counts for the part that protects the evaluation most among all rows it is linked with (equal sequence in
    either orientation, overlapping coordinates, one pair or group), of whatever dataset: what one dataset tests on
    never trains. `positives`: only rows whose label is 1, the bound windows of a classification. Equal sequences
    appear once. Raises `InputError` when a part is left empty, and when some datasets have coordinates and others none:
    windows of one locus, cut differently, could then not be told.
    """
    frames = []
    for number, (path, split) in enumerate(pairs):
        rows = read_rows(path)
        parts = check_split(rows, read_table(split, ["row_id", "split"], "split"))
        rank = pd.Index(PARTS).get_indexer(parts)  # -1 where excluded
        names = {name: rows[name].where(rows[name] == "", f"{number} " + rows[name]) for name in ("pair_id", "group")}
        frames.append(rows.assign(rank=rank, **names))
    placed = [bool(frame["start"].notna().any()) for frame in frames]
    if len({path for path, _ in pairs}) > 1 and len(set(placed)) > 1:
        with_, without = (
            next(path for (path, _), p in zip(pairs, placed, strict=True) if p == want) for want in (1, 0)
        )
        raise InputError(
            f"{with_} has coordinates and {without} has none: whether one trains on what the other evaluates cannot be "
            "told; adapt to them apart"
        )
    rows = pd.concat(frames, ignore_index=True)
    cluster = clusters(rows)
    highest = np.full(cluster.max() + 1, -1)
    np.maximum.at(highest, cluster, rows["rank"].to_numpy())
    usable = (rows["rank"] == highest[cluster]) & (rows["rank"] >= 0)
    if positives:
        usable &= rows["label"] == 1
    found = {}
    for number, part in enumerate(PARTS[:2]):
        chosen = rows[usable & (rows["rank"] == number)].drop_duplicates("sequence")
        if chosen.empty:
            raise InputError(f"{pairs[0][0]}: no window is left in part {part!r} of {len(rows)} rows")
        found[part] = chosen.drop(columns="rank").reset_index(drop=True)
    return found
