"""Tables in the format of Table S2 of Gosai 2024, with any number of rows, planted anomalies and the truth about them.

    python tests/helpers/table_s2.py ROWS OUT [--seed N]

writes one (798064 rows: the size of the published table) and prints what a reader must find in it. All values are made
up. Pairs come in blocks of `BLOCK`, in which these slots are special and the others are single SNVs in window wC:

    0, 1, 2    one SNV in the windows wC, wL and wR             7     a deletion: the alternate insert is short
    3, 4       one SNV, without and with a haplotype tag        8     an insertion: the reference insert is short
    5, 6       two alternate bases of one position              9, 10 the same IDs measured in two libraries
"""

import argparse
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow
from pyarrow import csv

CELLS = ("K562", "HepG2", "SKNSH")
LABELS = [f"{cell}_log2FC" for cell in CELLS]
ERRORS = [f"{cell}_lfcSE" for cell in CELLS]
COLUMNS = ["IDs", "chr", "data_project", "OL", "class", *LABELS, *ERRORS, "sequence"]
BLOCK = 40
SLOTS = {1: "wL", 2: "wR", 4: "haplotype", 6: "multi", 7: "deletion", 8: "insertion", 10: "repeated"}
PARENT = {1: 0, 2: 0, 4: 3, 6: 5, 10: 9}
OFFSET = {"wC": 99, "wL": 49, "wR": 149}  # of the variant; the values for wL and wR are made up
# megabases of chr1 ... chr22, chrX, chrY
SIZES = np.array(
    [249, 243, 198, 191, 181, 171, 159, 146, 141, 136, 135, 134, 115, 107, 103, 90, 81, 78, 59, 63, 48, 51, 155, 59]
)
NAMES = np.array([*map(str, range(1, 23)), "X", "Y"], object)


@dataclass(frozen=True)
class Truth:
    """What is planted, by row of the file: `role` ("", "cre" or of `SLOTS`), `anomaly` ("" or its name), number of the
    strict `pair` (-1: none), canonical `chrom`, and for each stage whether the row is `kept` there and in all stages
    before."""

    role: np.ndarray
    anomaly: np.ndarray
    pair: np.ndarray
    chrom: np.ndarray
    kept: dict


def generate(rows, seed=0):
    """(frame of `rows` rows with `COLUMNS` as text, Truth); at least 400 rows, an even number."""
    random = np.random.Generator(np.random.PCG64(seed))
    pairs = round(rows * 0.49)
    lone = rows - 2 * pairs
    slot = np.arange(pairs) % BLOCK
    parent = np.arange(pairs) - slot + np.array([PARENT.get(s, s) for s in range(BLOCK)])[slot]
    role = np.array([SLOTS.get(s, "") for s in range(BLOCK)], object)[slot]
    window = np.where(np.isin(role, ["wL", "wR"]), role, "wC").astype(object)

    chrom = random.choice(len(NAMES), pairs, p=SIZES / SIZES.sum())[parent]
    position = random.integers(10_000, SIZES[chrom] * 1_000_000, pairs)[parent]
    reference, alternate, ref_bases, alt_bases = _inserts(random, role, parent)
    tag = np.where(role == "haplotype", ":Alt_" + NAMES[chrom] + ":" + (position + 21).astype(str).astype(object), "")
    tag = np.where(role == "haplotype", tag + ":C:T", "")
    place = NAMES[chrom] + ":" + position.astype(str).astype(object) + ":" + ref_bases + ":" + alt_bases

    lone_chrom = random.choice(len(NAMES), lone, p=SIZES / SIZES.sum())
    lone_place = NAMES[lone_chrom] + ":" + np.arange(500, 500 + lone).astype(str).astype(object) + ":NA:NA"
    library = random.choice(["27", "29", "31", "33"], pairs)[parent].astype(object)
    library = np.where(role == "repeated", "35", library)
    project = random.choice(["UKBB", "GTEX"], pairs, p=[0.43, 0.57])[parent].astype(object)
    activity = np.concatenate([np.repeat(_activity(random, pairs)[parent], 2, axis=0), _activity(random, lone)])

    table = pd.DataFrame(
        {
            "IDs": _interleave(place + ":R:" + window + tag, place + ":A:" + window + tag, lone_place),
            "chr": _interleave(NAMES[chrom], NAMES[chrom], NAMES[lone_chrom]),
            "data_project": _interleave(project, project, np.full(lone, "CRE", object)),
            "OL": _interleave(library, library, np.full(lone, "33", object)),
            "class": random.choice(["BMI,BFP", "CAD", "", "Depression_GP"], rows),
            "sequence": _interleave(reference, alternate, _texts(_bases(random, lone))),
        }
    )
    labels = np.clip(activity + random.normal(0, 0.25, (rows, 3)), -3, 7)
    errors = np.clip(random.gamma(4, 0.05, (rows, 3)), 0.02, 0.9)
    pair = np.concatenate([np.repeat(np.arange(pairs), 2), np.full(lone, -1)])
    roles = np.concatenate([np.repeat(role, 2), np.full(lone, "cre", object)])
    order = random.permutation(rows)
    table, pair, roles = table.iloc[order].reset_index(drop=True), pair[order], roles[order]
    canonical = ("chr" + table["chr"]).to_numpy(object)
    anomaly, kept = _plant(random, table, labels, errors)
    return table[COLUMNS], Truth(roles, anomaly, pair, canonical, kept)


