"""Cluster a model's attributions into patterns, match them with known motifs, and find where they occur."""

import os
import resource

from s2f.common.arguments import Parser, json_option
from s2f.common.errors import run
from s2f.common.tables import write_table


def main():
    """Check attributions and known motifs, cluster, compare, scan; write patterns, matrices, matches and hits."""
    parser = Parser(description=__doc__)
    parser.add_argument("--attributions", required=True, nargs="+", help="files of attributions, one for each seed")
    parser.add_argument("--known", required=True, help="known motifs (MEME format)")
    parser.add_argument(
        "--settings", required=True, type=json_option, help="window, flank, fdr, most_seqlets, clusterings (JSON)"
    )
    parser.add_argument("--hit-p-value", required=True, type=float, help="largest p value of a hit")
    parser.add_argument("--threads", required=True, type=int, help="CPU threads")
    parser.add_argument("--out", required=True, help="patterns to write (HDF5 of modisco-lite)")
    parser.add_argument("--meme", required=True, help="cores of the patterns to write (MEME format)")
    parser.add_argument("--matches", required=True, help="table to write: best match of each pattern")
    parser.add_argument("--hits", required=True, help="table to write: where the patterns occur")
    arguments = parser.parse_args()
    # read when numba is loaded
    os.environ["NUMBA_NUM_THREADS"] = os.environ["OMP_NUM_THREADS"] = str(arguments.threads)
    from s2f.interpretation.motifs import clustering, matches, meme, patterns

    found = clustering.read_contributions(arguments.attributions)
    known = meme.read(arguments.known, found.one_strand)
    strands = "one strand" if found.one_strand else "both strands"
    print(f"{len(found.sequences)} sequences, mean over seeds {found.about['seeds']}, {strands}")
    print(f"{len(known)} known motifs")
    clustering.write(arguments.out, found, clustering.find(found, **arguments.settings), arguments.settings)
    written, _ = patterns.read(arguments.out)
    if not written:
        print(
            f"note: no pattern was found: fewer than {clustering.FEWEST_SEQLETS} seqlets of high contribution, or no "
            "two of them are alike; explain more sequences"
        )
    if meme.note(len(known)):
        print(f"note: {meme.note(len(known))}")
    best = matches.best(written, known, found.one_strand)
    print(best.to_string(index=False))
    hits, too_short = matches.hits(written, found, arguments.hit_p_value)
    for name in too_short:
        print(f"note: {name} is too short for a hit of p {arguments.hit_p_value:g}")
    matrices = {pattern.name: pattern.matrix for pattern in written}
    meme.write(arguments.meme, matrices, [pattern.seqlets for pattern in written], found.one_strand)
    write_table(arguments.matches, best)
    write_table(arguments.hits, hits)
    print(f"{resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e3:.0f} MB of memory at most")


if __name__ == "__main__":
    run(main)
