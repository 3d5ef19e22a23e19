"""Predict the rows of every panel with a fine-tuned encoder and its head, and measure the predictions."""

from s2f.common.arguments import Parser, json_option
from s2f.common.devices import limit_to_job_resources, log_device
from s2f.common.errors import run
from s2f.evaluation import evaluator
from s2f.models.checkpoint import read_record
from s2f.rows.canonical import read_rows


def main():
    """Encode and predict each strand that the strand rule needs, write predictions and metrics."""
    parser = Parser(description=__doc__)
    evaluator.add_arguments(parser)
    parser.add_argument("--encoder-spec", required=True, type=json_option, help="encoder section of the study (JSON)")
    parser.add_argument("--gpus", type=int, default=1, help="GPUs of the job; with 0 it computes on the CPU")
    arguments = parser.parse_args()
    limit_to_job_resources(arguments.threads, arguments.gpus)
    from s2f.heads.tuned import Tuned

    log_device()
    (one,) = evaluator.runs(arguments)
    rows, record = read_rows(one.rows), read_record(one.model, kind="head")
    model = Tuned.load(one.model, record, arguments.encoder_spec)
    evaluator.evaluate(one, rows, record, lambda chosen, strand: model.predict(list(chosen["sequence"]), strand))


if __name__ == "__main__":
    run(main)
