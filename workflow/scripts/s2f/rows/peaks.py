"""Peaks of CLIP experiments: their files, and the windows that are cut from them."""

from pathlib import Path

import numpy as np
import pandas as pd

from s2f.common.errors import InputError
from s2f.common.provenance import derived_seed
from s2f.sequences.bed import read_bed

STANDARD_CHROMOSOMES = tuple(f"chr{name}" for name in [*range(1, 23), "X", "Y", "M"])
NARROW_PEAK = 10  # columns


def read_peaks(path: str | Path) -> pd.DataFrame:
    """Peaks of a narrowPeak or BED6: chrom, start, end (0-based, half-open), name, strand, signal, line.

    `signal` is signalValue (column 7) of a narrowPeak, which has 10 columns (ENCODE eCLIP: log2 fold enrichment over
    the size-matched input), and the score (column 5, missing where it is `.`) of a BED with 6 or more columns.
    Comments, `track` and `browser` lines are passed over. Raises `InputError` with file and line for fewer than 6
    columns, lines of different numbers of columns, coordinates that are no whole numbers, an end not after its start,
    a strand other than + and -, a signal that is no number, and a file without peaks.
    """
    peaks = []
    columns = (
        "6 (BED6: chrom, start, end, name, score, strand) or 10 (narrowPeak); without a strand the RNA is not known"
    )
    for line, chrom, start, end, cells in read_bed(path, 6, columns):
        where, narrow = f"{path}: line {line}:", len(cells) == NARROW_PEAK
        name, score, strand = cells[3:6]
        if strand not in ("+", "-"):
            raise InputError(f"{where} strand is {strand!r}, expected + or -: RNA has one")
        cell = cells[6] if narrow else score
        try:
            signal = np.nan if cell == "." and not narrow else float(cell)
        except ValueError:
            signal = np.inf
        if np.isinf(signal) or (np.isnan(signal) and cell != "."):
            what = "signalValue (column 7)" if narrow else "score (column 5)"
            raise InputError(f"{where} {what} is {cell!r}, expected a number")
        peaks.append((chrom, start, end, name, strand, signal, line))
    if not peaks:
        raise InputError(f"{path}: no peaks, expected lines of BED6 or narrowPeak")
    return pd.DataFrame(peaks, columns=["chrom", "start", "end", "name", "strand", "signal", "line"])


def centred(regions: pd.DataFrame, length: int) -> pd.DataFrame:
    """`regions` with start and end of the window of `length` bases around the centre of each.

    The centre is the base at (start + end) // 2 and has length // 2 bases before it in the genome, on both strands, as
    in published sets; where the centre lies between two bases, the strands therefore differ by one base.
    """
    start = (regions["start"] + regions["end"]) // 2 - length // 2
    return regions.assign(start=start, end=start + length)


def tiled(regions: pd.DataFrame, length: int, seed: int) -> pd.DataFrame:
    """Windows of at most `length` bases that cover regions (chrom, start, end, strand and others, which are passed on).

    A region that is not longer is one window, whole; up to 4 times as long it is cut into windows that begin every
    length // 2 bases from its 5' end, the last at its 3' end; of a longer one round(sqrt(region / length)) windows are
    drawn at random. The draw depends on `seed` and the region alone.
    """
    indices, starts, ends = [], [], []
    for i, row in enumerate(regions[["chrom", "start", "end", "strand"]].itertuples(index=False)):
        bases = row.end - row.start
        width = min(length, bases)
        if bases <= 4 * length:
            offsets = np.unique(np.append(np.arange(0, bases - width, max(1, length // 2)), bases - width))
        else:
            rng = np.random.Generator(np.random.PCG64(derived_seed(seed, "windows", *row)))
            offsets = np.unique(rng.integers(0, bases - width + 1, round(np.sqrt(bases / length))))
        first = row.start + offsets if row.strand == "+" else row.end - width - offsets
        indices += [i] * len(first)
        starts += first.tolist()
        ends += (first + width).tolist()
    return regions.iloc[indices].assign(start=starts, end=ends).reset_index(drop=True)
