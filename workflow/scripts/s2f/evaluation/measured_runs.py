"""What is compared: datasets, runs, and their files."""

import dataclasses
import functools
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from s2f.common.errors import InputError
from s2f.common.seen import Seen
from s2f.common.tables import read_table
from s2f.models.checkpoint import ENSEMBLE, read_record
from s2f.models.predictions import VALIDATION as VALIDATION_TABLE
from s2f.models.validation import VALIDATION, score_of_task
from s2f.rows.canonical import TASKS, read_rows
from s2f.splits.table import panel_rows


@dataclass(frozen=True)
class MeasuredRun:
    """A run with its results: the paths of its predictions {panel: path}, of its metrics.tsv and of its predictions for
    the `validation` rows, and what the run is.

    `excluded` {panel: reason} names the panels it must not be scored on (trained on their rows, for one); `seen`
    {panel: text} says what it has seen, pretrained weights included, and whether that includes rows of the panel;
    `provenance` says where weights or numbers come from; `trained_on` fingerprints the training and validation rows of
    a model trained here (empty: a published model). `stochastic` says whether another seed gives another model,
    `one_draw` what random thing all seeds of the model share ("random weights", "adaptation"; empty: nothing), and
    `drawn_per_seed` whether its weights are drawn anew for each seed, which gives each seed its own provenance.
    `val_value` is the score on the validation rows (NaN: none), and `ended` says how training did: by `patience`, at
    the `limit` of its epochs, with its `schedule`, `solved` without any (empty: not known). `search` is what the record
    says about the settings that were tried. If rows have several labels, `cells` are the cells that it predicts, and
    `val_cells` its validation score in each if there are several.
    """

    dataset: str
    split: str
    model: str
    seed: int
    encoder: str = ""
    augmentation: str = ""
    head: str = ""
    provenance: str = ""
    note: str = ""
    excluded: dict[str, str] = field(default_factory=dict)
    predictions: dict[str, str] = field(default_factory=dict)
    metrics: str = ""
    validation: str = ""
    trained_on: str = ""
    seen: dict[str, str] = field(default_factory=dict)
    stochastic: bool = True
    one_draw: str = ""
    drawn_per_seed: bool = False
    val_value: float = math.nan
    search: dict[str, Any] = field(default_factory=dict)
    ended: str = ""
    start: str = ""  # model that a stage-2 model starts from
    members: Sequence[str] = ()  # models that an ensemble is the mean of
    cells: Sequence[str] = ()
    val_cells: dict[str, float | None] = field(default_factory=dict)

    def val_of(self, cell: str) -> float:
        """Score on the validation rows, for one cell if rows have several labels; NaN if there is none."""
        if not cell or list(self.cells) == [cell]:
            return self.val_value
        value = self.val_cells.get(cell)
        return math.nan if value is None else value

    @property
    def made_from(self) -> Sequence[str]:
        """Models whose run with the same seed is a part of this one: what it started from, or the members of an
        ensemble."""
        return [self.start] if self.start else self.members

    def reason_against(self, panel: str, cells: Sequence[str]) -> str:
        """Why it must not be scored on a panel of these `cells` (none if rows have a single label); empty if it may."""
        lacking = [cell for cell in cells if cell not in self.cells]
        unpredicted = f"it predicts only {', '.join(self.cells)}" if lacking else ""
        return self.excluded.get(panel, unpredicted)

    def __str__(self) -> str:
        return f"{self.dataset}/{self.split}/{self.model}/seed{self.seed}"


