"""Ranges of settings: a list of values, or {from, to, scale, whole}. Imports no numpy, because it checks studies.

Numbers that are not whole have three significant digits and never leave the range.
"""

import decimal
import math
from collections import Counter
from collections.abc import Mapping
from typing import Any

DIGITS = 3
Range = Any  # list, or {from, to, scale, whole}


def value_at(drawn: Range, place: float) -> Any:
    """The value of a range at a `place` from 0 to 1."""
    if isinstance(drawn, list):
        return drawn[min(int(place * len(drawn)), len(drawn) - 1)]
    low, high = drawn["from"], drawn["to"]
    value: float = low * (high / low) ** place if drawn["scale"] == "log" else low + (high - low) * place
    return round(value) if drawn["whole"] else min(max(float(f"{value:.{DIGITS}g}"), low), high)


def places(count: int) -> list[float]:
    """The middles of `count` equal parts of a range. Its ends are guesses of what is too little and too much, so two
    values at the ends would miss everything that is likely."""
    return [(number + 0.5) / count for number in range(count)]


def settings_within(ranges: Mapping[str, Range], grid: str, trials: int) -> int:
    """How many different settings `trials` draws from `ranges` find, at most `trials`. Values of the setting `grid` are
    not drawn but taken at `places`, and each is combined with the values drawn for the other settings."""
    others = math.prod(_values_within(drawn, trials) for key, drawn in ranges.items() if key != grid)
    if not grid:
        return min(others, trials)
    times = Counter(value_at(ranges[grid], place) for place in places(trials))
    return sum(min(of_value, others) for of_value in times.values())


def _values_within(drawn: Range, most: int) -> int:
    """How many values a range has, counted up to `most`."""
    if isinstance(drawn, list):
        return len(drawn)
    low, high = drawn["from"], drawn["to"]
    if drawn["whole"]:
        return int(high - low + 1)
    if low <= 0 < high:
        return most  # the significant digits can begin anywhere
    digits = decimal.Context(prec=DIGITS, rounding=decimal.ROUND_HALF_EVEN)
    found = {value_at(drawn, 0), value_at(drawn, 1)}
    number = decimal.Decimal(repr(low))
    while len(found) < most:
        number = digits.next_plus(number)
        if number > high:
            break
        found.add(float(number))
    return len(found)
