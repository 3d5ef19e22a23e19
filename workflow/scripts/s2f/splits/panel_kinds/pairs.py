"""Panel `pairs`: SNVs, every alternate allele with the reference of its locus.

Columns pair_id, ref_row_id, alt_row_id, offset (0-based), ref_base, alt_base (bases in the inserts as they are, and so
on their strand), group. A pair is an SNV only if its inserts have equal lengths and differ in exactly one base, and
that base is the one of their `variant` if the positions of both the variant and the insert are known (its complement in
an insert on the minus strand); other pairs are counted and dropped. `match: variant_key` pairs the first reference row
with the first alternate row of each `variant`, whatever their windows, haplotypes and lengths, as in published
comparisons; the name of such a panel says so. `group` joins the units of a pair's two rows, and through them all pairs
of the panel that share a unit.
"""

from typing import Any

import numpy as np
import pandas as pd

from s2f.common.errors import InputError
from s2f.common.tables import mapped
from s2f.rows.placement import as_designed, parsed
from s2f.rows.stages import Stages
from s2f.sequences import dna
from s2f.splits.linked_rows import joined as connected
from s2f.splits.table import FEWEST


def of_test(test: pd.DataFrame, options: dict[str, Any], name: str, stages: Stages) -> pd.DataFrame:
    """Pairs among the test rows; what is dropped is added to `stages`.

    Raises `InputError` for a locus with more than one reference, for an unknown match, and for fewer than `FEWEST`
    SNVs, with what happened to the others.
    """
    return among(test, options, name, stages, FEWEST)


def among(rows: pd.DataFrame, options: dict[str, Any], name: str, stages: Stages, fewest: int = 0) -> pd.DataFrame:
    """As `of_test`, but for any rows, and `fewest` pairs are enough."""
    if options["match"] not in ("pair_id", "variant_key"):
        raise InputError(f"panel {name}: match is {options['match']!r}, expected pair_id or variant_key")
    if options["match"] == "variant_key":
        return _loose_pairs(rows, name, stages)
    return _strict_pairs(rows, name, stages, fewest)


def of_lists(lists: list[pd.DataFrame]) -> pd.DataFrame:
    """The listed pairs, including those that do not differ in exactly one base."""
    reference, alternate = (rows.reset_index(drop=True) for rows in lists)
    joined = pd.concat([reference.add_suffix("_ref"), alternate.add_suffix("_alt")], axis=1)
    return _pair_table(joined, reference["row_id"])


def _strict_pairs(test: pd.DataFrame, name: str, stages: Stages, fewest: int) -> pd.DataFrame:
    paired = test[test["pair_id"] != ""]
    reference, alternate = (paired[paired["allele"] == allele] for allele in ("ref", "alt"))
    twice = reference["pair_id"].duplicated()
    if twice.any():
        raise InputError(f"panel {name}: locus {reference['pair_id'][twice].iloc[0]!r} has more than one reference row")
    joined = alternate.merge(reference, on="pair_id", suffixes=("_alt", "_ref"), validate="many_to_one")
    table = _pair_table(joined, joined["pair_id"])
    one_base = table["offset"].notna()
    stages.choose("alternate alleles", len(alternate))
    stages.left("with a reference", len(joined))
    stages.left("one base", one_base.sum())
    table, snvs = table[one_base].astype({"offset": "int64"}), joined[one_base]
    report = f"{len(joined) - len(snvs)} are not one base, {len(alternate) - len(joined)} have no reference"
    varies = snvs["variant_alt"] != ""
    if varies.any():
        variants, start = parsed(snvs["variant_alt"]), snvs["start_ref"].to_numpy(np.float64, na_value=np.nan)
        inserts = table.assign(length=snvs["sequence_ref"].str.len())
        strand = snvs["strand_ref"].to_numpy(object)
        designed = pd.Series(as_designed(inserts, variants, start, strand), table.index)
        position = mapped(snvs["variant_alt"], lambda variant: variant.rsplit(":", 2)[0]).where(varies)
        several = snvs["variant_alt"].groupby(position).transform("nunique") > 1
        report += f", {(~designed).sum()} differ at other positions than their variant says"
        report += f"; {(several & designed).sum()} SNVs lie at positions with several alternate bases"
        if as_designed(inserts, variants, start - 1, strand).mean() > max(0.9, designed.mean()):
            report += "; they fit if starts are one less, as if starts were counted from 1"
        table = stages.keep("as their variant says", table, designed)
    print(f"panel {name}: {len(table)} SNVs of {len(alternate)} alternate alleles; {report}")
    if 0 < len(alternate) and len(table) < fewest:
        raise InputError(
            f"panel {name}: {len(table)} pairs remain of {len(test)} test rows, expected at least {fewest}: of "
            f"{len(alternate)} alternate alleles {report}"
        )
    several = table["pair_id"].duplicated(keep=False)
    table["pair_id"] = table["pair_id"].where(~several, table["pair_id"] + "|" + table["alt_row_id"])
    return table.reset_index(drop=True)


def _loose_pairs(test: pd.DataFrame, name: str, stages: Stages) -> pd.DataFrame:
    alternates = test["allele"] == "alt"
    varies = test[test["variant"] != ""]
    stages.choose("alternate alleles", alternates.sum())
    stages.left("with a variant", (alternates & (test["variant"] != "")).sum())
    reference, alternate = (varies[varies["allele"] == allele].drop_duplicates("variant") for allele in ("ref", "alt"))
    joined = reference.merge(alternate, on="variant", suffixes=("_ref", "_alt"), validate="one_to_one")
    table = _pair_table(joined, joined["variant"])
    stages.left("the first of each variant", len(alternate))
    stages.left("with a reference", len(joined))
    mixed = (joined["pair_id_ref"] != joined["pair_id_alt"]) | (joined["pair_id_ref"] == "")
    print(
        f"panel {name}: {len(table)} loose pairs of one variant; {mixed.sum()} of them join different windows or "
        f"haplotypes, {table['offset'].isna().sum()} are not one base"
    )
    return table


def _pair_table(joined: pd.DataFrame, pair_id: pd.Series) -> pd.DataFrame:
    """The panel of the pairs in `joined` (columns ending in _ref and _alt); no offset if a pair is not an SNV."""
    sequences = [joined[f"sequence_{allele}"].to_numpy(object) for allele in ("ref", "alt")]
    one_base, position = dna.one_base_apart(*sequences)
    offset = pd.array([pd.NA] * len(joined), "Int64")
    offset[one_base] = position
    bases = np.full((2, len(joined)), "", object)
    for base, column in zip(bases, sequences, strict=True):
        base[one_base] = [s[i] for s, i in zip(column[one_base], position, strict=True)]
    return pd.DataFrame(
        {
            "pair_id": pair_id.to_numpy(),
            "ref_row_id": joined["row_id_ref"],
            "alt_row_id": joined["row_id_alt"],
            "offset": offset,
            "ref_base": bases[0],
            "alt_base": bases[1],
            "group": _groups(joined),
        }
    )


def _groups(pairs: pd.DataFrame) -> np.ndarray:
    """What a bootstrap draws as a whole, (N,): pairs with any rows in the same unit, also through a chain of pairs.

    Named after the unit of the first alternate row.
    """
    units = np.concatenate([pairs[f"unit_{allele}"].to_numpy(object) for allele in ("ref", "alt")])
    group = connected([units, np.tile(np.arange(len(pairs)), 2)])[: len(pairs)]
    first = np.unique(group, return_index=True)[1]
    return pairs["unit_alt"].to_numpy(object)[first][group]
