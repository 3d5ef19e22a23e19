"""A first study of two FASTA files, of positives and of negatives: a classification of their sequences."""

import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from s2f.common.errors import InputError
from s2f.rows import sources
from s2f.sequences.constructs import Construct
from s2f.sequences.genome import records
from s2f.study.starters.choices import Inserts, Models, add_sections, add_strand_rule, construct_of, split_of
from s2f.study.starters.draft import Draft, dataset_name, scalar


def write(draft: Draft, files: Sequence[Path]) -> None:
    """Append the sections of a study. Raises `InputError` as the source `fasta_pairs` does."""
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
    name = dataset_name(re.sub(r"[._-]?(positives?|pos)$", "", files[0].name.split(".fa")[0]))
    draft.say(2, draft.summary)
    draft.add(f"  {scalar(name)}:")
    draft.add("    task: classification")
    if not rna:
        draft.ask(
            4,
            "are these sequences of RNA, written with T? If they are of DNA, add molecule: DNA to the source, write "
            "strand_rule: mean, and delete augmentations under models",
        )
    add_strand_rule(draft, True, "classification")
    draft.add("    measured: bound or not", "    source:", "      kind: fasta_pairs")
    draft.add(f"      files: {{{', '.join(f'{key}: {scalar(path)}' for key, path in paths.items())}}}")
    if spec:
        draft.add("      first_base: 1  # coordinates in the headers count from 1 and include the last base")
    construct = construct_of(about, "classification", True)
    split = split_of(rows, about, "classification", files[0])
    draft.add(f"    construct: {construct.name}", f"    splits: [{split.name}]", "    panels: {held_out: {kind: rows}}")
    Construct.from_spec(construct.spec).check_inserts(rows, files[0])
    add_sections(draft, construct, split, Models("classification", True, False, about.one_length))
