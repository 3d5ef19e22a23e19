"""Ensembles: the mean of several trained models, and how far they differ.

The prediction of an ensemble is the mean of its members' predictions (deep ensembles: Lakshminarayanan et al. 2017,
arXiv:1612.01474), and `sd` their standard deviation (ddof 1). In a classification it is the mean of probabilities, not
of log-odds: the probability of the mixture, and the way in which the strand rule treats the strands of each member.

Failed members are dropped, judged only by the validation rows: a run that is collapsed there, or whose score there is
undefined. Nothing that is measured on a panel counts. Members from folds of a k-fold split only predict rows that are
test rows in their fold: rows that a fold was trained on, or that chose its epoch, do not test it.
"""

import os
import shutil
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from s2f.common.errors import InputError
from s2f.common.seen import TRAIN_ROWS, Seen
from s2f.common.tables import numbers, read_table, write_table
from s2f.evaluation.collapse import collapsed, odd_seeds
from s2f.evaluation.evaluator import learned_cells, may_be_flat
from s2f.evaluation.measure import METRIC_COLUMNS, PREDICTION_COLUMNS
from s2f.models.checkpoint import ENSEMBLE, fingerprint, predicted_cells, read_record, write_record
from s2f.models.predictions import VALIDATION, strands
from s2f.models.validation import VALIDATION as SCORES
from s2f.models.validation import mean_of, score_of_task, validation_score
from s2f.rows.canonical import labels_sha256

OVER = ("seeds", "encoders", "folds")
FEWEST = 2  # members that must remain
# what all members must agree in
ALIKE = ("task", "dataset", "strand_rule", "construct")


@dataclass(frozen=True)
class Member:
    """A run that may join an ensemble, given by its folder; `number` is its place in the study's list."""

    folder: Path
    record: dict[str, Any]
    number: int

    @property
    def model(self) -> Path:
        """Its checkpoint."""
        return self.folder / "best_model"

    def predictions(self, panel: str) -> Path:
        """Its predictions for a panel."""
        return self.folder / "predictions" / f"{panel}.tsv"

    @property
    def name(self) -> str:
        """Its name in tables, with its split and seed."""
        return f"{self.record['model']} (split {self.record['split']}, seed {self.record['seed']})"


def read_members(models: Sequence[str | Path]) -> list[Member]:
    """The members given by checkpoints `best_model/`, whose predictions and metrics are beside them. Raises
    `InputError` for fewer than two, and for members that differ in what they predict."""
    members = [Member(Path(model).parent, read_record(model), number) for number, model in enumerate(models)]
    if len(members) < FEWEST:
        raise InputError(f"an ensemble has {len(members)} members, expected at least {FEWEST}")
    for member in members[1:]:
        for key in (*ALIKE, "cells"):
            first, own = members[0].record.get(key), member.record.get(key)
            if first != own:
                raise InputError(
                    f"{member.model / 'model.json'}: {key} is {own!r}, but in {members[0].model} it is {first!r}; "
                    "members of an ensemble must agree"
                )
    return members


def dropped(members: Sequence[Member], over: str) -> dict[int, str]:
    """{number of a member: why it is dropped}, judged only by its validation rows: its score there is undefined, or it
    is collapsed there, either by itself or, among seeds of one model, compared with the others (see `collapse`)."""
    task, found = members[0].record["task"], dict[int, str]()
    cells = members[0].record.get("cells") or [""]
    measured: dict[str, list[tuple[Member, float, np.ndarray]]] = {cell: [] for cell in cells}
    for member in members:
        path = member.model / VALIDATION
        table, flat = _read(path, bool(cells[0])), may_be_flat(member.record)
        learned = learned_cells(task, member.record)
        for cell in cells:
            own = _of_cell(table, cell)
            own = own[own["label"].notna()]
            labels, rule = own["label"].to_numpy(), member.record["strand_rule"]
            value = validation_score(task, labels, own["prediction"].to_numpy())
            by_strand = {strand: own[strand].to_numpy() for strand in strands(rule)}
            why = "" if flat else collapsed(task, labels, by_strand, len(own), learned.get(cell, False))
            if value is None:
                why = why or f"its {SCORES[task]} is undefined"
            elif not flat and not why:
                measured[cell].append((member, value, labels))
            if why:
                found.setdefault(member.number, f"on the validation rows{f' of {cell}' if cell else ''}: {why}")
    for cell, of_cell in measured.items() if over == "seeds" else ():
        if of_cell:
            labels = of_cell[0][2]
            reasons = odd_seeds(task, [value for _, value, _ in of_cell], labels, len(labels))
            for (member, *_), why in zip(of_cell, reasons, strict=True):
                if why:
                    found.setdefault(member.number, f"on the validation rows{f' of {cell}' if cell else ''}: {why}")
    return found


