"""The section `stage2` of a study: encoders that are fine-tuned together with a trained head.

A stage-2 model is compared with the model that it starts from, on the same rows: whether it is better is an open
question. Loaded by `s2f.study.validate` and thus by the Snakefile: no numpy here.
"""

from collections.abc import Mapping, Sequence
from typing import Any

from s2f.common import kinds
from s2f.common.errors import InputError
from s2f.common.kinds import nearest
from s2f.heads import networks
from s2f.study.runs import Run

ALL = "all"  # every block


def presets() -> dict[str, dict[str, Any]]:
    """{name: settings} that an entry may adopt with its key `preset`."""
    return kinds.section_schema("heads/stage2")["x-presets"]


def with_presets(config: dict[str, Any]) -> dict[str, Any]:
    """The configuration with the settings of presets, which an entry's own settings override; anything without the
    shape of a study is left to the schema. Raises `InputError` for an unknown preset."""
    section = config.get("stage2")
    if not isinstance(section, Mapping):
        return config
    known = presets()
    for name, entry in section.items():
        preset = entry.get("preset") if isinstance(entry, Mapping) else None
        if preset is not None and preset not in known:
            raise InputError(f"stage2.{name}.preset: {preset!r} is unknown{nearest(preset, known)}")
    filled = {
        name: {**known.get(str(entry.get("preset")), {}), **entry} if isinstance(entry, Mapping) else entry
        for name, entry in section.items()
    }
    return {**config, "stage2": filled}


def chosen_blocks(entry: Mapping[str, Any]) -> Any:
    """The names of blocks that an entry trains, completely or by adapters, or `ALL`."""
    chosen = entry["unfrozen"]
    return chosen["locon"]["blocks"] if isinstance(chosen, Mapping) else chosen


def unfrozen(study: Mapping[str, Any], name: str, encoder: str) -> list[str]:
    """The blocks of an encoder that an entry trains, in the order of the network."""
    blocks = kinds.facts("encoders", study["encoders"][encoder]["kind"])["blocks"]
    chosen = chosen_blocks(study["stage2"][name])
    return [block for block in blocks if chosen == ALL or block in chosen]


def start_of(study: Mapping[str, Any], run: Run) -> Run:
    """The run that a stage-2 run starts from: the same encoder, head and seed, with the augmentation `start`."""
    start = study["stage2"][run.augmentation]["start"]
    model = f"{run.encoder}/{start}/{run.head}"
    return Run(run.dataset, run.split, model, run.seed, run.encoder, start, run.head)


def frozen_part(study: Mapping[str, Any], name: str, encoder: str) -> str:
    """Name of the encoder that makes the input of the first unfrozen block, for caches; empty if the complete encoder
    runs in every step, because windows are cut anew or its first block is trained."""
    entry = study["stage2"][name]
    blocks = kinds.facts("encoders", study["encoders"][encoder]["kind"])["blocks"]
    below = blocks.index(unfrozen(study, name, encoder)[0])
    if not below or kinds.facts("augmentations", entry["augmentation"]["kind"])["encodes"]:
        return ""
    return f"{encoder}.until.{blocks[below - 1]}"


def add_frozen_parts(study: dict[str, Any], planned: Sequence[Run]) -> None:
    """Add to the encoders of a study the frozen parts that stage 2 reads from caches: as named encoders, they are
    embedded like any other."""
    for run in planned:
        if run.stage2 and (name := frozen_part(study, run.augmentation, run.encoder)):
            until = name.partition(".until.")[2]
            study["encoders"][name] = {**study["encoders"][run.encoder], "until": until}


def check_names(study: dict[str, Any]) -> None:
    """Raise `InputError` for a name that an augmentation has (both have the same place in a path), for a name that no
    entry of models uses, and for a name in `models` that no section defines."""
    used = set()
    for index, entry in enumerate(study["models"]):
        for name in entry["stage2"]:
            if name not in study["stage2"]:
                known = nearest(name, study["stage2"])
                raise InputError(f"models.{index}.stage2: {name!r} is not in the section 'stage2'{known}")
        used |= set(entry["stage2"])
    for name in study["stage2"]:
        if name in study["augmentations"] or name in kinds.names("augmentations"):
            raise InputError(f"stage2.{name}: an augmentation has the same name; choose another name")
        if name not in used:
            raise InputError(f"stage2.{name}: no entry of models uses it; add stage2: [{name}] to one, or remove it")


def check(study: dict[str, Any], planned: Sequence[Run]) -> None:
    """Raise `InputError` for a stage-2 run whose encoder or head cannot be fine-tuned, whose start is not a run of the
    study, or that asks for what stage 2 cannot do."""
    for run in planned:
        if not run.stage2:
            continue
        where, entry = f"stage2.{run.augmentation}", study["stage2"][run.augmentation]
        kind = study["encoders"][run.encoder]["kind"]
        blocks = kinds.facts("encoders", kind)["blocks"]
        if not blocks:
            able = ", ".join(kinds.having("encoders", "blocks"))
            raise InputError(
                f"{where}: encoder {run.encoder!r} (kind {kind}) cannot be fine-tuned; kinds that can: {able}"
            )
        if "until" in study["encoders"][run.encoder]:
            raise InputError(f"{where}: encoder {run.encoder!r} ends early (until), so it cannot be fine-tuned")
        chosen = chosen_blocks(entry)
        for block in [] if chosen == ALL else chosen:
            if block not in blocks:
                raise InputError(
                    f"{where}.unfrozen: encoder {run.encoder!r} has no block {block!r}{nearest(block, blocks)}"
                )
        if not networks.facts(run.head)["epochs"]:
            raise InputError(
                f"{where}: head {run.head!r} is solved on cached embeddings, without gradient steps; "
                "choose another head"
            )
        facts = kinds.facts("augmentations", entry["augmentation"]["kind"])
        if facts["encodes"] and facts["reads_caches"]:
            raise InputError(
                f"{where}.augmentation: {entry['augmentation']['kind']} mixes cached and new windows; in stage 2 use "
                "full, which cuts all windows anew, or random_rc, which cuts none"
            )
        if entry["validation_strand"] == "mean" and study["datasets"][run.dataset]["strand_rule"] == "forward":
            raise InputError(
                f"{where}.validation_strand: dataset {run.dataset!r} is predicted only on the forward strand; omit "
                "the key"
            )
        start = start_of(study, run)
        if start not in planned:
            raise InputError(
                f"{where}.start: dataset {run.dataset!r} has no run {start.model!r} to start from; add "
                f"{start.augmentation!r} to the augmentations of that entry of models, and both are reported side by "
                "side"
            )
        if "search" in study:
            raise InputError(f"{where}: the study has search, but stage 2 tries no settings: remove one of them")
