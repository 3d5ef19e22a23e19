"""Judge the scores of all models by measurements: saturation mutagenesis, or negative controls."""

from pathlib import Path

from s2f.common.arguments import Parser
from s2f.common.errors import InputError, run
from s2f.scoring.options import BARCODES


def main():
    """Write the table."""
    parser = Parser(description=__doc__)
    parser.add_argument("--scores", required=True, type=Path, help="table of scores of all models")
    measured = parser.add_mutually_exclusive_group(required=True)
    measured.add_argument("--satmut", type=Path, help="table of measured variants, with all experiments")
    measured.add_argument("--controls", type=Path, help="table of negative controls")
    parser.add_argument("--barcodes", type=int, default=BARCODES, help="fewest barcodes of a variant")
    parser.add_argument("--floor", default="", help="model that every other one should beat")
    parser.add_argument("--column", help="for --controls: column of the measured activity")
    parser.add_argument(
        "--id-column", default="id", help="for --controls: column of names of the lines, as in the scores"
    )
    parser.add_argument("--separator", default="\t", help="for --controls: separator of its cells (default: a tab)")
    parser.add_argument("--panel", type=Path, help="panel of rows, some of which are active")
    parser.add_argument("--models", nargs="+", default=[], help="names of the models")
    parser.add_argument(
        "--predictions", nargs="+", type=Path, default=[], help="predictions of each model for the panel"
    )
    parser.add_argument("--active-above", type=float, help="label above which a row of the panel is active")
    parser.add_argument("--confidence", type=float, default=0.95, help="coverage of the intervals")
    parser.add_argument("--resamples", type=int, default=10_000, help="bootstrap resamples")
    parser.add_argument("--seed", type=int, default=0, help="seed of the resamples")
    parser.add_argument("--out", required=True, type=Path, help="table to write")
    arguments = parser.parse_args()
    import pandas as pd

    from s2f.common.tables import numbers, read_table, write_table
    from s2f.scoring import judged

    how = judged.Resampling(arguments.confidence, arguments.resamples, arguments.seed)
    if arguments.satmut:
        table = judged.satmut(arguments.scores, arguments.satmut, arguments.barcodes, arguments.floor, how)
    else:
        if not (arguments.column and arguments.panel and arguments.predictions):
            raise InputError("--controls needs --column, --panel, --models and --predictions")
        lines = read_table(arguments.controls, [arguments.column], "negative controls", arguments.separator)
        names = lines.get(arguments.id_column, pd.Series(range(1, len(lines) + 1)).astype(str))  # as they were scored
        activity = numbers(lines, arguments.column, arguments.controls)
        table = judged.controls(
            arguments.scores, pd.Series(activity.to_numpy(), index=names.to_numpy()), arguments.panel,
            dict(zip(arguments.models, arguments.predictions, strict=True)), arguments.active_above, how,
        )  # fmt: skip
    write_table(arguments.out, table)
    print(f"{arguments.out}: {len(table):,} lines")


if __name__ == "__main__":
    run(main)
