"""Panels: named evaluation sets made of the test rows of a split."""

import numpy as np
import pandas as pd

from s2f.files import InputError
from s2f.splits import clusters, parts_checked

KINDS = ("rows", "pairs")


def make_panel(rows, split, spec, name):
    """Evaluation set `name` as a data frame, from canonical `rows` and a `split` table.

    kind `rows`: row_id, group - the test rows, limited to the published parts in `spec["published"]` where given.
    kind `pairs`: pair_id, ref_row_id, alt_row_id, offset (0-based), ref_base, alt_base, group - every alternate
    allele with the reference of its locus; only pairs whose inserts have one length and differ in exactly one base
    are SNVs, the others are counted and left out. `group` is the cluster that a bootstrap draws as a whole.
    Raises `InputError` for a split that is not one of these rows (as `splits.check_split`), a panel of fewer than 3
    items and a locus with more than one reference.
    """
    if spec["kind"] not in KINDS:
        raise InputError(f"panel {name}: kind {spec['kind']!r} is unknown; known: {', '.join(KINDS)}")
    label = clusters(rows)
    test = parts_checked(rows, split, label) == "test"
    test = rows[test].assign(cluster=[f"c{number}" for number in label[test]])
    if spec.get("published"):
        test = test[test["published"].isin(spec["published"])]
    panel = _pairs(test, name) if spec["kind"] == "pairs" else _rows(test)
    if len(panel) < 3:
        raise InputError(f"panel {name}: {len(panel)} {spec['kind']} are left of {len(test)} test rows, 3 are needed")
    return panel


def _rows(test):
    return pd.DataFrame({"row_id": test["row_id"], "group": test["cluster"]}).reset_index(drop=True)


def _pairs(test, name):
    paired = test[test["pair_id"] != ""]
    reference, alternate = (paired[paired["allele"] == allele] for allele in ("ref", "alt"))
    twice = reference["pair_id"].duplicated()
    if twice.any():
        raise InputError(f"panel {name}: locus {reference['pair_id'][twice].iloc[0]!r} has more than one reference row")
    joined = alternate.merge(reference, on="pair_id", suffixes=("_alt", "_ref"), validate="many_to_one")
    sequences = [joined[f"sequence_{allele}"].to_numpy(object) for allele in ("ref", "alt")]
    one_base, offset = _one_base(*sequences)
    ref_base, alt_base = ([s[i] for s, i in zip(column[one_base], offset, strict=True)] for column in sequences)
    snvs = joined[one_base]
    print(
        f"panel {name}: {len(snvs)} SNVs of {len(alternate)} alternate alleles; "
        f"{len(joined) - len(snvs)} are not one base, {len(alternate) - len(joined)} have no reference"
    )
    several = snvs["pair_id"].duplicated(keep=False)
    return pd.DataFrame(
        {
            "pair_id": snvs["pair_id"].where(~several, snvs["pair_id"] + "|" + snvs["row_id_alt"]),
            "ref_row_id": snvs["row_id_ref"],
            "alt_row_id": snvs["row_id_alt"],
            "offset": offset,
            "ref_base": ref_base,
            "alt_base": alt_base,
            "group": snvs["cluster_alt"],
        }
    ).reset_index(drop=True)


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
