"""Panels limited to regions of the genome, for example to what an encoder has not seen.

An item is in a region if the midpoint of its row is, base (start + end) // 2 counted from 0, as in published
comparisons on held-out folds; for a pair, this applies to both rows. If rows and regions are on different genome
builds, midpoints are lifted over to the regions' build with a UCSC chain file (package `liftover`): this is exact,
whereas a lifted region may have holes.
"""

import re
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from s2f.common.errors import InputError
from s2f.common.seen import regions_of
from s2f.rows.stages import Stages
from s2f.sequences.bed import read_bed
from s2f.sequences.chromosomes import chromosome
from s2f.sequences.intervals import Intervals

ROW_OF_ITEM = ("row_id", "ref_row_id", "alt_row_id")  # columns of panels that identify rows
# where a midpoint is, in the words of the counts in messages
INSIDE, ELSEWHERE, NOWHERE, LOST, SEVERAL = (
    "inside", "elsewhere", "without coordinates", "not lifted over", "lifted to several places",
)  # fmt: skip

# for midpoints that are dropped although no region was requested that would exclude them: what the others are
KNOWN = {NOWHERE: "with coordinates", LOST: "lifted over", SEVERAL: "lifted to one place"}


def limited(
    panel: pd.DataFrame, rows: pd.DataFrame, within: str | Mapping[str, Any], name: str, stages: Stages | None = None
) -> pd.DataFrame:
    """The items of a panel all of whose rows lie in the regions `within`, in their order.

    `rows` have row_id, chrom, start and end; `within` comes from the panel `name` in a study: a path or {file, names,
    chain}. What is dropped is printed, and counted in `stages`. Raises `InputError` if no item is left, for a file that
    is not a BED, for names that no region has, and for a chain file that is invalid or leads to a different build from
    the one in the BED file's name.
    """
    stages = stages or Stages()
    options = {"chain": ""} | regions_of(within) | ({} if isinstance(within, str) else dict(within))
    regions, where = read_regions(options["file"], options["names"]), f"panel {name}: within {options['file']}"
    columns = [column for column in ROW_OF_ITEM if column in panel]
    asked = rows[rows["row_id"].isin(set().union(*(panel[column] for column in columns)))]
    place = dict(zip(asked["row_id"], places(asked, regions, options), strict=True))
    of_items = [[place[row] for row in ids] for ids in zip(*(panel[column] for column in columns), strict=True)]
    # for a dropped item, the first reason
    found = [next((one for one in of_item if one != INSIDE), INSIDE) for of_item in of_items]
    counts = Counter(found)
    left_out = ", ".join(
        f"{counts[reason]:,} {reason}" for reason in (ELSEWHERE, NOWHERE, LOST, SEVERAL) if counts[reason]
    )
    report = f"{where}: {counts[INSIDE]:,} of {len(panel):,} items are kept" + (f"; {left_out}" if left_out else "")
    left = len(panel)
    for reason, stage in KNOWN.items():
        left -= counts[reason]
        if counts[reason]:
            stages.left(stage, left)
    stages.choose("in the regions", counts[INSIDE])
    if not counts[INSIDE]:
        raise InputError(
            f"{report}. Are rows and regions of the same genome build, or is there a chain file between them?"
        )
    print(report)
    return panel[[one == INSIDE for one in found]].reset_index(drop=True)


def read_regions(path: str | Path, names: Sequence[str] = ()) -> Intervals:
    """The regions in a BED file, only those with the given `names` (column 4) if there are any; they may overlap.

    Raises `InputError` as `read_bed` does, for a name that no region has, and for a file without regions.
    """
    lines = list(read_bed(path, 4, "4 (chrom, start, end, name)") if names else read_bed(path))
    if not lines:
        raise InputError(f"{path}: there are no regions, expected lines of BED")
    if names:
        there = sorted({line.cells[3] for line in lines})
        for name in names:
            if name not in there:
                more = " …" if len(there) > 10 else ""
                raise InputError(f"{path}: no region is called {name!r}; there are: {', '.join(there[:10])}{more}")
        lines = [line for line in lines if line.cells[3] in names]
    chrom, start, end = zip(*((line.chrom, line.start, line.end) for line in lines), strict=True)
    return Intervals(chrom, start, end)


def places(rows: pd.DataFrame, regions: Intervals, options: Mapping[str, Any]) -> list[str]:
    """Where the midpoint of each of N rows is: INSIDE a region, ELSEWHERE, NOWHERE …; options `file` and `chain`."""
    known = (rows["chrom"] != "") & rows["start"].notna() & rows["end"].notna()
    placed = rows[known]
    chrom = placed["chrom"].to_numpy(object)
    middle = (placed["start"].to_numpy(np.int64) + placed["end"].to_numpy(np.int64)) // 2
    found = np.full(len(placed), ELSEWHERE, object)
    if options["chain"]:
        check_direction(options["chain"], options["file"])
        chrom, middle, found = lifted(chrom, middle, options["chain"])
    lies = (regions.holding(chrom, middle, middle + 1) >= 0) & (found == ELSEWHERE)
    found[lies] = INSIDE
    out = np.full(len(rows), NOWHERE, object)
    out[known.to_numpy()] = found
    return out.tolist()


def lifted(chrom: np.ndarray, position: np.ndarray, chain: str | Path) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Bases (N,), counted from 0, in the build that a chain file leads to: chromosomes, positions, and ELSEWHERE for
    those that lift to one position; LOST or SEVERAL for others, whose position is then empty."""
    from liftover import ChainFile

    try:
        chains = ChainFile(str(chain))
    except ValueError as error:
        text = str(error).removeprefix(f"{chain}: ")
        raise InputError(f"{chain}: is not a readable chain file of UCSC ({text})") from None
    if not len(chains):
        raise InputError(f"{chain}: holds no chain, expected a chain file of UCSC")
    out_chrom, out = np.full(len(chrom), "", object), np.zeros(len(chrom), np.int64)
    found = np.full(len(chrom), LOST, object)
    for index, (name, base) in enumerate(zip(chrom.tolist(), position.tolist(), strict=True)):
        hits = chains.query(name, base)
        if len(hits) == 1:
            out_chrom[index], out[index], found[index] = chromosome(hits[0][0]), hits[0][1], ELSEWHERE
        elif hits:
            found[index] = SEVERAL
    return out_chrom, out, found


def check_direction(chain: str | Path, regions: str | Path) -> None:
    """Refuse a chain file that does not lead to the regions' genome build, if the names of both files give one
    (hg19ToHg38.over.chain.gz, folds.hg38.bed): the wrong direction also lifts most bases, but to wrong positions."""
    leads = re.search(r"To([A-Za-z]+\d+)\.", Path(chain).name)
    builds = {build.lower() for build in re.findall(r"(?<![A-Za-z])(?:hg|mm|hs)\d+", Path(regions).name, re.IGNORECASE)}
    if leads and builds and leads[1].lower() not in builds:
        raise InputError(
            f"{chain}: leads to {leads[1]}, but the regions of {regions} are on {', '.join(sorted(builds))}: "
            "expected the "
            "chain file from the build of the rows to that of the regions"
        )
