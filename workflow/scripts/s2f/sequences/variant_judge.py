"""Which variants a model can score: the REF must be what the genome has, and the position must be known.

`Judge` places the `Variants` of a file on a genome and says for each whether it can be scored, and if not, why:

    judge = Judge(genome, path, longest=20)
    for batch in vcf.read_vcf(path):                      # or variant_tables.read_variants(path)
        judged = judge.judged(batch.variants)             # arrays, a row for each variant
        pairs = windows.window_pairs(genome, judged, 51)  # ref and alt, and which of them have no window
    judge.finish()

REF is compared in full, ignoring case, and never exchanged for ALT: that would reverse the sign of the effect.
"""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from s2f.common.errors import InputError
from s2f.sequences import dna
from s2f.sequences.chromosomes import REFSEQ, chromosome
from s2f.sequences.genome import Genome
from s2f.sequences.normal_form import anchored, kind_of, leftmost, trimmed
from s2f.sequences.variants import Columns, Variants, letters, texts

OK = "ok"
# reasons why a variant is not scored, in the order in which they are checked
REASONS = {
    "unknown_contig": "the genome has no sequence of this name, with chr before it or without",
    "out_of_contig": "REF lies outside the sequence that the genome has",
    "no_alt": "ALT is .",
    "star_allele": "ALT is *, a base that another record deletes",
    "symbolic": "ALT is a symbol such as <DEL>",
    "breakend": "ALT joins the sequence to another place",
    "ambiguous_allele": "REF or ALT has a letter other than A, C, G and T",
    "ref_mismatch": "REF is not what the genome has there",
    "ref_equals_alt": "REF and ALT are the same",
    "duplicate": "the same change is earlier in the file",
    "too_long": "more bases change than are allowed",
    "near_contig_end": "too few bases of the genome before or after it",
    "n_in_window": "the genome has N near it",
}
# Detecting a wrong build: the share of records whose REF is not the genome's, and the fewest records to judge by.
# Records of ClinVar and of Mattioli 2019 that are moved by 1 to 17 bases disagree at a rate of 0.65 to 0.81 (the rest
# agree by chance); on their own build 0 of 1,541 do, and 0.05 would be many. At a rate of 0.05, more than half of 10
# records disagree in one file of 360,000; at 0.74 they do in 9 of 10 files, and more than half of 20 do in 49 of 50. In
# a shorter file, mismatches are only skipped.
MOST_MISMATCHES, FEWEST_RECORDS = 0.5, 10
EARLY = 1000  # records after which we do not wait for the end of the file
SHOWN = 3  # records named in a message
_MITOCHONDRIA = ("chrM", "M", "chrMT", "MT")
_STRANDS = {"": 0, "+": 1, "-": 2}


@dataclass(frozen=True)
class Judged(Columns):
    """What `Judge` says about N variants, as columns (N,).

    `reason` is `OK` or one of `REASONS`. `chrom` is the genome's name, empty if it has none. The rest is known for
    variants whose REF was compared and agrees: `genome_record` (row of `Genome.records`, otherwise -1); the change as
    `start` (from 0, -1 if unknown), `removed` (number of bases of REF) and `inserted` (text), in the form of
    `bcftools norm`, with `norm_pos` from 1 (0 if unknown); `kind` (SNV, MNV, insertion, deletion or complex); and the
    number of bases in the genome's record before and after REF (`room_left`, `room_right`, -1 if unknown).
    """

    chrom: NDArray[np.object_]
    reason: NDArray[np.object_]
    norm_pos: NDArray[np.int64]
    norm_ref: NDArray[np.object_]
    norm_alt: NDArray[np.object_]
    kind: NDArray[np.object_]
    room_left: NDArray[np.int64]
    room_right: NDArray[np.int64]
    genome_record: NDArray[np.int64]
    start: NDArray[np.int64]
    removed: NDArray[np.int64]
    inserted: NDArray[np.object_]

    @property
    def scored(self) -> NDArray[np.bool_]:
        """Which variants can be scored, (N,)."""
        return self.reason == OK


