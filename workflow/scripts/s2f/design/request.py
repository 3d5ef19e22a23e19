"""One design, from options to files: all input is checked before a model is loaded, and all files appear together."""

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from s2f.common import kinds
from s2f.common.devices import log_device
from s2f.common.devices import report as device_report
from s2f.common.errors import InputError
from s2f.common.files import atomic, write_json, write_text
from s2f.common.provenance import derived_seed, versions
from s2f.common.tables import write_table
from s2f.design import annealing, evolution, models, options, starts, straight_through
from s2f.design.constraints import Constraints, Rules, gc_content, longest_run
from s2f.design.files import ABOUT, DESIGNS, FASTA, TRAJECTORIES
from s2f.design.models import Checkpoint, Model
from s2f.design.objective import Objective, spread
from s2f.design.problem import Codes, Point, Problem
from s2f.evaluation.calibration import check_confidence
from s2f.models.checkpoint import fingerprint
from s2f.rows.canonical import read_rows
from s2f.sequences import dna
from s2f.sequences.constructs import Construct
from s2f.sequences.genome import records
from s2f.splits.table import parts_of

RUN: dict[str, Callable[..., list[list[Point]]]] = {
    "evolution": evolution.run,
    "annealing": annealing.run,
    "straight_through": straight_through.run,
}
OF_SNAKEMAKE = ".snakemake_timestamp"  # hidden file that Snakemake writes into each folder that a rule makes


@dataclass(frozen=True)
class Request:
    """The options of the program `design_sequences`."""

    model: tuple[Path, ...]
    judge: tuple[Path, ...]
    out: Path
    method: str = "evolution"
    start: Path | None = None
    rows: Path | None = None
    panel: Path | None = None
    take: str = "drawn"
    random: int = 0
    count: int = 0
    goal: str = "maximise"
    target: float | None = None
    cell: str = ""
    against: tuple[str, ...] = ()
    penalty: float = 0.0
    protect: tuple[tuple[int, int], ...] = ()
    gc: tuple[float, float] | None = None
    homopolymer: int | None = None
    forbidden: tuple[str, ...] = ()
    changes: int | None = None
    avoid: Path | None = None
    avoid_training: tuple[Path, Path] | None = None
    settings: Mapping[str, Any] = field(default_factory=dict)
    confidence: float = 0.95
    seed: int = 0
    name: str = "design"

    def check(self) -> None:
        """Raise `InputError` for options that contradict each other, and for a folder that would be overwritten."""
        options.check(vars(self), lambda key: f"--{key.replace('_', '-')}")
        check_confidence(self.confidence)
        given = [key for key, value in (("--start", self.start), ("--panel", self.panel), ("--random", self.random))
                 if value]  # fmt: skip
        if len(given) != 1:
            raise InputError(
                f"{' and '.join(given) or 'no start'}: give exactly one of --start, --panel (with --rows), --random"
            )
        if self.panel and not (self.rows and self.count):
            raise InputError(
                "--panel needs --rows, rows.parquet of the dataset, and --count, the number of its rows to take"
            )
        if self.out.exists():
            inside = [path.name for path in self.out.iterdir()] if self.out.is_dir() else [self.out.name]
            strange = sorted({*inside} - {DESIGNS, TRAJECTORIES, FASTA, ABOUT, OF_SNAKEMAKE})
            if strange:
                raise InputError(
                    f"--out {self.out}: holds {strange[0]!r}, which is not part of a design; choose another folder"
                )
        for path in (*self.model, *self.judge):
            if self.out.resolve() == path.resolve() or path.resolve() in self.out.resolve().parents:
                raise InputError(f"--out {self.out}: lies in the folder of a model, which must not change")


