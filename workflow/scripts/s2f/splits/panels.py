"""Panels: named evaluation sets made of the test rows of a split."""

import numpy as np
import pandas as pd

from s2f.common.errors import InputError
from s2f.common.tables import mapped, rows_where
from s2f.rows.canonical import EVALUATED_ONLY
from s2f.splits import panel_files
from s2f.splits.table import parts_and_clusters

KINDS = ("rows", "pairs")
# ways to pair alleles: of one window and haplotype, or (loosely, as the original did) of one variant
MATCHES = ("pair_id", "variant_key")
# of the rows, what panels are made from
COLUMNS = [
    "row_id", "sequence", "label", "chrom", "start", "end", "allele", "variant", "pair_id", "group", "published",
]  # fmt: skip


def make_panel(rows, split, spec, name):
    """Evaluation set `name` from canonical `rows` and a `split` table; `spec` is the panel's section of a study.

    kind `rows`: row_id, group - the test rows, limited to the published parts in `spec["published"]` where given;
    rows that are only ever evaluated (designed sequences) must be named so. kind `pairs`: pair_id, ref_row_id,
    alt_row_id, offset (0-based), ref_base, alt_base, group - every alternate allele with the reference of its locus;
    only pairs whose inserts have one length and differ in exactly one base, the one of their `variant` where both its
    place and the insert's are known, are SNVs; the others are counted and left out. `group` is the cluster that a
    bootstrap draws as a whole.

    `match: variant_key` pairs the first reference with the first alternate row of each `variant`, whatever their
    windows, haplotypes and lengths, as published comparisons did; the name of such a panel says so. `file` takes the
    rows or pairs that a published file lists (see `panel_files`); `label` is the label in its columns, `incomplete`
    leaves out what the dataset lacks instead of refusing it.

    Raises `InputError` for a split that is not one of these rows (`splits.parts_and_clusters`), a panel of fewer than 3
    items, a locus with more than one reference and a file that lists rows that are not in test.
    """
    if spec["kind"] not in KINDS:
        raise InputError(f"panel {name}: kind {spec['kind']!r} is unknown; known: {', '.join(KINDS)}")
    if spec.get("match", MATCHES[0]) not in MATCHES:
        raise InputError(f"panel {name}: match is {spec['match']!r}, expected one of {', '.join(MATCHES)}")
    parts, label = parts_and_clusters(rows, split)
    if "file" in spec:
        panel = _listed(rows, label, parts, spec, name)
        considered = len(panel)
    else:
        in_test = parts == "test"
        panel, considered = _of_test(_with_cluster(rows_where(rows, in_test), label[in_test]), spec, name)
    if len(panel) < 3:
        raise InputError(f"panel {name}: {len(panel)} {spec['kind']} are left of {considered} test rows, 3 are needed")
    return panel


def _of_test(test, spec, name):
    """The panel of a `spec` without a file, and how many test rows it was made from."""
    if spec.get("published"):
        absent = sorted(set(spec["published"]) - set(test["published"]))
        if absent:
            there = ", ".join(sorted(set(test["published"]))) or "none"
            raise InputError(f"panel {name}: no test row is of the published part {absent[0]!r}; there are: {there}")
        test = test[test["published"].isin(spec["published"])]
    else:
        test = test[~test["published"].str.startswith(EVALUATED_ONLY)]
    if spec["kind"] == "rows":
        return _rows(test), len(test)
    pairs = _loose_pairs if spec.get("match") == "variant_key" else _pairs
    return pairs(test, name), len(test)


def _with_cluster(rows, label):
    return rows.assign(cluster=[f"c{number}" for number in label])


def _rows(test):
    return pd.DataFrame({"row_id": test["row_id"], "group": test["cluster"]}).reset_index(drop=True)


def _pairs(test, name):
    paired = test[test["pair_id"] != ""]
    reference, alternate = (paired[paired["allele"] == allele] for allele in ("ref", "alt"))
    twice = reference["pair_id"].duplicated()
    if twice.any():
        raise InputError(f"panel {name}: locus {reference['pair_id'][twice].iloc[0]!r} has more than one reference row")
    joined = alternate.merge(reference, on="pair_id", suffixes=("_alt", "_ref"), validate="many_to_one")
    table = _pair_table(joined, joined["pair_id"])
    one_base = table["offset"].notna()
    table, snvs = table[one_base].astype({"offset": "int64"}), joined[one_base]
    report = f"{len(joined) - len(snvs)} are not one base, {len(alternate) - len(joined)} have no reference"
    varies = snvs["variant_alt"] != ""
    if varies.any():
        designed = _as_designed(table, snvs)
        position = mapped(snvs["variant_alt"], lambda variant: variant.rsplit(":", 2)[0]).where(varies)
        several = snvs["variant_alt"].groupby(position).transform("nunique") > 1
        report += f", {(~designed).sum()} differ elsewhere than their variant says"
        report += f"; {(several & designed).sum()} SNVs lie at positions with several alternate bases"
        table = table[designed]
    print(f"panel {name}: {len(table)} SNVs of {len(alternate)} alternate alleles; {report}")
    several = table["pair_id"].duplicated(keep=False)
    table["pair_id"] = table["pair_id"].where(~several, table["pair_id"] + "|" + table["alt_row_id"])
    return table.reset_index(drop=True)


