"""Join the shards of an embedding cache into one cache, without copying an embedding."""

from pathlib import Path

from s2f.common.arguments import Parser
from s2f.common.errors import run
from s2f.common.files import write_json
from s2f.embeddings.shards import join
from s2f.rows.canonical import read_rows


def main():
    """Write the cache, then its manifest."""
    parser = Parser(description=__doc__)
    parser.add_argument("--rows", required=True, help="rows.parquet of the dataset")
    parser.add_argument("--shards", required=True, nargs="+", type=Path, help="caches of the shards (HDF5), in order")
    parser.add_argument("--out", required=True, type=Path, help="cache to write (HDF5), in a folder above the shards")
    parser.add_argument("--manifest", required=True, type=Path, help="manifest to write (JSON)")
    arguments = parser.parse_args()
    rows = read_rows(arguments.rows, columns=["row_id", "sequence"])
    write_json(arguments.manifest, join(arguments.out, arguments.shards, rows))


if __name__ == "__main__":
    run(main)
