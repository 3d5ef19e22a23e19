"""Predict the rows of every panel with a trained baseline, and measure the predictions."""

from pathlib import Path

from s2f import baselines
from s2f.common.arguments import Parser
from s2f.common.devices import limit_to_job_resources, log_device
from s2f.common.errors import run
from s2f.evaluation import evaluator
from s2f.models.checkpoint import read_record
from s2f.rows.canonical import read_rows


def main():
    """Predict each strand that the strand rule of the checkpoint needs, write predictions and metrics."""
    parser = Parser(description=__doc__)
    evaluator.add_arguments(parser)
    parser.add_argument("--gpus", type=int, default=1, help="GPUs of the job; with 0 it computes on the CPU")
    arguments = parser.parse_args()
    limit_to_job_resources(arguments.threads, arguments.gpus)
    (one,) = evaluator.runs(arguments)
    record = read_record(one.model)
    kind = baselines.get(record["kind"])  # may import torch, which reads the thread count once
    log_device()
    rows, predict = read_rows(one.rows), kind.load(Path(one.model), record)
    evaluator.evaluate(one, rows, record, lambda chosen, strand: predict(list(chosen["sequence"]), strand))


if __name__ == "__main__":
    run(main)
