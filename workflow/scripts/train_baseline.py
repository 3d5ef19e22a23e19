"""Train one baseline with one seed on the training rows of a split."""

import itertools
from pathlib import Path
from typing import Any

import pandas as pd

from s2f import baselines
from s2f.common import kinds
from s2f.common.arguments import Parser, json_option
from s2f.common.devices import limit_to_job_resources, log_device, report
from s2f.common.errors import run
from s2f.common.files import atomic, remove
from s2f.common.provenance import derived_seed
from s2f.common.seen import of_model
from s2f.common.tables import write_table
from s2f.models.checkpoint import predicted_cells, read_record, write_record
from s2f.models.predictions import VALIDATION, predict_rows, with_labels
from s2f.models.search import Outcome, Search, search
from s2f.models.validation import check_cells
from s2f.rows.canonical import TASKS, cells_of, of_first_cell, read_rows
from s2f.sequences.constructs import Construct
from s2f.splits.table import parts_of

PACKAGES = ("numpy", "scikit-learn", "torch")
HISTORY = ("epoch", "train_loss", "seconds", "rows_per_second")  # columns for a floor, which has no epochs


def main():
    """Train; write best_model/ and history.tsv."""
    parser = Parser(description=__doc__)
    parser.add_argument("--rows", required=True, help="rows.parquet of the dataset")
    parser.add_argument("--split", required=True, help="table of the split")
    parser.add_argument("--task", required=True, choices=TASKS, help="what the labels are")
    parser.add_argument("--construct", required=True, type=json_option, help="construct section of the study (JSON)")
    for name in ("dataset", "split-name", "baseline", "kind"):
        parser.add_argument(f"--{name}", required=True, help="name in the study")
    parser.add_argument("--seed", required=True, type=int, help="number of the replicate run")
    parser.add_argument("--study-seed", required=True, type=int, help="seed of the study")
    parser.add_argument("--spec", required=True, type=json_option, help="baseline section of the study (JSON)")
    parser.add_argument(
        "--one-draw", nargs="?", const="", default="", help="what is random in its weights and shared by all seeds"
    )
    parser.add_argument("--drawn-per-seed", action="store_true", help="its weights are drawn anew for each seed")
    parser.add_argument(
        "--strand-rule", required=True, choices=["mean", "forward"], help="strands from which the model will predict"
    )
    parser.add_argument("--threads", required=True, type=int, help="CPU threads")
    parser.add_argument("--gpus", type=int, default=1, help="GPUs of the job; with 0 it computes on the CPU")
    parser.add_argument("--model", required=True, help="folder best_model to write")
    parser.add_argument("--history", required=True, help="table of epochs to write")
    parser.add_argument("--search", type=json_option, help="settings to try (JSON); by default only those of --spec")
    arguments = parser.parse_args()
    limit_to_job_resources(arguments.threads, arguments.gpus)
    kind = baselines.get(arguments.kind)  # may import torch, which reads the thread count once
    log_device()
    rows = read_rows(arguments.rows)
    parts = parts_of(rows, arguments.split)
    labelled, cells = parts, cells_of(rows)
    first = kinds.facts("baselines", arguments.kind)["first_cell"]
    cells = cells[:1] if first else cells
    check_cells(parts, cells, arguments.split)
    if first:
        labelled = {part: of_first_cell(own) for part, own in parts.items()}
    construct = Construct.from_spec(arguments.construct)
    # by kind, not by name: variants of a kind differ only in their settings
    names = (arguments.dataset, arguments.split_name, arguments.kind)
    seed = derived_seed(arguments.study_seed, "baseline", *names, arguments.seed)
    before = of_model("baselines", {**arguments.spec, "kind": arguments.kind})
    published = kinds.facts("baselines", arguments.kind)["published"]
    with atomic(arguments.model) as folder:
        folder.mkdir()

        def attempt(spec: dict[str, Any], place: Path) -> Outcome[Any]:
            place.mkdir(exist_ok=True)
            history, validation = kind.train(labelled["train"], labelled["val"], construct, spec, seed, place)
            tried = validation.pop("tried", ())
            model = place, history, validation
            return Outcome(model, validation["metric"], validation["value"], validation["epoch"], tried)

        spec, searched, drawn = arguments.spec, {}, False
        if arguments.search is None:
            _, history, validation = attempt(spec, folder).model
        else:
            numbers = itertools.count(1)
            found = search(
                Search(**arguments.search), spec, derived_seed(arguments.study_seed, "search", *names, arguments.seed),
                lambda spec: attempt(spec, folder / f"training{next(numbers)}"),
            )  # fmt: skip
            (best, history, validation), spec = found.model, found.spec
            trainings = list(folder.iterdir())
            for path in list(best.iterdir()):
                path.rename(folder / path.name)
            for path in trainings:
                remove(path)
            searched, drawn = found.write(folder), found.record["drawn"]
        packages = getattr(kind, "PACKAGES", PACKAGES)
        write_record(
            folder, parts, packages, labelled, **baselines.read_details(folder), name=arguments.baseline,
            kind=arguments.kind, task=arguments.task, dataset=arguments.dataset, split=arguments.split_name,
            model=arguments.baseline, seed=arguments.seed, derived_seed=seed, strand_rule=arguments.strand_rule,
            construct=construct.spec(),
            spec=spec, validation=validation, device=report(), seen_before=before.record(),
            seen=before.text if published else before.with_training("weights"),
            stochastic=kinds.facts("baselines", arguments.kind)["stochastic"] or drawn, one_draw=arguments.one_draw,
            drawn_per_seed=arguments.drawn_per_seed, **searched, **({"cells": cells} if cells else {}),
        )  # fmt: skip
        record = read_record(folder)
        predict = kind.load(folder, record)
        predicted = predict_rows(
            with_labels(parts["val"], labelled["val"]),
            lambda chosen, strand: predict(list(chosen["sequence"]), strand),
            arguments.strand_rule,
            predicted_cells(folder, record, rows),
        )
        write_table(folder / VALIDATION, predicted)
    write_table(arguments.history, pd.DataFrame(history, columns=HISTORY if not history else None))


if __name__ == "__main__":
    run(main)