def combined(paths: Sequence[str | Path], cells: Sequence[str] = (), some: bool = False) -> pd.DataFrame:
    """An ensemble's table of predictions, from the tables of its members: the means, a column sd and, if members may
    lack rows (`some`), a column n_members.

    Predictions of both strands are means too. `sd` is missing where only one member predicts a row. Raises `InputError`
    for members with other rows, labels or strand rules.
    """
    tables = [_read(path, bool(cells)) for path in paths]
    rules = [sorted(set(table["strand_rule"])) for table in tables]
    for path, rule in zip(paths, rules, strict=True):
        if rule != rules[0] and rule and rules[0]:
            raise InputError(f"{path}: strand_rule is {', '.join(rule)}, but in {paths[0]} it is {', '.join(rules[0])}")
    keys = ["row_id", *(["cell"] if cells else [])]
    index = pd.MultiIndex.from_frame(pd.concat([table[keys] for table in tables]).drop_duplicates())
    values = {
        column: np.full((len(tables), len(index)), np.nan) for column in ("label", "prediction", *strands("mean"))
    }
    there = np.zeros((len(tables), len(index)), bool)
    for number, (path, table) in enumerate(zip(paths, tables, strict=True)):
        own = pd.MultiIndex.from_frame(table[keys])
        if own.has_duplicates:
            raise InputError(f"{path}: row {own[own.duplicated()][0][0]!r} is predicted twice")
        place = index.get_indexer(own)
        there[number, place] = True
        for column, filled in values.items():
            filled[number, place] = table[column].to_numpy()
    if not some and not there.all():
        number, place = np.argwhere(~there)[0]
        raise InputError(
            f"{paths[number]}: row {index[place][0]!r} has no prediction, but another member of the ensemble has "
            "one; predict the panel again"
        )
    labels, first = values.pop("label"), there.argmax(axis=0)
    label = labels[first, np.arange(len(index))]
    other = there & ~((labels == label) | (np.isnan(labels) & np.isnan(label)))
    if other.any():
        number, place = np.argwhere(other)[0]
        raise InputError(
            f"{paths[number]}: row {index[place][0]!r}: label is {labels[number, place]}, but another member has "
            f"{label[place]}: these are predictions of different rows; predict the panel again"
        )
    count = there.sum(axis=0)
    with np.errstate(invalid="ignore", divide="ignore"):
        means = {column: np.where(there, own, 0).sum(axis=0) / count for column, own in values.items()}
        apart = np.where(there, values["prediction"] - means["prediction"], 0)
        sd = np.sqrt((apart**2).sum(axis=0) / (count - 1))
    return pd.DataFrame(
        {
            **{key: index.get_level_values(key) for key in keys}, "label": label, **means,
            "strand_rule": next((rule[0] for rule in rules if rule), ""),
            "sd": np.where(count > 1, sd, np.nan), **({"n_members": count} if some else {}),
        }
    )  # fmt: skip


def check_fingerprints(members: Sequence[Member], panel: str) -> None:
    """Raise `InputError` for members whose metrics of a panel were computed from other rows, or by another strand
    rule."""
    stated = {}
    for member in members:
        path = member.folder / "metrics.tsv"
        table = read_table(path, METRIC_COLUMNS, "metrics")
        table = table[table["panel"] == panel]
        lines = zip(table.get("cell", [""] * len(table)), table["rows_sha256"], table["strand_rule"], strict=True)
        stated[path] = sorted(set(lines))
    (first, expected), *others = stated.items()
    for path, found in others:
        if found != expected:
            raise InputError(
                f"{path}: panel {panel!r} was measured on other rows or with another strand rule than {first}: "
                f"{_differing(found, expected)}; measure the older of them again"
            )


def used_by_folds(members: Sequence[Member], panel: str, splits: Sequence[pd.DataFrame]) -> str:
    """Why an ensemble over folds is not scored on a panel: rows that are not test rows in every fold; empty if there
    are none.

    `splits` are the tables of the members' folds, with which the members' predictions for the panel are compared.
    Raises `InputError` for a member that predicts a row that is not a test row of its own fold.
    """
    predicted = []
    for member, split in zip(members, splits, strict=True):
        path = member.predictions(panel)
        part = pd.Series(split["split"].to_numpy(object), index=split["row_id"])
        rows = read_table(path, ("row_id",), "predictions")["row_id"].drop_duplicates()
        found = part.reindex(rows).fillna("of no part")
        wrong = (found != "test").to_numpy()
        if wrong.any():
            raise InputError(
                f"{path}: row {rows[wrong].iloc[0]!r} is {found[wrong].iloc[0]} in split {member.record['split']!r}, "
                "expected test: a member of an ensemble over folds must not predict rows that its fold has used; "
                "predict it again"
            )
        predicted.append(rows)
    times = pd.concat(predicted).value_counts()
    used = int((times < len(members)).sum())
    if not used:
        return ""
    return (
        f"{used:,} of {len(times):,} rows are test rows only in some folds: the others trained on them, or chose "
        "their epochs by them"
    )


