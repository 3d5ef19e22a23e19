"""Search for settings: which ones a run tries, and which of them its validation rows choose.

Every model of a study gets the same number of trials, so none is better because it was tuned more. Settings are drawn
at random (Bergstra and Bengio 2012, "Random search for hyper-parameter optimization"), as a Latin hypercube (McKay,
Beckman and Conover 1979): of n draws, one falls into each n-th of a range.
"""

import json
import math
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Generic, TypeVar

import numpy as np
import pandas as pd

from s2f.common.errors import InputError
from s2f.common.tables import write_table
from s2f.models.ranges import Range, places, value_at
from s2f.models.validation import DivergedError, UnsolvedError, comparable

MOST_DRAWS = 10_000  # of one setting that has to differ from those before
Model = TypeVar("Model")


@dataclass(frozen=True)
class Search:
    """What is searched: `ranges` {setting: range of `models.ranges`}.

    `grid` is a setting that is itself a list, such as penalties; training solves all its values and keeps the best.
    Each value is one trial, and the list stated in the study is not used. With 0 `trials` there is nothing to choose.
    """

    trials: int
    ranges: dict[str, Range]
    grid: str = ""

    @property
    def drawn(self) -> bool:
        """Whether chance takes part: without other settings, the values of a grid are evenly spread and equal for all
        seeds."""
        return bool(set(self.ranges) - {self.grid})

    def settings(self, stated: dict[str, Any], seed: int) -> list[dict[str, Any]]:
        """The `trials` different settings to try, {setting: value}; the first has the `stated` values, except for the
        grid. Raises `InputError` if the ranges do not hold enough different settings."""
        random = np.random.Generator(np.random.PCG64(seed))
        keys = sorted(set(self.ranges) - {self.grid})
        evenly = random.permutation(places(self.trials)) if keys else places(self.trials)
        count = self.trials - 1
        strata = [(random.permutation(count) + random.random(count)) / count for _ in keys]
        found: list[dict[str, Any]] = []
        for trial in range(self.trials):
            fixed = {self.grid: value_at(self.ranges[self.grid], evenly[trial])} if self.grid else {}
            if trial == 0:
                found.append({key: stated[key] for key in keys} | fixed)
                continue
            drawn = [stratum[trial - 1] for stratum in strata]
            for _ in range(MOST_DRAWS):
                setting = {
                    key: value_at(self.ranges[key], place) for key, place in zip(keys, drawn, strict=True)
                } | fixed
                if setting not in found:
                    break
                drawn = list(random.random(len(keys)))
            else:
                raise InputError(
                    f"search: the ranges {json.dumps(self.ranges)} hold fewer than {self.trials} "
                    "settings; widen them, or lower trials"
                )
            found.append(setting)
        return found


@dataclass
class Outcome(Generic[Model]):
    """A training: its `model`, the best `epoch` (0 if there are none), and the validation `score` by `metric`.

    `tried`: pairs of a value of the grid and its score; the model has the best of these values. Empty without a grid.
    """

    model: Model
    metric: str
    score: float | None
    epoch: int
    tried: Sequence[tuple[float, float | None]] = ()


@dataclass
class Found(Generic[Model]):
    """The best `model` of a search, the `spec` it was trained with, one line per trial, and the `record` for
    model.json."""

    model: Model
    spec: dict[str, Any]
    trials: pd.DataFrame
    record: dict[str, Any]

    def write(self, folder: Path) -> dict[str, Any]:
        """Write trials.tsv into the folder of a checkpoint, and return what model.json holds about the search."""
        write_table(folder / "trials.tsv", self.trials)
        return {"search": self.record}


def search(
    wanted: Search,
    stated: dict[str, Any],
    seed: int,
    train: Callable[[dict[str, Any]], Outcome[Model]],
    report: Callable[[str], object] = print,
) -> Found[Model]:
    """Train with each setting and keep the model with the best validation score, the first if scores are equal.

    `stated` are the settings of the study; `train` takes all of them, with the values of a trial in place of the stated
    ones. Settings that differ only in the grid are one training. A trial that diverges, or whose penalty has no
    solution, counts as tried. `Found.trials` has the columns trial, each searched setting, val_{metric}, epoch, seconds
    (an equal share if one training is several trials), chosen and note. Raises `DivergedError` if every trial diverges;
    an `InputError` from a trial names the trial.
    """
    if not wanted.trials:
        report("nothing to choose: one training with the given settings")
        began = time.perf_counter()
        only = train(stated)
        table = pd.DataFrame(columns=["trial", f"val_{only.metric}", "epoch", "seconds", "chosen", "note"])
        return Found(only.model, stated, table, _record(0, 0, {}, time.perf_counter() - began, False))
    settings = wanted.settings(stated, seed)
    lines: dict[int, dict[str, Any]] = {}
    best: tuple[float, int, Outcome[Model]] | None = None
    for numbers in _trainings(settings, wanted.grid):
        name = _name(numbers, settings, wanted)
        report(name)
        began = time.perf_counter()
        outcome, notes = _attempt(train, wanted, stated, settings, numbers, name, report)
        seconds = (time.perf_counter() - began) / len(numbers)
        for number in numbers:
            line: dict[str, Any] = {"epoch": 0, "score": None, "seconds": seconds, "note": notes.get(number, "")}
            if outcome and number not in notes:
                score = dict(outcome.tried)[settings[number][wanted.grid]] if wanted.grid else outcome.score
                line |= {"epoch": outcome.epoch, "score": score}
            lines[number] = line
        if outcome and (best is None or comparable(outcome.score) > best[0]):
            best = comparable(outcome.score), _kept(numbers, settings, wanted.grid, outcome), outcome
    if best is None:
        why = "\n".join(f"trial {number + 1}: {line['note']}" for number, line in sorted(lines.items()))
        raise DivergedError(f"all {wanted.trials} settings diverged:\n{why}")
    value, chosen, kept = best
    report(f"chosen: {_name([chosen], settings, wanted)}: validation {kept.metric} {value:.4f}")
    total = sum(line["seconds"] for line in lines.values())
    return Found(
        kept.model, _spec(wanted, stated, [settings[chosen]]), _table(settings, lines, chosen, kept.metric),
        _record(wanted.trials, chosen + 1, settings[chosen], total, wanted.drawn),
    )  # fmt: skip


