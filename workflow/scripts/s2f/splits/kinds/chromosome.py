"""The split `chromosome`: whole chromosomes are val and test."""

from typing import Any

from s2f.common.errors import InputError
from s2f.common.tables import mapped
from s2f.sequences.chromosomes import chromosome as chromosome_name
from s2f.splits.table import counted, one_part_each


def assign(rows: Any, spec: dict[str, Any], seed: int, units: Any) -> tuple[Any, str]:
    """Whole chromosomes: `spec` lists `val` and `test`; `without_chromosome` says what happens to rows without one."""
    parts = one_part_each({part: map(chromosome_name, spec[part]) for part in ("val", "test")}, "chromosome")
    absent = sorted(set(parts) - set(rows["chrom"].unique()))
    if absent == sorted(parts):
        fix = f"the rows have {counted(rows['chrom'])}: choose among these"
        if (rows["chrom"] == "").all():
            fix = (
                "the rows have no chromosomes: name their column (columns.chrom of a source of kind table), or use a "
                "split of kind hashfrag"
            )
        raise InputError(f"split: none of the chromosomes {', '.join(parts)} occurs in the rows; {fix}")
    if absent:
        print(f"split: no row lies on {', '.join(absent)}, which the split names")
    parts[""] = spec["without_chromosome"]
    return mapped(rows["chrom"], lambda name: parts.get(name, "train")), "no chromosome"


def why_empty(rows: Any, spec: dict[str, Any], part: str) -> str:
    """Why `part`, val or test, has no rows."""
    names = ", ".join(map(chromosome_name, spec[part]))
    return f"no row is on {names}; the rows have {counted(rows['chrom'])}: choose among these"
