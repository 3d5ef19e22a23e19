"""Write a first study of your own data, after a look at it: ``python -m s2f.study.new my_table.csv``.

The file is a table of sequences and labels, peaks (BED6 or narrowPeak), or two FASTA files, of positives and of
negatives. What the file shows is written into the study with a comment; anything else is guessed, marked QUESTION, and
listed at the end. The study is valid as written: its rows are read by the source that it names, their inserts fit its
construct, and its text is checked as Snakemake checks it. The Snakefile does not load this module.
"""

import argparse
import itertools
import re
import shlex
import textwrap
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import yaml

from s2f.common import kinds
from s2f.common.contents import read_text
from s2f.common.errors import InputError, run
from s2f.common.files import write_text
from s2f.rows import sources
from s2f.rows.canonical import cells_of, few_labels, labels_of
from s2f.rows.peaks import STANDARD_CHROMOSOMES, read_peaks
from s2f.rows.sources.encode_eclip import KIND as PEAKS
from s2f.rows.survey import Survey, survey
from s2f.sequences.bed import HEADER
from s2f.sequences.chromosomes import WHOLE
from s2f.sequences.constructs import Construct
from s2f.sequences.flanks import GOSAI_DOWNSTREAM, GOSAI_UPSTREAM, LENTIMPRA_DOWNSTREAM, LENTIMPRA_UPSTREAM
from s2f.sequences.genome import records
from s2f.splits.make import make_split
from s2f.splits.table import FEWEST, PARTS
from s2f.splits.units_table import loci_alone
from s2f.study.checks import RESERVED
from s2f.study.validate import validated

CHECKOUT = kinds.S2F.parents[2]
WIDTH = 110  # of a comment
PLAIN = re.compile(r"[A-Za-z./][\w./-]*")  # text that needs no quotes in YAML, unless it is a word such as no
WINDOW = 600  # bp, as Malinois reads
MALINOIS = {"val": ["chr19", "chr21", "chrX"], "test": ["chr7", "chr13"]}
LEAST_SHARE, MOST_SHARE = 0.05, 0.25  # of the rows, in val and test each
WANTED_SHARE = 0.1
HOMOLOGY: dict[str, Any] = {
    "name": "hashfrag",
    "spec": {"kind": "hashfrag", "val": WANTED_SHARE, "test": WANTED_SHARE},
}
FEW_ROWS = 100  # a tenth of fewer rows is too small a panel
ADAPTER = 8  # bp that all inserts must share at an end, or it may be chance
COMPARED = 200  # rows that are compared with the first; inserts are alike if the median differs in at most this share:
ALIKE = 0.35  # unrelated inserts differ in three quarters of their letters
HOMOLOGOUS = 0.3  # of an insert: longer shared ends make all inserts homologous (datasets.*.homology.identity)


def main() -> None:
    """Write the study; print its questions and what to type next."""
    parser = argparse.ArgumentParser(
        prog="python -m s2f.study.new",
        description="Write a first, commented study of your own data after a look at it.",
    )
    parser.add_argument(
        "files", nargs="+", type=Path, help="a table; or peaks (BED6, narrowPeak); or two FASTA files, positives first"
    )
    parser.add_argument(
        "--out", type=Path, default=Path("my_study.yaml"), help="study to write, a new file (my_study.yaml)"
    )
    arguments = parser.parse_args()
    if arguments.out.exists():
        raise InputError(f"{arguments.out}: is there already and is not overwritten; name another file: --out FILE")
    draft = drafted(arguments.files, arguments.out.stem)
    write_text(arguments.out, draft.text())
    print(f"{arguments.out}: a study of {' and '.join(map(str, arguments.files))}. {draft.summary}")
    if draft.asked:
        print(f"\nQuestions, which have a default each ({len(draft.asked)}):")
    for line, text in draft.asked:
        print(textwrap.fill(f"line {line}: {text}", WIDTH, initial_indent="  ", subsequent_indent="      "))
    print(f"\nNext, with -n at its end to see the plan first:\n  {shlex.join(_command(arguments.out))}")


