"""Encode the rows of a dataset with a frozen encoder, at one shift and on one strand, into an embedding cache."""

import argparse
import json
from pathlib import Path

from s2f.cache import DTYPES, STRANDS
from s2f.construct import Construct
from s2f.devices import report, use_threads
from s2f.files import run, write_json
from s2f.rows import read_rows


def main():
    """Write the cache, then its manifest."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rows", required=True, help="rows.parquet of the dataset")
    parser.add_argument("--encoder", required=True, help="name in the study")
    parser.add_argument("--encoder-spec", required=True, type=json.loads, help="encoder section of the study (JSON)")
    parser.add_argument("--construct", required=True, type=json.loads, help="construct section of the study (JSON)")
    parser.add_argument("--shift", type=int, default=0, help="bp by which the window moves downstream")
    parser.add_argument("--strand", choices=STRANDS, default="forward", help="strand of the whole construct")
    parser.add_argument("--dtype", choices=DTYPES, default="bfloat16", help="how embeddings are stored")
    parser.add_argument("--threads", required=True, type=int, help="CPU threads")
    parser.add_argument("--out", required=True, type=Path, help="cache to write (HDF5)")
    parser.add_argument("--manifest", required=True, type=Path, help="manifest to write (JSON)")
    a = parser.parse_args()
    use_threads(a.threads)
    from s2f import embedding, encoders  # an encoder imports JAX or torch, which read the thread count once

    rows = read_rows(a.rows, columns=["row_id", "sequence"])
    encoder = encoders.build(a.encoder_spec)
    print(json.dumps(report()), flush=True)
    construct = Construct.from_spec(a.construct)
    manifest = embedding.build(a.out, rows, encoder, a.encoder, construct, a.shift, a.strand, a.dtype)
    write_json(a.manifest, manifest)


if __name__ == "__main__":
    run(main)
