"""What a study says about the search for settings: how many each run tries, and from which ranges.

A range is a list of values or {from, to, scale}. Loaded by `s2f.study.validate` and thus by the Snakefile: no numpy
here.
"""

import functools
import itertools
from collections.abc import Sequence
from typing import Any

from s2f.common import kinds
from s2f.common.errors import InputError
from s2f.common.kinds import nearest
from s2f.heads import networks
from s2f.models.ranges import DIGITS, settings_within
from s2f.study import language_model
from s2f.study.runs import Run
from s2f.study.schema import checked, schema

ALL_HEADS = "heads"  # in `search.ranges`: every kind of head without ranges of its own
Kind = tuple[str, str, str]  # section (heads or baselines), kind, task of the dataset


def of_kind(study: dict[str, Any], section: str, kind: str, task: str) -> dict[str, Any] | None:
    """The search of a job for a kind of `heads` or `baselines` (`section`) on a dataset with a `task`, as
    `s2f.models.search.Search`; None if the study does not search. A kind with nothing to choose has 0 trials."""
    if "search" not in study:
        return None
    of = section, kind, task
    ranges = _ranges(study, of)
    return {"trials": study["search"]["trials"] if ranges else 0, "ranges": ranges, "grid": _grid(of, ranges)}


def trainings(study: dict[str, Any], section: str, kind: str, task: str) -> int:
    """How many trainings a job for a kind does one after another: one per trial; but only one without a search, if
    there is nothing to choose, or if the only choice is a list of penalties, which are solved at once."""
    found = of_kind(study, section, kind, task)
    return found["trials"] if found and set(found["ranges"]) - {found["grid"]} else 1


def check(study: dict[str, Any], planned: Sequence[Run]) -> None:
    """Raise `InputError` for ranges of settings that no model of the study has, and for ranges with impossible
    values."""
    if "search" not in study:
        return
    used: set[Kind] = set()
    for run in planned:
        task = study["datasets"][run.dataset]["task"]
        entry = (
            ("heads", networks.kind_of(run.head)) if run.head else ("baselines", study["baselines"][run.model]["kind"])
        )
        used.add((*entry, task))
    section_of = {kind: section for section in ("heads", "baselines") for kind in kinds.names(section)}
    for name, given in study["search"]["ranges"].items():
        where = f"search.ranges.{name}"
        if name != ALL_HEADS and name not in section_of:
            raise InputError(
                f"{where}: there is no such kind of head or baseline{nearest(name, [ALL_HEADS, *section_of])}"
            )
        own = sorted(of for of in used if name == (of[0] if name == ALL_HEADS else of[1]))
        if not own:
            raise InputError(f"{where}: no model of the study is of this kind")
        for key in given:
            if not any(key in _options(of) for of in own):
                known = set().union(*(_options(of) for of in own))
                raise InputError(f"{where}: {_why_not(own[0], key)}{nearest(key, known)}")
    for of in sorted(used):
        _check_kind(study, of)


def _check_kind(study: dict[str, Any], of: Kind) -> None:
    """Refuse ranges with values that the schema of the kind does not allow, with too few values, and with values that
    exclude each other."""
    options, ranges = _options(of), _ranges(study, of)
    name = _named(study, of) or of[1]
    for key, drawn in ranges.items():
        where, rule = f"search.ranges.{name}.{key}", options[key]
        rule = rule["items"] if rule.get("x-grid") else rule
        if isinstance(drawn, list):
            for position, value in enumerate(drawn):
                checked(value, rule, f"{where}.{position}")
            continue
        if not {"number", "integer"} & _types(rule):
            raise InputError(f"{where}: {key} is not a number; expected a list of values")
        for end in ("from", "to"):
            checked(drawn[end], rule, f"{where}.{end}")
        if drawn["from"] >= drawn["to"]:
            raise InputError(f"{where}: from is {drawn['from']}, expected less than to ({drawn['to']})")
        if drawn["scale"] == "log" and drawn["from"] <= 0:
            raise InputError(f"{where}: from is {drawn['from']}, expected more than 0 on a logarithmic scale")
    trials, grid = study["search"]["trials"], _grid(of, ranges)
    count = settings_within(ranges, grid, trials)
    if ranges and count < trials:
        raise InputError(
            f"search.ranges.{name}: allow {count} settings, expected at least the number of trials, {trials} "
            f"(numbers are rounded to {DIGITS} digits)"
        )
    if of[0] == "baselines":
        for baseline in [own for own in study["baselines"].values() if own["kind"] == of[1]]:
            _check_phases(f"search.ranges.{name}", baseline, ranges)