def design(
    request: Request, specs: Sequence[Mapping[str, Any]] = (), judge_specs: Sequence[Mapping[str, Any]] = ()
) -> pd.DataFrame:
    """Make the designs and write the folder `request.out`: designs as FASTA and table, trajectories, and a JSON file of
    what was done. Returns the table of designs.

    `specs` and `judge_specs` are the sections of the models' encoders, by default those used in training. Raises
    `InputError`, before a model is loaded, for anything wrong with options, models, starts or constraints.
    """
    request.check()
    members, judges = models.checkpoints(request.model), models.checkpoints(request.judge)
    models.check_judge(members, judges)
    _check_models(request, members, judges)
    record, bp = members[0].record, dict(members[0].record["insert_bp"])
    for own in (*members[1:], *judges):  # lengths of the model and of the judge
        other = own.record["insert_bp"]
        bp |= {"shortest": max(bp["shortest"], other["shortest"]), "longest": min(bp["longest"], other["longest"])}
    if not bp["shortest"] <= bp["longest"]:
        raise InputError(
            f"{judges[0].path}: judge and model were trained on inserts of different lengths; choose another judge"
        )
    constraints = Constraints(
        request.gc, request.homopolymer, request.forbidden, request.changes, request.protect, _avoided(request)
    )
    construct, both = Construct.from_spec(record["construct"]), record["strand_rule"] == "mean"
    if request.start:
        names, codes = starts.of_fasta(request.start, bp)
        rules = Rules(constraints, construct, codes.shape[1], both)
        starts.check_starts(names, codes, rules, request.start)
    else:
        length = min(max(bp["commonest"], bp["shortest"]), bp["longest"])
        rules = Rules(constraints, construct, length, both)
        if request.panel:
            assert request.rows is not None
            names, codes = starts.of_panel(
                request.rows, request.panel, request.take, request.count, rules, request.seed
            )
        else:
            names, codes = starts.random_starts(request.random, rules, request.seed)
    objective = Objective(request.goal, request.target or 0.0, request.penalty)
    print(
        f"{len(names)} starts of {rules.length} bp, {int(rules.free.sum())} free; {request.method} with "
        f"{_settings(request)}; goal {request.goal}, penalty {request.penalty:g}, {len(members)} models"
    )
    empty: list[Mapping[str, Any]] = [{}] * (len(members) + len(judges))
    model = models.load_model(members, request.cell, request.against, specs or empty[: len(members)], len(names) * 8)
    log_device()
    problem = Problem(model, objective, rules, codes)
    began = time.perf_counter()
    ways = RUN[request.method](
        problem, lambda index: derived_seed(request.seed, "design", request.method, names[index]), **_settings(request)
    )
    seconds = time.perf_counter() - began
    judge = models.load_model(judges, request.cell, request.against, judge_specs or empty[: len(judges)], 1)
    trajectories = _trajectories(names, ways, problem, judge)
    table, about = _designs(request, members, judges, names, codes, ways, trajectories, rules)
    scored = sum(way[-1].scored for way in ways)
    about |= {
        "sequences_scored": scored, "seconds": round(seconds, 3), "sequences_per_second": round(scored / seconds, 1),
        "device": device_report(), "versions": versions("numpy", "jax", "torch"),
    }  # fmt: skip
    with atomic(request.out) as folder:
        folder.mkdir()
        write_table(folder / DESIGNS, table)
        write_table(folder / TRAJECTORIES, trajectories)
        write_text(folder / FASTA, _fasta(table))
        write_json(folder / ABOUT, about)
    print(f"{scored:,} sequences scored in {seconds:.1f} s, {scored / seconds:,.0f} per second")
    return table


def _settings(request: Request) -> dict[str, Any]:
    """Settings of the method, with defaults for those that are not given."""
    return {**options.SETTINGS[request.method], **request.settings}


def _check_models(request: Request, members: Sequence[Checkpoint], judges: Sequence[Checkpoint]) -> None:
    """Refuse models that cannot do what the request asks for."""
    for own in (*members, *judges):
        if own.record["kind"] != "head" and kinds.facts("baselines", own.record["kind"])["constant"]:
            raise InputError(
                f"{own.path}: {own.record['model']!r} predicts a constant, so nothing can be designed "
                "with it; choose another model"
            )
        models.readings_of([own], request.cell, request.against)
    if request.penalty and len(members) < 2:
        raise InputError(
            f"--penalty is {request.penalty:g}, but {members[0].path} has no spread, because it is a single model; "
            "give several models, such as its other seeds"
        )
    if request.method not in options.NEED_GRADIENT:
        return
    for own in members:
        if not own.has_gradient:
            raise InputError(
                f"{own.path}: {own.record['model']!r} has no gradient, but {request.method} needs one; use evolution "
                "or annealing"
            )


def _avoided(request: Request) -> list[str]:
    """Inserts with which no 31-mer may be shared: the records of a FASTA, and the training rows of a split."""
    found = []
    if request.avoid:
        found += [letters.decode("latin-1") for _, _, letters in records(request.avoid)]
        for text in found:
            dna.encode(dna.clean(text))
    if request.avoid_training:
        rows, split = request.avoid_training
        found += parts_of(read_rows(rows), split)["train"]["sequence"].tolist()
    return found


def _trajectories(names: list[str], ways: list[list[Point]], problem: Problem, judge: Model) -> pd.DataFrame:
    """A line per start and recorded step: the best sequence so far, as predicted by the model and by the judge."""
    codes = np.stack([point.codes for way in ways for point in way])
    unique, place = np.unique(codes, axis=0, return_inverse=True)
    place = place.ravel()
    members, judged = problem.model.predict(unique), judge.predict(unique)
    if not np.isfinite(judged).all():
        raise InputError(f"judge {judge.name}: a prediction is not finite")
    starting = np.repeat(problem.starts, [len(way) for way in ways], axis=0)
    sd = spread(members)
    return pd.DataFrame(
        {
            "start": np.repeat(names, [len(way) for way in ways]),
            "step": [point.step for way in ways for point in way],
            "scored": [point.scored for way in ways for point in way],
            "changes": (codes != starting).sum(axis=1),
            "objective": problem.of_members(members)[place],
            "prediction": members.mean(axis=0)[place],
            "sd": np.full(len(codes), np.nan) if sd is None else sd[place],
            "judge": judged.mean(axis=0)[place],
            "sequence": [dna.decode(row) for row in codes],
        }
    )


