"""Gosai 2024 K562 MPRA, cut down to a sample with published splits and ref/alt pairs.

files: `rows`, a TSV with row_id, split, pair_id, allele, insert and K562_log2FC (other columns are ignored, in
particular `sequence_as_published`, which has N inside the insert window if an insert is shorter than 200 bp); `pairs`,
a TSV with pair_id, seq_ref, seq_alt, K562_log2FC_ref and K562_log2FC_alt, which must agree with the rows. spec: none.
`python -m s2f.rows.samples` makes both files.

The published split names (train, pool, val, test, test_snv) are passed on unchanged; `group` is the pair. An insert in
`test` can recur in `test_snv`: the same measurement, listed in two test panels. It is kept in both and never separated,
because equal sequences are linked in every split. The file has neither coordinates nor standard errors.
"""

from typing import Any

import numpy as np

from s2f.common import kinds
from s2f.common.errors import InputError
from s2f.common.tables import numbers, read_table, refuse_repeated
from s2f.rows.sources import complete_pairs, file_of
from s2f.rows.stages import Stages

LABEL = "K562_log2FC"


def read(files: dict[str, str], spec: dict[str, Any]) -> tuple[Any, Stages]:
    """Rows and stages, as in the module's docstring. Raises `InputError` if rows and pairs disagree."""
    kinds.settings("sources", "gosai_sample", spec)  # has no options
    path, pairs_path = file_of(files, "rows", "gosai_sample"), file_of(files, "pairs", "gosai_sample")
    columns = ["row_id", "split", "pair_id", "allele", "insert", LABEL]
    raw = read_table(path, columns, "Gosai sample", only=True, numbered=True)
    stages = Stages()
    table = raw[["row_id", "allele", "pair_id"]].assign(
        sequence=raw["insert"], label=numbers(raw, LABEL, path), group=raw["pair_id"], published=raw["split"]
    )
    stages.keep("read", table)
    _check_pairs(table, path, pairs_path)
    table = stages.keep("label measured", table, table["label"].notna())
    return complete_pairs(table, path), stages


def _check_pairs(table: Any, path: str, pairs_path: str) -> None:
    """Refuse a pair that lacks an allele among the rows, or whose sequences or labels differ between the files."""
    columns = ["pair_id", "seq_ref", "seq_alt", f"{LABEL}_ref", f"{LABEL}_alt"]
    pairs = read_table(pairs_path, columns, "Gosai pairs", only=True, numbered=True)
    refuse_repeated(pairs, ["pair_id"], pairs_path, "keep one line for each pair")
    for allele in ("ref", "alt"):
        pairs[f"label_{allele}"] = numbers(pairs, f"{LABEL}_{allele}", pairs_path)
    lone = sorted(set(table["pair_id"]) - set(pairs["pair_id"]) - {""})
    if lone:
        raise InputError(f"{path}: pair {lone[0]!r} is not in {pairs_path}")
    for allele in ("ref", "alt"):
        rows = table[(table["allele"] == allele) & (table["pair_id"] != "")]
        joined = pairs.merge(rows, on="pair_id", how="left", validate="one_to_many")
        agree = np.isclose(joined[f"label_{allele}"], joined["label"], rtol=0, atol=1e-6, equal_nan=True)
        for wrong, what in (
            (joined["row_id"].isna(), f"has no {allele} row"),
            (joined["sequence"] != joined[f"seq_{allele}"], f"differs in seq_{allele} from its row"),
            (~agree, f"differs in the label of {allele} from its row"),
        ):
            if wrong.any():
                raise InputError(f"{pairs_path}: pair {joined['pair_id'][int(np.argmax(wrong))]!r} {what} in {path}")
