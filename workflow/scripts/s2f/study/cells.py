"""Datasets with several labels per row, one for each cell: what they may contain, and which models can predict them.

Loaded by `s2f.study.validate` and thus by the Snakefile: no numpy here.
"""

from collections.abc import Sequence
from typing import Any

from s2f.common import kinds
from s2f.common.errors import InputError
from s2f.common.kinds import most_similar, near, nearest
from s2f.heads import networks
from s2f.study.runs import Run, training_of

OF_DIFFERENCES = ("mean", "max")  # `evaluation.cells.COMBINED`, which needs numpy


def check(study: dict[str, Any], runs: Sequence[Run]) -> None:
    """Raise `InputError` for cells that a source does not have, cells where task or options do not allow them, a model
    that does not fit the labels of its dataset, and a baseline with a misleading name."""
    for name, baseline in study["baselines"].items():
        needed = kinds.facts("baselines", baseline["kind"])["named"]
        if needed not in name:
            raise InputError(
                f"baselines.{name}: it is of kind {baseline['kind']}: its name must say so, with {needed!r} in it"
            )
        for other in kinds.having("baselines", "named"):
            word = kinds.facts("baselines", other)["named"]
            if word in name and word != needed:
                raise InputError(
                    f"baselines.{name}: it is of kind {baseline['kind']}, but {word!r} in a name says that a "
                    f"baseline is of kind {other}; choose another name"
                )
    for name, dataset in study["datasets"].items():
        _check_names(name, dataset["cells"])
        if kinds.facts("sources", dataset["source"]["kind"])["cells_of_columns"]:
            _check_columns(name, dataset)
        if dataset["cells"]:
            _check_dataset(name, dataset)
    for run in runs:
        if run.head:
            _check_head(study, run)
        else:
            _check_baseline(study, run)


def predicted(study: dict[str, Any], run: Run) -> list[str]:
    """The cells that a run predicts; none if rows have a single label."""
    cells: list[str] = study["datasets"][run.dataset]["cells"]
    if run.head:
        first = training_of(study, run.head).get("outputs") == "first"
    else:
        first = kinds.facts("baselines", study["baselines"][run.model]["kind"])["first_cell"]
    return cells[:1] if first else cells


def _check_names(name: str, cells: Sequence[str]) -> None:
    """Refuse a single cell, and a cell whose name would give a difference of cells two meanings."""
    where = f"datasets.{name}.cells"
    if len(cells) == 1:
        raise InputError(
            f"{where}: {cells[0]} is one cell, expected two or more; for one cell, omit `cells` and give rows a `label`"
        )
    for cell in cells:
        if cell in OF_DIFFERENCES:
            raise InputError(
                f"{where}: a cell cannot be called {cell!r}: in tables A-{cell} means the difference between a cell "
                f"and the {cell} of the others"
            )


def _check_columns(name: str, dataset: dict[str, Any]) -> None:
    """Refuse a map of columns that names a label other than that of the rows or of their cells, one column for two
    cells, and a limit on standard errors without columns of them."""
    where, given, cells = f"datasets.{name}.source.columns", dataset["source"]["columns"], dataset["cells"]
    needed = [f"label.{cell}" for cell in cells] or ["label"]
    of_cells = [label for label in given if label.startswith("label.")]
    unknown = [label for label in of_cells if label not in needed]
    if of_cells and not cells:
        both = len(of_cells) > 1
        add = f"add cells: [{', '.join(label.partition('.')[2] for label in of_cells)}] to the dataset, or " * both
        raise InputError(f"{where}: has {' and '.join(of_cells)}, but the dataset has no cells: {add}write label")
    for label in needed:
        if label not in given:
            similar = most_similar(label, unknown)
            meant = f"; {similar!r} belongs to none of its cells: did you mean {label!r}?" if similar else ""
            raise InputError(f"{where}: {label!r} is missing: give the name of its column in the file{meant}")
    for label in given:
        what, _, cell = label.partition(".")
        if what in ("label", "stderr") and (cell not in dataset["cells"] if cell else dataset["cells"]):
            meant = (
                f"the cells of the dataset are {', '.join(dataset['cells'])}"
                if dataset["cells"]
                else ("the dataset has no cells")
            )
            known = [f"{what}.{cell}" for cell in dataset["cells"]] or [what]
            raise InputError(f"{where}: {label!r} belongs to no label of the rows; {meant}{near(label, known)}")
    labels_of: dict[str, str] = {}
    for label in needed:
        first = labels_of.setdefault(given[label], label)
        if first != label:
            raise InputError(f"{where}: {first} and {label} are both read from the column {given[label]!r}")
    for label in needed:
        error = label.replace("label", "stderr", 1)
        if dataset["source"].get("max_stderr") is not None and error not in given:
            raise InputError(f"{where}: {error!r} is missing, which max_stderr needs")


