"""Patterns in attributions of many sequences, by TF-MoDISco (Shrikumar 2018) as in the package modisco-lite.

The package needs one-hot sequences and hypothetical contributions, both (N, L, 4): what each of the four bases would
add at a position. For mutagenesis these are the effects of the substitutions (0 at the sequence's own base) minus their
mean over the bases; the gradient minus its mean over the bases is already in this form (Majdandzic 2023). The package
cuts out seqlets, windows of high contribution, and clusters them into patterns, separately for those that raise the
score and those that lower it.

Strands. The package compares each seqlet with others on both strands, and has no option against that (3.0.0). RNA has
one strand: for RNA, `one_strand` gives it each seqlet unchanged in place of its reverse complement. The scores of the
two strands are then equal, and with equal scores the package keeps a seqlet as it is.

None of our seeds is used: the package draws its null distribution, subsample and clusterings from its own fixed seeds,
so equal attributions give equal patterns. Seeds of a model have different attributions, which are averaged first.

Memory: see docs/motifs.md. It grows with the number of clustered seqlets, which is at most `most_seqlets`.
"""

import collections
import contextlib
import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import h5py
import numpy as np

from s2f.common import provenance
from s2f.common.errors import InputError
from s2f.common.files import atomic
from s2f.common.hdf5 import open_hdf5
from s2f.interpretation import attributions
from s2f.interpretation.motifs import FEWEST
from s2f.interpretation.motifs.patterns import SAME
from s2f.sequences import dna

FEWEST_SEQLETS = 50  # with fewer of a sign, that sign is not clustered; the package's 100 is meant for whole genomes
# Positions added before and after each sequence: the package widens a pattern as it aligns seqlets, and drops seqlets
# for which it would extend beyond the sequence: nearly all of them if sequences are short.
PADDING = 50
LEAST_PASSING, MOST_PASSING = 0.03, 0.2  # shares of all windows, as in the package
PASSING_WINDOWS = 6  # least number of high windows in a sequence: 3 % of the windows in 200 bp


@dataclass(frozen=True)
class Contributions:
    """Mean over seeds of what each base contributes. Positions after the end of a shorter sequence are zeros."""

    row_ids: list[str]
    sequences: list[str]
    one_hot: np.ndarray  # float32 (N, L, 4)
    hypothetical: np.ndarray  # float32 (N, L, 4)
    about: dict[str, Any]  # `SAME`, and seeds

    @property
    def one_strand(self) -> bool:
        """Whether the sequences have one strand, as RNA has."""
        return bool(self.about["strand_rule"] == "forward")

    @property
    def importance(self) -> np.ndarray:
        """float32 (N, L): contribution of the sequence's own base."""
        return (self.hypothetical * self.one_hot).sum(axis=2)


def read_contributions(paths: Sequence[str | Path]) -> Contributions:
    """The mean over files of attributions, one file for each seed of a model.

    Raises `InputError` for a method without hypothetical contributions, files of different sequences or models, too few
    sequences, and attributions that are all 0.
    """
    total, first, known, seeds = None, None, None, []
    for path in paths:
        arrays, about = attributions.read(path)
        here = {name: str(about[name]) for name in SAME}
        if here["method"] not in ("ism", "saliency"):
            raise InputError(
                f"{path}: method {here['method']} has no hypothetical contributions, expected ism or saliency"
            )
        if first is None or known is None:
            first, known = arrays, here
        for name in SAME:
            if here[name] != known[name]:
                raise InputError(
                    f"{path}: {name} is {here[name]!r}, but {known[name]!r} in {paths[0]}; such files "
                    "cannot be averaged"
                )
        if list(arrays["row_id"]) != list(first["row_id"]) or list(arrays["sequence"]) != list(first["sequence"]):
            raise InputError(
                f"{path}: its sequences differ from those in {paths[0]}; explain the same ones with every seed"
            )
        values = np.nan_to_num(arrays["attribution"].astype(np.float64))
        values -= values.mean(axis=2, keepdims=True)
        total = values if total is None else total + values
        seeds.append(int(about["seed"]))
    if total is None or first is None or known is None:
        raise InputError("no file of attributions is given")
    row_ids, sequences = list(first["row_id"]), list(first["sequence"])
    # behind a shorter sequence attributions are 0, which would spoil the null distribution of windows
    length = collections.Counter(map(len, sequences)).most_common(1)[0][0] if sequences else 0
    kept = [number for number, sequence in enumerate(sequences) if len(sequence) == length]
    if len(kept) < len(sequences):
        print(
            f"{len(sequences) - len(kept)} of {len(sequences)} sequences are skipped, because they do not have "
            f"{length} bp"
        )
    row_ids, sequences, total = [row_ids[i] for i in kept], [sequences[i] for i in kept], total[kept, :length]
    if len(sequences) < FEWEST:
        raise InputError(
            f"{paths[0]}: attributions of {len(sequences)} sequences of one length, expected at least {FEWEST}:  "
            "motifs are common to many sequences; choose more (interpretation.*.top) from a larger panel"
        )
    one_hot = np.zeros(total.shape, np.float32)
    for row, sequence in zip(one_hot, sequences, strict=True):
        row[: len(sequence)] = dna.one_hot(dna.encode(sequence))
    hypothetical = (total / len(paths)).astype(np.float32)
    if not hypothetical.any():
        raise InputError(f"{paths[0]}: all attributions are 0, so the model does not depend on the sequence")
    about = known | {"seeds": seeds}
    return Contributions(row_ids, sequences, one_hot, hypothetical, about)


