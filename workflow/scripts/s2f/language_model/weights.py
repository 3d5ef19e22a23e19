"""Weights that a section of a study names: a folder, task-adaptive training, or a seed; one reader for all users."""

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
    """(model on the CPU in evaluation mode, where its weights are from, their licence).

    `weights` is {"path": FOLDER}, {"tapt": FOLDER} or {"random": SEED}; `licence` the notice of those at a path. A
    classification `head` comes from the folder where that has one, else it is drawn from `head_seed`, also where
    `weights` are random: equal encoders may have different heads. Raises `InputError`, which begins with `where`, for
    another section, and as the family's `from_folder` for weights that do not fit.
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
        f"{where}: weights is {weights!r}, {EXPECTED}; {family.how_to_get}; without them compare tapt with random"
    )


def origin_and_licence(family: Family, path: str | Path, licence: str) -> tuple[str, str]:
    """(where weights at a path are from, their licence): by the record beside them, where a workflow as this one made
    them, and by the name of the folder elsewhere; the licence that of published weights where nobody says another."""
    record = Path(path) / "model.json"
    if not record.is_file():
        return f"{family.title}, checkpoint {Path(path).name}", licence or family.licence
    made = files.read_object(record)
    origin = f"{made.get('provenance', Path(path).name)}; used by path: what it has seen is not held out"
    return origin, licence or made.get("licence", "") or family.licence
