"""What a design may ask for, and which options go together: for the study and for the program, without NumPy."""

import re
from collections.abc import Callable, Mapping
from typing import Any

from s2f.common import kinds
from s2f.common.errors import InputError

METHODS = ("evolution", "annealing", "straight_through")
NEED_GRADIENT = ("straight_through",)
GOALS = ("maximise", "minimise", "target")
VERDICTS = ("agrees", "doubts", "opposes", "unchanged")  # of a judge
AGREES = 0.5  # the judge agrees with the model from this share of the expected change in its prediction
TAKES = ("drawn", "lowest", "highest")  # rows of a panel
# settings of each method and their defaults; a test checks that the study's schema has the same
SETTINGS: dict[str, dict[str, float]] = {
    "evolution": {"rounds": 20},
    "annealing": {"steps": 2000, "moves": 1, "temperature": 1.0},
    "straight_through": {"steps": 200, "samples": 4, "learning_rate": 0.5},
}
SITE = re.compile("[ACGTUNRYSWKMBDHV]+")  # IUPAC letters


def lineage(section: str, kind: str) -> str:
    """The lineage of a kind of encoder or baseline: models of one lineage must not judge each other's designs. It is
    not in `kinds`, because after a change there everything is embedded and trained again."""
    return kinds.facts(section, kind)["lineage"] or kind


def check(entry: Mapping[str, Any], name: Callable[[str], str]) -> None:
    """Raise `InputError` for options of an entry that no sequence can satisfy, or that contradict each other.

    `entry` has the keys of the study's section; `name` turns a key into what the user calls it.
    """
    goal, target = entry.get("goal", "maximise"), entry.get("target")
    if (goal == "target") != (target is not None):
        raise InputError(f"{name('target')}: is the value to reach with goal target; give both or neither")
    if entry.get("against") and not entry.get("cell"):
        raise InputError(f"{name('against')}: needs {name('cell')}, the cell whose prediction should be higher")
    if entry.get("cell") and entry["cell"] in entry.get("against", ()):
        raise InputError(f"{name('against')}: {entry['cell']!r} is the same as {name('cell')}")
    gc = entry.get("gc")
    if gc and not 0 <= gc[0] < gc[1] <= 1:
        raise InputError(
            f"{name('gc')}: is {gc[0]:g} to {gc[1]:g}, expected a range within 0 to 1, the lower end first"
        )
    for key, least in (("homopolymer", 1), ("changes", 1), ("penalty", 0)):
        if entry.get(key) is not None and entry[key] < least:
            raise InputError(f"{name(key)}: is {entry[key]}, expected at least {least}")
    for site in entry.get("forbidden", ()):
        if not SITE.fullmatch(site.upper()):
            raise InputError(f"{name('forbidden')}: {site!r} is not a site; expected IUPAC letters, such as GAATTC")
    for first, end in entry.get("protect", ()):
        if not 0 <= first < end:
            raise InputError(
                f"{name('protect')}: {first}-{end} is not an interval; expected FIRST-END, counted from 0 and "
                "without the base at END"
            )