def _command(study: Path) -> list[str]:
    """The command that runs a study from this folder, in the checkout or elsewhere."""
    snakefile = CHECKOUT / "Snakefile"
    elsewhere = ["--snakefile", str(snakefile)] if snakefile.exists() and CHECKOUT != Path.cwd() else []
    return ["snakemake", *elsewhere, "results/compare.tsv", "--configfile", str(study)]


class Draft:
    """The text of a study as it is written, line by line, and its questions: (line, question)."""

    def __init__(self, name: str):
        self.name = _as_name(name)
        self.lines: list[str] = []
        self.asked: list[tuple[int, str]] = []
        self.summary = ""

    def add(self, *lines: str) -> None:
        """Append lines."""
        self.lines += lines

    def say(self, indent: int, text: str) -> None:
        """Append a comment, without characters that YAML does not allow."""
        begin, text = " " * indent + "# ", "".join(letter if letter.isprintable() else " " for letter in text)
        self.lines += textwrap.wrap(
            text, WIDTH, initial_indent=begin, subsequent_indent=begin, break_long_words=False, break_on_hyphens=False
        )

    def ask(self, indent: int, text: str) -> None:
        """Append a question about the next line."""
        self.asked.append((len(self.lines) + 1, text))
        self.say(indent, f"QUESTION: {text}")

    def text(self) -> str:
        """The whole file."""
        return "\n".join(self.lines) + "\n"


def drafted(files: Sequence[Path], name: str) -> Draft:
    """The study for files, under a name. Raises `InputError` for files of an unknown type, and as their readers do."""
    draft = Draft(name)
    head = read_text(files[0], "a table, peaks (BED) or FASTA")[: 2**20]
    fasta = head.lstrip().startswith(b">")
    if len(files) > 2 or (len(files) == 2) != fasta:
        found = "one FASTA file" if fasta and len(files) == 1 else f"{len(files)} files"
        raise InputError(
            f"{files[-1]}: {found}, expected one table, one file of peaks, or two FASTA files, of the positives and of "
            "the negatives"
        )
    names = " and ".join(file.name for file in files)
    draft.say(
        0,
        f"A first study of {names}, written after a look at it. What is marked QUESTION was guessed: keep it or change "
        "it. Paths are those seen from the folder in which snakemake runs. config/README.md explains all keys.",
    )
    draft.add(f"study: {_scalar(draft.name)}")
    draft.add("seeds: [1]  # [1, 2, 3] for p values, which need three trainings of a model", "", "datasets:")
    if fasta:
        _of_fasta(draft, files)
    elif _is_bed(head):
        _of_peaks(draft, files[0])
    else:
        _of_table(draft, files[0])
    validated(yaml.safe_load(draft.text()))
    return draft


def _is_bed(head: bytes) -> bool:
    """Whether the lines of a file begin with a name, a start and an end, and contain no sequence."""
    lines = [line for line in head.decode("utf-8", "replace").splitlines()[:50] if line.strip()]
    rows = [line.split("\t") for line in lines if not HEADER.match(line)]
    return bool(rows) and all(
        len(row) >= 3 and row[1].isdigit() and row[2].isdigit() and int(row[1]) < int(row[2])
        and not any(re.fullmatch("[ACGTUNacgtun]{6,}", cell) for cell in row[3:])
        for row in rows
    )  # fmt: skip


# --- A table


def _of_table(draft: Draft, path: Path) -> None:
    found, rows = _read(survey(path))
    binary = not found.cells and bool(np.isin(rows["label"], (0.0, 1.0)).all())
    task = "classification" if binary else "regression"
    labels, about = labels_of(rows), Inserts.of(rows)
    name = _dataset(path.name.split(".")[0])
    count = f"{len(rows):,} rows" + (f" with a label, of {found.rows:,}" if found.rows > len(rows) else "")
    draft.summary = f"{count}; {about.text(found.rna)}."
    low, high = np.nanmin(labels), np.nanmax(labels)
    draft.say(2, draft.summary)
    draft.add(f"  {_scalar(name)}:")
    if task == "classification":
        draft.add(f"    task: classification  # labels are 0 and 1; {int(labels.sum()):,} are 1")
    else:
        if low >= 0 and high > 1000:
            draft.ask(4, f"labels go from {low:g} to {high:g}: if they are counts, put their logarithms into the table")
        draft.add(f"    task: regression  # labels from {low:g} to {high:g}")
    _strand(draft, found.rna, task)
    measured = found.columns.get("label", "")
    if isinstance(measured, str) and measured:
        draft.add(f"    measured: {_scalar(measured)}  # what the axes of plots call the label; add its unit")
    _table_source(draft, found, path)
    if found.cells:
        draft.add(f"    cells: [{', '.join(found.cells)}]  # a label of each; the first is that of pictures")
    construct = _construct_of(about, task, found.rna)
    split = _split_of(rows, about, task)
    draft.add(f"    construct: {construct.name}", f"    splits: [{split.name}]", "    panels:")
    draft.add("      held_out: {kind: rows}  # all test rows")
    if "pair_id" in found.columns and task == "regression":
        _pairs(draft, rows, split)
    Construct.from_spec(construct.spec).check_inserts(rows, path)
    _end(draft, construct, split, Models(task, found.rna, bool(found.cells), about.one_length), found)


