"""What every first study has: the window around the inserts, the split, models; chosen by what the rows have in common,
with a comment or a question about each.
"""

import itertools
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from s2f.common.errors import InputError
from s2f.rows.canonical import cells_of, few_labels
from s2f.rows.survey import Survey
from s2f.sequences.chromosomes import WHOLE
from s2f.sequences.flanks import GOSAI_DOWNSTREAM, GOSAI_UPSTREAM, LENTIMPRA_DOWNSTREAM, LENTIMPRA_UPSTREAM
from s2f.splits.make import make_split
from s2f.splits.table import FEWEST, PARTS
from s2f.splits.units_table import loci_alone
from s2f.study.starters.draft import Draft, flow

WINDOW = 600  # bp, as Malinois reads
MALINOIS = {"val": ["chr19", "chr21", "chrX"], "test": ["chr7", "chr13"]}
LEAST_SHARE, MOST_SHARE = 0.05, 0.25  # of the rows, in val and test each
WANTED_SHARE = 0.1
BY_HOMOLOGY: dict[str, Any] = {
    "name": "hashfrag",
    "spec": {"kind": "hashfrag", "val": WANTED_SHARE, "test": WANTED_SHARE},
}
FEW_TEST = 100  # test rows, with which the interval of a correlation reaches about 0.2 to either side
ADAPTER = 8  # bp that all inserts must share at an end, or it may be chance
COMPARED = 200  # rows that are compared with the first; inserts are alike if the median differs in at most this share:
ALIKE = 0.35  # unrelated inserts differ in three quarters of their letters
HOMOLOGOUS = 0.3  # of an insert: longer shared ends make all inserts homologous (datasets.*.homology.identity)


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
        again = (
            f"; {self.recurring:,} repeat an earlier one, and a split keeps those together" if self.recurring else ""
        )
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


def add_strand_rule(draft: Draft, rna: bool, task: str) -> None:
    """Append the strand rule of a dataset."""
    if rna:
        draft.add("    strand_rule: forward  # RNA has one strand")
    elif task == "classification":
        draft.ask(
            4,
            "are these sequences of RNA, written with T, or does their orientation matter? Then write forward, and add "
            "augmentations: [none] under models; baselines follow by themselves",
        )
        draft.add("    strand_rule: mean  # predictions for both strands are averaged")
    else:
        draft.add(
            "    # mean: predictions for both strands are averaged. If orientation matters (promoters), write forward,",
            "    # and add augmentations: [none] under models; baselines follow by themselves",
            "    strand_rule: mean",
        )


def construct_of(about: Inserts, task: str, rna: bool) -> Named:
    """The window that models read, and the question about what surrounds the inserts in it."""
    low, _, high = about.lengths
    lenti = len(LENTIMPRA_UPSTREAM) + len(LENTIMPRA_DOWNSTREAM)
    length = max(WINDOW, high)
    gosai = f"for the plasmid of Gosai 2024, {{flanks: gosai_episomal, length: {WINDOW}}}; " * (high < WINDOW)
    others = f"for your own, {{upstream: ACG…, downstream: ACG…, length: {length}}}"
    if about.one_length:  # these flanks are too short for inserts of several lengths
        others = f"for lentiMPRA (Agarwal 2025), {{flanks: lentimpra, length: {high + lenti}, layout: whole}}; {others}"
    ends = ""
    if about.begin or about.end:
        shared = " and ".join(
            f"{verb} with {text if len(text) <= 30 else text[:27] + '…'} ({len(text)} bp)"
            for verb, text in (("begin", about.begin), ("end", about.end)) if text
        )  # fmt: skip
        instead = "them as upstream: … and downstream: … here"
        if about.begin == LENTIMPRA_UPSTREAM and LENTIMPRA_DOWNSTREAM.startswith(about.end):
            bare = high + lenti - len(about.begin + about.end)
            instead = f"{{flanks: lentimpra, length: {bare}, layout: whole}} here, as these are its adapters"
        ends = (
            f"all inserts {shared}: are these adapters? You can leave them in; or cut them off in the table and write "
            f"{instead}"
        )
    if about.one_length and (task == "classification" or rna or ends or high > WINDOW):
        text = "models read the insert alone" + (
            "" if rna else f". To add the plasmid around it, write: {gosai}{others}"
        )
        question = ends or (text if not rna and task == "regression" else "")
        return Named(f"window_{high}", {"flanks": "none", "length": high}, "" if question else text, question)
    flank = min(len(GOSAI_UPSTREAM), len(GOSAI_DOWNSTREAM))
    if length - low > 2 * flank:
        raise InputError(
            f"inserts of {low:,} to {high:,} bp: no window fits all of them, as flanks of {flank} bp per side are "
            f"known; leave out those shorter than {high - 2 * flank:,} bp, or those longer than {low + 2 * flank:,} bp"
        )
    guess = (
        f"which sequence surrounds the insert in your plasmid? Models read the insert with its flanks, {length} bp "
        f"in total. The table does not say, so those of Gosai 2024 are taken. If they are others, write: {others}"
    )
    return Named("plasmid", {"flanks": "gosai_episomal", "length": length}, "", "; ".join(filter(None, (guess, ends))))


def held_out_chromosomes(column: pd.Series) -> dict[str, list[str]]:
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


