"""Make an ensemble of trained models: a checkpoint that contains them, and the mean of their predictions."""

import pandas as pd

from s2f.common.arguments import Parser
from s2f.common.errors import run
from s2f.common.files import atomic
from s2f.common.tables import read_table, write_table
from s2f.evaluation import ensembles
from s2f.evaluation.evaluator import learned_cells, may_be_flat, report
from s2f.evaluation.measure import measure
from s2f.rows.canonical import TASKS, read_rows
from s2f.splits.table import parts_of


def main():
    """Drop failed members, combine the predictions of the others, write best_model/, predictions and metrics."""
    parser = Parser(description=__doc__)
    parser.add_argument("--rows", required=True, help="rows.parquet of the dataset")
    parser.add_argument(
        "--splits",
        required=True,
        nargs="+",
        help="table of the split; for an ensemble over folds those of all folds, in the order of --members",
    )
    parser.add_argument("--task", required=True, choices=TASKS, help="what the labels are")
    for name in ("dataset", "split-name", "ensemble"):
        parser.add_argument(f"--{name}", required=True, help="name in the study")
    parser.add_argument("--seed", required=True, type=int, help="number of the replicate run")
    parser.add_argument("--over", required=True, choices=ensembles.OVER, help="what its members differ in")
    parser.add_argument(
        "--members", required=True, nargs="+", help="folders best_model, with the results of each run beside its folder"
    )
    parser.add_argument("--names", required=True, nargs="+", help="names of the panels")
    parser.add_argument("--kinds", required=True, nargs="+", help="kinds of the panels, in the same order")
    parser.add_argument("--panels", required=True, nargs="+", help="tables of the panels, in the same order")
    parser.add_argument("--model", required=True, help="folder best_model to write")
    parser.add_argument("--predictions", required=True, nargs="+", help="tables to write, one per panel")
    parser.add_argument("--metrics", required=True, help="table of metrics to write")
    arguments = parser.parse_args()
    rows, members = read_rows(arguments.rows), ensembles.read_members(arguments.members)
    over_folds = arguments.over == "folds"
    cells = ensembles.check_cells(members[0], rows)
    by_split = {path: parts_of(rows, path) for path in dict.fromkeys(arguments.splits)}
    splits = arguments.splits if over_folds else arguments.splits * len(members)
    for member, path in zip(members, splits, strict=True):
        ensembles.check_trained_on(member, by_split[path], path)
    used = {part: [own[part].index for own in by_split.values()] for part in ("train", "val")}
    parts = {part: rows[rows.index.isin(pd.Index([]).append(of_part))] for part, of_part in used.items()}

    reasons = ensembles.dropped(members, arguments.over)
    kept = [member for member in members if member.number not in reasons]
    for member in members:
        print(f"member {member.name}: {reasons.get(member.number, 'kept')}")
    if len(kept) < ensembles.FEWEST:
        kept = members
    tables = {path: read_table(path, ("row_id", "split"), "split") for path in by_split}
    panels, left_out = {}, {}
    for name, kind, panel, out in zip(
        arguments.names, arguments.kinds, arguments.panels, arguments.predictions, strict=True
    ):
        why = ensembles.used_by_folds(members, name, [tables[path] for path in splits]) if over_folds else ""
        write_table(out, ensembles.combined([member.predictions(name) for member in kept], cells, over_folds))
        if why:
            left_out[name] = why
            print(f"panel {name} is not scored: {why}")
            continue
        ensembles.check_fingerprints(kept, name)
        panels[name] = {"kind": kind, "panel": panel, "predictions": out}
    place = {"dataset": arguments.dataset, "split": arguments.split_name, "seed": arguments.seed}
    with atomic(arguments.model) as folder:
        record = ensembles.write(folder, arguments.ensemble, arguments.over, members, reasons, parts, place, left_out)
    table = measure(rows, panels, arguments.task, may_be_flat(record), learned_cells(arguments.task, record))
    if record["collapsed"]:
        table["collapsed"] = record["collapsed"]
    report(table)
    write_table(arguments.metrics, table)


if __name__ == "__main__":
    run(main)
