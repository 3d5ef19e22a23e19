"""What a model has seen before it is trained on a split, and whether that includes the rows it is tested on.

Pretrained weights may have seen the evaluated rows: as tracks, as plain sequence, or with their labels. Tables must say
so in the line of such a model (compare.tsv, column `seen`). Either the study states what was seen (`seen.yaml`), or the
kind knows it. The Snakefile reads this too, so it does not import numpy.
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any, Self

from s2f.common import files, kinds
from s2f.common.errors import InputError

MOST_NAMED = 3  # the most datasets that a text names
TRAIN_ROWS = "train rows"  # what a model trained here has seen
# what may follow the name of a checkpoint: the rest of its folder's name, and below that a version, as the Hugging Face
# and Kaggle clients create it. The folders above say nothing about the weights
LEAF = r"[^/]*(/snapshots/[^/]+|/\d+)?$"


@dataclass(frozen=True)
class Seen:
    """A statement: `text` for people, and what is known about the rows that were not seen.

    `clean`: no evaluated row was seen. `everywhere`: all rows with a place in the genome were seen. `only`:
    chromosomes; rows elsewhere were not seen. `but`: chromosomes; rows on them were not seen. `outside`: regions,
    {"file": BED or "", "names": names of its regions, [] for all}; rows in them were not seen. If none of these is set,
    nothing is known.
    """

    text: str
    clean: bool = False
    everywhere: bool = False
    only: tuple[str, ...] = ()
    but: tuple[str, ...] = ()
    outside: Mapping[str, Any] | None = None

    @classmethod
    def of_value(cls, value: Any) -> Self:
        """The statement given in a study, in the form of `seen.yaml`; the schema has already checked it."""
        match value:
            case "nothing":
                return cls("nothing", clean=True)
            case "all":
                return cls("all chromosomes", everywhere=True)
            case "unknown":
                return cls("unknown")
            case {"text": str(text)}:
                return cls(text)
            case {"except": [*names]}:
                return cls(f"all chromosomes but {', '.join(names)}", but=tuple(names))
            case {"except": regions}:
                outside = regions_of(regions)
                return cls(f"all chromosomes but {_called(outside)}", outside=outside)
            case [*names]:
                return cls(", ".join(names), only=tuple(names))
        raise InputError(f"seen: {value!r} is an empty statement; see config/README.md")

    @classmethod
    def of_record(cls, record: Mapping[str, Any]) -> Self:
        """The inverse of `record`."""
        lists = {name: tuple(record[name]) for name in ("only", "but")}
        return cls(**{**record, **lists})

    def record(self) -> dict[str, Any]:
        """The statement as JSON, for the manifests of caches and the records of models."""
        return {**asdict(self), "only": list(self.only), "but": list(self.but)}

    def adapted(self, datasets: Sequence[str], transductive: bool) -> Self:
        """What weights that started from this statement have seen after adaptation to the windows of `datasets`.

        Windows that splits evaluate were held out (`language_model.check`), unless adaptation was `transductive`.
        """
        more = f" and {len(datasets) - MOST_NAMED} more datasets" if len(datasets) > MOST_NAMED else ""
        windows = f"windows of {', '.join(datasets[:MOST_NAMED])}{more}"
        windows += " (transductive)" if transductive else " (not those evaluated)"
        text = windows if self.text == "nothing" else f"{self.text}; then {windows}"
        return type(self)(text) if transductive else replace(self, text=text)

    @classmethod
    def union(cls, statements: Sequence["Seen"]) -> "Seen":
        """What several models have seen together. Rows are known to be unseen only if that is known for every model in
        the same terms; otherwise nothing is known."""
        found = list(dict.fromkeys(one.text for one in statements if not one.clean))
        some = [one for one in statements if not one.clean]
        if len(found) < 2:
            return some[0] if some else cls.of_value("nothing")
        text = "; ".join(found)
        if any(one.everywhere for one in some):
            return cls(text, everywhere=True)
        if all(one.only for one in some):
            return cls(text, only=tuple(dict.fromkeys(name for one in some for name in one.only)))
        if all(one.but for one in some):
            unseen = tuple(name for name in some[0].but if all(name in one.but for one in some))
            return cls(text, but=unseen, everywhere=not unseen)
        return cls(text)

    def with_training(self, part: str) -> str:
        """What a model trained here has seen if its `part` starts from weights with this statement."""
        return TRAIN_ROWS if self.text == "nothing" else f"{TRAIN_ROWS}; {part}: {self.text}"

    def misses(self, chromosomes: Sequence[str] = (), within: Any = None) -> bool:
        """Whether it is known that no row on `chromosomes`, or no row of a panel limited to the regions `within`, was
        seen; both are in the form used in a study, and empty if rows lie anywhere."""
        if self.clean or self._covers(within):
            return True
        if not chromosomes:
            return False
        names = set(chromosomes)
        return (bool(self.only) and not names & set(self.only)) or (bool(self.but) and names <= set(self.but))

    def of_rows(self, rows_on: Mapping[str, int], within: Any = None, others: int = 0) -> str:
        """A phrase about the rows of a panel, {chromosome ("" if unknown): rows}, limited to the regions `within`;
        `others` further rows are known not to have been seen."""
        total, homeless = sum(rows_on.values()) + others, rows_on.get("", 0)
        if self.clean or self._covers(within) or total == others:
            return "none of these rows"
        if not (self.everywhere or self.only or self.but or self.outside):
            return "perhaps these rows"
        if homeless == total:
            return "perhaps these rows, which have no chromosome"
        if self.outside:
            return "these rows included where they lie elsewhere"
        seen = sum(rows for chrom, rows in rows_on.items() if chrom and not self.misses([chrom]))
        if seen == total:
            return "these rows included"
        words = f"{seen:,} of these {total:,} rows included" if seen else "none of these rows"
        return words + (f", {homeless:,} without a chromosome" if homeless else "")

    def _covers(self, within: Any) -> bool:
        """Whether the regions that were not seen are known to include all regions of `within`."""
        if not (self.outside and within):
            return False
        asked, unseen = regions_of(within), self.outside
        if unseen["file"] and Path(unseen["file"]).name != Path(asked["file"]).name:
            return False
        return not unseen["names"] or (bool(asked["names"]) and set(asked["names"]) <= set(unseen["names"]))


def regions_of(value: Any) -> dict[str, Any]:
    """{"file": path, "names": names of regions, [] for all} for regions that a study gives as a path or an object."""
    if isinstance(value, str):
        return {"file": value, "names": []}
    return {"file": value.get("file", ""), "names": list(value.get("names", ()))}


def _called(regions: Mapping[str, Any]) -> str:
    """The regions in words."""
    names, file = ", ".join(regions["names"]), Path(regions["file"]).name
    if not file:
        return f"regions {names}"
    return f"{names} of {file}" if names else f"the regions of {file}"


def of_model(section: str, entry: Mapping[str, Any], adaptations: Mapping[str, Any] | None = None) -> Seen:
    """What an encoder or a baseline (`section`, its `entry` in the study) has seen before it is trained on a split.

    Its key `seen` decides. Without it, the weights do: random ones have seen nothing; for a folder, the name of its
    checkpoint or the record in it decides; for adapted weights, `adaptations` (the study's section `tapt`) or the
    record in the folder that the entry names. Without weights, the facts of its kind decide.
    """
    facts = kinds.facts(section, entry["kind"])
    weights = entry.get("weights") or {}
    if "seen" in entry:
        return Seen.of_value(entry["seen"])
    if facts.get("published"):
        # a key `unseen` of an entry says what fine-tuning left out: the weights below may have seen it
        return Seen.of_value({"except": facts["unseen"]} if facts["unseen"] else "all")
    if "random" in weights:
        return Seen.of_value("nothing")
    if "path" in weights:
        return of_checkpoint(encoder_of(section, entry), weights["path"]) or _recorded(weights["path"])
    if "tapt" in weights:
        if adaptations is not None:
            return of_adaptation(adaptations[weights["tapt"]])
        path = Path(weights["tapt"]) / "model.json"
        record = files.read_object(path)
        if "seen" not in record:
            raise InputError(f"{path}: key 'seen' is missing; run the adaptation again")
        return Seen.of_record(record["seen"])
    return Seen.of_value("nothing" if section == "baselines" or facts["weightless"] else "unknown")


def encoder_of(section: str, entry: Mapping[str, Any]) -> str:
    """The kind of encoder whose weights an encoder or a baseline uses, "" if none."""
    return entry["kind"] if section == "encoders" else kinds.facts(section, entry["kind"])["weights_of"]


def of_adaptation(options: Mapping[str, Any]) -> Seen:
    """What the weights adapted by an entry of the section `tapt` have seen."""
    start = {"kind": kinds.encoder_of_size(options["size"]), "weights": options["start"]} | {
        k: options[k] for k in ("seen",) if k in options
    }
    return of_model("encoders", start).adapted(list(dict.fromkeys(options["datasets"])), options["transductive"])


def of_checkpoint(encoder: str, path: str | Path) -> Seen | None:
    """What published weights at a path have seen, if their name says which they are; otherwise None.

    The name of the folder itself takes precedence over the name of a link to it.
    """
    known = kinds.facts("encoders", encoder)["checkpoints"] if encoder else {}
    for name in (Path(path).resolve().as_posix(), Path(path).as_posix()):
        for pattern, value in known.items():
            if re.search(pattern + LEAF, name, re.IGNORECASE):
                return Seen.of_value(value)
    return None


def _recorded(folder: str | Path) -> Seen:
    """What weights have seen by the record of the workflow that made them; it held nothing out for this one."""
    path = Path(folder) / "model.json"
    if not path.is_file():
        return Seen.of_value("unknown")
    stated = files.read_object(path).get("seen", "unknown")
    return Seen(f"{stated if isinstance(stated, str) else stated['text']}, in the study that made it")
