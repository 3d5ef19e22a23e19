"""A first study of a file of peaks (BED6 or narrowPeak): windows around them against windows without a peak."""

import re
from pathlib import Path

from s2f.rows.peaks import STANDARD_CHROMOSOMES, read_peaks
from s2f.rows.sources.encode_eclip import KIND
from s2f.study.starters.choices import (
    BY_HOMOLOGY,
    WANTED_SHARE,
    Models,
    Named,
    Split,
    add_sections,
    add_strand_rule,
    few_test_rows,
    held_out_chromosomes,
    refuse_too_few,
)
from s2f.study.starters.draft import Draft, as_name, dataset_name, scalar


def write(draft: Draft, path: Path) -> None:
    """Append the sections of a study. Raises `InputError` as `read_peaks` does, and for too few peaks."""
    peaks = read_peaks(path)
    told = next(filter(None, (re.fullmatch("(.+)_(.+)_IDR", name) for name in peaks["name"])), None)
    protein, cell = (told[1], told[2]) if told else (as_name(path.name.split(".")[0]), "")
    name = dataset_name(f"{protein}_{cell}".lower())
    usual = peaks[peaks["chrom"].isin(STANDARD_CHROMOSOMES)]
    draft.summary = f"{len(peaks):,} peaks, from which windows of 101 nt are cut."
    draft.say(2, "the name ends with the kind of negatives, which decides how hard the task is (docs/splits.md)")
    draft.add(f"  {name}.flank:  # {len(peaks):,} peaks, {len(usual):,} of them on chr1-22, X, Y, M")
    draft.add("    task: classification  # windows around peaks (1) against negatives (0)")
    add_strand_rule(draft, True, "classification")
    draft.add("    measured: bound or not", "    source:", f"      kind: {KIND}")
    if told is None:
        draft.ask(
            6,
            "which protein binds at these peaks? The guess is the name of the file; correct it here and in the name "
            "of the dataset",
        )
    draft.add(f"      rbp: {scalar(protein)}", *([f"      cell: {scalar(cell)}"] if cell else []))
    width = int((peaks["end"] - peaks["start"]).median())
    draft.add(f"      length: 101  # nt around the middle of each peak; the median peak has {width} nt")
    draft.add("      files:", f"        peaks: {scalar(str(path))}")
    draft.ask(
        8,
        "where is your FASTA file of the genome, plain or gzipped? It must be the build to which the peaks refer "
        "(GRCh38 for current ENCODE files)",
    )
    draft.add("        genome: hg38.fa.gz")
    draft.ask(
        6,
        "which windows without a peak should serve as negatives? flank: the nearest ones on the same strand; "
        "gc_matched: any on the same chromosome and strand with a similar GC content; dinucleotide_shuffle: "
        "shuffled positives; other_rbp: peaks of other proteins, which you then list under files",
    )
    draft.add("      negatives: {kind: flank}")
    chosen = held_out_chromosomes(usual["chrom"])
    count = {part: int(usual["chrom"].isin(names).sum()) for part, names in chosen.items()}
    train = len(usual) - sum(count.values())
    # as many negatives as peaks
    few = few_test_rows(2 * count.get("test", round(WANTED_SHARE * len(usual))), "classification", what="peaks")
    if chosen and train > max(count.values()):
        text = f"peaks: train {train:,}, val {count['val']:,}, test {count['test']:,}"
        split = Split("chromosome", {"kind": "chromosome", **chosen}, text, few)
    else:
        refuse_too_few(len(usual), "peaks, on chr1-22, X, Y, M", path)
        split = Split(**BY_HOMOLOGY, text="by homology, as the peaks lie on too few chromosomes", question=few)
    construct = Named("window_101", {"flanks": "none", "length": 101})
    draft.add(f"    construct: {construct.name}", f"    splits: [{split.name}]", "    panels: {held_out: {kind: rows}}")
    add_sections(draft, construct, split, Models("classification", True, False, True))
