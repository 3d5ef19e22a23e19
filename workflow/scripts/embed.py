"""Encode the rows of a dataset, or a shard of them, at one shift into one embedding cache per strand."""

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from s2f.common.arguments import Parser, json_option
from s2f.common.devices import limit_to_job_resources, log_device
from s2f.common.errors import run
from s2f.common.files import write_json
from s2f.common.seen import of_model
from s2f.embeddings.cache import DTYPES, STRANDS
from s2f.embeddings.shards import parse, rows_of
from s2f.rows.canonical import read_rows
from s2f.sequences.constructs import Construct


def main():
    """Write the caches, then their manifests."""
    parser = Parser(description=__doc__)
    parser.add_argument("--rows", required=True, help="rows.parquet of the dataset")
    parser.add_argument("--encoder", required=True, help="name in the study")
    parser.add_argument("--encoder-spec", required=True, type=json_option, help="encoder section of the study (JSON)")
    parser.add_argument("--construct", required=True, type=json_option, help="construct section of the study (JSON)")
    parser.add_argument("--shift", type=int, default=0, help="bp by which the window moves downstream")
    parser.add_argument("--strands", choices=STRANDS, nargs="+", default=["forward"], help="of the whole construct")
    parser.add_argument(
        "--shard", type=parse, help="which part of the inserts to encode, such as 3-of-8 (default: all of them)"
    )
    parser.add_argument("--dtype", choices=DTYPES, default="bfloat16", help="how embeddings are stored")
    parser.add_argument("--threads", required=True, type=int, help="CPU threads")
    parser.add_argument("--gpus", type=int, default=1, help="GPUs of the job; with 0 it computes on the CPU")
    parser.add_argument("--out", required=True, nargs="+", type=Path, help="caches to write (HDF5), one per strand")
    parser.add_argument("--manifests", required=True, nargs="+", type=Path, help="manifests to write (JSON), likewise")
    arguments = parser.parse_args()
    if not len(set(arguments.strands)) == len(arguments.strands) == len(arguments.out) == len(arguments.manifests):
        parser.error("give each strand once, with one cache and one manifest")
    limit_to_job_resources(arguments.threads, arguments.gpus)
    from s2f.embeddings import build as embedding  # an encoder imports JAX or torch, which read the thread count once
    from s2f.embeddings import encoders

    with ThreadPoolExecutor(1) as reading:  # millions of rows take as long to read as the encoder to build
        waiting = reading.submit(read, arguments.rows, arguments.shard)
        encoder = encoders.build(arguments.encoder_spec)
        rows = waiting.result()
    log_device()
    construct = Construct.from_spec(arguments.construct)
    paths = dict(zip(arguments.strands, arguments.out, strict=True))
    made = embedding.build_strands(
        paths, rows, encoder, arguments.encoder, construct, arguments.shift, arguments.dtype,
        seen=of_model("encoders", arguments.encoder_spec), encoder_spec=arguments.encoder_spec,
    )  # fmt: skip
    for strand, manifest in zip(arguments.strands, arguments.manifests, strict=True):
        write_json(manifest, made[strand])


def read(path, shard):
    """The rows of the dataset, or of a shard, a pair of its number and how many there are."""
    rows = read_rows(path, columns=["row_id", "sequence"])
    return rows_of(rows, *shard) if shard else rows


if __name__ == "__main__":
    run(main)
