"""Homologous groups as hashFrag finds them: NCBI blastn, rescoring of its hits, connected components.

For comparison with published hashFrag splits; `groups.homologous_groups` is exact and faster. While searching, blastn
charges 2 + k for a gap of k letters, drops alignments early and keeps at most `max_targets` hits per query, so it
misses some pairs, mostly in repeat families. Settings: de-Boer-Lab/hashFrag 1.0.2.
"""

import shutil
import subprocess
import tempfile
from collections.abc import Iterable, Sequence
from pathlib import Path

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy.sparse import coo_matrix
from scipy.sparse.csgraph import connected_components

from s2f.common.errors import InputError
from s2f.sequences import dna

SETTINGS = (
    *("-reward", "1", "-penalty", "-1", "-gapopen", "2", "-gapextend", "1"),
    *("-xdrop_ungap", "20", "-xdrop_gap", "30", "-xdrop_gap_final", "100"),
    *("-evalue", "10", "-dust", "no", "-max_hsps", "1", "-strand", "plus"),
    *("-outfmt", "6 qseqid sseqid positive mismatch gapopen gaps"),
)


def homologous_groups_blast(
    sequences: Sequence[str],
    threshold: int | NDArray[np.int64] = 60,
    word: int = 11,
    both_strands: bool = True,
    threads: int = 2,
    max_targets: int = 500,
) -> NDArray[np.int32]:
    """The group of each sequence: (N,), numbered by first occurrence.

    `threshold` is as in `groups.homologous_groups`. Every sequence is searched in a database of all sequences and, with
    `both_strands`, their reverse complements. Needs makeblastdb and blastn (NCBI BLAST+) on PATH. Raises `InputError`
    if they are missing or fail.
    """
    n = len(sequences)
    reverse = [dna.reverse_complement_text(sequence) for sequence in sequences] if both_strands else []
    with tempfile.TemporaryDirectory(prefix="homology_blast") as temporary:
        folder = Path(temporary)
        _write_fasta(folder / "queries.fa", sequences)
        _write_fasta(folder / "database.fa", [*sequences, *reverse])
        _run("makeblastdb", "-in", folder / "database.fa", "-dbtype", "nucl", "-out", folder / "database")
        limits = ("-word_size", word, "-max_target_seqs", max_targets, "-num_threads", threads)
        files = ("-query", folder / "queries.fa", "-db", folder / "database", "-out", folder / "hits.tsv")
        _run("blastn", *files, *limits, *SETTINGS)
        query, target = _edges(folder / "hits.tsv", np.broadcast_to(threshold, n))
    graph = coo_matrix((np.ones(len(query), np.int8), (query, target % n)), shape=(n, n))
    return pd.factorize(connected_components(graph, directed=False)[1])[0].astype(np.int32)


def _write_fasta(path: Path, sequences: Iterable[str]) -> None:
    with path.open("w", encoding="ascii") as stream:
        stream.writelines(f">{number}\n{sequence}\n" for number, sequence in enumerate(sequences))


def _edges(path: Path, needed: NDArray[np.int64]) -> np.ndarray:
    """Query and target numbers of hits that reach the score they need, with gaps of k letters at 2 + (k - 1)."""
    columns = ["query", "target", "positive", "mismatch", "opens", "gaps"]
    kept = [np.zeros((2, 0), np.int64)]
    if not path.stat().st_size:  # no hits at all, a file that pandas refuses
        return kept[0]
    for hits in pd.read_csv(path, sep="\t", names=columns, dtype=np.int64, chunksize=1_000_000):
        score = hits["positive"] - hits["mismatch"] - 2 * hits["opens"] - (hits["gaps"] - hits["opens"])
        enough = np.minimum(needed[hits["query"]], needed[hits["target"] % len(needed)])
        kept.append(hits.loc[score >= enough, ["query", "target"]].to_numpy().T)
    return np.concatenate(kept, axis=1)


def _run(program: str, *arguments: object) -> None:
    """Run a BLAST+ program without a shell."""
    path = shutil.which(program)
    if path is None:
        raise InputError(
            f"{program}: was not found on PATH; install NCBI BLAST+ or choose the built-in homology search"
        )
    done = subprocess.run([path, *map(str, arguments)], capture_output=True, text=True)
    if done.returncode:
        raise InputError(f"{program}: failed with status {done.returncode}: {done.stderr.strip()[-500:]}")