def write(
    folder: Path,
    name: str,
    over: str,
    members: Sequence[Member],
    reasons: Mapping[int, str],
    parts: Mapping[str, pd.DataFrame],
    place: Mapping[str, Any],
    left_out: Mapping[str, str],
) -> dict[str, Any]:
    """Fill the folder of a checkpoint: the kept members, their combined validation predictions, and model.json, which
    is returned.

    If fewer than two members remain, all are kept and `collapsed` in the record says so. `parts` {train, val: rows} are
    the rows that any member used; `place` has dataset, split and seed; `left_out` is {panel: why it is not scored}.
    """
    kept = [member for member in members if member.number not in reasons]
    few = ""
    if len(kept) < FEWEST:
        few = f"{len(kept)} of {len(members)} members remain: {_named(members, reasons)}"
        kept = list(members)
    folder.mkdir()
    for member in kept:
        target = folder / "members" / str(member.number)
        shutil.copytree(member.model, target, copy_function=_link_or_copy)
    records = [member.record for member in kept]
    of_all = [member.record for member in members]  # the same for all seeds, whichever member is dropped
    cells = records[0].get("cells", [])
    table = combined([member.model / VALIDATION for member in kept], cells, over == "folds")
    if over == "folds":  # most rows are in the validation part of only one fold
        table = table.drop(columns="sd")
    write_table(folder / VALIDATION, table)
    bp = [record["insert_bp"] for record in of_all]
    known = {"shortest": max(one["shortest"] for one in bp), "longest": min(one["longest"] for one in bp)}
    commonest = min(max(bp[0]["commonest"], known["shortest"]), known["longest"])
    dropping = f"members dropped by validation: {_named(members, reasons)}" if reasons and not few else ""
    before = Seen.union([Seen.of_record(record["seen_before"]) for record in of_all if "seen_before" in record])
    write_record(
        folder, parts, ("numpy", "pandas"), name=name, kind=ENSEMBLE, model=name, **place,
        task=records[0]["task"], strand_rule=records[0]["strand_rule"], construct=records[0]["construct"],
        spec={"over": over, "members": _models(of_all), **_contaminated(of_all)},
        members=[
            {"folder": f"members/{member.number}", "number": member.number, "fingerprint": fingerprint(member.model),
             **{key: member.record[key] for key in ("model", "kind", "split", "seed")}}
            for member in kept
        ],
        dropped=[
            {"model": member.name, "reason": reasons[member.number]} for member in members if member.number in reasons
        ],
        validation=_validation(kept, table, over, bool(few)),
        parameters=sum(record["parameters"] for record in records),
        insert_bp={**known, "commonest": commonest}, provenance=_provenance(over, of_all),
        licence="; ".join(dict.fromkeys(record["licence"] for record in of_all)),
        stochastic=any(record.get("stochastic", True) for record in of_all),
        drawn_per_seed=any(record.get("drawn_per_seed", False) for record in of_all),
        one_draw=", ".join(dict.fromkeys(filter(None, (record.get("one_draw", "") for record in of_all)))),
        seen=_seen([record["seen"] for record in of_all if "seen" in record]), seen_before=before.record(),
        note="; ".join(filter(None, dict.fromkeys([*(record.get("note", "") for record in of_all), dropping]))),
        collapsed=few, left_out=dict(left_out), **({"cells": cells} if cells else {}),
        **_clean(of_all), **_search(of_all),
    )  # fmt: skip
    return read_record(folder)


def check_trained_on(member: Member, parts: Mapping[str, pd.DataFrame], split: str | Path) -> None:
    """Raise `InputError` for a member that was trained on other rows than the `parts` of its split."""
    for part in ("train", "val"):
        if member.record[f"{part}_rows_sha256"] != labels_sha256(parts[part]):
            raise InputError(
                f"{member.model / 'model.json'}: its {part} rows differ from those of {split}; train {member.name} "
                "again"
            )


def check_cells(member: Member, rows: pd.DataFrame) -> list[str]:
    """The cells that a member predicts, as `checkpoint.predicted_cells`."""
    return predicted_cells(member.model, member.record, rows)


