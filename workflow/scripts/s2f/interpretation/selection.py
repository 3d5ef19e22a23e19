"""Which sequences are explained: chosen once per panel by measured values, so all models explain the same ones."""

from collections.abc import Iterable, Sequence

import numpy as np
import pandas as pd

from s2f.common.errors import InputError
from s2f.common.provenance import derived_seed
from s2f.rows.stages import Stages


def select(
    rows: pd.DataFrame,
    panel: pd.DataFrame,
    top: int = 0,
    bottom: int = 0,
    pairs: int = 0,
    ids: Sequence[str] = (),
    seed: int = 0,
    stages: Stages | None = None,
) -> pd.DataFrame:
    """Table row_id, role (top | bottom | pair | id), pair_id, allele, label: a line per use of a row.

    The rows of `panel` with the `top` highest and `bottom` lowest labels, the `pairs` of a panel of pairs with the
    largest measured effects, and the rows `ids` of the dataset. Rows of equal label, as in a classification, are
    ordered by a random number that depends only on `seed` and the row. Sequences with N and rows without a label (in a
    dataset with cells, a label in the first cell) are dropped, and counted in `stages`; only `ids` may name rows
    without a label, which is then NaN in the table. Raises `InputError` for an id that is not a row or whose sequence
    contains N, for more rows or pairs than the panel has, for `pairs` of a panel of rows, and if nothing is chosen.
    """
    if not (top or bottom or pairs or ids):
        raise InputError("nothing is selected: give top, bottom, pairs or ids")
    stages = stages or Stages()
    known = rows.set_index("row_id")
    strange = [row for row in ids if row not in known.index]
    if strange:
        raise InputError(f"ids: {strange[0]!r} is not a row of the dataset")
    clean = ~known["sequence"].str.contains("N")
    for row in ids:
        if not clean[row]:
            raise InputError(f"ids: {row!r} holds N; only A, C, G and T can be explained")
    columns = ["row_id"] if "row_id" in panel else ["ref_row_id", "alt_row_id"]
    members = pd.unique(pd.concat([panel[column] for column in columns]))
    stages.left("rows of the panel", len(members))
    stages.left("without N", clean.loc[members].sum())
    clean &= known["label"].notna()
    stages.left("with a label", clean.loc[members].sum())
    out = [(row, "id", "", known.loc[row, "allele"], known.loc[row, "label"]) for row in ids]
    if pairs and "ref_row_id" not in panel:
        raise InputError("pairs: the panel holds rows, not pairs; choose by top, bottom or ids")
    if pairs:
        table = panel[panel[["ref_row_id", "alt_row_id"]].apply(lambda column: column.map(clean)).all(axis=1)]
        stages.side("pairs", [("of the panel", len(panel)), ("without N, with labels", len(table))])
        effect = (table["alt_row_id"].map(known["label"]) - table["ref_row_id"].map(known["label"])).abs()
        order = _ordered(effect.to_numpy(), table["pair_id"], seed)[: _enough(pairs, len(table), "pairs")]
        for position in order:
            pair = table.iloc[position]
            for allele in ("ref", "alt"):
                row = pair[f"{allele}_row_id"]
                out.append((row, "pair", pair["pair_id"], allele, known.loc[row, "label"]))
    members = known.loc[members][clean.loc[members]]
    labels = members["label"].to_numpy()
    for role, count, values in (("top", top, labels), ("bottom", bottom, -labels)):
        for position in _ordered(values, members.index, seed)[: _enough(count, len(members), "rows")]:
            out.append((members.index[position], role, "", members["allele"].iloc[position], labels[position]))
    chosen = pd.DataFrame(out, columns=["row_id", "role", "pair_id", "allele", "label"])
    stages.part("chosen", chosen["row_id"].nunique())
    return chosen


def _ordered(values: np.ndarray, names: Iterable[str], seed: int) -> np.ndarray:
    """Positions by descending value, and for equal values by a number drawn from `seed` and the name."""
    drawn = np.array([derived_seed(seed, "explained", name) for name in names])
    return np.lexsort((drawn, -values))


def _enough(count: int, there: int, what: str) -> int:
    if count > there:
        raise InputError(f"expected {count} {what} without N, but the panel has {there}; select fewer")
    return count


def chosen_rows(rows: pd.DataFrame, table: pd.DataFrame) -> pd.DataFrame:
    """The rows of a selection, each once, in the order of their first use. Raises `InputError` for a missing row."""
    names = pd.unique(table["row_id"])
    lost = set(names) - set(rows["row_id"])
    if lost:
        raise InputError(f"selection: row {sorted(lost)[0]!r} is not among the rows; select again")
    return rows.set_index("row_id").loc[names].reset_index()