def _bases(random, count):
    return np.frombuffer(b"ACGT", np.uint8)[random.integers(0, 4, (count, 200), np.uint8)]


def _texts(letters):
    """Texts of the rows of a uint8 array (N, 200)."""
    return np.ascontiguousarray(letters).view("S200").ravel().astype("U200").astype(object)


def _interleave(first, second, rest):
    return np.concatenate([np.column_stack([first, second]).ravel(), rest])


def _activity(random, count):
    """Activity in three cells (count, 3): a bulk near 0 and a tail of active inserts."""
    return (random.gamma(1.0, 1.0, count) - 0.5)[:, None] + random.normal(0, 0.5, (count, 3))


def _inserts(random, role, parent):
    """Reference and alternate inserts and bases of all pairs, as object arrays of text."""
    reference = _bases(random, len(role))[parent]
    for name, source, target in (("wL", slice(50, 200), slice(0, 150)), ("wR", slice(0, 150), slice(50, 200))):
        rows = np.flatnonzero(role == name)
        whole = reference[rows]
        reference[rows] = _bases(random, len(rows))
        reference[rows, target] = whole[:, source]
    reference[role == "haplotype", 120] = ord("T")
    offset = np.array([OFFSET.get(name, 99) for name in role])
    everyone = np.arange(len(role))
    ref = reference[everyone, offset]
    codes = np.searchsorted(np.frombuffer(b"ACGT", np.uint8), ref)
    # the second base of a position with two alternate alleles
    step = np.where(role == "multi", 2, 1)
    alt = np.frombuffer(b"ACGT", np.uint8)[(codes + step) % 4]
    changed = reference.copy()
    changed[everyone, offset] = alt
    texts = [_texts(reference), _texts(changed)]
    bases = [letters.view("S1").astype("U1").astype(object) for letters in (ref, alt)]
    for shorter, name in ((1, "deletion"), (0, "insertion")):
        for row in np.flatnonzero(role == name):
            gone = int(random.integers(1, 128))  # inserts of 73 to 199 bp
            whole = texts[0][row]
            anchor = 98 - gone // 2
            texts[1 - shorter][row] = whole
            texts[shorter][row] = whole[: anchor + 1] + whole[anchor + 1 + gone :]
            bases[1 - shorter][row] = whole[anchor : anchor + 1 + gone]
            bases[shorter][row] = whole[anchor]
    return *texts, *bases


