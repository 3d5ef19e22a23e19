"""Measure how evenly the embeddings of each encoder spread over their dimensions (IsoScore)."""

from pathlib import Path

from s2f.common.arguments import Parser
from s2f.common.devices import limit_to_job_resources, log_device
from s2f.common.errors import run
from s2f.common.tables import write_table


def main():
    """Read the caches of a dataset; write a line per encoder and level."""
    parser = Parser(description=__doc__)
    parser.add_argument("--caches", required=True, nargs="+", type=Path, help="embedding caches of one dataset (HDF5)")
    parser.add_argument(
        "--levels", nargs="+", default=["pooled"], help="pooled (mean of the tokens) or tokens (each token)"
    )
    parser.add_argument("--threads", required=True, type=int, help="CPU threads")
    parser.add_argument("--out", required=True, help="table to write")
    arguments = parser.parse_args()
    limit_to_job_resources(arguments.threads, gpus=0)
    from s2f.representation import isoscore  # NumPy reads the thread count once

    log_device()
    table = isoscore.table(arguments.caches, arguments.levels)
    print(table[["encoder", "level", "isoscore", "isotropic", "n", "d", "note"]].to_string(index=False), flush=True)
    write_table(arguments.out, table)


if __name__ == "__main__":
    run(main)
