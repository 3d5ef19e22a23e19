"""What the jobs of a study need."""

import functools
import hashlib
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from s2f.common import kinds
from s2f.common.files import sha256_file

# files of a folder of weights whose content identifies the weights: checkpoints of one model have equal sizes. In an
# Orbax folder, which may be a folder within, manifest.ocdbt names the content of the other files; an index of shards
# may give them any name.
WEIGHTS = (".safetensors", ".bin", ".index.json")
NAMED = ("manifest.ocdbt", "model.json", "config.json", "tokenizer.json")


def options(section: str, entry: dict[str, Any]) -> dict[str, Any]:
    """The options of an entry's kind: the entry without the keys that the workflow itself reads."""
    return {key: value for key, value in entry.items() if key not in kinds.SECTIONS[section]["of_workflow"]}


@functools.cache
def _content(path: Path, *state: int) -> str:
    """SHA-256 of a file, computed once per `state` of the file, because many jobs share it."""
    return sha256_file(path)


def weights_id(encoder: dict[str, Any]) -> str:
    """A hash of an encoder's weights at a path, or empty; if it changes, embeddings are made again.

    For a file it covers the content; for a folder, the names and sizes of all files and the content of those in
    `NAMED`, and, in the folder itself, of those that end as in `WEIGHTS`; for random weights, the tokenizer that they
    name.
    """
    named = encoder.get("weights", {}).get("path") or encoder.get("tokenizer")
    path = Path(named or "")
    if not named or not path.exists():
        return ""
    if path.is_file():
        status = path.stat()
        return _content(path, status.st_mtime_ns, status.st_size)
    lines = []
    for file in sorted(file for file in path.rglob("*") if file.is_file()):
        status = file.stat()
        compared = file.name in NAMED or (file.parent == path and file.name.endswith(WEIGHTS))
        content = _content(file, status.st_mtime_ns, status.st_size) if compared else ""
        lines.append(f"{file.relative_to(path)} {status.st_size} {content}\n")
    return hashlib.sha256("".join(lines).encode()).hexdigest()


def region_files(panel: dict[str, Any]) -> list[str]:
    """The BED file that a panel is limited to, and the chain file to its genome build, if the study names them."""
    within = panel.get("within", [])
    return [within] if isinstance(within, str) else [within[key] for key in ("file", "chain") if key in within]


def with_region_files(within: Any, files: Sequence[str]) -> Any:
    """What a panel is limited to, with its `region_files` replaced by `files`, in the same order."""
    if isinstance(within, str):
        return files[0]
    return {**within, **dict(zip([key for key in ("file", "chain") if key in within], files, strict=True))}


def uses_gpu(section: str, entry: dict[str, Any]) -> bool:
    """Whether jobs of an encoder or a baseline (`section`, its `entry` in the study) ask for a GPU."""
    facts = kinds.facts(section, entry["kind"])
    return facts["gpu"] and entry.get("size") not in facts["sizes_without_gpu"]


def environment(section: str, entry: dict[str, Any]) -> str:
    """Family of conda environments that an encoder or a baseline runs in."""
    return kinds.facts(section, entry["kind"])["environment"]


def split_seed(study: dict[str, Any], split: str) -> int:
    """Seed of a split: the study's if rows are drawn, 0 if nothing is."""
    entry = study["splits"][split]
    return study["seed"] if "train_rows" in entry or kinds.facts("splits", entry["kind"])["drawn"] else 0


def missing_weights(study: dict[str, Any]) -> list[tuple[str, str]]:
    """(key, path) of weights and tokenizers whose path, relative to the working folder, does not exist."""
    sections = {f"{section}.{name}.weights": options.get("weights") for section in ("encoders", "baselines")
                for name, options in study[section].items()}  # fmt: skip
    sections |= {f"tapt.{name}.start": options.get("start") for name, options in study["tapt"].items()}
    paths = {f"{key}.path": weights["path"] for key, weights in sections.items() if weights and "path" in weights}
    named = {f"{section}.{name}.tokenizer": options.get("tokenizer")
             for section in ("encoders", "baselines", "tapt") for name, options in study[section].items()}  # fmt: skip
    paths |= {key: path for key, path in named.items() if path}
    return [(key, path) for key, path in paths.items() if not Path(path).exists()]