def _plant(random, table, labels, errors):
    """Write labels and errors into the table as text, with anomalies; returns the anomalies by row and which rows are
    kept."""
    rows = len(table)
    anomaly = np.full(rows, "", object)
    free = iter(random.permutation(rows))
    spread = max(1, rows // 400)
    few = max(1, rows // 20_000)

    def take(name, count):
        chosen = np.fromiter((next(free) for _ in range(count)), np.int64, count)
        anomaly[chosen] = name
        return chosen

    table.loc[take("other project", spread), "data_project"] = "BODA"
    for spelling in ("chr{}", "Chr{}", " {} "):
        chosen = take("chromosome spelled otherwise", spread)
        table.loc[chosen, "chr"] = [spelling.format(name) for name in table["chr"][chosen]]
    chosen = np.array([row for row in take("one digit with a leading zero", spread) if len(table["chr"][row]) == 1])
    table.loc[chosen, "chr"] = [f"0{name}" if name.isdigit() else name for name in table["chr"][chosen]]
    for place, value in ((0, 1.0), (1, 1.0), (2, 1.5)):
        errors[take("stderr at or above the threshold", spread), place] = value
    errors[take("stderr just below the threshold", spread), 1] = np.nextafter(1.0, 0.0)
    missing = [(LABELS[0], "NA"), (LABELS[1], ""), (LABELS[2], "NaN"), (ERRORS[0], "nan"), (ERRORS[2], "")]
    missing = [(take("missing", spread), column, text) for column, text in missing]
    high, low, between = take("outlier", few), take("outlier", few), take("kept by a move of 4, not of 3", few)
    labels[high, 0], labels[low, 2] = 20.0, -15.0

    complete = np.ones(rows, bool)
    for chosen, _, _ in missing:
        complete[chosen] = False
    project = complete & (table["data_project"] != "BODA").to_numpy()
    stderr = project & (errors.max(axis=1) < 1.0)
    for _ in range(20):  # the limit depends on the values placed below it
        limit = labels[stderr, 1].mean() + 6 * labels[stderr, 1].std(ddof=1)
        labels[between, 1] = limit + 3.5
    mean, sd = labels[stderr].mean(axis=0), labels[stderr].std(axis=0, ddof=1)
    inside = ((labels < mean + 6 * sd + 4) & (labels > mean - 6 * sd)).all(axis=1)
    narrower = ((labels < mean + 6 * sd + 3) & (labels > mean - 6 * sd)).all(axis=1)
    outside = np.zeros(rows, bool)
    outside[high] = outside[low] = True
    assert (inside[stderr] == ~outside[stderr]).all()
    assert np.flatnonzero(stderr & inside & ~narrower).tolist() == sorted(between)

    for column, values in zip([*LABELS, *ERRORS], [*labels.T, *errors.T], strict=True):
        table[column] = pyarrow.array(values).cast(pyarrow.string()).to_pandas()
    for chosen, column, text in missing:
        table.loc[chosen, column] = text
    return anomaly, {"read": np.ones(rows, bool), "complete": complete, "project": project, "stderr": stderr,
                     "outlier": stderr & inside}  # fmt: skip


def write(path, table):
    """Write a frame of text in the format of Table S2: tabs, a header, no quotes."""
    options = csv.WriteOptions(delimiter="\t", quoting_style="none", quoting_header="none")
    csv.write_csv(pyarrow.Table.from_pandas(table.astype("str"), preserve_index=False), path, options)


def main():
    """Write a table and print the number of rows that every stage must keep."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("rows", type=int)
    parser.add_argument("out", type=Path)
    parser.add_argument("--seed", type=int, default=0)
    arguments = parser.parse_args()
    table, truth = generate(arguments.rows, arguments.seed)
    write(arguments.out, table)
    for stage, kept in truth.kept.items():
        print(f"{stage:12s}{kept.sum():10,}")
    for part in (("chr7", "chr13"), ("chr19", "chr21", "chrX")):
        print(f"{'+'.join(part):20s}{(truth.kept['outlier'] & np.isin(truth.chrom, part)).sum():10,}")


if __name__ == "__main__":
    main()
