"""Peaks of one eCLIP experiment and a genome: windows in RNA sense, bound (1) or not (0), or with their signal.

files: `peaks`, narrowPeak, broadPeak or BED (see `s2f.rows.peaks`); `genome`, a FASTA of whole chromosomes or pieces
(see `s2f.sequences.genome`); any others are peaks of other proteins, by name, for negatives of kind other_rbp (one list
may serve several proteins: the protein's own entry is skipped if it is the same file). `encode_eclip.yaml` describes
the options.

* `rbp`, `cell`: what the peaks belong to; a name such as QKI_K562_IDR in column 4 must agree, `.` and others are
  ignored.
* `windows`: `centre`, one window of `length` nt around the middle of each peak; if windows overlap on a strand, the one
  with the highest signal; or `tile`, for which peaks that overlap on a strand are merged and cut into windows of at
  most `length` (see `peaks.tiled`), after `extend` nt are added to both ends of each peak.
* `chromosomes`: null for 1-22, X, Y, M. `min_signal`: keep peaks with at least this signalValue (the score of a BED);
  this applies to other proteins' peaks too.
* `label`: `bound`, 1 for windows of peaks and 0 for `negatives`; or `signal`, the signalValue, without negatives. If
  all peaks have the same signal, it is refused as a label and for `min_signal`.
* `negatives`: `kind`, one of those in `s2f.rows.negatives`, and the settings beside it. `distance` applies to all
  positive windows and all peaks in the file, including those below `min_signal`.
* `incomplete_genome`: skip peaks whose chromosome or window is not in the FASTA, instead of refusing the file.

Windows of one peak share `group`, and so do a positive and the flank or shuffle made for it.
"""

import re
from typing import Any

import numpy as np
import pandas as pd

from s2f.common import kinds
from s2f.common.errors import InputError
from s2f.rows import negatives as make_negatives
from s2f.rows.peaks import STANDARD_CHROMOSOMES, centred, read_peaks, tiled
from s2f.rows.sources import file_of
from s2f.rows.stages import Stages
from s2f.sequences.chromosomes import chromosome
from s2f.sequences.genome import Genome
from s2f.sequences.intervals import best_of_overlapping, merged

KIND = "encode_eclip"
# those made for each positive have its length; other windows could be distinguished by their length alone
OF_ANY_LENGTH = ("flank", "dinucleotide_shuffle")
NEGATIVES = ("other_rbp", "flank", "dinucleotide_shuffle", "gc_matched")


def read(files: dict[str, str], spec: dict[str, Any]) -> tuple[pd.DataFrame, Stages]:
    """Rows and stages, as in the module's docstring. Raises `InputError` with the file, line and what is expected."""
    options = {"rbp": ""} | kinds.settings("sources", KIND, spec)
    if files.get("peaks") and files.get(options["rbp"]) == files["peaks"]:
        files = {name: path for name, path in files.items() if name != options["rbp"]}
    _check_options(files, options)
    path, stages = file_of(files, "peaks", KIND), Stages()
    genome = Genome.open(file_of(files, "genome", KIND))
    stages.notes += genome.notes
    peaks = read_peaks(path)
    _check_names(peaks, options, path)
    table = _positives(peaks, genome, options, path, stages)
    if options["label"] == "signal":
        _check_varies(table["signal"], f"{path}: every remaining window", "a label")
        table = table.assign(label=table["signal"])
    else:
        others = {name: file for name, file in files.items() if name not in ("peaks", "genome")}
        table = _with_negatives(table, peaks, others, genome, options, path, stages)
    source = "_".join(text for text in (options["rbp"], options["cell"]) if text)
    table["row_id"] = [f"{source}|{name}" for name in table["row_id"]]
    return table[["row_id", "sequence", "label", "chrom", "start", "end", "strand", "group"]], stages


