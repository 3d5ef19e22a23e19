"""Weights that a section of a study names: a folder, task-adaptive training, or a seed. All users load them here."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from s2f.common import files
from s2f.common.errors import InputError
from s2f.language_model import folder
from s2f.language_model.families import Family

EXPECTED = (
    "expected one of {path: FOLDER} (published or own weights: model.safetensors or pytorch_model.bin), {tapt: FOLDER} "
    "(made by the program tapt) and {random: SEED}"
)


def load(
    family: Family,
    where: str,
    weights: Mapping[str, Any] | None,
    config: Any,
    size: str,
    licence: str = "",
    head: str = "none",
    head_seed: int | None = None,
) -> tuple[Any, str, str]:
    """(model on the CPU in evaluation mode, origin of its weights, their licence).

    `weights` is {"path": FOLDER}, {"tapt": FOLDER} or {"random": SEED}; `licence` is the notice of weights at a path. A
    classification `head` comes from the folder if that has one, and is otherwise drawn from `head_seed`, even if
    `weights` are random, so equal encoders may have different heads. Raises `InputError`, whose text begins with
    `where`, for any other section, and as the family's `from_folder` for weights that do not fit.
    """
    match weights:
        case {"random": int(seed), **rest} if not rest:
            model = family.from_seed(config, seed, head)
            if head_seed is not None:
                classifier = family.from_seed(config, head_seed, head).classifier
                model.classifier.load_state_dict(classifier.state_dict())
            return model, f"random weights, seed {seed}", "none (random weights)"
        case {"path": str(path), **rest} if not rest:
            family.check_folder(path, size)
            model = family.from_folder(path, config, head, head_seed)
            origin, licence = origin_and_licence(family, path, licence)
            return model, origin, licence
        case {"tapt": str(path), **rest} if not rest:
            record = folder.read_record(path, size)
            family.check_folder(path, size)
            return family.from_folder(path, config, head, head_seed), record["provenance"], record["licence"]
    raise InputError(
        f"{where}: weights is {weights!r}, {EXPECTED}; {family.how_to_get}; without weights, compare tapt with random"
    )


def origin_and_licence(family: Family, path: str | Path, licence: str) -> tuple[str, str]:
    """(origin of the weights at a path, their licence). The origin comes from the record beside the weights if a
    workflow like this one made them, and otherwise is the name of the folder; the licence is that of the published
    weights unless another is stated."""
    record = Path(path) / "model.json"
    if not record.is_file():
        return f"{family.title}, checkpoint {Path(path).name}", licence or family.licence
    made = files.read_object(record)
    origin = f"{made.get('provenance', Path(path).name)}; used by path, so what it has seen was not held out"
    return origin, licence or made.get("licence", "") or family.licence
