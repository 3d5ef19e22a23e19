"""The split `published`: the one that came with the data."""

from typing import Any

from s2f.common.errors import InputError
from s2f.common.kinds import near
from s2f.common.tables import mapped
from s2f.splits.table import PARTS, counted, one_part_each


def assign(rows: Any, spec: dict[str, Any], seed: int, units: Any) -> tuple[Any, str]:
    """The split that came with the data: `spec` maps train, val and test to lists of published names."""
    parts = one_part_each({part: spec[part] for part in PARTS}, "published part")
    unknown = sorted(set(rows["published"].unique()) - set(parts) - {""})
    if unknown:
        raise InputError(
            f"split: published part {unknown[0]!r} of the rows is not mapped to train, val or test; add it to the "
            f"split; mapped: {', '.join(parts)}{near(unknown[0], parts)}"
        )
    return mapped(rows["published"], lambda name: parts.get(name, "excluded")), "no published part"


def why_empty(rows: Any, spec: dict[str, Any], part: str) -> str:
    """Why `part` has no rows."""
    if not (rows["published"] != "").any():
        return "the rows have no published parts; name the column with them (columns: {published: NAME})"
    names = ", ".join(spec[part]) or "any name, as the list is empty"
    return f"no row's published part is {names}; the rows have {counted(rows['published'])}: choose among these"