@contextlib.contextmanager
def one_strand() -> Iterator[None]:
    """A context in which modisco-lite compares each seqlet with itself in place of its reverse complement."""
    from modiscolite import gapped_kmer, util

    profiles, words = util.get_2d_data_from_patterns, gapped_kmer._seqlet_to_gkmers

    def forward_profiles(*arguments: Any, **options: Any) -> Any:
        forward = profiles(*arguments, **options)[0]
        return forward, forward

    def forward_words(seqlets: Any, topn: int, min_k: int, max_k: int, max_gap: int, max_len: int, max_entries: int,
                      take_fwd: bool, sign: int, X: Any = None) -> Any:  # fmt: skip
        given = X if take_fwd else None  # None: made anew from the seqlets
        return words(seqlets, topn, min_k, max_k, max_gap, max_len, max_entries, True, sign, given)

    util.get_2d_data_from_patterns, gapped_kmer._seqlet_to_gkmers = forward_profiles, forward_words
    try:
        yield
    finally:
        util.get_2d_data_from_patterns, gapped_kmer._seqlet_to_gkmers = profiles, words


def find(
    found: Contributions, window: int, flank: int, fdr: float, most_seqlets: int, clusterings: int
) -> tuple[list[Any], list[Any]]:
    """Patterns that raise the score and patterns that lower it, each a list of modisco-lite's objects, by size.

    The steps and settings are those of the package's `TFMoDISco`, except where it assumes long sequences. A seqlet is a
    `window` of high contribution (false discovery rate `fdr`) with a `flank` on either side, in bp, which may extend
    beyond the end of its sequence; a pattern is cut to its best window + flank positions. At most `most_seqlets` of
    each sign are clustered, those with the highest contribution, which bounds the memory. The best of `clusterings`,
    from seeds 1, 2 and so on, counts. Raises `InputError` for a window that does not fit into the sequences.
    """
    length = found.one_hot.shape[1]
    if window + flank > length:
        raise InputError(
            f"a window of {window} bp with a flank of {flank} bp does not fit into sequences of {length} bp; choose "
            "smaller ones in the study (motifs.*.window, motifs.*.flank)"
        )
    from modiscolite import core, precompile, tfmodisco

    from s2f.common.compiled_loops import keep

    kernels = [kernel for group in precompile._kernels() for kernel, _ in group]
    keep(kernels, __file__, "modisco-lite")  # otherwise the package compiles anew in every process
    around = ((0, 0), (PADDING, PADDING), (0, 0))
    # bases that contribute nothing, rather than N: a pattern needs a base at every position, or its information is NaN
    one_hot, hypothetical = np.pad(found.one_hot, around, mode="wrap"), np.pad(found.hypothetical, around)
    tracks = core.TrackSet(one_hot, one_hot * hypothetical, hypothetical)
    patterns: list[list[Any]] = []
    with one_strand() if found.one_strand else contextlib.nullcontext():
        for sign, places in seqlets(found.importance, window, flank, fdr).items():
            print(f"{len(places)} seqlets that {'raise' if sign > 0 else 'lower'} the score")
            if len(places) < FEWEST_SEQLETS:
                patterns.append([])
                continue
            cut = [core.Seqlet(row, PADDING + start, PADDING + end, False) for row, start, end in places[:most_seqlets]]
            try:
                clustered = tfmodisco.seqlets_to_patterns(
                    tracks.create_seqlets(cut),
                    tracks,
                    track_signs=sign,
                    n_leiden_runs=clusterings,
                    trim_to_window_size=window + flank,
                    initial_flank_to_add=0,
                )
            except BaseException as error:  # leidenalg raises this very class, for affinities that are all alike
                if type(error) is not BaseException:
                    raise
                print(f"note: these seqlets have nothing in common ({error})")
                clustered = None
            patterns.append(clustered or [])
    turned = sum(seqlet.is_revcomp for pattern in [*patterns[0], *patterns[1]] for seqlet in pattern.seqlets)
    if found.one_strand and turned:
        raise RuntimeError(
            f"{turned} seqlets of one strand were turned, so this is not the pinned version of modisco-lite; "
            "install that one"
        )
    return patterns[0], patterns[1]