class Judge:
    """Says, batch by batch, which variants of one file can be scored; see `REASONS`.

    `longest` is the largest number of bases that an allele may add, remove or replace, and `path` names the file in
    messages. A change is scored once per file (and per strand and offset, if the file gives them); to recognise
    repetitions, 8 bytes are kept per SNV, and the text of any other variant. Whether the genome has enough room for a
    window is checked when the window is made.
    """

    def __init__(self, genome: Genome, path: str | Path, longest: int) -> None:
        self.genome, self.path = genome, path
        self.longest = longest
        self.compared = self.mismatched = 0  # numbers of records
        self._first: list[str] = []  # examples for the message
        self._explained = [0, 0]  # mismatches: REF is one base further on, ALT is in the genome
        self._chroms = _chroms(genome)
        # if a genome names its RefSeq sequences with versions, other versions mean another build
        self._versions = {
            name.partition(".")[0] for name in genome.records["name"] if REFSEQ.fullmatch(name) and "." in name
        }
        self._number = {chrom: number for number, chrom in enumerate(self._chroms.values())}
        self._seen_snvs = _Numbers()
        self._seen: set[tuple[int, int, int, str, int, int]] = set()

    def judged(self, variants: Variants) -> Judged:
        """Judge the next variants of the file. Raises `InputError` if REF mostly differs from the genome so far."""
        count = len(variants)
        reason = texts([OK] * count)
        chrom = texts([self._chrom(contig) for contig in variants.contig])
        ref, ref_begin = letters(variants.ref)
        alt, alt_begin = letters(variants.alt)
        length = np.diff(ref_begin)
        start = variants.pos - 1
        record = self.genome.intervals.holding(chrom, start, start + length)

        known = chrom != ""
        inside = known & (record >= 0)
        reason[~known] = "unknown_contig"
        reason[known & ~inside] = "out_of_contig"
        bases = _all_true(ref < 4, ref_begin)
        alt_bases = _all_true(alt < 4, alt_begin)
        for row in np.flatnonzero(inside & ~alt_bases):
            reason[row] = _no_bases(variants.alt[row])
        reason[inside & ~bases & (reason == OK)] = "ambiguous_allele"
        compared = np.flatnonzero(inside & bases)
        agrees = np.zeros(count, bool)
        agrees[compared] = self._same(ref, ref_begin, record, start, compared)
        self._count_mismatches(variants, (ref, alt), (ref_begin, alt_begin), record, start, compared[~agrees[compared]])
        self.compared += int((variants.alt_index[compared] == 1).sum())
        self._refuse_wrong_build(EARLY)
        reason[(reason == OK) & ~agrees] = "ref_mismatch"
        upper = (texts([text.upper() for text in column]) for column in (variants.ref, variants.alt))
        return self._placed(variants, chrom, reason, record, *upper)

    def finish(self) -> None:
        """Check for a wrong build at the end of a file. Raises `InputError` as `judged`, but for fewer records."""
        self._refuse_wrong_build(FEWEST_RECORDS)

    def _chrom(self, contig: str) -> str:
        chrom = self._chroms.get(contig)
        if chrom is None:
            known = REFSEQ.fullmatch(contig) and contig.partition(".")[0] not in self._versions
            chrom = self._chroms.get(chromosome(contig), "") if known else ""
            self._chroms[contig] = chrom
        return chrom

    def _same(
        self, codes: np.ndarray, begin: np.ndarray, record: np.ndarray, start: np.ndarray, rows: np.ndarray
    ) -> NDArray[np.bool_]:
        """Whether the genome matches the `rows` (K,) of N texts at `start` (N,) of `record` (N,): (K,)."""
        length = (begin[1:] - begin[:-1])[rows]
        found = self.genome.codes(np.repeat(record[rows], length), _spans(start[rows], length))
        return _all_true(found == codes[_spans(begin[rows], length)], np.append(0, np.cumsum(length)))

    def _count_mismatches(
        self,
        variants: Variants,
        codes: tuple[np.ndarray, np.ndarray],
        begins: tuple[np.ndarray, np.ndarray],
        record: np.ndarray,
        start: np.ndarray,
        rows: np.ndarray,
    ) -> None:
        """Count the records among the `rows` whose REF is not the genome's, and among these the records whose ALT is,
        or whose REF is one base further on; `codes` and `begins` belong to REF and ALT."""
        rows = rows[variants.alt_index[rows] == 1]
        self.mismatched += len(rows)
        limit = self.genome.records["end"].to_numpy(np.int64)[record[rows]]
        for i, shift in enumerate((1, 0)):
            within = rows[start[rows] + shift + np.diff(begins[i])[rows] <= limit]
            self._explained[i] += int(self._same(codes[i], begins[i], record, start + shift, within).sum())
        for row in rows[: SHOWN - len(self._first)]:
            length = min(len(variants.ref[row]), 10)
            found = dna.decode(self.genome.codes(record[[row]], start[row] + np.arange(length)[None])[0])
            self._first.append(
                f"line {variants.line[row]}, {variants.contig[row]}:{variants.pos[row]}, REF {variants.ref[row][:10]}, "
                f"the genome has {found}"
            )

    def _refuse_wrong_build(self, fewest: int) -> None:
        if self.compared < fewest or self.mismatched <= MOST_MISMATCHES * self.compared:
            return
        further, exchanged = (number > 0.9 * self.mismatched for number in self._explained)
        fix = "expected a genome of the build in which the variants are given, such as hg19 or hg38"
        if further:
            fix = "in most of them REF is one base further on: positions count from 0, expected from 1"
        elif exchanged:
            fix = (
                "in most of them the genome has ALT: REF and ALT are swapped; fix the file (bcftools norm "
                "--check-ref s)"
            )
        raise InputError(
            f"{self.path}: REF of {self.mismatched:,} of {self.compared:,} records differs from {self.genome.path} "
            f"({'; '.join(self._first)}); {fix}"
        )

    def _placed(
        self,
        variants: Variants,
        chrom: NDArray[np.object_],
        reason: NDArray[np.object_],
        record: NDArray[np.int64],
        ref: NDArray[np.object_],
        alt: NDArray[np.object_],
    ) -> Judged:
        """Normalise the variants without a reason so far, `ref` and `alt` in upper case, and finish judging them."""
        count = len(variants)
        reason[(reason == OK) & (ref == alt)] = "ref_equals_alt"
        alive = np.flatnonzero(reason == OK)
        start, pos, record_of = np.full(count, -1), np.zeros(count, np.int64), np.full(count, -1)
        removed, left, right = np.zeros(count, np.int64), np.full(count, -1), np.full(count, -1)
        inserted, norm_ref, norm_alt, kind = (texts([""] * count) for _ in range(4))
        record_of[alive], start[alive], pos[alive] = record[alive], variants.pos[alive] - 1, variants.pos[alive]
        removed[alive], inserted[alive], norm_ref[alive], norm_alt[alive] = 1, alt[alive], ref[alive], alt[alive]
        kind[alive] = "SNV"
        single = np.fromiter((len(r) == len(a) == 1 for r, a in zip(ref[alive], alt[alive], strict=True)), bool)
        longer = alive[~single]
        if len(longer):
            changes = [trimmed(r, a) for r, a in zip(ref[longer], alt[longer], strict=True)]
            start[longer] += [before for before, _, _ in changes]
            gone = texts([text for _, text, _ in changes])
            new = texts([text for _, _, text in changes])
            of = record[longer]
            start[longer], gone, new = leftmost(self.genome, of, start[longer], gone, new)
            removed[longer], inserted[longer] = [len(text) for text in gone], new
            pos[longer], norm_ref[longer], norm_alt[longer] = anchored(self.genome, of, start[longer], gone, new)
            kind[longer] = [kind_of(len(g), len(n)) for g, n in zip(gone, new, strict=True)]
        begin, end = (self.genome.records[name].to_numpy(np.int64) for name in ("start", "end"))
        reach = np.fromiter(map(len, norm_ref[alive]), np.int64, len(alive))
        left[alive] = pos[alive] - 1 - begin[record[alive]]
        right[alive] = end[record[alive]] - (pos[alive] - 1 + reach)
        changed = np.maximum(removed, np.fromiter(map(len, inserted), np.int64, count))
        repeated = np.zeros(count, bool)
        repeated[alive] = self._repeated(
            chrom[alive], start[alive], removed[alive], inserted[alive], variants.rows(alive), kind[alive] == "SNV"
        )
        for name, bad in (("duplicate", repeated), ("too_long", changed > self.longest)):
            reason[(reason == OK) & bad] = name
        return Judged(chrom, reason, pos, norm_ref, norm_alt, kind, left, right, record_of, start, removed, inserted)

    def _repeated(
        self,
        chrom: NDArray[np.object_],
        start: np.ndarray,
        removed: np.ndarray,
        inserted: NDArray[np.object_],
        variants: Variants,
        snv: NDArray[np.bool_],
    ) -> NDArray[np.bool_]:
        """Which of N changes already occurred further up in the file: (N,)."""
        number = np.fromiter((self._number[name] for name in chrom), np.int64, len(chrom))
        of_strand = np.fromiter((_STRANDS[sign] for sign in variants.strand), np.int64, len(chrom))
        snv = snv & (variants.offset < 0)
        repeated = np.zeros(len(chrom), bool)
        base = letters(inserted[snv])[0].astype(np.int64)
        place = (number[snv] << 31 | start[snv]) << 4
        repeated[snv] = self._seen_snvs.add(place | base << 2 | of_strand[snv])
        for row in np.flatnonzero(~snv):
            change = (
                int(number[row]),
                int(start[row]),
                int(removed[row]),
                inserted[row],
                int(of_strand[row]),
                int(variants.offset[row]),
            )
            repeated[row] = change in self._seen
            self._seen.add(change)
        return repeated


