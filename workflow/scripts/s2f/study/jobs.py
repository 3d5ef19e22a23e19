"""What the jobs of a study need."""

import functools
import hashlib
from pathlib import Path

from s2f.common.files import sha256_file
from s2f.study import language_model

WITHOUT_WEIGHTS = ("kmer", "onehot")  # kinds of encoders that compute next to nothing
# files of a folder of weights whose content tells them apart: checkpoints of one model have equal sizes; of an Orbax
# folder manifest.ocdbt names the content of the rest
NAMED = ("manifest.ocdbt", "model.json", "config.json", "model.safetensors", "pytorch_model.bin")


def options(entry):
    """An entry of a room without what the workflow itself reads of it: the settings of its kind."""
    return {key: value for key, value in entry.items() if key not in ("kind", "files", "seeds")}


@functools.cache
def _content(path, *state):
    """SHA-256 of a file, once per `state` of it, as many jobs share it."""
    return sha256_file(path)


def weights_id(encoder):
    """What an encoder's weights at a path are, so that other weights there embed again: a hash, or empty.

    Names and sizes of all files, and the content of those `NAMED`.
    """
    path = Path(encoder.get("weights", {}).get("path") or "")
    if not path.name or not path.is_dir():
        return ""
    lines = []
    for file in sorted(file for file in path.rglob("*") if file.is_file()):
        status = file.stat()
        named = file.parent == path and file.name in NAMED
        content = _content(file, status.st_mtime_ns, status.st_size) if named else ""
        lines.append(f"{file.relative_to(path)} {status.st_size} {content}\n")
    return hashlib.sha256("".join(lines).encode()).hexdigest()


def uses_gpu(encoder):
    """Whether embedding with an encoder asks for a GPU."""
    return encoder["kind"] not in WITHOUT_WEIGHTS and language_model.needs_gpu(encoder)


def split_seed(study, split):
    """Seed of a split: the study's where rows are drawn, 0 where nothing is."""
    drawn = study["splits"][split]["kind"] not in ("published", "chromosome") or "train_rows" in study["splits"][split]
    return study["seed"] if drawn else 0


def split_threads(study, split):
    """CPU threads of a split: homology search has work for four."""
    return 4 if study["splits"][split]["kind"] == "hashfrag" else 1


def split_minutes(study, split):
    """Time limit of a split in minutes: a search of 800,000 inserts for homology takes 45 minutes of CPU."""
    return 480 if study["splits"][split]["kind"] == "hashfrag" else 30


def modules_of_split(study, split):
    """Modules that a split loads by name."""
    return {"hashfrag": ["s2f.splits.kinds.hashfrag"], "kfold": ["s2f.splits.kinds.kfold"]}.get(
        study["splits"][split]["kind"], []
    )


def missing_weights(study):
    """(key, path) of weights that the study takes from a path where nothing is, seen from the working folder."""
    sections = {f"{part}.{name}.weights": spec.get("weights") for part in ("encoders", "baselines")
                for name, spec in study[part].items()}  # fmt: skip
    sections |= {f"tapt.{name}.start": spec.get("start") for name, spec in study["tapt"].items()}
    paths = {f"{key}.path": spec["path"] for key, spec in sections.items() if spec and "path" in spec}
    return [(key, path) for key, path in paths.items() if not Path(path).exists()]
