"""What a model has seen before it is trained on a split, and whether rows that it is tested on are among it.

Pretrained weights may have seen the evaluated rows: as tracks, as plain sequence, or with their labels. Tables must say
so in the line of such a model (compare.tsv, column `seen`). The study states what was seen (`seen.yaml`), or the kind
knows it. Read by the Snakefile too: no numpy here.
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any, Self

from s2f.common import files, kinds
from s2f.common.errors import InputError

MOST_NAMED = 3  # datasets in a text
TRAIN_ROWS = "train rows"  # what a model that is trained here has seen
# after the name of a checkpoint: the rest of its folder's name, and below it a version, as the clients of Hugging Face
# and Kaggle make it. Folders above say nothing of the weights
LEAF = r"[^/]*(/snapshots/[^/]+|/\d+)?$"


@dataclass(frozen=True)
class Seen:
    """A statement: `text` for people, and what is known of the rows that were not seen.

    `clean`: none that is evaluated was. `everywhere`: all that have a place in the genome were. `only`: chromosomes;
    rows elsewhere were not. `but`: chromosomes; rows on them were not. `outside`: regions, {"file": BED or "", "names":
    names of its regions, [] for all}; rows in them were not. With none of these, nothing is known.
    """

    text: str
    clean: bool = False
    everywhere: bool = False
    only: tuple[str, ...] = ()
    but: tuple[str, ...] = ()
    outside: Mapping[str, Any] | None = None

    @classmethod
    def of_value(cls, value: Any) -> Self:
        """The statement of a study, in the form of `seen.yaml`; its schema has checked it."""
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
        raise InputError(f"seen: {value!r} says nothing; see config/README.md")

    @classmethod
    def of_record(cls, record: Mapping[str, Any]) -> Self:
        """The inverse of `record`."""
        lists = {name: tuple(record[name]) for name in ("only", "but")}
        return cls(**{**record, **lists})

    def record(self) -> dict[str, Any]:
        """The statement as JSON, for manifests of caches and records of models."""
        return {**asdict(self), "only": list(self.only), "but": list(self.but)}

    def adapted(self, datasets: Sequence[str], transductive: bool) -> Self:
        """What weights that began with this have seen after adaptation to the windows of `datasets`.

        The windows that splits evaluate were held out (`language_model.check`), unless it was `transductive`.
        """
        more = f" and {len(datasets) - MOST_NAMED} more datasets" if len(datasets) > MOST_NAMED else ""
        windows = f"windows of {', '.join(datasets[:MOST_NAMED])}{more}"
        windows += " (transductive)" if transductive else " (not those evaluated)"
        text = windows if self.text == "nothing" else f"{self.text}; then {windows}"
        return type(self)(text) if transductive else replace(self, text=text)

    @classmethod
    def union(cls, statements: Sequence["Seen"]) -> "Seen":
        """What several models have seen together. Rows are known not to have been seen only where that is known of each
        in the same terms; else nothing is known."""
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
        """What a model has seen that is trained here and whose `part`, with weights of this statement, is not new."""
        return TRAIN_ROWS if self.text == "nothing" else f"{TRAIN_ROWS}; {part}: {self.text}"

    def misses(self, chromosomes: Sequence[str] = (), within: Any = None) -> bool:
        """Whether it is known that no row on `chromosomes`, or none of a panel limited to the regions `within`, was
        seen; both in the form of a study, empty where rows lie anywhere."""
        if self.clean or self._covers(within):
            return True
        if not chromosomes:
            return False
        names = set(chromosomes)
        return (bool(self.only) and not names & set(self.only)) or (bool(self.but) and names <= set(self.but))

    def of_rows(self, rows_on: Mapping[str, int], within: Any = None, others: int = 0) -> str:
        """Words about the rows of a panel, {chromosome ("" where unknown): rows}, limited to the regions `within`;
        `others` more are known not to have been seen."""
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
        """Whether regions that were not seen are known to hold those of `within`."""
        if not (self.outside and within):
            return False
        asked, unseen = regions_of(within), self.outside
        if unseen["file"] and Path(unseen["file"]).name != Path(asked["file"]).name:
            return False
        return not unseen["names"] or (bool(asked["names"]) and set(asked["names"]) <= set(unseen["names"]))


def regions_of(value: Any) -> dict[str, Any]:
    """{"file": path, "names": names of regions, [] for all} of regions that a study names: a path or an object."""
    if isinstance(value, str):
        return {"file": value, "names": []}
    return {"file": value.get("file", ""), "names": list(value.get("names", ()))}


def _called(regions: Mapping[str, Any]) -> str:
    """Regions for people."""
    names, file = ", ".join(regions["names"]), Path(regions["file"]).name
    if not file:
        return f"regions {names}"
    return f"{names} of {file}" if names else f"the regions of {file}"


def of_model(section: str, entry: Mapping[str, Any], adaptations: Mapping[str, Any] | None = None) -> Seen:
    """What an encoder or a baseline (`section`, its `entry` in the study) has seen before it is trained on a split.

    By its key `seen`; else by its weights: random ones have seen nothing; a folder by the name of its checkpoint, or by
    the record in it; adapted ones by `adaptations`, the section `tapt` of the study, or by the record in the folder
    that the entry names. Without weights by the facts of its kind.
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
            raise InputError(f"{path}: key 'seen' is missing; make it again")
        return Seen.of_record(record["seen"])
    return Seen.of_value("nothing" if section == "baselines" or facts["weightless"] else "unknown")


def encoder_of(section: str, entry: Mapping[str, Any]) -> str:
    """The kind of encoder whose weights an encoder or a baseline takes, "" for none."""
    return entry["kind"] if section == "encoders" else kinds.facts(section, entry["kind"])["weights_of"]


def of_adaptation(options: Mapping[str, Any]) -> Seen:
    """What weights adapted by an entry of the section `tapt` have seen."""
    start = {"kind": kinds.encoder_of_size(options["size"]), "weights": options["start"]} | {
        k: options[k] for k in ("seen",) if k in options
    }
    return of_model("encoders", start).adapted(list(dict.fromkeys(options["datasets"])), options["transductive"])


def of_checkpoint(encoder: str, path: str | Path) -> Seen | None:
    """What published weights at a path have seen, where their name says which they are; None elsewhere.

    The name of the folder itself counts before that of a link to it.
    """
    known = kinds.facts("encoders", encoder)["checkpoints"] if encoder else {}
    for name in (Path(path).resolve().as_posix(), Path(path).as_posix()):
        for pattern, value in known.items():
            if re.search(pattern + LEAF, name, re.IGNORECASE):
                return Seen.of_value(value)
    return None


def _recorded(folder: str | Path) -> Seen:
    """What weights have seen by the record of the workflow that made them, which holds nothing out for this one."""
    path = Path(folder) / "model.json"
    if not path.is_file():
        return Seen.of_value("unknown")
    stated = files.read_object(path).get("seen", "unknown")
    return Seen(f"{stated if isinstance(stated, str) else stated['text']}, in the study that made it")