class _Numbers:
    """A set of int64 to which arrays are added: sorted runs, each more than twice as long as the next one."""

    def __init__(self) -> None:
        self.runs: list[NDArray[np.int64]] = []

    def add(self, numbers: NDArray[np.int64]) -> NDArray[np.bool_]:
        """Add numbers (N,); return which of them were already in the set, or occur earlier among these: (N,)."""
        order = np.argsort(numbers, kind="stable")
        ordered = numbers[order]
        known = np.zeros(len(numbers), bool)
        known[order[1:]] = ordered[1:] == ordered[:-1]
        for run in self.runs:
            known |= run[np.minimum(np.searchsorted(run, numbers), len(run) - 1)] == numbers
        new = np.sort(numbers[~known])
        while self.runs and len(self.runs[-1]) <= 2 * len(new):
            new = np.sort(np.concatenate([self.runs.pop(), new]))
        self.runs += [new] if len(new) else []
        return known


def _no_bases(alt: str) -> str:
    """The reason to give for an ALT with letters that are not bases."""
    if alt == ".":
        return "no_alt"
    if alt == "*":
        return "star_allele"
    if "[" in alt or "]" in alt or alt.startswith(".") or alt.endswith("."):
        return "breakend"
    return "symbolic" if alt.startswith("<") else "ambiguous_allele"


def _chroms(genome: Genome) -> dict[str, str]:
    """The genome's name for each contig as files may write it: with or without chr; MT and M are the same."""
    records = genome.records[genome.records["chrom"] != ""]
    found: dict[str, str] = {}
    for chrom in records["chrom"].unique():
        found |= {chrom: chrom, chrom.removeprefix("chr"): chrom}
        if chrom == "chrM":
            found |= dict.fromkeys(_MITOCHONDRIA, chrom)
    whole = records[records["whole"]]
    return found | dict(zip(whole["name"], whole["chrom"], strict=True))


def _spans(begin: np.ndarray, length: np.ndarray) -> NDArray[np.int64]:
    """All the indices in N spans, one span after the other."""
    before = np.cumsum(length) - length
    return np.repeat(begin - before, length) + np.arange(int(length.sum()))


def _all_true(values: NDArray[np.bool_], begin: np.ndarray) -> NDArray[np.bool_]:
    """Whether all values of each span are true; spans go from `begin[i]` to `begin[i + 1]`, and none is empty."""
    return np.logical_and.reduceat(values, begin[:-1]) if len(begin) > 1 else np.zeros(0, bool)