def _read(found: Survey) -> tuple[Survey, pd.DataFrame]:
    """The rows as the source reads them with the settings found, without coordinates that do not belong to the
    inserts."""
    try:
        files, rule = {"rows": found.path}, "forward" if found.rna else "mean"
        rows, _ = sources.read("table", files, found.spec(), "regression", found.cells, rule)
        return found, rows
    except InputError as error:
        text, _, refused = str(error).partition("; or leave start and end out")
        if not refused:
            raise
        columns = {ours: name for ours, name in found.columns.items() if ours not in ("start", "end")}
        return _read(
            replace(found, columns=columns, notes=found.notes | {"chrom": f"start and end are left out: {text}"})
        )


def _table_source(draft: Draft, found: Survey, path: Path) -> None:
    draft.add("    source:", "      kind: table")
    draft.add(f"      files: {{rows: {_scalar(str(path))}}}")
    spec = found.spec()
    if "separator" in spec:
        draft.add(f'      separator: "{found.separator}"')
    if "missing" in found.questions:
        draft.ask(6, found.questions["missing"])
        draft.add(f"      missing: [{', '.join(map(_scalar, found.missing))}]")
    if found.first_base:
        draft.add("      first_base: 1  # start and end count from 1, and end is the last base of the insert")
    draft.add(f"      columns:{'' if found.header else '  # by number, as the file has no header'}")
    said = set()
    for ours in ("columns", *found.columns):
        about = ours.partition(".")[0]  # with several cells, the comment is above the label of the first
        if about not in said and about in found.notes:
            draft.say(8, found.notes[about])
        if about not in said and about in found.questions:
            draft.ask(8, found.questions[about])
        said.add(about)
        if ours in found.columns:
            draft.add(f"        {ours}: {_scalar(found.columns[ours])}")
    if any(ours.startswith("stderr") for ours in found.columns):
        draft.add("      # max_stderr: 1.0  # leaves out labels with a larger standard error")


def _pairs(draft: Draft, rows: pd.DataFrame, split: "Split") -> None:
    alternate = (rows["pair_id"] != "") & (rows["allele"] == "alt")
    known = split.test is not None
    count = int((alternate & split.test).sum() if known else alternate.sum() * WANTED_SHARE)
    if count >= FEWEST:
        draft.add(f"      alleles: {{kind: pairs}}  # effects of variants: {'' if known else 'about '}{count:,} pairs")
    else:
        draft.say(6, f"no panel of pairs: {FEWEST} are needed among the test rows, and there are {count}")


# --- Peaks and FASTA