def _attempt(
    train: Callable[[dict[str, Any]], Outcome[Model]],
    wanted: Search,
    stated: dict[str, Any],
    settings: Sequence[dict[str, Any]],
    numbers: Sequence[int],
    name: str,
    report: Callable[[str], object],
) -> tuple[Outcome[Model] | None, dict[int, str]]:
    """The training with the settings `numbers`, or None if it diverges; and the reason, {number: note}, for each
    setting that diverged or has no solution. If a penalty of the grid has none, the others are solved again without
    it."""
    notes: dict[int, str] = {}
    left = list(numbers)
    while left:
        try:
            return train(_spec(wanted, stated, [settings[number] for number in left])), notes
        except DivergedError as error:
            failed = {number: str(error) for number in left}
        except UnsolvedError as error:
            failed = {number: error.found for number in left if settings[number].get(wanted.grid) == error.penalty}
            if not failed:
                raise InputError(f"{name}: {error}") from error
        except InputError as error:
            raise InputError(f"{name}: {error}") from error
        report(f"diverged: {next(iter(failed.values()))}")
        notes |= failed
        left = [number for number in left if number not in failed]
    return None, notes


def _trainings(settings: Sequence[dict[str, Any]], grid: str) -> list[list[int]]:
    """Numbers of the settings of each training: settings that differ only in the grid are one training."""
    if not grid:
        return [[number] for number in range(len(settings))]
    alike: dict[str, list[int]] = {}
    for number, setting in enumerate(settings):
        alike.setdefault(json.dumps({**setting, grid: None}, sort_keys=True), []).append(number)
    return list(alike.values())


def _spec(wanted: Search, stated: dict[str, Any], settings: Sequence[dict[str, Any]]) -> dict[str, Any]:
    """The settings of a training, whose trials differ only in the grid."""
    grid = {wanted.grid: [setting[wanted.grid] for setting in settings]} if wanted.grid else {}
    return {**stated, **settings[0], **grid}


def _kept(numbers: Sequence[int], settings: Sequence[dict[str, Any]], grid: str, outcome: Outcome[Any]) -> int:
    """Number of the setting that gave the model of a training: the first of the best ones that it `tried`."""
    if not grid:
        return numbers[0]
    best = max(outcome.tried, key=lambda pair: comparable(pair[1]))[0]
    return next(number for number in numbers if settings[number][grid] == best)


def _name(numbers: Sequence[int], settings: Sequence[dict[str, Any]], wanted: Search) -> str:
    if len(numbers) > 1:
        values = ", ".join(f"{settings[number][wanted.grid]:g}" for number in numbers)
        same = {key: value for key, value in settings[numbers[0]].items() if key != wanted.grid}
        return f"{len(numbers)} of {wanted.trials} trials: {_words({**same, wanted.grid: values})}"
    return f"trial {numbers[0] + 1} of {wanted.trials}: {_words(settings[numbers[0]])}"


def _words(setting: dict[str, Any]) -> str:
    return ", ".join(f"{key} {value}" for key, value in setting.items())


def _table(
    settings: Sequence[dict[str, Any]], lines: dict[int, dict[str, Any]], chosen: int, metric: str
) -> pd.DataFrame:
    rows = []
    for number, setting in enumerate(settings):
        shown = {key: json.dumps(value) if isinstance(value, list) else value for key, value in setting.items()}
        line = lines[number]
        score = math.nan if line["score"] is None else line["score"]
        rows.append(
            {
                "trial": number + 1, **shown, f"val_{metric}": score, "epoch": line["epoch"],
                "seconds": round(line["seconds"], 3), "chosen": number == chosen, "note": line["note"],
            }
        )  # fmt: skip
    return pd.DataFrame(rows)


def _record(trials: int, trial: int, chosen: dict[str, Any], seconds: float, drawn: bool) -> dict[str, Any]:
    return {"trials": trials, "trial": trial, "chosen": chosen, "seconds": round(seconds, 3), "drawn": drawn}
