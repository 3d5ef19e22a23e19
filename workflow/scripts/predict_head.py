"""Predict the rows of a panel with a trained head, from the caches that its checkpoint asks for."""

import argparse

from s2f.checkpoint import check_record, read_record
from s2f.devices import keep_to_share, print_report
from s2f.files import read_table, run, write_table
from s2f.panels import panel_rows
from s2f.predictions import prediction_table
from s2f.rows import read_rows, sequences_sha256


def main():
    """Check model against caches, predict each strand that the strand rule needs, write the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rows", required=True, help="rows.parquet of the dataset")
    parser.add_argument("--panel", required=True, help="table of the panel")
    parser.add_argument("--model", required=True, help="folder best_model")
    parser.add_argument("--caches", required=True, nargs="+", help="embedding caches of the strands")
    parser.add_argument("--threads", required=True, type=int, help="CPU threads")
    parser.add_argument("--out", required=True, help="table to write")
    a = parser.parse_args()
    keep_to_share(a.threads, gpus=0)  # a few products: quicker than the start of a GPU
    from s2f.examples import open_views
    from s2f.training import Head
    from s2f.weights import load_head

    print_report()
    record = read_record(a.model, kind="head")
    rows = read_rows(a.rows)
    sequences = sequences_sha256(rows["row_id"], rows["sequence"])
    rows = panel_rows(rows, read_table(a.panel))
    keys = ("encoder", "encoder_fingerprint", "construct", "tokens", "channels")
    expected = {key: record[key] for key in keys}
    check_record(a.model, expected, a.caches)
    with open_views(a.caches, **expected, shift=0, sequences_sha256=sequences) as caches:
        head = Head(record, load_head(a.model, Head.template(record)))
        by_strand = {strand: head.predict(cache, rows["row_id"]) for (_, strand), cache in caches.items()}
    write_table(a.out, prediction_table(rows, by_strand, record["strand_rule"]))


if __name__ == "__main__":
    run(main)