def measured_run(folder: Path, datasets: Mapping[str, Any]) -> dict[str, Any]:
    """What the run in `folder` says of itself, as keys of `MeasuredRun`; `datasets` are the compared datasets.

    A model whose record names `clean_chromosomes` (published weights) is excluded from every panel with rows on other
    chromosomes, because it may have been trained on them; `use_contaminated_panels` in its settings allows such panels,
    and is noted. Rows without a chromosome count as clean if their published part is among its `clean_published`.
    """
    record = read_record(folder / "best_model")
    panels = _panels_in(datasets[record["dataset"]], record["split"])
    excluded, note = {}, record.get("note", "")
    for name, panel in panels.items() if "clean_chromosomes" in record else ():
        clean = (tuple(record.get(key, ())) for key in ("clean_chromosomes", "clean_published"))
        seen, total = _unclean(datasets[record["dataset"]]["rows"], panel["path"], *clean)
        if seen:
            new = ", ".join(record["clean_chromosomes"]) or "chromosomes that are known to be new to it"
            excluded[name] = (
                f"{seen:,} of {total:,} rows are not on {new}: the published model may have been trained on them"
            )
    if excluded and record["spec"].get("use_contaminated_panels"):
        note = "; ".join([*filter(None, [note]), *(f"panel {name}: {why}" for name, why in excluded.items())])
        excluded = {}
    excluded |= record.get("left_out", {})
    validation, task = record["validation"], datasets[record["dataset"]]["task"]
    # a model of several cells beside models of one cell, which were chosen by that cell only
    if validation.get("cells") and validation["metric"] == VALIDATION[task] and "clean_chromosomes" not in record:
        note = "; ".join(filter(None, [note, "chosen by the mean over cells of the validation score"]))
    trained = record["train_rows_sha256"] + record["val_rows_sha256"]
    return {
        **{key: record[key] for key in ("dataset", "split", "model", "seed", "encoder", "augmentation", "head")},
        "provenance": record["provenance"], "note": note, "excluded": excluded,
        "predictions": {name: str(folder / "predictions" / f"{name}.tsv") for name in panels if name not in excluded},
        "stochastic": record.get("stochastic", True), "one_draw": record.get("one_draw", ""),
        "drawn_per_seed": record.get("drawn_per_seed", False),
        "val_value": score_of_task(task, validation),
        "val_cells": validation.get("cells", {}),
        "ended": validation.get("ended", ""), "metrics": str(folder / "metrics.tsv"),
        "validation": str(folder / "best_model" / VALIDATION_TABLE),
        "trained_on": "" if "clean_chromosomes" in record else trained,
        "seen": {
            name: _seen(record, datasets[record["dataset"]]["rows"], panel)
            for name, panel in panels.items() if "seen" in record
        },
        "cells": record.get("cells", []), "search": record.get("search", {}),
        "start": record.get("stage2", {}).get("start", ""),
        "members": record["spec"]["members"] if record["kind"] == ENSEMBLE else [],
    }  # fmt: skip


def _panels_in(dataset: Mapping[str, Any], split: str) -> dict[str, dict[str, str]]:
    """The panels of a split of a dataset. A k-fold split, to which ensembles over its folds belong, has the panels of
    its first fold: such an ensemble is only scored on panels whose rows are the same in all folds."""
    panels: dict[str, dict[str, dict[str, str]]] = dataset["panels"]
    return panels.get(dataset.get("folds", {}).get(split, [split])[0], {})


def _seen(record: Mapping[str, Any], rows_path: str, panel: Mapping[str, Any]) -> str:
    """What a model has seen by its `record`; for pretrained weights, also whether rows of a panel are among it."""
    before = Seen.of_record(record["seen_before"])
    if before.text == "nothing":
        return record["seen"]
    rows = _panel_rows(rows_path, panel["path"])
    designed = (rows["chrom"] == "") & rows["published"].isin(record.get("clean_published", ()))
    rows_on = rows.loc[~designed, "chrom"].value_counts().to_dict()
    return f"{record['seen']} ({before.of_rows(rows_on, panel.get('within'), int(designed.sum()))})"


def _unclean(
    rows_path: str, panel_path: str, chromosomes: tuple[str, ...], published: tuple[str, ...]
) -> tuple[int, int]:
    """The rows of a panel that are neither on clean `chromosomes` nor, without a chromosome, in clean `published`
    parts; and all its rows."""
    rows = _panel_rows(rows_path, panel_path)
    clean = rows["chrom"].isin(chromosomes) | ((rows["chrom"] == "") & rows["published"].isin(published))
    return int((~clean).sum()), len(rows)


@functools.cache
def _panel_rows(rows_path: str, panel_path: str) -> Any:
    """The rows of a panel, columns row_id, chrom and published."""
    return panel_rows(read_rows(rows_path, ["row_id", "chrom", "published"]), read_table(panel_path))