def _check_dataset(name: str, dataset: dict[str, Any]) -> None:
    where, source = f"datasets.{name}", dataset["source"]
    facts = kinds.facts("sources", source["kind"])
    known = dataset["cells"] if facts["cells_of_columns"] else facts["cells"]
    if not known:
        able = ", ".join(sorted({*kinds.having("sources", "cells"), *kinds.having("sources", "cells_of_columns")}))
        raise InputError(
            f"{where}.cells: source {source['kind']} has one label per row; sources with several cells: {able}"
        )
    for cell in dataset["cells"]:
        if cell not in known:
            raise InputError(f"{where}.cells: {cell!r} is not a cell of source {source['kind']}{nearest(cell, known)}")
    if dataset["task"] != "regression":
        raise InputError(f"{where}.cells: the task is {dataset['task']}, expected regression")
    if dataset.get("series"):
        raise InputError(
            f"{where}.series: a dataset with cells cannot be in a series, which counts each dataset once; omit the key"
        )
    default = kinds.schema("sources", source["kind"])["properties"].get("label", {}).get("default")
    if source.get("label") != default:
        raise InputError(
            f"{where}.source.label: {source['label']!r} chooses one label, but cells choose several; omit it"
        )


def _check_head(study: dict[str, Any], run: Run) -> None:
    """Refuse a head with one output in a dataset that needs an output for each cell."""
    cells = study["datasets"][run.dataset]["cells"]
    if cells and training_of(study, run.head).get("outputs") != "first" and not networks.several_outputs(run.head):
        able = ", ".join(kinds.facts("heads", kind)["names"] for kind in kinds.having("heads", "cells"))
        raise InputError(
            f"models: head {run.head!r} has one output, but dataset {run.dataset!r} has the cells "
            f"{', '.join(cells)}; heads with an output for each: {able}; or write heads: "
            f"{{{run.head}: {{outputs: first}}}}, for {cells[0]} only"
        )


def _check_baseline(study: dict[str, Any], run: Run) -> None:
    """Refuse a baseline with one output in a dataset with cells, a baseline that needs several cells in a dataset with
    a single label, and published weights that do not predict a cell of the dataset, or for which no cell is chosen."""
    kind, cells = study["baselines"][run.model]["kind"], study["datasets"][run.dataset]["cells"]
    facts, where = kinds.facts("baselines", kind), f"baselines.{run.model}: kind {kind}"
    if cells and not (facts["cells"] or facts["first_cell"]):
        able = ", ".join(kinds.having("baselines", "cells"))
        raise InputError(
            f"{where} has one output, but dataset {run.dataset!r} has the cells {', '.join(cells)}; kinds with an "
            f"output for each: {able}; for the first cell only: {', '.join(kinds.having('baselines', 'first_cell'))}"
        )
    outputs = kinds.schema("baselines", kind)["properties"].get("output", {}).get("enum")  # of published weights
    if outputs and not cells and "output" not in study["baselines"][run.model]:
        raise InputError(
            f"{where}: output is missing, expected one of {', '.join(outputs)}, because dataset {run.dataset!r} has "
            "one label"
        )
    for cell in cells if outputs else ():
        if cell not in outputs:
            raise InputError(
                f"{where} predicts {', '.join(outputs)}, but dataset {run.dataset!r} has the cell {cell!r}; remove "
                "the cell from the dataset, or the model from models"
            )
    if not facts["one_label"] and study["baselines"][run.model].get("weighting") == "stderr":
        raise InputError(
            f"baselines.{run.model}.weighting: is stderr, expected equal: the published loss of {kind} compares the "
            "cells of a row, which have different errors; heads, kmer_ridge and its variant of one output can "
            "weigh labels"
        )
    if not cells and not facts["one_label"]:
        variants = [
            other for other in kinds.names("baselines") if kinds.schema("baselines", other).get("x-options-of") == kind
        ]
        instead = "".join(
            f", or write kind: {other}, its variant of one output, with {kinds.facts('baselines', other)['named']!r} "
            "in the name of the baseline"
            for other in variants
        )
        raise InputError(
            f"{where} has an output for each of several cells, but dataset {run.dataset!r} has one label; give the "
            f"dataset cells{instead}"
        )
