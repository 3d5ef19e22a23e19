"""What a study says about dependency maps, IsoScores and drift.

Loaded by `s2f.study.validate` and thus by the Snakefile: no torch here.
"""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from s2f.common import kinds
from s2f.common.errors import InputError
from s2f.common.kinds import nearest
from s2f.study.interpretation import datasets_of
from s2f.study.runs import Run


@dataclass(frozen=True)
class Maps:
    """Maps of rows of one panel by one language model: the first `rows` by label, or those in `ids`."""

    dataset: str
    split: str
    encoder: str
    panel: str
    rows: int
    ids: tuple[str, ...]

    @property
    def stem(self) -> str:
        """Path below the results folder, without ending."""
        return f"{self.dataset}/{self.split}/dependency_maps/{self.encoder}/{self.panel}"

    @property
    def numbers(self) -> range:
        """Numbers of the sequences in the file, from 1."""
        return range(1, 1 + (len(self.ids) or self.rows))


def dependency_maps(study: dict[str, Any]) -> dict[str, Maps]:
    """{stem: `Maps`} of all files that the study asks for. Raises `InputError` if two entries would write the same
    file."""
    maps_of_stem: dict[str, Maps] = {}
    for index, entry in enumerate(study["dependency_maps"]):
        for dataset in datasets_of(study, entry):
            for split in study["datasets"][dataset]["splits"]:
                for encoder in entry["encoders"]:
                    ids = tuple(entry.get("ids", ()))
                    maps = Maps(dataset, split, encoder, entry["panel"], entry["rows"], ids)
                    if maps.stem in maps_of_stem:
                        raise InputError(
                            f"dependency_maps.{index}: {encoder!r} already maps panel {entry['panel']!r} of "
                            f"{dataset!r} in another entry; merge the two entries"
                        )
                    maps_of_stem[maps.stem] = maps
    return maps_of_stem


def maps_of(maps: Mapping[str, Maps], stem: str) -> Maps:
    """The `Maps` of a file. Raises `InputError` if no entry asks for it."""
    if stem not in maps:
        raise InputError(f"dependency_maps: no entry makes {stem}; add one to the study")
    return maps[stem]


def isoscores(study: dict[str, Any], runs: Sequence[Run]) -> dict[str, list[str]]:
    """{dataset: encoders whose embeddings are measured}: those of the section, or else those of the dataset's
    models."""
    section = study.get("isoscore", {})
    encoders_of: dict[str, set[str]] = {}
    for run in runs:
        if run.encoder:
            encoders_of.setdefault(run.dataset, set()).add(run.encoder)
    measured = {}
    for dataset in section.get("datasets", list(study["datasets"])):
        encoders = section.get("encoders", sorted(encoders_of.get(dataset, ())))
        if encoders:
            measured[dataset] = encoders
    return measured


def drifts(study: dict[str, Any], runs: Sequence[Run]) -> list[Run]:
    """The runs with a fine-tuned encoder, in the datasets that the section `drift` names, or all: runs of stage 2, and
    of language models that are not frozen; none if the study does not have the section."""
    if "drift" not in study:
        return []

    def moves(run: Run) -> bool:
        if run.head:
            return run.stage2
        entry = study["baselines"][run.model]
        return bool(kinds.facts("baselines", entry["kind"])["weights_of"]) and not entry.get("freeze")

    chosen = study["drift"].get("datasets", study["datasets"])
    return [run for run in runs if run.dataset in chosen and moves(run)]


def check(study: dict[str, Any], runs: Sequence[Run]) -> None:
    """Raise `InputError` for names that no section defines, encoders without a language-model head, a layer below the
    last, and entries that would write the same file."""

    def known(names: Sequence[str], section: Collection[str], where: str) -> None:
        for name in names:
            if name not in section:
                raise InputError(f"{where}: {name!r} is unknown{nearest(name, section)}")

    for index, entry in enumerate(study["dependency_maps"]):
        where = f"dependency_maps.{index}"
        known(entry.get("datasets", []), study["datasets"], f"{where}.datasets")
        known(entry["encoders"], study["encoders"], f"{where}.encoders")
        if not datasets_of(study, entry):
            panels = {panel for dataset in study["datasets"].values() for panel in dataset["panels"]}
            raise InputError(
                f"{where}.panel: no dataset has a panel {entry['panel']!r}{nearest(entry['panel'], panels)}"
            )
        for dataset in datasets_of(study, entry):
            known([entry["panel"]], study["datasets"][dataset]["panels"], f"{where}.panel (of {dataset})")
        for name in entry["encoders"]:
            options = study["encoders"][name]
            facts = kinds.facts("encoders", options["kind"])
            if not facts["masked_language_model"]:
                able = kinds.having("encoders", "masked_language_model")
                raise InputError(
                    f"{where}.encoders: {name!r} is of kind {options['kind']}, expected {' or '.join(able)}: a map "
                    "needs a language-model head"
                )
            last = facts["layers"].get(options.get("size"))
            if options.get("layer", last) != last:
                raise InputError(
                    f"{where}.encoders: {name!r} reads layer {options['layer']}, expected the last "
                    f"one, {last}, which a map needs"
                )
    dependency_maps(study)
    section = study.get("isoscore")
    if section is not None:
        known(section.get("datasets", []), study["datasets"], "isoscore.datasets")
        known(section.get("encoders", []), study["encoders"], "isoscore.encoders")
        if not isoscores(study, runs):
            raise InputError("isoscore: no dataset has an encoder; name encoders")
    if "drift" in study:
        known(study["drift"].get("datasets", []), study["datasets"], "drift.datasets")
        if not drifts(study, runs):
            raise InputError("drift: no model of these datasets is fine-tuned (stage2, or a fine-tuned language model)")