def _as_designed(table, joined):
    """Whether each SNV of `table` is that of its variant, bool (N,); True where nothing is known.

    A variant is chrom:pos:ref:alt with pos from 1: at offset pos - 1 - start of an insert that begins at `start`.
    """
    fields = [[*variant.split(":"), "", "", ""][:4] for variant in joined["variant_alt"].tolist()]
    parts = pd.DataFrame(fields, joined.index, range(4), "str")
    known = joined["start_ref"].notna() & (parts[2].str.len() == 1) & (parts[3].str.len() == 1)
    offset = pd.to_numeric(parts[1], errors="coerce") - 1 - joined["start_ref"].astype("float64")
    return ~known | ((table["offset"] == offset) & (table["ref_base"] == parts[2]) & (table["alt_base"] == parts[3]))


def _loose_pairs(test, name):
    varies = test[test["variant"] != ""]
    reference, alternate = (varies[varies["allele"] == allele].drop_duplicates("variant") for allele in ("ref", "alt"))
    joined = reference.merge(alternate, on="variant", suffixes=("_ref", "_alt"), validate="one_to_one")
    table = _pair_table(joined, joined["variant"])
    mixed = (joined["pair_id_ref"] != joined["pair_id_alt"]) | (joined["pair_id_ref"] == "")
    print(
        f"panel {name}: {len(table)} loose pairs of one variant; {mixed.sum()} of them join different windows or "
        f"haplotypes, {table['offset'].isna().sum()} are not one base"
    )
    return table


def _listed(rows, label, parts, spec, name):
    path = spec["file"]
    kind, frames = panel_files.read(path, spec.get("label", "K562_log2FC"))
    if kind != spec["kind"]:
        raise InputError(f"panel {name}: {path} lists {kind}, the panel is of kind {spec['kind']}")
    places = np.array([panel_files.find(rows, frame, path) for frame in frames])
    found = (places >= 0).all(axis=0)
    print(f"panel {name}: {found.sum()} of the {len(found)} {kind} of {path} are in the dataset")
    if not found.all() and not spec.get("incomplete"):
        lost = next(
            frame["row_id"].iloc[i] for frame, p in zip(frames, places, strict=True) for i in np.flatnonzero(p < 0)
        )
        raise InputError(
            f"panel {name}: {(~found).sum()} of the {len(found)} {kind} of {path} are not in the dataset, {lost!r} for "
            "one; published files were made before filters: switch off those of the source, or set incomplete: true"
        )
    places = places[:, found]
    wrong = parts[places] != "test"
    if wrong.any():
        place = places[wrong][0]
        raise InputError(
            f"panel {name}: row {rows['row_id'].iloc[place]!r} of {path} is {parts[place]} in this split, expected "
            "test; a split of kind file puts the rows of such files there"
        )
    if kind == "rows":
        return _rows(_with_cluster(rows.iloc[places[0]], label[places[0]]))
    reference, alternate = (_with_cluster(rows.iloc[p], label[p]).reset_index(drop=True) for p in places)
    joined = pd.concat([reference.add_suffix("_ref"), alternate.add_suffix("_alt")], axis=1)
    return _pair_table(joined, reference["row_id"])


def _pair_table(joined, pair_id):
    """The panel of the pairs in `joined` (columns ending in _ref and _alt); the offset of what is no SNV is missing."""
    sequences = [joined[f"sequence_{allele}"].to_numpy(object) for allele in ("ref", "alt")]
    one_base, place = _one_base(*sequences)
    offset = pd.array([pd.NA] * len(joined), "Int64")
    offset[one_base] = place
    bases = np.full((2, len(joined)), "", object)
    for own, column in zip(bases, sequences, strict=True):
        own[one_base] = [s[i] for s, i in zip(column[one_base], place, strict=True)]
    return pd.DataFrame(
        {
            "pair_id": pair_id.to_numpy(),
            "ref_row_id": joined["row_id_ref"],
            "alt_row_id": joined["row_id_alt"],
            "offset": offset,
            "ref_base": bases[0],
            "alt_base": bases[1],
            "group": joined["cluster_alt"],
        }
    )


def _one_base(first, second):
    """Which of N pairs of texts have one length and differ in exactly one base: bool (N,), and where those differ."""
    length = np.fromiter(map(len, first), np.int64, len(first))
    kept = length == np.fromiter(map(len, second), np.int64, len(second))
    width = max(1, length[kept].max(initial=0))
    letters = [
        np.array(column[kept], f"S{width}").view(np.uint8).reshape(kept.sum(), width) for column in (first, second)
    ]
    differs = letters[0] != letters[1]
    single = differs.sum(axis=1) == 1
    kept[kept] = single
    return kept, differs[single].argmax(axis=1)


def panel_rows(rows, panel):
    """The rows that a panel needs predictions for, each once, in the order of `rows`."""
    columns = ["row_id"] if "row_id" in panel else ["ref_row_id", "alt_row_id"]
    wanted = set().union(*(panel[column] for column in columns))
    found = rows[rows["row_id"].isin(wanted)]
    if len(found) < len(wanted):
        odd = sorted(wanted - set(found["row_id"]))[0]
        raise InputError(f"panel: row {odd!r} is not among the rows; make the panel again")
    return found.reset_index(drop=True)
