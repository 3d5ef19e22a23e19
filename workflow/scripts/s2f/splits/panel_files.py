"""Published panel files, in the formats of ALBench-S2F: which rows of a dataset they list.

There are three forms, recognised by their columns (trchristensen-99/ALBench-S2F; other columns are ignored):

    test_in_distribution_hashfrag.tsv    IDs, sequence, {label}                                     kind rows
    test_ood_designed_{cell}.tsv         ID, sequence, {label}                                      kind rows
    test_snv_pairs_hashfrag.tsv          IDs_ref, sequence_ref, {label}_ref and the same _alt       kind pairs

where {label} is K562_log2FC, HepG2_log2FC or SKNSH_log2FC.
"""

from pathlib import Path

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from s2f.common.errors import InputError
from s2f.common.kinds import near
from s2f.common.tables import line_of, numbers, read_table

IDS = ("IDs", "ID")


def read(path: str | Path, label_column: str) -> tuple[str, list[pd.DataFrame]]:
    """(kind, frames) of a panel file: frames of row_id, sequence and label, one for `rows`, ref and alt for `pairs`.

    Raises `InputError` if the columns fit neither form, if a number is invalid, or if a line (its alternate allele)
    occurs twice; an ID may occur twice with different labels.
    """
    raw = read_table(path, text="panel file", numbered=True)
    if {"IDs_ref", "IDs_alt"} <= set(raw):
        kind, forms = "pairs", [("IDs_ref", "_ref"), ("IDs_alt", "_alt")]
    elif any(name in raw for name in IDS):
        kind, forms = "rows", [(next(name for name in IDS if name in raw), "")]
    else:
        raise InputError(
            f"{path}: columns are {', '.join(raw)}, expected IDs, ID, or both IDs_ref and IDs_alt among them"
        )
    frames = []
    for name, ending in forms:
        for column in (f"sequence{ending}", f"{label_column}{ending}"):
            if column not in raw:
                there = ", ".join(raw)
                raise InputError(f"{path}: column {column!r} is missing; the file has: {there}{near(column, raw)}")
        values = numbers(raw, f"{label_column}{ending}", path)
        frames.append(pd.DataFrame({"row_id": raw[name], "sequence": raw[f"sequence{ending}"], "label": values}))
    again = frames[-1].duplicated()
    if again.any():
        position = int(again.argmax())
        name = frames[-1]["row_id"].iloc[position]
        raise InputError(f"{path}: line {line_of(raw, position)}: {name!r} occurs a second time")
    return kind, frames


def find(rows: pd.DataFrame, listed: pd.DataFrame, path: str | Path) -> NDArray[np.int64]:
    """Indices in canonical `rows` of the `listed` rows in a frame from `read`, -1 if the dataset lacks one: (N,).

    A row is the listed one if its row_id matches (up to an @, which a source adds to distinguish repeated IDs) and its
    sequence and label are the listed ones. Raises `InputError` for a listed row whose ID is present with a different
    sequence or label: it comes from another version of the table.
    """
    names = rows["row_id"].where(rows["row_id"].isin(set(listed["row_id"])), rows["row_id"].str.split("@").str[0])
    present = pd.DataFrame({"name": names.to_numpy(), "position": np.arange(len(rows))})
    joined = listed.assign(number=np.arange(len(listed))).merge(present, left_on="row_id", right_on="name")
    index = joined["position"].to_numpy()
    for column, same in (
        ("sequence", joined["sequence"].to_numpy() == rows["sequence"].to_numpy()[index]),
        ("label", np.isclose(joined["label"], rows["label"].to_numpy()[index], rtol=1e-6, atol=1e-6)),
    ):
        lost = set(joined["number"]) - set(joined["number"][same])
        if lost:
            name = listed["row_id"].iloc[min(lost)]
            raise InputError(f"{path}: row {name!r}: {column} differs from the dataset")
        joined, index = joined[same], index[same]
    found = np.full(len(listed), -1)
    found[joined["number"].to_numpy()[::-1]] = index[::-1]  # the first one, if there are several
    return found