def few_test_rows(count: int, task: str, about: str = "", what: str = "sequences") -> str:
    """A question about fewer than `FEW_TEST` test rows, with the width of the intervals to expect; otherwise empty.

    The interval (95 %) reaches two standard errors to either side: 1 / sqrt(n) of a correlation near 0, and of an AUROC
    near 0.5 sqrt((n1 + n0 + 1) / (12 n1 n0)) (Hanley & McNeil 1982), with n1 = n0 = n / 2 about 1 / sqrt(3 n).
    """
    if count >= FEW_TEST:
        return ""
    binary = task == "classification"
    metric, most = ("AUROC", 0.5) if binary else ("a correlation", 1.0)
    reach = min(most, 2 / ((3 if binary else 1) * max(count, 1)) ** 0.5)
    return (
        f"are these all the {what} that you have? {f'{about}{count}'.capitalize()} test rows are few: the interval "
        f"of {metric} will be about ±{reach:.1g} wide, so that only large differences between models can be seen"
    )


def refuse_too_few(count: int, usable: str, path: Path) -> None:
    """Raise `InputError` naming the file `path` if a tenth of its rows or peaks, which are `usable`, is too small for
    validation and test."""
    needed = next(count for count in itertools.count(FEWEST) if round(WANTED_SHARE * count) >= FEWEST)
    if count < needed:
        what = usable.split()[0].rstrip(",")
        raise InputError(
            f"{path}: {count} usable {usable}, expected at least {needed}: validation and test take "
            f"{100 * WANTED_SHARE:g} % of them each, and each part needs {FEWEST}; give more {what}"
        )


def split_of(rows: pd.DataFrame, about: Inserts, task: str, path: Path) -> Split:
    """A split by chromosome if there are enough chromosomes, otherwise by homology. Raises `InputError` naming the file
    `path` if the rows are too few for `FEWEST` in each part."""
    some = (rows["chrom"] != "").any()
    why = "no choice of chromosomes gives each part enough rows" if some else "no chromosomes are given"
    few = few_test_rows(round(WANTED_SHARE * len(rows)), task, "about ")
    spec = {"kind": "chromosome", **held_out_chromosomes(rows["chrom"])}
    try:
        table = make_split(rows, spec, 0, loci_alone(rows)) if "val" in spec else None
    except InputError as error:
        table, why = None, f"a split by chromosome is not possible ({error})"
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
                + ["to train on those, add without_chromosome: train"] * ("no chromosome" in out)
            )
            return Split("chromosome", spec, text, few_test_rows(count["test"], task), part == "test")
    refuse_too_few(len(rows), "rows, with a sequence and a label", path)
    if about.alike or max(len(about.begin), len(about.end)) > HOMOLOGOUS * about.lengths[0]:
        what = "are variants of one sequence" if about.alike else "share a long end"
        text = f"at random, as {why}, and all inserts {what}: a split by homology would put them into one part"
        return Split("random", {"kind": "random", "val": WANTED_SHARE, "test": WANTED_SHARE}, text, few)
    text = f"by homology, as {why}: similar inserts stay in one part, so no test row has a near copy in training"
    return Split(**BY_HOMOLOGY, text=text, question=few)


def add_sections(draft: Draft, construct: Named, split: Split, models: Models, found: Survey | None = None) -> None:
    """Append the sections below the datasets."""
    for section, entry in (("constructs", construct), ("splits", split)):
        draft.add("", f"{section}:")
        if entry.text:
            draft.say(2, entry.text)
        if entry.question:
            draft.ask(2, entry.question)
        draft.add(f"  {entry.name}: {flow(entry.spec)}")
    if found and found.parts:
        of = {
            part: [text for text in found.parts if text.lower().startswith(begin)]
            for part, begin in (("train", "train"), ("val", ("val", "dev")), ("test", "test"))
        }
        rest = [text for text in found.parts if not any(text in texts for texts in of.values())]
        draft.ask(
            2,
            f"do you want the split in column {found.columns['published']} instead? Then delete the # below, and write "
            f"splits: [published] in the dataset{'; these have no part yet: ' + ', '.join(rest) if rest else ''}",
        )
        draft.add(f"  # published: {flow({'kind': 'published', **of})}")
    draft.add("", "encoders:", "  kmer4: {kind: kmer, k: 4}  # counts of 4-mers: nothing to download, runs on a CPU")
    draft.say(
        2,
        "to add a pretrained encoder, delete the #, write the path of its weights (docs/models.md says where to get "
        "them), and add its name to encoders under models; a GPU helps",
    )
    if models.rna or models.task == "classification":
        if models.one_length:
            draft.add("  # lamar.layer12: {kind: lamar, weights: {path: /path/to/LAMAR}}  # for RNA")
    if not models.rna:
        draft.add(
            "  # alphagenome: {kind: alphagenome, weights: {path: /path/to/alphagenome-fold-3}}  # non-commercial"
        )
        draft.add("  # enformer-tower: {kind: enformer_tower, weights: {path: /path/to/enformer-official-rough}}")
    draft.add("", "baselines:", "  mean: {kind: mean}  # predicts the mean label for every row")
    if models.task == "classification":
        names = ["mean", "gc", "kmer-logistic"]
        draft.add("  gc: {kind: gc}  # uses nothing but the GC content", "  kmer-logistic: {kind: kmer_logistic}")
    else:
        names = ["mean", "kmer-ridge"]
        draft.add("  kmer-ridge: {kind: kmer_ridge}")
        draft.say(
            2,
            "to add a model trained from scratch (slow without a GPU), delete the #, and add its name under models",
        )
        own = "malinois: {kind: malinois}" if models.cells else "malinois-1cell: {kind: malinois_1cell}"
        draft.add(f"  # {own}", "  # legnet: {kind: legnet}")
    draft.add("", "models:", "  - encoders: [kmer4]")
    if models.rna:
        draft.add("    augmentations: [none]  # the given strand alone")
    draft.add("    heads: [boda-mean-512-512]  # a small network, trained on the frozen encoder")
    draft.add(
        f"  - baselines: [{', '.join(names)}]",
        f"comparison: {{against: {names[-1]}}}  # the model that all others are compared with",
    )