@dataclass(frozen=True)
class ComparedDataset:
    """A dataset to compare within: path of its `rows`, `panels` {split: {panel: {kind, path}}}, names of models.

    Differences are from the model `baseline` (empty: none), or from the model in `baselines` {split: model}; `floors`
    are models that every other model should beat, `constants` the ones that predict the same for all rows. `folds`
    {name: splits} are k-fold splits; the comparison also takes the mean over their folds, under that name. In the
    splits `drawn`, each seed has its own training rows, the same for all models.
    """

    rows: str
    task: str
    panels: dict[str, dict[str, dict[str, str]]]
    baseline: str = ""
    floors: Sequence[str] = ()
    constants: Sequence[str] = ()
    simulated: bool = False
    negatives: str = ""  # kind of negatives that were chosen or made for measured positives
    folds: dict[str, list[str]] = field(default_factory=dict)
    baselines: dict[str, str] = field(default_factory=dict)
    drawn: Sequence[str] = ()

    def panels_in(self, split: str) -> dict[str, dict[str, str]]:
        """The panels of a split, or of the first fold of a k-fold split; empty if there are none."""
        return _panels_in({"panels": self.panels, "folds": self.folds}, split)

    def in_split(self, split: str) -> "ComparedDataset":
        """The dataset with the baseline of a split."""
        return replace(self, baseline=self.baselines.get(split, self.baseline))


@dataclass(frozen=True)
class Comparison:
    """All that is compared: `datasets` by name, `runs`, and how intervals are made."""

    study: str
    datasets: dict[str, ComparedDataset]
    runs: tuple[MeasuredRun, ...]
    description: str = ""
    resamples: int = 10000
    confidence: float = 0.95
    seed: int = 0

    @staticmethod
    def parse(values: Mapping[str, Any], path: str | Path) -> "Comparison":
        """Comparison from parsed JSON of the same keys; `InputError` for an unknown, missing or impossible value."""
        parsed = _dataclass(Comparison, values, path)
        datasets = {
            name: _dataclass(ComparedDataset, value, f"{path}: datasets.{name}")
            for name, value in parsed.datasets.items()
        }
        runs = tuple(_dataclass(MeasuredRun, run, f"{path}: runs[{index}]") for index, run in enumerate(parsed.runs))
        for name, dataset in datasets.items():
            if dataset.task not in TASKS:
                raise InputError(f"{path}: datasets.{name}.task is {dataset.task!r}, expected one of {TASKS}")
            for folds in dataset.folds.values():
                for split in folds:
                    if list(dataset.panels.get(split, {})) != list(dataset.panels.get(folds[0], {"": ""})):
                        raise InputError(
                            f"{path}: datasets.{name}.folds: the panels of {split!r} differ from those of {folds[0]!r}"
                        )
        for index, run in enumerate(runs):
            if run.dataset not in datasets or not datasets[run.dataset].panels_in(run.split):
                raise InputError(f"{path}: runs[{index}]: {run}: there are no panels for its dataset and split")
        if not runs:
            raise InputError(f"{path}: runs is empty, so there is nothing to compare")
        if parsed.resamples < 100 or not 0 < parsed.confidence < 1:
            raise InputError(
                f"{path}: resamples is {parsed.resamples} and confidence {parsed.confidence}, "
                "expected at least 100 and a number between 0 and 1"
            )
        return replace(parsed, datasets=datasets, runs=runs)


def _dataclass(kind: type, values: Mapping[str, Any], where: str | Path) -> Any:
    known = {f.name: f for f in dataclasses.fields(kind)}
    unknown = [key for key in values if key not in known]
    if unknown:
        raise InputError(f"{where}: key {unknown[0]!r} is unknown; known: {', '.join(known)}")
    # an empty value of an optional key (null in JSON) means the default
    given = {key: value for key, value in values.items() if value is not None}
    absent = dataclasses.MISSING
    missing = [k for k, f in known.items() if f.default is absent and f.default_factory is absent and k not in given]
    if missing:
        raise InputError(f"{where}: key {missing[0]!r} is missing")
    return kind(**given)