def _check_options(files: dict[str, str], options: dict[str, Any]) -> None:
    """Refuse settings that contradict each other."""
    negatives = options["negatives"]
    if options["windows"] not in ("centre", "tile") or options["label"] not in ("bound", "signal"):
        raise InputError(
            f"source {KIND}: windows is {options['windows']!r}, expected centre or tile; label is "
            f"{options['label']!r}, expected bound or signal"
        )
    if options["extend"] and options["windows"] != "tile":
        raise InputError(f"source {KIND}: extend needs windows tile; a window around the centre has a fixed length")
    if not options["rbp"]:
        raise InputError(f"source {KIND}: rbp is missing: name the protein, because files often do not")
    if (negatives is None) == (options["label"] == "bound"):
        raise InputError(
            f"source {KIND}: label bound needs negatives, and label signal must not have any (label is "
            f"{options['label']!r}, "
            f"negatives {negatives!r})"
        )
    kind = (negatives or {}).get("kind", "")
    if negatives is not None and kind not in NEGATIVES:
        raise InputError(f"source {KIND}: negatives: kind {kind!r} is unknown{kinds.nearest(kind, NEGATIVES)}")
    if options["windows"] == "tile" and negatives is not None and kind not in OF_ANY_LENGTH:
        raise InputError(
            f"source {KIND}: windows tile have several lengths, which would give away negatives of kind {kind}; "
            f"expected {' or '.join(OF_ANY_LENGTH)}"
        )
    if kind == "flank" and options["windows"] == "centre":
        nearest = make_negatives.nearest_flank(options["length"], negatives["distance"])
        if negatives["reach"] < nearest:
            raise InputError(
                f"source {KIND}: negatives: reach is {negatives['reach']}, expected at least {nearest}: windows of "
                f"{options['length']} nt that stay {negatives['distance']} nt apart are moved by at least that much"
            )
    others = [name for name in files if name not in ("peaks", "genome")]
    if bool(others) != (kind == "other_rbp"):
        raise InputError(
            f"source {KIND}: peaks of other proteins in 'files' ({', '.join(others) or 'none'}) go with negatives of "
            f"kind other_rbp, not with {kind or 'none'}"
            if others
            else f"source {KIND}: negatives of kind other_rbp need peaks of other proteins in 'files', by name"
        )
    if options["rbp"] in others:
        raise InputError(f"source {KIND}: files: {options['rbp']!r} is the protein itself, expected other proteins")


def _check_names(peaks: pd.DataFrame, options: dict[str, Any], path: str) -> None:
    """Refuse a file whose names, such as ENCODE's QKI_K562_IDR, give another protein or cell."""
    for name, line in zip(peaks["name"], peaks["line"], strict=True):
        told = re.fullmatch(r"(.+)_(.+)_IDR", name)
        if told and (told[1] != options["rbp"] or (options["cell"] and told[2] != options["cell"])):
            raise InputError(
                f"{path}: line {line}: peaks are of {name!r}, expected {options['rbp']} {options['cell']} as in "
                "the study"
            )


def _chosen(peaks: pd.DataFrame, options: dict[str, Any]) -> pd.Series:
    """A mask of the peaks on the study's chromosomes."""
    return peaks["chrom"].isin(map(chromosome, options["chromosomes"] or STANDARD_CHROMOSOMES))


def _strong(peaks: pd.DataFrame, options: dict[str, Any], path: str) -> pd.DataFrame:
    """The peaks with at least the signal that the study asks for."""
    if options["min_signal"] is None and options["label"] != "signal":
        return peaks
    unknown = peaks["signal"].isna()
    if unknown.any():
        raise InputError(f"{path}: line {peaks['line'][unknown].iloc[0]}: signal is missing, expected a number")
    _check_varies(peaks["signal"], f"{path}: every peak", "a label or for min_signal")
    return peaks[peaks["signal"] >= (options["min_signal"] if options["min_signal"] is not None else -float("inf"))]


def _check_varies(signal: pd.Series, where: str, what: str) -> None:
    """Refuse a signal that is equal in all peaks: the column is not a signal, such as the score of a narrowPeak."""
    if len(signal) > 1 and signal.nunique() == 1:
        raise InputError(
            f"{where} has the signal {signal.iloc[0]:g}, which is useless as {what}; expected a narrowPeak or "
            "broadPeak with its signalValue, or a BED with a score for each peak"
        )


def _others(name: str, path: str, genome: Genome, options: dict[str, Any], stages: Stages) -> pd.DataFrame:
    """Another protein's peaks, chosen as the protein's own are; their counts are added to `stages`."""
    peaks = read_peaks(path)
    counts = [("read", len(peaks))]
    same_protein = peaks["name"].str.fullmatch(re.escape(options["rbp"]) + "_.+_IDR")
    if same_protein.any():
        raise InputError(
            f"{path}: line {peaks['line'][same_protein].iloc[0]}: peaks are of {options['rbp']}, expected another "
            "protein"
        )
    peaks = peaks[_chosen(peaks, options)]
    counts.append(("standard chromosomes" if options["chromosomes"] is None else "chromosomes", len(peaks)))
    genome.check(peaks, path, options["incomplete_genome"])
    peaks = _strong(peaks, options, path)
    if options["min_signal"] is not None:
        counts.append((f"signal at least {options['min_signal']}", len(peaks)))
    stages.side(f"peaks of {name}", counts)
    return peaks


