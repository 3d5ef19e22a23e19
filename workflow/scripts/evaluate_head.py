"""Predict the rows of every panel with trained heads, and measure the predictions."""

from s2f.common.arguments import Parser
from s2f.common.devices import limit_to_job_resources, log_device
from s2f.common.errors import run
from s2f.evaluation import evaluator
from s2f.models.checkpoint import check_record, read_record
from s2f.rows.canonical import read_rows, sequences_sha256


def main():
    """Check models against caches, predict each strand that the strand rule needs, write predictions and metrics."""
    parser = Parser(description=__doc__)
    evaluator.add_arguments(parser)
    parser.add_argument("--caches", required=True, nargs="+", help="embedding caches, one per strand")
    arguments = parser.parse_args()
    limit_to_job_resources(arguments.threads, gpus=0)  # a few products: faster than starting a GPU
    from s2f.heads.examples import open_views
    from s2f.heads.trained_head import Head
    from s2f.heads.weights import load_head

    log_device()
    rows = read_rows(arguments.rows)
    sequences = sequences_sha256(rows["row_id"], rows["sequence"])
    for one in evaluator.runs(arguments):
        record = read_record(one.model, kind="head")
        keys = ("encoder", "encoder_fingerprint", "construct", "tokens", "channels")
        expected = {key: record[key] for key in keys}
        check_record(one.model, expected, one.caches)
        with open_views(one.caches, **expected, shift=0, sequences_sha256=sequences) as caches:
            head = Head(record, load_head(one.model, Head.template(record)))
            by_strand = {strand: cache for (_, strand), cache in caches.items()}

            def predict(chosen, strand, head=head, by_strand=by_strand):
                return head.predict(by_strand[strand], chosen["row_id"])

            evaluator.evaluate(one, rows, record, predict)


if __name__ == "__main__":
    run(main)