def _of_peaks(draft: Draft, path: Path) -> None:
    peaks = read_peaks(path)
    told = next(filter(None, (re.fullmatch("(.+)_(.+)_IDR", name) for name in peaks["name"])), None)
    protein, cell = (told[1], told[2]) if told else (_as_name(path.name.split(".")[0]), "")
    name = _dataset(f"{protein}_{cell}".lower())
    usual = peaks[peaks["chrom"].isin(STANDARD_CHROMOSOMES)]
    draft.summary = f"{len(peaks):,} peaks, which become windows of 101 nt."
    draft.say(2, "the kind of negatives is part of the name, as it moves AUROC by up to 0.3")
    draft.add(f"  {name}.flank:  # {len(peaks):,} peaks, {len(usual):,} of them on chr1-22, X, Y, M")
    draft.add("    task: classification  # windows of peaks (1) against negatives (0)")
    _strand(draft, True, "classification")
    draft.add("    measured: bound or not", "    source:", f"      kind: {PEAKS}")
    if told is None:
        draft.ask(
            6, "which protein are the peaks of? The file does not say; the name of the dataset should hold it too"
        )
    draft.add(f"      rbp: {_scalar(protein)}", *([f"      cell: {_scalar(cell)}"] if cell else []))
    width = int((peaks["end"] - peaks["start"]).median())
    draft.add(f"      length: 101  # window around the middle of a peak; the median peak has {width} nt")
    draft.add("      files:", f"        peaks: {_scalar(str(path))}")
    draft.ask(
        8, "where is the genome of the build that the peaks are of (those of ENCODE: GRCh38)? FASTA, plain or gzip"
    )
    draft.add("        genome: hg38.fa.gz")
    draft.ask(6, "what are bound windows told from? flank: the nearest free window; gc_matched; dinucleotide_shuffle; "
                 "or other_rbp, with peaks of other proteins under files")  # fmt: skip
    draft.add("      negatives: {kind: flank}")
    chosen = _chromosomes(usual["chrom"])
    count = {part: int(usual["chrom"].isin(names).sum()) for part, names in chosen.items()}
    split = Split(**HOMOLOGY, text="by homology, as chromosomes are too few")
    if chosen:
        text = f"peaks: train {len(usual) - sum(count.values()):,}, val {count['val']:,}, test {count['test']:,}"
        split = Split("chromosome", {"kind": "chromosome", **chosen}, text)
    construct = Named("window_101", {"flanks": "none", "length": 101})
    draft.add(f"    construct: {construct.name}", f"    splits: [{split.name}]", "    panels: {held_out: {kind: rows}}")
    _end(draft, construct, split, Models("classification", True, False, True))


def _of_fasta(draft: Draft, files: Sequence[Path]) -> None:
    rna = any(b"U" in letters.upper() for file in files for _, _, letters in records(file))
    paths = dict(zip(("positives", "negatives"), map(str, files), strict=True))
    spec: dict[str, Any] = {}
    try:
        rows, _ = sources.read("fasta_pairs", paths, spec, "classification", (), "forward")
    except InputError as error:
        if "; try 1" not in str(error):
            raise
        spec = {"first_base": 1}
        rows, _ = sources.read("fasta_pairs", paths, spec, "classification", (), "forward")
    about = Inserts.of(rows)
    bound = int(rows["label"].sum())
    draft.summary = f"{bound:,} positives and {len(rows) - bound:,} negatives; {about.text(rna)}."
    name = _dataset(re.sub(r"[._-]?(positives?|pos)$", "", files[0].name.split(".fa")[0]))
    draft.say(2, draft.summary)
    draft.add(f"  {_scalar(name)}:")
    draft.add("    task: classification")
    if not rna:
        draft.ask(
            4,
            "are these windows of an RNA? For DNA write molecule: DNA in the source, strand_rule: mean, and "
            "no augmentations under models",
        )
    _strand(draft, True, "classification")
    draft.add("    measured: bound or not", "    source:", "      kind: fasta_pairs")
    draft.add(f"      files: {{{', '.join(f'{key}: {_scalar(path)}' for key, path in paths.items())}}}")
    if spec:
        draft.add("      first_base: 1  # places in headers count from 1 and hold the end")
    construct, split = _construct_of(about, "classification", True), _split_of(rows, about, "classification")
    draft.add(f"    construct: {construct.name}", f"    splits: [{split.name}]", "    panels: {held_out: {kind: rows}}")
    Construct.from_spec(construct.spec).check_inserts(rows, files[0])
    _end(draft, construct, split, Models("classification", True, False, about.one_length))


# --- What every study has


