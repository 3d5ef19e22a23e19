"""Change sequences until a model predicts what is wanted, and have a model of another family judge them."""

import os
import re
from argparse import ArgumentTypeError
from pathlib import Path

from s2f.common.arguments import Parser, json_option
from s2f.common.devices import limit_to_job_resources
from s2f.common.errors import run
from s2f.design.options import GOALS, METHODS, SETTINGS, TAKES


def interval(text):
    """(first, end) from a text such as 0-20."""
    found = re.fullmatch(r"(\d+)-(\d+)", text)
    if not found:
        raise ArgumentTypeError(f"{text!r} is not an interval; expected FIRST-END in bp, counted from 0, such as 0-20")
    return int(found[1]), int(found[2])


def main():
    """Pass the options to `s2f.design.request.design`."""
    parser = Parser(description=__doc__)
    parser.add_argument(
        "--model", required=True, nargs="+", type=Path, help="folder best_model of a run; several are an ensemble"
    )
    parser.add_argument(
        "--judge", required=True, nargs="+", type=Path, help="folder best_model of a run of another family of models"
    )
    parser.add_argument("--method", choices=METHODS, default="evolution", help="how sequences are changed")
    begin = parser.add_argument_group("what is changed, one of these").add_mutually_exclusive_group(required=True)
    begin.add_argument("--start", type=Path, help="sequences: FASTA, plain or compressed")
    begin.add_argument("--panel", type=Path, help="rows of a panel, with --rows and --count")
    begin.add_argument("--random", type=int, default=0, help="number of random sequences")
    parser.add_argument("--rows", type=Path, help="for --panel: rows.parquet of the dataset")
    parser.add_argument("--count", type=int, default=0, help="for --panel: number of rows")
    parser.add_argument("--take", choices=TAKES, default="drawn", help="for --panel: which rows, by their label")
    parser.add_argument("--goal", choices=GOALS, default="maximise", help="what the prediction should be")
    parser.add_argument("--target", type=float, help="for --goal target: the prediction to reach")
    parser.add_argument("--cell", default="", help="cell whose prediction counts (default: the first one)")
    parser.add_argument(
        "--against",
        nargs="+",
        default=[],
        help="cells in which the prediction should be lower than in --cell: the largest of theirs is subtracted",
    )
    parser.add_argument(
        "--penalty", type=float, default=0.0, help="number of standard deviations over the models to subtract"
    )
    parser.add_argument("--protect", nargs="+", type=interval, default=[], metavar="FIRST-END", help="intervals of the "
                        "insert, in bp from 0, that must stay unchanged")  # fmt: skip
    parser.add_argument("--gc", nargs=2, type=float, metavar=("LOW", "HIGH"), help="allowed range of the GC content")
    parser.add_argument("--homopolymer", type=int, help="longest run of one base that is allowed")
    parser.add_argument("--forbidden", nargs="+", default=[], help="sites that must not occur, in IUPAC letters")
    parser.add_argument("--changes", type=int, help="largest number of bases that may differ from the start")
    parser.add_argument("--avoid", type=Path, help="FASTA of sequences with which no 31-mer may be shared")
    parser.add_argument(
        "--avoid-training",
        nargs=2,
        type=Path,
        metavar=("ROWS", "SPLIT"),
        help="the same for the training rows of a split",
    )
    known = {name: value for of_method in SETTINGS.values() for name, value in of_method.items()}
    for name, value in known.items():
        of = {method: own[name] for method, own in SETTINGS.items() if name in own}
        defaults = ", ".join(f"{default:g} of {method}" for method, default in of.items())
        parser.add_argument(f"--{name.replace('_', '-')}", type=type(value), help=f"setting: {defaults}")
    parser.add_argument("--seed", type=int, default=0, help="seed of everything random")
    parser.add_argument("--confidence", type=float, default=0.95, help="coverage of the intervals")
    parser.add_argument("--name", default="design", help="name of this design in tables")
    parser.add_argument("--encoder-specs", type=json_option, default=[],
                        help="encoder sections to use instead of those in training (JSON: a list, one per model, {} "
                        "for a baseline)")  # fmt: skip
    parser.add_argument("--judge-specs", type=json_option, default=[], help="the same for the judge")
    parser.add_argument("--threads", type=int, default=len(os.sched_getaffinity(0)), help="CPU threads")
    parser.add_argument("--gpus", type=int, default=1, help="GPUs of the job; with 0 it computes on the CPU")
    parser.add_argument("--out", required=True, type=Path, help="folder to write")
    arguments = parser.parse_args()
    settings = {name: getattr(arguments, name) for name in known if getattr(arguments, name) is not None}
    for name in settings:
        if name not in SETTINGS[arguments.method]:
            parser.error(f"--{name.replace('_', '-')} is not a setting of {arguments.method}")
    limit_to_job_resources(arguments.threads, arguments.gpus)
    os.environ.setdefault("XLA_PYTHON_CLIENT_PREALLOCATE", "false")  # JAX and torch share one GPU
    from dataclasses import fields

    from s2f.design.request import Request, design

    named = {field.name: getattr(arguments, field.name) for field in fields(Request) if hasattr(arguments, field.name)}
    lists = {name: tuple(value) for name, value in named.items() if isinstance(value, list)}
    design(Request(**{**named, **lists, "settings": settings}), arguments.encoder_specs, arguments.judge_specs)


if __name__ == "__main__":
    run(main)