def _validation(members: Sequence[Member], table: pd.DataFrame, over: str, few: bool) -> dict[str, Any]:
    """As in model.json, by the forward strand, by which members choose their epochs.

    There is no value if it is collapsed, or if a member has published weights without a score: these may have been
    trained on the validation rows, which would make the score of the mean too high as well. Over folds it is the mean
    of the members' own scores: predictions of models from several folds are never pooled.
    """
    records = [member.record for member in members]
    task, cells = records[0]["task"], records[0].get("cells") or [""]
    tables = [_read(member.model / VALIDATION, bool(cells[0])) for member in members] if over == "folds" else [table]
    by_cell = {}
    for cell in cells:
        labelled = [own[own["label"].notna()] for own in (_of_cell(each, cell) for each in tables)]
        by_cell[cell] = mean_of(
            [validation_score(task, own["label"].to_numpy(), own["forward"].to_numpy()) for own in labelled]
        )
    withheld = few or any(
        "clean_chromosomes" in record and score_of_task(task, record["validation"]) is None for record in records
    )
    return {
        "metric": SCORES[task], "strand": "forward", "value": None if withheld else mean_of(list(by_cell.values())),
        "epoch": 0, "ended": _ended(records, few), **({"cells": by_cell} if len(cells) > 1 and not withheld else {}),
    }  # fmt: skip


def _ended(records: Sequence[Mapping[str, Any]], few: bool) -> str:
    """How the trainings of the members ended: `limit` if one did so, `solved` if all were solved, empty if none was
    trained here."""
    endings = {record["validation"].get("ended", "") for record in records} - {""}
    if "limit" in endings:
        return "limit"
    if endings <= {"solved"} and not few:
        return "".join(endings)
    return "patience"


def _provenance(over: str, records: Sequence[Mapping[str, Any]]) -> str:
    """What it is the mean of, and where its members come from, each text once: tables mark what any of these texts
    says, for instance random weights."""
    models, texts = _models(records), dict.fromkeys(record["provenance"] for record in records)
    if over == "encoders":
        what = f"mean of {', '.join(models)}"
    else:
        values = ", ".join(str(record["split" if over == "folds" else "seed"]) for record in records)
        what = f"mean of {models[0]} over {over} {values}"
    return f"{what}: {'; '.join(texts)}"


def _models(records: Sequence[Mapping[str, Any]]) -> list[str]:
    """Names of the models of some runs."""
    return list(dict.fromkeys(record["model"] for record in records))


def _seen(texts: Sequence[str]) -> str:
    """What members have seen, in one text."""
    trained = any(text.startswith(TRAIN_ROWS) for text in texts)
    more = [text.removeprefix(TRAIN_ROWS).removeprefix("; ") for text in texts]
    return "; ".join(filter(None, dict.fromkeys([TRAIN_ROWS if trained else "", *more])))


def _clean(records: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """The chromosomes and parts that no published weights among the members may have been trained on."""
    published = [record for record in records if "clean_chromosomes" in record]
    if not published:
        return {}
    return {
        key: [name for name in published[0].get(key, ()) if all(name in record.get(key, ()) for record in published)]
        for key in ("clean_chromosomes", "clean_published")
    }


def _contaminated(records: Sequence[Mapping[str, Any]]) -> dict[str, bool]:
    published = [record for record in records if "clean_chromosomes" in record]
    lifted = bool(published) and all(record["spec"].get("use_contaminated_panels") for record in published)
    return {"use_contaminated_panels": True} if lifted else {}


def _search(records: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """What the search for the settings cost over all members: an ensemble of three has tried as many as its three
    members."""
    searches = [record["search"] for record in records if record.get("search")]
    if not searches:
        return {}
    return {"search": {key: sum(search.get(key, 0) for search in searches) for key in ("trials", "seconds")}}


def _named(members: Sequence[Member], reasons: Mapping[int, str]) -> str:
    return "; ".join(f"{member.name} {reasons[member.number]}" for member in members if member.number in reasons)


def _differing(found: Sequence[Any], expected: Sequence[Any]) -> str:
    """The first entry that two lists do not share, from each."""
    return " and ".join(str(next((line for line in one if line not in other), "nothing"))
                        for one, other in ((found, expected), (expected, found)))  # fmt: skip


def _read(path: str | Path, cells: bool) -> pd.DataFrame:
    """A table of predictions, its numbers parsed."""
    table = read_table(path, (*(["cell"] if cells else []), *PREDICTION_COLUMNS), "predictions")
    columns = ("label", "prediction", "forward", "reverse")
    return table.assign(**{column: numbers(table, column, path) for column in columns})


def _of_cell(table: pd.DataFrame, cell: str) -> pd.DataFrame:
    return table[table["cell"] == cell] if cell else table


def _link_or_copy(source: str, target: str) -> None:
    """A hard link to a file, which takes no space, or a copy where the file system has no links; neither changes later,
    because checkpoints are replaced as a whole."""
    try:
        os.link(source, target)
    except OSError:
        shutil.copy2(source, target)
