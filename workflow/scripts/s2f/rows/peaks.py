"""Peaks of CLIP experiments: their files, and the windows cut from them."""

import re
from pathlib import Path

import numpy as np
import pandas as pd

from s2f.common.errors import InputError
from s2f.common.provenance import derived_seed
from s2f.sequences.bed import BedLine, read_bed

STANDARD_CHROMOSOMES = tuple(f"chr{name}" for name in [*range(1, 23), "X", "Y", "M"])
# number of columns -> the formats that a file may have, in the order in which they are tried
FORMATS = {6: ("BED6",), 8: ("BED8",), 9: ("BED9", "broadPeak"), 10: ("narrowPeak",), 12: ("BED12",)}
SIGNAL_VALUE = ("narrowPeak", "broadPeak")  # formats with a signalValue (column 7); others have a score (column 5)
EXPECTED = "6 (BED6: chrom, start, end, name, score, strand) or 10 (narrowPeak); without a strand, the RNA is not known"


def read_peaks(path: str | Path) -> pd.DataFrame:
    """The peaks in a file: chrom, start, end (0-based, half-open), name, strand, signal, line.

    The format is recognised by the number of columns, not counting those that are empty in every line, and their
    content:

        BED6                6 columns
        BED8, BED9, BED12   columns 7 and 8 (thickStart, thickEnd) lie within start and end, or are 0; column 9
                            (itemRgb) is r,g,b or one whole number or `.`; column 11 and 12 are lists of numbers
        broadPeak           9 columns, of which 7 to 9 are numbers
        narrowPeak          10 columns, of which 7 to 10 are numbers, 10 a whole one

    `signal` is the signalValue (column 7) of a narrowPeak or broadPeak (ENCODE eCLIP: log2 fold enrichment over the
    size-matched input), and the score (column 5, missing if it is `.`) of a BED. Comments, `track` and `browser` lines
    are skipped. Raises `InputError` with the file and line for a file in another format, a strand that is neither + nor
    -, a signal that is not a number and a file without peaks, and as `read_bed` does.
    """
    lines = list(read_bed(path, 6, EXPECTED))
    if not lines:
        raise InputError(f"{path}: there are no peaks, expected lines of BED6 or narrowPeak")
    narrow = _format(lines, path) in SIGNAL_VALUE
    peaks = []
    for line, chrom, start, end, cells in lines:
        where = f"{path}: line {line}:"
        name, score, strand = cells[3:6]
        if strand not in ("+", "-"):
            raise InputError(f"{where} strand is {strand!r}, expected + or -, because RNA has one strand")
        cell = cells[6] if narrow else score
        signal = np.nan if cell == "." and not narrow else _number(cell)
        if np.isinf(signal) or (np.isnan(signal) and (cell != "." or narrow)):
            what = "signalValue (column 7)" if narrow else "score (column 5)"
            raise InputError(f"{where} {what} is {cell!r}, expected a number")
        peaks.append((chrom, start, end, name, strand, signal, line))
    return pd.DataFrame(peaks, columns=["chrom", "start", "end", "name", "strand", "signal", "line"])


def _format(lines: list[BedLine], path: str | Path) -> str:
    """The format of a file, as in `read_peaks`; `InputError` names the first line that fits no format."""
    width = len(lines[0].cells)
    while width > 6 and not any(line.cells[width - 1] for line in lines):
        width -= 1
    if width not in FORMATS:
        raise InputError(
            f"{path}: line {lines[0].line}: {width} columns, expected a format of peaks: 6 (BED6), 8 "
            "(BED8), 9 (BED9 or broadPeak), 10 (narrowPeak) or 12 (BED12); cut -f1-6 makes a BED6, whose score "
            "(column 5) is the signal"
        )
    for name in FORMATS[width]:
        fits = _narrow_or_broad if name in SIGNAL_VALUE else _bed
        odd = next((line for line in lines if not fits(line, width)), lines[0])
        if fits(odd, width):
            return name
    raise InputError(
        f"{path}: line {odd.line}: columns 7 to {width} are {', '.join(map(repr, odd.cells[6:width]))}, which do not "
        f"fit {' or '.join(FORMATS[width])}, the format with {width} columns; cut -f1-6 makes a BED6, whose "
        "score (column 5) is the signal"
    )


def _bed(line: BedLine, width: int) -> bool:
    """Whether the columns from the seventh on fit a BED."""
    thick, rest = line.cells[6:width][:2], line.cells[8:width]
    if thick and not all(
        re.fullmatch(r"[0-9]+", cell) and (int(cell) == 0 or line.start <= int(cell) <= line.end) for cell in thick
    ):
        return False
    if rest and not re.fullmatch(r"[0-9]+(,[0-9]+,[0-9]+)?|\.", rest[0]):
        return False
    return all(re.fullmatch(r"[0-9]+(,[0-9]+)*,?", cell) for cell in rest[1:])


def _narrow_or_broad(line: BedLine, width: int) -> bool:
    """Whether the columns from the eighth on are numbers; the seventh, the signal, is checked with its own message."""
    numbers = [_number(cell) for cell in line.cells[7:width]]
    return bool(np.isfinite(numbers).all()) and (width < 10 or numbers[2].is_integer())


def _number(cell: str) -> float:
    """The number in a cell, or infinity if it is not a number; unlike Python, 1_000 is not accepted."""
    try:
        return float("inf" if "_" in cell else cell)
    except ValueError:
        return float("inf")


def centred(regions: pd.DataFrame, length: int) -> pd.DataFrame:
    """`regions`, with start and end replaced by a window of `length` bases around the centre of each.

    The centre is the base at (start + end) // 2, with length // 2 bases before it in the genome, on both strands, as in
    published sets; if the centre lies between two bases, the strands therefore differ by one base.
    """
    start = (regions["start"] + regions["end"]) // 2 - length // 2
    return regions.assign(start=start, end=start + length)


def tiled(regions: pd.DataFrame, length: int, seed: int) -> pd.DataFrame:
    """Windows of at most `length` bases that cover regions (chrom, start, end, strand, and other columns, which are
    kept).

    A region of at most `length` is one window; a region up to 4 times as long is cut into windows that begin every
    length // 2 bases from its 5' end, the last one at its 3' end; from a longer one, round(sqrt(region / length))
    windows are drawn at random. The draw depends only on `seed` and the region.
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
