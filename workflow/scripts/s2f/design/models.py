"""The model that designs (one trained model, or several together) and the judge: predictions, spread, gradients.

A judge must have another lineage than the model: an optimiser finds and exploits whatever two fits of one kind of model
have in common. The schemas of encoders and baselines say which kinds share a lineage.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy.special import logit

from s2f.common import kinds
from s2f.common.errors import InputError
from s2f.common.tables import numbers, read_table
from s2f.design import options
from s2f.design.objective import Reading
from s2f.evaluation.calibration import half_width
from s2f.interpretation.scorer import Chunk, Scorer, load
from s2f.models.checkpoint import ENSEMBLE, check_members, read_record
from s2f.models.predictions import VALIDATION


@dataclass(frozen=True)
class Checkpoint:
    """A trained model on disk: the folder `best_model`, and its model.json."""

    path: Path
    record: dict[str, Any]

    @property
    def lineage(self) -> str:
        """The lineage of its kind, according to `kinds`."""
        if self.record["kind"] == "head":
            return options.lineage("encoders", self.record["encoder_spec"]["kind"])
        return options.lineage("baselines", self.record["kind"])

    @property
    def has_gradient(self) -> bool:
        """Whether its output has a gradient with respect to its input."""
        if self.record["kind"] == "head":
            return bool(kinds.facts("encoders", self.record["encoder_spec"]["kind"])["gradient"])
        return bool(kinds.facts("baselines", self.record["kind"])["gradient"])


def checkpoints(paths: Iterable[str | Path]) -> list[Checkpoint]:
    """The trained models in the folders, for an ensemble its members. Raises `InputError` for a folder without a model,
    and for models that differ in task, cells, strand rule or construct: their mean would be meaningless."""
    found: list[Checkpoint] = []
    for path in map(Path, paths):
        if not path.is_dir():
            raise InputError(f"{path}: is not a folder, expected the folder best_model of a run")
        record = read_record(path)
        check_members(path, record)
        if record["kind"] == ENSEMBLE:
            found += checkpoints(path / member["folder"] for member in record["members"])
        else:
            found.append(Checkpoint(path, record))
    first = found[0]
    for other in found[1:]:
        for key in ("task", "cells", "strand_rule", "construct"):
            if other.record.get(key) != first.record.get(key):
                raise InputError(
                    f"{other.path}: {key} is {other.record.get(key)!r}, but in {first.path} it is "
                    f"{first.record.get(key)!r}; models of one ensemble must agree"
                )
        if other.path.resolve() == first.path.resolve():
            raise InputError(f"{other.path}: is given twice; name each model once")
    return found


def check_judge(model: Sequence[Checkpoint], judge: Sequence[Checkpoint]) -> None:
    """Raise `InputError` for a judge with the model's lineage, or for another task."""
    shared = {own.lineage for own in model} & {own.lineage for own in judge}
    if shared:
        name = sorted(shared)[0]
        one, other = (next(own for own in some if own.lineage == name) for some in (judge, model))
        raise InputError(
            f"{one.path}: judge {one.record['model']!r} and model {other.record['model']!r} are both of the family "
            f"{name!r} and would make the same errors; choose a judge of another family"
        )
    if judge[0].record["task"] != model[0].record["task"]:
        raise InputError(
            f"{judge[0].path}: judge {judge[0].record['model']!r} is for a {judge[0].record['task']}, but the model "
            f"is for a {model[0].record['task']}"
        )


def name_of(members: Sequence[Checkpoint]) -> str:
    """Name of the model, with the seeds if there are several."""
    names = list(dict.fromkeys(own.record["model"] for own in members))
    seeds = list(dict.fromkeys(str(own.record["seed"]) for own in members))
    return " + ".join(names) + (f" (seeds {', '.join(seeds)})" if len(members) > 1 and len(seeds) > 1 else "")


