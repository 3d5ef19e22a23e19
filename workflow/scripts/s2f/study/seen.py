"""What the models of a study have seen: statements that contradict the weights are refused, seen test rows warned of.

Loaded by `s2f.study.validate` and thus by the Snakefile: no numpy here.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from s2f.common import kinds, seen
from s2f.common.errors import InputError
from s2f.common.seen import Seen
from s2f.study.runs import Run

MOST_PLACES = 3  # named in a warning


def check(study: dict[str, Any]) -> None:
    """Raise `InputError` for a statement `seen` that differs from what the weights themselves say."""
    stated = [
        (f"{section}.{name}.seen", entry, seen.encoder_of(section, entry), entry.get("weights") or {})
        for section in ("encoders", "baselines")
        for name, entry in study[section].items()
    ]
    stated += [
        (f"tapt.{name}.seen", entry, kinds.encoder_of_size(entry["size"]), entry["start"])
        for name, entry in study["tapt"].items()
    ]
    for where, entry, encoder, weights in stated:
        if "seen" not in entry:
            continue
        if "random" in weights and entry["seen"] != "nothing":
            raise InputError(f"{where}: random weights have seen nothing; omit it")
        if "tapt" in weights:
            raise InputError(f"{where}: the section tapt states what adapted weights have seen; omit it here")
        named = seen.of_checkpoint(encoder, weights["path"]) if "path" in weights else None
        if named and not _at_most(Seen.of_value(entry["seen"]), named):
            raise InputError(
                f"{where}: the checkpoint's name, {weights['path']}, says that it has seen {named.text}; state at "
                "least this, or omit it"
            )


def _at_most(stated: Seen, named: Seen) -> bool:
    """Whether a statement claims no more to be unseen than the name of a checkpoint does."""
    if not (stated.clean or stated.only or stated.but or stated.outside):
        return True
    if not (stated.outside and named.outside and stated.outside["names"]):
        return False
    file, of_name = (Path(regions["file"]).name for regions in (stated.outside, named.outside))
    return (file == of_name or not of_name) and set(stated.outside["names"]) <= set(named.outside["names"])


def warnings(study: dict[str, Any], runs: Sequence[Run]) -> list[str]:
    """A line for each encoder and baseline that has seen, or may have seen, rows that the study tests: rows of a split
    by chromosomes and of a panel limited to regions, which claim that a model sees them for the first time."""
    found: dict[tuple[str, str], list[str]] = {}
    for run in runs:
        section, name = ("encoders", run.encoder) if run.encoder else ("baselines", run.model)
        entry = study[section][name]
        if kinds.facts(section, entry["kind"]).get("published") and not entry.get("use_contaminated_panels"):
            continue  # a comparison omits the panels on which published weights may have been trained
        had = seen.of_model(section, entry, study["tapt"])
        split = study["splits"][run.split]
        by_chromosome = kinds.facts("splits", split["kind"])["chromosomes"]
        panels = [
            panel
            for panel, options in study["datasets"][run.dataset]["panels"].items()
            if (by_chromosome or "within" in options)
            and not had.misses(split["test"] if by_chromosome else [], options.get("within"))
        ]
        if panels:
            place = f"{run.dataset}, split {run.split} ({', '.join(panels)})"
            places = found.setdefault((f"{section}.{name}", had.text), [])
            places += [place] if place not in places else []
    alike: dict[tuple[str, tuple[str, ...]], list[str]] = {}
    for (key, text), places in found.items():
        alike.setdefault((text, tuple(places)), []).append(key)
    return [
        f"{', '.join(keys)}: the weights have seen: {text}; this may include rows on which they are tested: "
        f"{_some(places)}. The column `seen` of the tables shows this; see docs/seen.md for what you can do"
        for (text, places), keys in alike.items()
    ]


def _some(places: Sequence[str]) -> str:
    more = f" and {len(places) - MOST_PLACES} more" if len(places) > MOST_PLACES else ""
    return "; ".join(places[:MOST_PLACES]) + more
