"""Explain the predictions of one model for chosen sequences by one method."""

import os

from s2f.common.arguments import Parser, json_option
from s2f.common.devices import limit_to_job_resources, log_device
from s2f.common.errors import run
from s2f.common.tables import read_table
from s2f.interpretation.methods import METHODS
from s2f.rows.canonical import read_rows


def main():
    """Check the sequences against the model, explain each, write one file of attributions."""
    parser = Parser(description=__doc__)
    parser.add_argument("--rows", required=True, help="rows.parquet of the dataset")
    parser.add_argument("--selection", required=True, help="table of the chosen rows")
    parser.add_argument("--panel", required=True, help="name of the panel from which they were chosen")
    parser.add_argument("--model", required=True, help="folder best_model")
    parser.add_argument("--encoder-spec", type=json_option, help="for heads: encoder section of the study (JSON)")
    parser.add_argument("--method", required=True, choices=METHODS, help="method of explanation")
    parser.add_argument("--settings", type=json_option, default={}, help="settings of the method (JSON)")
    parser.add_argument("--unit", required=True, help="unit of the score")
    parser.add_argument("--study-seed", required=True, type=int, help="seed of the study")
    parser.add_argument("--threads", required=True, type=int, help="CPU threads")
    parser.add_argument("--gpus", type=int, default=1, help="GPUs of the job; with 0 it computes on the CPU")
    parser.add_argument("--out", required=True, help="file to write (HDF5)")
    arguments = parser.parse_args()
    limit_to_job_resources(arguments.threads, arguments.gpus)
    os.environ.setdefault("XLA_PYTHON_CLIENT_PREALLOCATE", "false")  # JAX and torch share one GPU
    from s2f.interpretation import attributions, mutagenesis
    from s2f.interpretation.scorer import load
    from s2f.interpretation.selection import chosen_rows

    rows = chosen_rows(read_rows(arguments.rows, ["row_id", "sequence", "label"]), read_table(arguments.selection))
    scorer = load(arguments.model, arguments.encoder_spec, len(rows))  # imports JAX or torch
    log_device()
    width = arguments.settings.get("width", mutagenesis.WIDTH) if arguments.method == "window" else 1
    scorer.check(rows, arguments.rows, width)
    found = attributions.attribute_all(scorer, arguments.method, rows, arguments.settings, arguments.study_seed)
    about = attributions.describe(scorer, arguments.method, arguments.settings, arguments.study_seed, arguments.unit)
    attributions.write(arguments.out, rows, found, panel=arguments.panel, **about)


if __name__ == "__main__":
    run(main)