def _positives(peaks: pd.DataFrame, genome: Genome, options: dict[str, Any], path: str, stages: Stages) -> pd.DataFrame:
    """The windows of the peaks, with sequence, signal and group."""

    def keep(stage: str, table: pd.DataFrame, mask: Any = None) -> pd.DataFrame:
        table = stages.keep(stage, table, mask)
        if not len(table):
            before = ", ".join(f"{name} {count}" for name, count in stages.counts)
            raise InputError(f"{path}: no peak remains at {stage!r} (peaks: {before})")
        return table

    table = keep("read", peaks)
    table = keep(
        "standard chromosomes" if options["chromosomes"] is None else "chromosomes", table, _chosen(table, options)
    )
    genome.check(table, path, options["incomplete_genome"])
    if options["min_signal"] is not None or options["label"] == "signal":
        stage = "signal measured" if options["min_signal"] is None else f"signal at least {options['min_signal']}"
        table = keep(stage, _strong(table, options, path))
    table = table.assign(start=(table["start"] - options["extend"]).clip(lower=0), end=table["end"] + options["extend"])
    if options["windows"] == "tile":
        table = keep("joined where overlapping", merged(table))
        table = keep(
            "windows", tiled(table.assign(group=make_negatives.locus(table)), options["length"], options["seed"])
        )
    else:
        table = centred(table.assign(group=make_negatives.locus(table)), options["length"])
    table = keep("window in the FASTA", table, _held(table, genome, options, path))
    if options["windows"] == "centre":
        table = keep("best of overlapping", table, best_of_overlapping(table, table["signal"]))
    table = table.sort_values(["chrom", "start", "end", "strand"], ignore_index=True)
    table["sequence"] = genome.fetch(table)
    table = keep("without N", table, ~table["sequence"].str.contains("N", regex=False))
    best = table.sort_values("signal", ascending=False, kind="stable").drop_duplicates("sequence").index
    table = keep("best of equal sequences", table, table.index.isin(best))
    return table.assign(row_id=make_negatives.locus(table), label=1.0).reset_index(drop=True)


def _held(table: pd.DataFrame, genome: Genome, options: dict[str, Any], path: str) -> np.ndarray:
    """A mask of the windows that the FASTA contains; a window beyond the end of a chromosome is dropped, and one that
    extends beyond a piece is refused unless the study allows it."""
    held = genome.holds(table)
    if options["incomplete_genome"] or held.all():
        return held
    whole = table["chrom"].isin(set(genome.records.loc[genome.records["whole"], "chrom"])).to_numpy()
    odd = ~held & ~whole
    if odd.any():
        row = table[odd].iloc[0]
        raise InputError(
            f"{path}: line {row['line']}: no piece in {genome.path} holds "
            f"{make_negatives.locus(table[odd][:1])[0]}, the window "
            f"of {row['end'] - row['start']} nt ({odd.sum()} such windows); expected whole chromosomes, shorter "
            "windows, or incomplete_genome: true to skip them"
        )
    return held


def _with_negatives(
    positives: pd.DataFrame,
    peaks: pd.DataFrame,
    others: dict[str, str],
    genome: Genome,
    options: dict[str, Any],
    path: str,
    stages: Stages,
) -> pd.DataFrame:
    """The positives that have a negative, and those negatives."""
    chosen = options["negatives"]
    kind, distance, seed = chosen["kind"], chosen["distance"], options["seed"]
    if kind == "other_rbp":
        other_peaks = [_others(name, file, genome, options, stages) for name, file in others.items()]
        made = make_negatives.other_rbp(
            positives, peaks, pd.concat(other_peaks), genome, distance, options["length"], seed
        )
    elif kind == "flank":
        made = make_negatives.flank(positives, peaks, genome, distance, chosen["reach"], seed)
    elif kind == "gc_matched":
        made = make_negatives.gc_matched(positives, peaks, genome, distance, chosen["gc_tolerance"], seed)
    else:
        made = make_negatives.dinucleotide_shuffle(positives, seed)
    for stage, count in made.counts:  # counts of candidates, most of which are not used and are not rows
        stages.part(f"{kind}: {stage}", count)
    if not len(made.table):
        raise InputError(
            f"{path}: no negative of kind {kind} remains: "
            + ", ".join(f"{stage} {count}" for stage, count in made.counts)
        )
    kept = stages.keep("with a negative", positives.iloc[made.kept])
    stages.part("negatives", len(made.table))
    ending = "|shuffled" if kind == "dinucleotide_shuffle" else ""
    negatives = made.table.assign(row_id=[name + ending for name in make_negatives.locus(made.table)], label=0.0)
    return pd.concat([kept, negatives], ignore_index=True)
