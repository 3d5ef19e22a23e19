"""Splits: named assignments of rows to train, val and test that keep linked rows together."""

import importlib

import numpy as np
import pandas as pd

from s2f import dna, panel_files
from s2f.files import InputError, read_table
from s2f.provenance import derived_seed
from s2f.rows import EVALUATED_ONLY, letters_of, mapped, rows_where
from s2f.rows import chromosome as chromosome_name

PARTS = ("train", "val", "test")
# of the rows, what splits are made from
COLUMNS = ["row_id", "sequence", "label", "chrom", "start", "end", "pair_id", "group", "published"]
BLOCK = 100_000  # sequences looked at together, so that memory is used again and again


def clusters(rows):
    """Label rows that must not be told apart by a split: int array (N,), numbered by first occurrence.

    Linked are rows with equal sequence in either orientation, equal `pair_id` (alleles), equal `group`, or
    overlapping coordinates on one chromosome (windows and orientations of one locus).
    """
    joined = [_recurring(rows["sequence"]), _loci(rows)]
    for name in ("pair_id", "group"):
        linked = np.flatnonzero(rows[name] != "")
        joined.append((linked, pd.factorize(rows[name])[0][linked]))
    edges = []  # each row with the first one that has the same key
    for places, keys in joined:
        first = np.empty(keys.max(initial=-1) + 1, np.int64)
        first[keys[::-1]] = places[::-1]
        edges.append(np.stack([first[keys], places])[:, first[keys] != places])
    return _components(len(rows), *np.concatenate(edges, axis=1))


def _components(count, first, second):
    """Connected components of `count` nodes, int (N,), numbered by first occurrence; edge i is first[i], second[i].

    Every node points to one of its component with a number not above its own. The greater end of each edge is bent to
    the smaller, then all arrows are followed to their end, until no edge lies between two ends.
    """
    target = np.arange(count)
    while len(first):
        np.minimum.at(target, np.maximum(first, second), np.minimum(first, second))
        while not np.array_equal(further := target[target], target):
            target = further
        first, second = target[first], target[second]
        apart = first != second
        first, second = first[apart], second[apart]
    return (np.cumsum(target == np.arange(count)) - 1)[target]


def canonical_sequences(sequences):
    """Each sequence or its reverse complement, whichever sorts first: equal for the two orientations."""
    lengths = np.fromiter(map(len, sequences), np.int64, len(sequences))
    ends = np.cumsum(lengths)[::-1]
    # the reverse complement of all sequences in a row holds those of each, the last one first
    turned = dna.reverse_complement_text("".join(sequences))
    starts = (ends[:1] - ends).tolist()[::-1]
    return [
        min(sequence, turned[start : start + length])
        for sequence, start, length in zip(sequences, starts, lengths.tolist(), strict=True)
    ]


