"""Splits: named assignments of rows to train, val and test that keep linked rows together."""

import importlib

import numpy as np
import pandas as pd

from s2f.common.errors import InputError
from s2f.common.provenance import derived_seed
from s2f.rows.canonical import EVALUATED_ONLY
from s2f.splits.kinds.chromosome import chromosome
from s2f.splits.kinds.file import file
from s2f.splits.kinds.published import published
from s2f.splits.kinds.random import random
from s2f.splits.linked_rows import clusters
from s2f.splits.table import PARTS, _parts_checked, _ranks, strata


def hashfrag(rows, spec, seed, label):
    """Whole groups of homologous inserts; loaded only here as it compiles its aligner."""
    return importlib.import_module("s2f.splits.kinds.hashfrag").hashfrag(rows, spec, seed, label)


def kfold(rows, spec, seed, label):
    """One fold of a grouped k-fold; see `s2f.splits.kinds.kfold`."""
    return importlib.import_module("s2f.splits.kinds.kfold").kfold(rows, spec, seed, label)


# each kind: (rows, spec, seed of the study, clusters (N,)) -> (part or "excluded" per row, reason of exclusions)
KINDS = {
    "published": published, "chromosome": chromosome, "random": random, "file": file, "hashfrag": hashfrag,
    "kfold": kfold,
}  # fmt: skip


def make_split(rows, spec, seed):
    """Assign every row: data frame row_id, split (train, val, test, excluded), reason, cluster (see `clusters`).

    Rows that are only ever evaluated (`rows.EVALUATED_ONLY`) are test whatever the kind says.
    Rows linked across parts (see `clusters`) stay only in the part that protects the evaluation most (test, then
    val) and are excluded elsewhere, with the reason. With `train_rows` in the spec so many training rows are kept (see
    `_surplus`), the others are excluded. Raises `InputError` for an unknown kind and an empty part.
    """
    if spec["kind"] not in KINDS:
        raise InputError(f"split: kind {spec['kind']!r} is unknown; known: {', '.join(KINDS)}")
    label = clusters(rows)
    own = ~rows["published"].str.startswith(EVALUATED_ONLY).to_numpy(bool)
    assigned, why = KINDS[spec["kind"]](rows if own.all() else rows[own], spec, seed, label[own])
    rank = np.full(len(rows), PARTS.index("test"))
    rank[own] = _ranks(assigned)
    highest = np.full(label.max() + 1, -1)
    np.maximum.at(highest, label, rank)
    leaks = (rank >= 0) & (rank < highest[label])
    reasons = ["", why, *(f"linked to a {part} row" for part in PARTS), "subsample"]
    reason = (rank < 0).astype(np.int64)
    reason[leaks] = 2 + highest[label[leaks]]
    rank[leaks] = -1
    if "train_rows" in spec:
        surplus = _surplus(rows, np.flatnonzero(rank == 0), spec, seed)
        rank[surplus], reason[surplus] = -1, len(reasons) - 1
    split, reason = pd.array([*PARTS, "excluded"], "str").take(rank), pd.array(reasons, "str").take(reason)
    table = pd.DataFrame({"row_id": rows["row_id"], "split": split, "reason": reason, "cluster": label})
    _parts_checked(rows, split, label)
    return table


def _surplus(rows, train, spec, seed):
    """Places of the training rows, of those at `train`, that `train_rows` leaves out.

    The kept ones are drawn at random with the classes balanced as they are (to one row) and nested: those of 100 are
    among those of 200. Raises `InputError` when there are fewer, or one class would be left of two.
    """
    wanted, classes = spec["train_rows"], strata(rows)[train]
    if wanted > len(train):
        raise InputError(f"split: train_rows is {wanted}, the split has {len(train)} training rows")
    generator = np.random.Generator(np.random.PCG64(derived_seed(seed, "train_rows", spec.get("seed", 0))))
    place = np.empty(len(train))  # of each row in its shuffled class, from 0 to 1
    for number in np.unique(classes):
        own = np.flatnonzero(classes == number)
        place[own] = (generator.permutation(len(own)) + 0.5) / len(own)
    order = np.argsort(place, kind="stable")
    if len(np.unique(classes)) > len(np.unique(classes[order[:wanted]])):
        raise InputError(f"split: train_rows is {wanted}, which leaves one class of training rows; take more")
    return train[order[wanted:]]