def _check_phases(where: str, options: dict[str, Any], ranges: dict[str, Any]) -> None:
    """Refuse ranges from which a trial may draw phases of fine-tuning that exclude each other; `options` are the
    baseline's."""
    phases = language_model.PHASES
    if not set(phases) & set(ranges) or not set(phases) <= set(options):
        return
    for values in itertools.product(*(_extremes(ranges[key]) if key in ranges else [options[key]] for key in phases)):
        try:
            language_model.check_phases(where, dict(zip(phases, values, strict=True)))
        except InputError as error:
            raise InputError(
                f"{error}; a trial may draw both, so choose ranges whose values all fit together"
            ) from None


def _extremes(drawn: Any) -> list[Any]:
    return drawn if isinstance(drawn, list) else [drawn["from"], drawn["to"]]


def _ranges(study: dict[str, Any], of: Kind) -> dict[str, Any]:
    """{setting: range} of a kind: the study's, or those beside the kind."""
    options, name = _options(of), _named(study, of)
    default = {key: rule["x-search"] for key, rule in options.items() if "x-search" in rule}
    chosen = study["search"]["ranges"][name] if name else default
    return {key: _complete(chosen[key], options[key]) for key in sorted(chosen) if key in options}


def _grid(of: Kind, ranges: dict[str, Any]) -> str:
    """The searched setting that is a list whose values training solves all at once; empty if there is none."""
    return next((key for key in ranges if _options(of)[key].get("x-grid")), "")


def _named(study: dict[str, Any], of: Kind) -> str:
    """Name under which the study has ranges for a kind, empty if it has none: ranges for all heads apply to each kind
    of head that has one of these settings."""
    ranges, (section, kind, _) = study["search"]["ranges"], of
    for name in (kind, *([ALL_HEADS] if section == "heads" else [])):
        if set(ranges.get(name, {})) & set(_options(of)):
            return name
    return ""


def _complete(drawn: Any, rule: dict[str, Any]) -> Any:
    """A range with its defaults, and whether its numbers are integers."""
    if isinstance(drawn, list):
        return drawn
    return kinds.filled(drawn, _range_rules()) | {"whole": "integer" in _types(rule.get("items", rule))}


@functools.cache
def _range_rules() -> dict[str, Any]:
    ranges = schema()["properties"]["search"]["properties"]["ranges"]
    return ranges["additionalProperties"]["additionalProperties"]


def _types(rule: dict[str, Any]) -> set[str]:
    types = rule.get("type", [])
    return {types} if isinstance(types, str) else set(types)


@functools.cache
def _options(of: Kind) -> dict[str, Any]:
    """{setting: its schema} of all settings of a kind that may be searched in a task."""
    ignored = kinds.facts(*of[:2]).get("ignores", [])
    return {
        key: rule
        for key, rule in _all_options(of).items()
        if key not in ignored and rule.get("x-search") is not False and rule.get("x-task", of[2]) == of[2]
    }


def _all_options(of: Kind) -> dict[str, Any]:
    section, kind, _ = of
    if section == "heads" and kinds.facts(section, kind)["epochs"]:
        return kinds.section_schema("heads/training")["properties"]
    known = kinds.schema(section, kind)["properties"]
    return {key: rule for key, rule in known.items() if key not in kinds.SECTIONS[section]["of_workflow"]}


def _why_not(of: Kind, key: str) -> str:
    """Why a setting of a kind cannot be searched."""
    section, kind, task = of
    rule = _all_options(of).get(key)
    if rule is None:
        return f"key {key!r} is unknown"
    if key in kinds.facts(section, kind).get("ignores", []):
        return f"{key!r} has no effect on {kind}"
    if rule.get("x-task", task) != task:
        return f"{key!r} is for a {rule['x-task']}, but no dataset with such a model is one"
    return f"{key!r} describes the data or the machine, so it cannot be searched"