def seqlets(importance: np.ndarray, window: int, flank: int, fdr: float) -> dict[int, list[tuple[int, int, int]]]:
    """{1: places of seqlets that raise the score, -1: places of those that lower it}, (row, start, end), by
    contribution.

    As the package's `extract_seqlets`, on sequences without padding, whose zeros would distort the null distribution.
    The package drops seqlets that extend beyond the end, and requires that 3 % of all windows be high, which is one
    seqlet in a sequence of 200 bp. Here flanks may extend beyond the end, and shorter sequences need a larger share.
    """
    from modiscolite import extract_seqlets

    windows = importance.shape[1] - window + 1
    sums = np.lib.stride_tricks.sliding_window_view(importance, window, axis=1).sum(axis=2)
    if not ((sums > 0).any() and (sums < 0).any()):  # its null distribution needs both
        print("all windows have contributions of one sign: no seqlets")
        return {1: [], -1: []}
    cut, threshold = extract_seqlets.extract_seqlets(
        importance,
        window_size=window,
        flank=1,
        suppress=window // 2 + flank,
        target_fdr=fdr,
        min_passing_windows_frac=min(MOST_PASSING, max(LEAST_PASSING, PASSING_WINDOWS / windows)),
        max_passing_windows_frac=MOST_PASSING,
        weak_threshold_for_counting_sign=0.8,
    )
    found: dict[int, list[tuple[float, tuple[int, int, int]]]] = {1: [], -1: []}
    for seqlet in cut:
        start, end = seqlet.start + 1, seqlet.end - 1
        total = float(importance[seqlet.example_idx, start:end].sum())
        if abs(total) > threshold:
            found[1 if total > 0 else -1].append((-abs(total), (seqlet.example_idx, start - flank, end + flank)))
    return {sign: [place for _, place in sorted(places)] for sign, places in found.items()}


def write(
    path: str | Path, found: Contributions, patterns: tuple[list[Any], list[Any]], settings: dict[str, Any]
) -> None:
    """Write patterns atomically in modisco-lite's HDF5 format, with their origin as attributes.

    The package's programs can read it: groups pos_patterns and neg_patterns contain pattern_0 and so on, with sequence,
    contrib_scores, hypothetical_contribs and seqlets, whose example_idx is the position in the dataset row_id.
    """
    from modiscolite.io import save_hdf5

    raising, lowering = patterns
    with atomic(path) as temporary:
        save_hdf5(temporary, raising or None, lowering or None, settings["window"])
        with open_hdf5(temporary, "a") as file:
            file.visititems(_without_padding)
            file.create_dataset("row_id", data=found.row_ids, dtype=h5py.string_dtype())
            versions = provenance.versions("modisco-lite", "numpy", "numba", "leidenalg")
            for name, value in {**found.about, "settings": settings, "versions": versions}.items():
                file.attrs[name] = value if isinstance(value, str) else json.dumps(value, sort_keys=True)


def _without_padding(name: str, entry: Any) -> None:
    """Count the places of seqlets from the first base of a sequence; a seqlet that begins before it has a negative
    start."""
    if isinstance(entry, h5py.Dataset) and name.rpartition("/")[2] in ("start", "end"):
        entry[...] = entry[...] - PADDING