@dataclass(frozen=True, eq=False)
class Model:
    """Trained models used as one: `readings` say which of each model's outputs counts, in the unit of the labels, or as
    the logit in a classification."""

    name: str
    scorers: Sequence[Scorer]
    readings: Sequence[Reading]

    @property
    def batch_size(self) -> int:
        """Sequences per call on the device."""
        return min(scorer.batch_size for scorer in self.scorers)

    def predict(self, inserts: NDArray[np.uint8]) -> NDArray[np.float64]:
        """Predictions (M, N) of M members for inserts (N, L)."""
        if not len(inserts):
            return np.zeros((len(self.scorers), 0))
        size = 1024
        return np.concatenate(
            list(self.stream([Chunk(inserts[i : i + size]) for i in range(0, len(inserts), size)])), axis=1
        )

    def stream(self, chunks: Sequence[Chunk]) -> Iterator[NDArray[np.float64]]:
        """Yield predictions (M, n) for each chunk."""
        streams = [
            (reading.of_outputs(values.mean(axis=0)) for values in scorer.outputs(chunks))
            for scorer, reading in zip(self.scorers, self.readings, strict=True)
        ]
        for values in zip(*streams, strict=True):
            yield np.stack(values)

    def gradient(self, one_hot: np.ndarray) -> tuple[NDArray[np.float64], np.ndarray]:
        """Predictions (M, N) for inserts float32 (N, L, 4), and their gradients (M, N, L, 4).

        If a reading has two or more outputs `against`, the largest one is taken from the mean over strands. This costs
        one more forward pass, before the gradients.
        """
        both = []
        for scorer, reading in zip(self.scorers, self.readings, strict=True):
            outputs = None
            if len(reading.against) > 1:
                outputs = scorer.outputs_at(one_hot)
            elif reading != Reading():
                # the weights do not depend on the outputs
                outputs = np.zeros((len(one_hot), len(scorer.record["cells"])))
            both.append(scorer.gradient(one_hot, None if outputs is None else reading.weights(outputs)))
        return np.stack([values for values, _ in both]), np.stack([gradient for _, gradient in both])


def load_model(
    members: Sequence[Checkpoint],
    cell: str,
    against: Sequence[str],
    specs: Sequence[Mapping[str, Any]],
    sequences: int,
) -> Model:
    """The `Model` of some checkpoints; `specs` are the sections of their encoders, empty for the sections used in
    training; `sequences` as in `scorer.load`."""
    readings = readings_of(members, cell, against)
    scorers = [
        load(own.path, dict(spec) or None, sequences, as_cached=True) for own, spec in zip(members, specs, strict=True)
    ]
    return Model(name_of(members), scorers, readings)


def readings_of(members: Sequence[Checkpoint], cell: str, against: Sequence[str]) -> list[Reading]:
    """The `Reading` of each member. Raises `InputError` for a cell that a member does not predict."""
    return [Reading.of(own.record.get("cells") or [], cell, against, str(own.path)) for own in members]


def validation(members: Sequence[Checkpoint], cell: str, against: Sequence[str]) -> pd.DataFrame | None:
    """The rows that chose the epochs of all members: index row_id, columns label (NaN where it is missing) and
    prediction (mean over members; logits in a classification). None if the members have no such rows in common, as
    models of several folds."""
    tables = []
    for own, reading in zip(members, readings_of(members, cell, against), strict=True):
        path, cells = own.path / VALIDATION, own.record.get("cells") or []
        columns = ("row_id", "label", "prediction", *(["cell"] if cells else []))
        table = read_table(path, columns, "predictions")
        values = pd.DataFrame(
            {"row_id": table["row_id"], "cell": table["cell"] if cells else ""}
            | {name: numbers(table, name, path) for name in ("label", "prediction")}
        )
        wide = {name: values.pivot(index="row_id", columns="cell", values=name) for name in ("label", "prediction")}
        of = {name: table[cells or [""]].to_numpy(np.float64) for name, table in wide.items()}
        if own.record["task"] == "classification":
            of["prediction"] = logit(of["prediction"].clip(1e-6, 1 - 1e-6))
        tables.append(pd.DataFrame({name: reading.of_outputs(of[name]) for name in of}, index=wide["label"].index))
    common = tables[0].index
    for table in tables[1:]:
        common = common.intersection(table.index)
    if not len(common):
        return None
    predicted = np.mean([table.loc[common, "prediction"] for table in tables], axis=0)
    return pd.DataFrame({"label": tables[0].loc[common, "label"], "prediction": predicted}, index=common)


def half_of(table: pd.DataFrame | None, task: str, confidence: float) -> float:
    """Half the width of a prediction's interval, from the validation rows; NaN for a classification and without
    rows."""
    if table is None or task != "regression":
        return np.nan
    return half_width(table["label"] - table["prediction"], confidence)


def expected_slope(model: pd.DataFrame | None, judge: pd.DataFrame | None) -> float:
    """How much the judge's prediction rises with the model's on validation rows of both: the least-squares slope; NaN
    if they have fewer than three rows in common, or the model predicts the same for all."""
    if model is None or judge is None:
        return np.nan
    common = model.index.intersection(judge.index)
    x, y = (table.loc[common, "prediction"].to_numpy() for table in (model, judge))
    good = np.isfinite(x) & np.isfinite(y)
    x, y = x[good], y[good]
    if len(x) < 3 or not x.std() > 0:
        return np.nan
    return float(((x - x.mean()) * (y - y.mean())).mean() / x.var())