def _designs(
    request: Request,
    members: Sequence[Checkpoint],
    judges: Sequence[Checkpoint],
    names: list[str],
    starting: Codes,
    ways: list[list[Point]],
    trajectories: pd.DataFrame,
    rules: Rules,
) -> tuple[pd.DataFrame, dict[str, Any]]:
    """The table of designs, and what `design.json` says about them."""
    record, task = members[0].record, members[0].record["task"]
    first, last = (trajectories.groupby("start", sort=False).nth(place).set_index("start") for place in (0, -1))
    of_model, of_judge = (models.validation(some, request.cell, request.against) for some in (members, judges))
    half, judge_half = (models.half_of(table, task, request.confidence) for table in (of_model, of_judge))
    slope = models.expected_slope(of_model, of_judge)
    codes = np.stack([way[-1].codes for way in ways])
    change, judge_change = last["prediction"] - first["prediction"], last["judge"] - first["judge"]
    table = pd.DataFrame(
        {
            "id": [f"{name}.{request.method}" for name in names],
            "start": names,
            "changes": last["changes"].to_numpy(),
            "gc": gc_content(codes),
            "longest_run": longest_run(codes),
            "objective_start": first["objective"].to_numpy(),
            "objective": last["objective"].to_numpy(),
            "prediction_start": first["prediction"].to_numpy(),
            "prediction": last["prediction"].to_numpy(),
            "sd": last["sd"].to_numpy(),
            "low": last["prediction"].to_numpy() - half,
            "high": last["prediction"].to_numpy() + half,
            "judge_start": first["judge"].to_numpy(),
            "judge": last["judge"].to_numpy(),
            "judge_low": last["judge"].to_numpy() - judge_half,
            "judge_high": last["judge"].to_numpy() + judge_half,
            "change": change.to_numpy(),
            "judge_change": judge_change.to_numpy(),
            "judge_expected": slope * change.to_numpy(),
            "verdict": verdicts(change.to_numpy(), judge_change.to_numpy(), slope),
            "start_sequence": [dna.decode(row) for row in starting],
            "sequence": [dna.decode(row) for row in codes],
        }
    )
    about = {
        "name": request.name, "method": request.method, "settings": _settings(request), "goal": request.goal,
        "target": request.target, "penalty": request.penalty, "cell": request.cell, "against": list(request.against),
        "seed": request.seed, "confidence": request.confidence, "dataset": record["dataset"],
        "split": record["split"], "task": task, "unit": "logit" if task == "classification" else "unit of the labels",
        "model": models.name_of(members), "judge": models.name_of(judges),
        "members": [_about(own) for own in members], "judges": [_about(own) for own in judges],
        "judge_per_model": None if np.isnan(slope) else slope, "licence": record["licence"],
        "constraints": {
            "gc": request.gc, "homopolymer": request.homopolymer, "forbidden": list(request.forbidden),
            "changes": request.changes, "protect": [list(interval) for interval in request.protect],
            "avoided": len(rules.constraints.avoid),
        },
    }  # fmt: skip
    return table, about


def verdicts(change: np.ndarray, judge_change: np.ndarray, slope: float) -> list[str]:
    """The judge's verdict on each change in the model's prediction (N,). `agrees`: its own prediction changes by at
    least `options.AGREES` of what the rows of the data suggest, `slope` times the model's change. `doubts`: it changes
    by less. `opposes`: it does not change in that direction at all. `unchanged`: there is no change to judge. Without a
    slope, any change in that direction agrees."""
    along = np.sign(change) * judge_change
    expected = np.abs(change) * max(slope, 0.0) if np.isfinite(slope) else np.zeros_like(change)
    words = np.where(along <= 0, "opposes", np.where(along < options.AGREES * expected, "doubts", "agrees"))
    return np.where(change == 0, "unchanged", words).tolist()


def _about(own: Checkpoint) -> dict[str, Any]:
    return {
        "model": own.record["model"], "seed": own.record["seed"], "dataset": own.record["dataset"],
        "split": own.record["split"], "fingerprint": fingerprint(own.path), "lineage": own.lineage,
        "provenance": own.record["provenance"],
    }  # fmt: skip


def _fasta(table: pd.DataFrame) -> str:
    """The designs, with the predictions of model and judge in the header."""
    lines = [
        f">{own.id} prediction={own.prediction:.4f} judge={own.judge:.4f} changes={own.changes} verdict={own.verdict}\n"
        f"{own.sequence}\n"
        for own in table.itertuples()
    ]
    return "".join(lines)
