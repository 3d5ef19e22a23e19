"""Flanks: the plasmid around an insert, and how much of it a window shows. No numpy: the Snakefile reads this too.

Sources: the plasmid flanks of the Gosai 2024 K562 MPRA as in boda2 `common/constants.py` (MPRA_UPSTREAM,
MPRA_DOWNSTREAM; MIT header); the lentiMPRA adapters, minimal promoter and barcode of Agarwal 2025 as in
alphagenome_FT_MPRA (MIT).
"""

from collections.abc import Mapping
from typing import Any

from s2f.common.errors import InputError

GOSAI_UPSTREAM = (
    "ACGAAAATGTTGGATGCTCATACTCGTCCTTTTTCAATATTATTGAAGCATTTATCAGGGTTACTAGTACGTCTCTCAAGGATAAGTAAGTAATATTAAG"
    "GTACGGGAGGTATTGGACAGGCCGCAATAAAATATCTTTATTTTCATTACATCTGTGTGTTGGTTTTTTGTGTGAATCGATAGTACTAACATACGCTCTC"
    "CATCAAAACAAAACGAAACAAAACAAACTAGCAAAATAGGCTGTCCCCAGTGCAAGTGCAGGTGCCAGAACATTTCTCTGGCCTAACTGGCCGCTTGACG"
)
GOSAI_DOWNSTREAM = (
    "CACTGCGGCTCCTGCGATCTAACTGGCCGGTACCTGAGCTCGCTAGCCTCGAGGATATCAAGATCTGGCCTCGGCGGCCAAGCTTAGACACTAGAGGGTA"
    "TATAATGGAAGCTCGACTTCCAGCTTGGCAATCCGGTACTGTTGGTAAAGCCACCATGGTGAGCAAGGGCGAGGAGCTGTTCACCGGGGTGGTGCCCATC"
    "CTGGTCGAGCTGGACGGCGACGTAAACGGCCACAAGTTCAGCGTGTCCGGCGAGGGCGAGGGCGATGCCACCTACGGCAAGCTGACCCTGAAGTTCATCT"
)
LENTIMPRA_UPSTREAM = "AGGACCGGATCAACT"
LENTIMPRA_DOWNSTREAM = "CATTGCGTGAACCGA" + "TCCATTATATACCCTCTAGTGTCGGTTCACGCAATG" + "AGAGACTGAGGCCAC"

FLANKS = {
    "gosai_episomal": (GOSAI_UPSTREAM, GOSAI_DOWNSTREAM),
    "lentimpra": (LENTIMPRA_UPSTREAM, LENTIMPRA_DOWNSTREAM),
    "none": ("", ""),
}


def check(section: Mapping[str, Any], where: str) -> None:
    """Raise `InputError`, beginning with `where`, for the section of a construct whose flanks are missing or given in
    both ways."""
    sides = [side for side in ("upstream", "downstream") if side in section]
    if ("flanks" in section) == bool(sides) or len(sides) == 1:
        raise InputError(f"{where}: give either 'flanks' (a name) or both 'upstream' and 'downstream' (sequences)")


def left_flank(layout: str, padding: int, upstream: int, flank_bp: int) -> int:
    """bp of flank before an insert, if both flanks together have `padding` bp: half of it; in a `compact` window at
    most min(200, `flank_bp`); in a `whole` one all of the `upstream` bp that exist."""
    if layout == "whole":
        return upstream
    return min(200, flank_bp, padding // 2) if layout == "compact" else padding // 2


def lengths(section: Mapping[str, Any]) -> tuple[int, int]:
    """Lengths in bp of the two flanks that a construct section names or spells out."""
    upstream, downstream = FLANKS.get(section.get("flanks", "none"), ("", ""))
    return len(section.get("upstream", upstream)), len(section.get("downstream", downstream))


def tokens_of_flank(length: int, left: int, insert: int, token_bp: int) -> list[int]:
    """The tokens, numbered from 0, that contain no base of the insert, in a window of `length` bp that is divided into
    tokens of `token_bp` bp (the last may be shorter), with `left` bp before an insert of `insert` bp."""
    count = -(-length // token_bp)
    return [t for t in range(count) if (t + 1) * token_bp <= left or t * token_bp >= left + insert]