def _recurring(sequences):
    """Places of the sequences that occur again in either orientation, and the number of each such sequence.

    Nearly all occur once: a 64-bit sum over the middle, equal for both orientations, finds the few to compare.
    """
    sums = np.empty(len(sequences), np.uint64)
    factors = np.random.Generator(np.random.PCG64(0)).integers(2**64, size=8, dtype=np.uint64) | np.uint64(1)
    for begin in range(0, len(sequences), BLOCK):
        letters, starts, lengths = letters_of(sequences.iloc[begin : begin + BLOCK])
        for length in np.unique(lengths):
            places = np.flatnonzero(lengths == length)
            width = min(length, 64 - length % 2)
            middle = np.lib.stride_tricks.sliding_window_view(letters, width)[starts[places] + (length - width) // 2]
            complement = np.frombuffer(middle.tobytes().translate(dna.COMPLEMENT_BYTE), np.uint8)
            strands = _words(middle) + _words(np.ascontiguousarray(complement.reshape(middle.shape)[:, ::-1]))
            sums[begin + places] = strands @ factors[: strands.shape[1]]
    again = pd.Series(sums).duplicated(keep=False).to_numpy()
    candidates = canonical_sequences(sequences[again].tolist())
    return np.flatnonzero(again), pd.factorize(np.array(candidates, object))[0]


def _words(letters):
    """Rows of letters (N, length) as uint64 (N, words), eight letters to a word."""
    length = letters.shape[1]
    return (np.pad(letters, ((0, 0), (0, -length % 8))) if length % 8 else letters).view(np.uint64)


def _loci(rows):
    """Places of the rows with coordinates, and for each the number of the run of overlapping intervals it lies in."""
    placed = np.flatnonzero((rows["chrom"] != "") & rows["start"].notna() & rows["end"].notna())
    chrom = pd.factorize(rows["chrom"])[0][placed].astype(np.int64)
    start, end = (rows[name].to_numpy(np.int64, na_value=0)[placed] for name in ("start", "end"))
    if len(placed):  # lay the chromosomes one behind the other
        offset = chrom * (end.max() - start.min() + 1)
        start, end = start + offset, end + offset
    order = np.lexsort((end, start))
    reached = np.maximum.accumulate(end[order])
    run = np.concatenate([[0], np.cumsum(start[order][1:] >= reached[:-1])])[: len(placed)]
    return placed[order], run


def published(rows, spec, seed, label):
    """The split that came with the data: `spec` maps train, val and test to lists of published names."""
    parts = _one_part_each({part: spec[part] for part in PARTS}, "published part")
    unknown = sorted(set(rows["published"].unique()) - set(parts) - {""})
    if unknown:
        raise InputError(
            f"split: published part {unknown[0]!r} of the rows is not mapped to train, val or test; "
            f"mapped: {', '.join(parts)}"
        )
    return mapped(rows["published"], lambda name: parts.get(name, "excluded")), "no published part"


def chromosome(rows, spec, seed, label):
    """Whole chromosomes: `spec` lists `val` and `test`; `without_chromosome` says what happens to rows without one."""
    parts = _one_part_each({part: map(chromosome_name, spec[part]) for part in ("val", "test")}, "chromosome")
    absent = sorted(set(parts) - set(rows["chrom"].unique()))
    if absent == sorted(parts):
        raise InputError(f"split: none of the chromosomes {', '.join(parts)} occurs in the rows")
    if absent:
        print(f"split: no row lies on {', '.join(absent)}, which the split names")
    parts[""] = spec.get("without_chromosome", "excluded")
    return mapped(rows["chrom"], lambda name: parts.get(name, "train")), "no chromosome"


def random(rows, spec, seed, label):
    """Whole clusters drawn at random: `spec` gives the fractions `val` and `test` of the rows."""
    sizes = np.bincount(label)
    order = np.random.Generator(np.random.PCG64(derived_seed(seed, "split", spec["seed"]))).permutation(len(sizes))
    # cut where the running share of rows passes each border: parts are exact up to one cluster
    share = np.cumsum(sizes[order]) / len(rows)
    part = np.full(len(sizes), "train", object)
    part[order[share <= spec["test"]]] = "test"
    part[order[(share > spec["test"]) & (share <= spec["test"] + spec["val"])]] = "val"
    return pd.Series(part[label], index=rows.index), ""


def file(rows, spec, seed, label):
    """The rows that panel files list are test, whole clusters of the others are drawn into val, the rest trains.

    `spec`: `files` {name: path} (see `panel_files`), `label` in their columns, fraction `val` of the other rows.
    """
    test = np.zeros(len(rows), bool)
    for path in spec["files"].values():
        for frame in panel_files.read(path, spec["label"])[1]:
            places = panel_files.find(rows, frame, path)
            test[places[places >= 0]] = True
    free = ~np.isin(label, label[test])
    assigned = pd.Series(np.where(test, "test", "train"), index=rows.index, dtype=object)
    assigned[free], _ = random(rows[free], {"val": spec["val"], "test": 0, "seed": spec["seed"]}, seed, label[free])
    return assigned, ""


def _one_part_each(names, what):
    """Turn {part: names} round into {name: part}; `InputError` for a name in two parts."""
    parts = {}
    for part, members in names.items():
        for name in members:
            if parts.setdefault(name, part) != part:
                raise InputError(f"split: {what} {name!r} is listed under {parts[name]} and under {part}")
    return parts


def hashfrag(rows, spec, seed, label):
    """Whole groups of homologous inserts; see `s2f.hashfrag`, loaded only here because it compiles its aligner."""
    return importlib.import_module("s2f.hashfrag").hashfrag(rows, spec, seed, label)


def kfold(rows, spec, seed, label):
    """One fold of a grouped k-fold; see `s2f.folds`."""
    return importlib.import_module("s2f.folds").kfold(rows, spec, seed, label)


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


def strata(rows):
    """Class of every row, int (N,): its label where all labels are 0 or 1, else 0."""
    labels = rows["label"].to_numpy(np.float64)
    return labels.astype(np.int64) if np.isin(labels, (0, 1)).all() else np.zeros(len(rows), np.int64)


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


def parts_of(rows, path):
    """Rows of each part {train, val, test} by the split table at `path`, after `check_split`."""
    parts = check_split(rows, read_table(path, ["row_id", "split"], "split"))
    return {part: rows[parts == part] for part in PARTS}


def check_split(rows, table):
    """The part of every row, (N,) text in the order of `rows`, by a split table.

    Refuses a split with a row missing, unknown or twice, an unknown or empty part, or linked rows in two parts.
    """
    return parts_checked(rows, table, clusters(rows))


def parts_checked(rows, table, label):
    """As `check_split`, where the `clusters` of the rows are known: `label` (N,)."""
    return _parts_checked(rows, table["split"].to_numpy(object)[_places(rows, table)], label)


def _ranks(parts):
    """The place in `PARTS` of each of the `parts`, int (N,), -1 for excluded; refuses an unknown one."""
    codes, names = pd.factorize(parts, use_na_sentinel=False)
    for name in sorted({str(name) for name in names} - {*PARTS, "excluded"}):
        raise InputError(f"split: part {name!r} is unknown; known: {', '.join(PARTS)}, excluded")
    return np.array([PARTS.index(name) if name in PARTS else -1 for name in names], np.int64)[codes]


def _parts_checked(rows, parts, label):
    rank = _ranks(parts)
    for number, part in enumerate(PARTS):
        if not (rank == number).any():
            found = ", ".join(f"{name} {count}" for name, count in pd.Series(parts).value_counts().items())
            raise InputError(f"split: part {part!r} is empty (rows per part: {found})")
    used = np.flatnonzero(rank >= 0)
    first = np.full(label.max() + 1, -1)
    first[label[used[::-1]]] = rank[used[::-1]]  # the part of each cluster's first row
    leaks = np.flatnonzero(rank[used] != first[label[used]])
    if len(leaks):
        members = used[label[used] == label[used[leaks[0]]]]
        named = ", ".join(f"{rows['row_id'].iloc[i]} ({parts[i]})" for i in members[:4])
        raise InputError(f"split: linked rows lie in different parts: {named}")
    return parts


def parts_and_clusters(rows, table):
    """The part, (N,) text, and the cluster, (N,) int, of every row, in the order of `rows`, by a split table.

    The clusters are those that `make_split` wrote down, which must lie in one part each. Those of the test rows are
    computed again, so that a table of other rows, or one that was edited, does not pass: no link between test rows may
    be missing, and what joins them beyond it must be rows that the split excluded. (Whether test rows are linked to
    training rows is computed where models are trained, by `check_split`.) A table without clusters, made by hand, is
    checked in full. Raises `InputError` as `check_split`.
    """
    if "cluster" not in table:
        label = clusters(rows)
        return parts_checked(rows, table, label), label
    places = _places(rows, table)
    try:
        label = table["cluster"].to_numpy(np.int64)[places]
    except (ValueError, OverflowError) as error:
        raise InputError(
            f"split: a cell of column cluster is no whole number ({error}); make the split again"
        ) from None
    if label.min() < 0 or label.max() >= len(rows):
        raise InputError(
            f"split: clusters are {label.min()} to {label.max()}, expected numbers from 0 to {len(rows) - 1}"
        )
    parts = _parts_checked(rows, table["split"].to_numpy(object)[places], label)
    in_test = parts == "test"
    found, stated = clusters(rows_where(rows, in_test)), label[in_test]
    first = np.empty(found.max() + 1, np.int64)
    first[found[::-1]] = stated[::-1]
    joined = np.bincount(first, minlength=label.max() + 1)  # clusters found in each stated one
    bridged = np.zeros(label.max() + 1, bool)
    bridged[label[parts == "excluded"]] = True
    wrong = (first[found] != stated) | ((joined > 1) & ~bridged)[stated]
    if wrong.any():
        row = rows["row_id"][in_test].iloc[int(wrong.argmax())]
        raise InputError(f"split: test row {row!r} has another cluster than its links give; make the split again")
    return parts, label


def _places(rows, table):
    """Where in a split table each of the rows stands, (N,) int; refuses another set of rows and repeated ones."""
    if table["row_id"].reset_index(drop=True).equals(rows["row_id"].reset_index(drop=True)):
        return np.arange(len(rows))  # as `make_split` writes it; row_id of rows are unique
    ids = pd.Index(table["row_id"])
    if ids.has_duplicates:
        raise InputError(f"split: row {ids[ids.duplicated()][0]!r} is assigned twice")
    places = ids.get_indexer(rows["row_id"])
    if (places < 0).any() or len(ids) != len(rows):
        odd = sorted(set(ids) ^ set(rows["row_id"]))[0]
        raise InputError(f"split: row {odd!r} is in the rows or in the split, but not in both; make the split again")
    return places