@dataclass(frozen=True)
class Inserts:
    """What inserts have in common: their `lengths` (shortest, median, longest), how many occur again, the bases with
    which all begin and end, and whether they are variants of one sequence (`alike`)."""

    lengths: tuple[int, int, int]
    recurring: int
    begin: str
    end: str
    alike: bool

    @staticmethod
    def of(rows: pd.DataFrame) -> "Inserts":
        """From rows (column sequence, in capital letters)."""
        sequences = rows["sequence"]
        lengths = sequences.str.len()
        begin, end = _begin(sequences), _begin(sequences.str[::-1])[::-1]
        some = sequences.iloc[:: max(1, len(sequences) // COMPARED)]
        first = np.frombuffer(some.iloc[0].encode(), np.uint8)
        apart = [
            (np.frombuffer(other.encode(), np.uint8) != first).mean() for other in some if len(other) == len(first)
        ]
        alike = len(apart) > len(some) / 2 and float(np.median(apart)) < ALIKE
        # with few rows, or within a family, a shared end is no sign of an adapter
        told = len(rows) > ADAPTER and not alike
        return Inserts(
            (int(lengths.min()), int(lengths.median()), int(lengths.max())), int(sequences.duplicated().sum()),
            begin if told and len(begin) >= ADAPTER else "", end if told and len(end) >= ADAPTER else "", alike,
        )  # fmt: skip

    @property
    def one_length(self) -> bool:
        """Whether all have the same length."""
        return self.lengths[0] == self.lengths[2]

    def text(self, rna: bool) -> str:
        """In words."""
        low, median, high = (f"{length:,}" for length in self.lengths)
        size = f"{low}" if self.one_length else f"{low} to {high}"
        middle = "" if self.one_length else f" (median {median})"
        again = f"; {self.recurring:,} repeat an earlier one, and a split keeps them together" if self.recurring else ""
        return f"{'RNA' if rna else 'DNA'} inserts of {size} {'nt' if rna else 'bp'}{middle}{again}"


def _begin(texts: pd.Series) -> str:
    """The beginning that all texts share: what the alphabetically first and last have in common."""
    pairs = zip(texts.min(), texts.max(), strict=False)
    return "".join(one for one, _ in itertools.takewhile(lambda pair: pair[0] == pair[1], pairs))


@dataclass(frozen=True)
class Named:
    """An entry of a section, with its `question` or the comment `text`."""

    name: str
    spec: dict[str, Any]
    text: str = ""
    question: str = ""


@dataclass(frozen=True)
class Split(Named):
    """A split; `test` (N,) says which rows are test rows, if that is known."""

    test: Any = None


@dataclass(frozen=True)
class Models:
    """What decides which models can be compared."""

    task: str
    rna: bool  # and thus one strand
    cells: bool
    one_length: bool


def _strand(draft: Draft, rna: bool, task: str) -> None:
    if rna:
        draft.add("    strand_rule: forward  # RNA has one strand")
    elif task == "classification":
        draft.ask(4, "does the strand matter, as of an RNA that is written with T? Then write forward, and "
                     "augmentations: [none] under models")  # fmt: skip
        draft.add("    strand_rule: mean  # of predictions for both strands")
    else:
        draft.add(
            "    strand_rule: mean  # of both strands, as for enhancers; or forward, and augmentations: [none] below"
        )


def _construct_of(about: Inserts, task: str, rna: bool) -> Named:
    """The window around the inserts, and the question about it."""
    low, _, high = about.lengths
    lenti = len(LENTIMPRA_UPSTREAM) + len(LENTIMPRA_DOWNSTREAM)
    whole = f"{{flanks: lentimpra, length: {high + lenti}, layout: whole}}" if about.one_length else "flanks: lentimpra"
    known = (
        f"flanks: gosai_episomal (Gosai 2024), {whole} (Agarwal 2025), or upstream: ACG…, downstream: ACG… of your own"
    )
    ends = ""
    if about.begin or about.end:
        shared = " and ".join(
            f"{verb} with {text if len(text) <= 30 else text[:27] + '…'} ({len(text)} bp)"
            for verb, text in (("begin", about.begin), ("end", about.end)) if text
        )  # fmt: skip
        instead = "upstream: … and downstream: … here"
        if about.begin == LENTIMPRA_UPSTREAM and LENTIMPRA_DOWNSTREAM.startswith(about.end):
            bare = high + lenti - len(about.begin + about.end)
            instead = f"{{flanks: lentimpra, length: {bare}, layout: whole}}, whose adapters these are"
        ends = f"all inserts {shared}: adapters? They may stay; or cut them off in the table, and write {instead}"
    if about.one_length and (task == "classification" or rna or ends or high > WINDOW):
        text = f"the window is the insert alone{'' if rna else f'; where it lies on a plasmid, give {known}'}"
        question = ends or (text if not rna and task == "regression" else "")
        return Named(f"window_{high}", {"flanks": "none", "length": high}, "" if question else text, question)
    flank = min(len(GOSAI_UPSTREAM), len(GOSAI_DOWNSTREAM))
    length = max(WINDOW, high)
    if length - low > 2 * flank:
        raise InputError(
            f"inserts of {low:,} to {high:,} bp: no window holds all of them, as known flanks have {flank} bp on a "
            f"side; leave out those shorter than {high - 2 * flank:,} or longer than {low + 2 * flank:,} bp"
        )
    guess = f"what is around the insert? It fills the window up to {length} bp, and the table does not say: {known}"
    return Named(
        f"plasmid_{length}", {"flanks": "gosai_episomal", "length": length}, "", "; ".join(filter(None, (guess, ends)))
    )


def _chromosomes(column: pd.Series) -> dict[str, list[str]]:
    """Chromosomes for val and test with enough rows in each part: those of Malinois, or else others with about a tenth
    of the rows, large ones first; {} if there are not enough chromosomes. `column` (N,) holds their names."""
    counts = column.value_counts().sort_index().sort_values(ascending=False, kind="stable")
    counts = counts[[bool(WHOLE.fullmatch(name)) for name in counts.index]]
    least = max(FEWEST, LEAST_SHARE * len(column))
    there = {part: [name for name in names if name in counts] for part, names in MALINOIS.items()}
    if all(counts[names].sum() >= least for names in there.values()):
        return there
    chosen: dict[str, list[str]] = {"val": [], "test": []}
    wanted = max(FEWEST, WANTED_SHARE * len(column))
    for name, count in counts.items():
        part = min(chosen, key=lambda part: counts[chosen[part]].sum())
        if count <= MOST_SHARE * len(column) and counts[chosen[part]].sum() < wanted:
            chosen[part].append(str(name))
    return chosen if all(counts[names].sum() >= least for names in chosen.values()) else {}


def _split_of(rows: pd.DataFrame, about: Inserts, task: str) -> Split:
    """A split by chromosome if there are enough chromosomes, otherwise by homology."""
    why = "chromosomes give val or test too few rows" if (rows["chrom"] != "").any() else "there are no chromosomes"
    few = ""
    if len(rows) < FEW_ROWS:
        few = f"are there more rows? {len(rows)} are few: a panel needs {FEWEST}, and a narrow interval hundreds"
    spec = {"kind": "chromosome", **_chromosomes(rows["chrom"])}
    try:
        table = make_split(rows, spec, 0, loci_alone(rows)) if "val" in spec else None
    except InputError as error:
        table, why = None, f"chromosomes make no split ({error})"
    if table is not None:
        part = table["split"].to_numpy(object)
        count = {name: int((part == name).sum()) for name in PARTS}
        of_part = {name: rows[part == name] for name in PARTS}
        classes = task == "regression" or all(of["label"].nunique() == 2 for of in of_part.values())
        enough = count["train"] > max(count["val"], count["test"]) and not few_labels(of_part, cells_of(rows))
        if classes and enough:
            out = table["reason"][table["split"] == "excluded"].value_counts()
            text = "; ".join(
                [f"rows: train {count['train']:,}, val {count['val']:,}, test {count['test']:,}"]
                + [f"{number:,} excluded ({reason})" for reason, number in out.items()]
                + ["without_chromosome: train trains on those"] * ("no chromosome" in out)
            )
            return Split("chromosome", spec, text, few, part == "test")
    if about.alike or max(len(about.begin), len(about.end)) > HOMOLOGOUS * about.lengths[0]:
        what = "are variants of one sequence" if about.alike else "share a long end"
        text = f"at random, as {why}, and inserts {what}, so that homology would make one group of them"
        return Split("random", {"kind": "random", "val": WANTED_SHARE, "test": WANTED_SHARE}, text, few)
    text = f"by homology, as {why}: inserts that are alike stay in one part, so no test row has a near copy in training"
    return Split(**HOMOLOGY, text=text, question=few)


def _end(draft: Draft, construct: Named, split: Split, models: Models, found: Survey | None = None) -> None:
    """Append the sections below the datasets."""
    for section, entry in (("constructs", construct), ("splits", split)):
        draft.add("", f"{section}:")
        if entry.text:
            draft.say(2, entry.text)
        if entry.question:
            draft.ask(2, entry.question)
        draft.add(f"  {entry.name}: {_flow(entry.spec)}")
    if found and found.parts:
        of = {
            part: [text for text in found.parts if text.lower().startswith(begin)]
            for part, begin in (("train", "train"), ("val", ("val", "dev")), ("test", "test"))
        }
        rest = [text for text in found.parts if not any(text in texts for texts in of.values())]
        draft.ask(
            2,
            f"use the split in column {found.columns['published']} instead? Take away the # below, and write splits: "
            f"[published] above{'; these belong to no part yet: ' + ', '.join(rest) if rest else ''}",
        )
        draft.add(f"  # published: {_flow({'kind': 'published', **of})}")
    draft.add("", "encoders:", "  kmer4: {kind: kmer, k: 4}  # counts of 4-mers: nothing to download, runs on a CPU")
    draft.say(2, "pretrained: take away the #, name the folder of the weights (README.md says where they are), and add "
                 "the name to encoders under models; a GPU helps")  # fmt: skip
    if models.rna or models.task == "classification":
        if models.one_length:
            draft.add("  # lamar.layer12: {kind: lamar, weights: {path: /path/to/LAMAR}}  # for RNA")
    if not models.rna:
        draft.add(
            "  # alphagenome: {kind: alphagenome, weights: {path: /path/to/alphagenome-fold-3}}  # non-commercial"
        )
        draft.add("  # enformer-tower: {kind: enformer_tower, weights: {path: /path/to/enformer-official-rough}}")
    draft.add("", "baselines:", "  mean: {kind: mean}  # a floor")
    if models.task == "classification":
        names = ["mean", "gc", "kmer-logistic"]
        both = "" if models.rna else ", reverse_complement: true"
        draft.add("  gc: {kind: gc}  # GC content alone, a floor", f"  kmer-logistic: {{kind: kmer_logistic{both}}}")
    else:
        names = ["mean", "kmer-ridge"]
        one = ", reverse_complement: false" if models.rna else ""
        draft.add(f"  kmer-ridge: {{kind: kmer_ridge{one}}}")
        draft.say(
            2, "trained from scratch, better on a GPU: take away the #, and add the name to baselines under models"
        )
        own = "malinois: {kind: malinois}" if models.cells else "malinois-1cell: {kind: malinois_1cell}"
        draft.add(f"  # {own}", "  # legnet: {kind: legnet}")
    draft.add("", "models:", "  - encoders: [kmer4]")
    if models.rna:
        draft.add("    augmentations: [none]  # the given strand alone")
    draft.add("    heads: [boda-mean-512-512]  # a small network on the frozen encoder")
    draft.add(
        f"  - baselines: [{', '.join(names)}]",
        f"comparison: {{against: {names[-1]}}}  # differences and p values refer to it",
    )


def _as_name(text: str) -> str:
    """A text as a name of a study or dataset."""
    return re.sub("[^A-Za-z0-9_-]+", "_", text).strip("_-") or "mine"


def _dataset(text: str) -> str:
    """A text as a name of a dataset that no other result has."""
    name = _as_name(text)
    return f"{name}_rows" if name in RESERVED["datasets"] else name


def _scalar(value: Any) -> str:
    """A value as YAML, in quotes if it needs them."""
    if not isinstance(value, str) or (PLAIN.fullmatch(value) and yaml.safe_load(value) == value):
        return str(value)
    return yaml.safe_dump(value, default_style='"', allow_unicode=True, width=10**9).strip()


def _flow(value: Any) -> str:
    """Nested values as YAML in one line."""
    if isinstance(value, dict):
        return f"{{{', '.join(f'{key}: {_flow(item)}' for key, item in value.items())}}}"
    return f"[{', '.join(map(_flow, value))}]" if isinstance(value, list) else _scalar(value)


if __name__ == "__main__":
    run(main)
