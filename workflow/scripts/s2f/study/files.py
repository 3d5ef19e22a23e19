"""The user's own files that a study names. Those that are missing are named when the study is read: if a job needs one,
Snakemake refuses the run, but its message says neither which key names the file nor in which folder it was looked for.

Weights are not among them: a study can be planned without (`jobs.missing_weights`).
"""

import itertools
import os
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from s2f.common.kinds import near
from s2f.study.jobs import region_files
from s2f.study.schema import listed
from s2f.study.scoring import FILES

MOST_NAMES = 1000  # names in a folder among which a similar one is looked for


@dataclass(frozen=True)
class Named:
    """A file at a `key` of the study, and the results that are made from it, so that Snakemake needs it only if one of
    them is missing (empty if it is not known which)."""

    key: str
    path: str
    results: tuple[str, ...] = ()


def is_made(study: dict[str, Any], path: str) -> bool:
    """Whether the workflow makes or downloads a file that a study names."""
    folder, _, name = path.partition("/")
    return folder == "results" or (folder == "resources" and name in study["downloads"])


def named(study: dict[str, Any]) -> list[Named]:
    """All files that a validated study names and uses, except weights, also those that the workflow makes."""
    found, datasets = [], study["datasets"]
    for name, dataset in datasets.items():
        where, folder = f"datasets.{name}", f"results/{name}"
        for key, path in dataset["source"]["files"].items():
            found.append(Named(f"{where}.source.files.{key}", path, (f"{folder}/rows.parquet",)))
        for panel, entry in dataset["panels"].items():
            results = tuple(f"{folder}/panels/{split}/{panel}.tsv" for split in dataset["splits"])
            paths = [("file", entry["file"])] if "file" in entry else []
            paths += [("within", path) for path in region_files(entry)]
            found += [Named(f"{where}.panels.{panel}.{key}", path, results) for key, path in paths]
    for split, entry in study["splits"].items():
        results = tuple(f"results/{name}/splits/{split}.tsv" for name in datasets if split in datasets[name]["splits"])
        paths = list(entry.get("files", {}).items()) if results else []
        found += [Named(f"splits.{split}.files.{key}", path, results) for key, path in paths]
    compared = {name for entry in study["models"] for name in entry["baselines"]}
    for name, entry in study["baselines"].items():
        if "path" in entry and name in compared:
            found.append(Named(f"baselines.{name}.path", entry["path"]))
    for name, entry in study["scoring"].items():
        results = (f"results/scores/{name}.tsv",)
        found += [Named(f"scoring.{name}.{key}", entry[key], results) for key in FILES if key in entry]
    for number, entry in enumerate(study["motifs"]):
        found.append(Named(f"motifs.{number}.known", entry["known"]))
    for name, entry in study["design"].items():
        if "fasta" in entry["start"]:
            results = tuple(f"results/designs/{name}/{method}" for method in entry["methods"])
            found.append(Named(f"design.{name}.start.fasta", entry["start"]["fasta"], results))
    return found


def missing(study: dict[str, Any], studies: Iterable[str | Path] = ()) -> str:
    """A message on files that the study names, the workflow does not make, and are not in the working folder, unless
    all that is made from them is there; empty if there are none. `studies` are the paths of the study's own files,
    beside which users often expect others to be looked for."""
    absent = [file for file in named(study) if not is_made(study, file.path) and not _is_there(file.path)]
    absent = [file for file in absent if not file.results or not all(map(_is_there, file.results))]
    keys: dict[str, list[str]] = {}
    for file in absent:
        keys.setdefault(file.path, []).append(file.key)
    if not keys:
        return ""
    beside = [Path(path).resolve().parent for path in studies]
    lines = []
    for path, of_path in keys.items():
        more = f" and {len(of_path) - 1} other key{'s' * (len(of_path) > 2)}" if len(of_path) > 1 else ""
        lines.append(f"{of_path[0]}{more}: {_about(path, beside)}")
    message, data_dir = listed(lines, "files are missing"), study["data_dir"]
    if data_dir and all(path.startswith(str(Path(data_dir).expanduser())) for path in keys):
        message += f"{'; ' if len(keys) == 1 else chr(10) + '  '}is data_dir right? It is {data_dir}"
    return message


def _is_there(path: str | Path) -> bool:
    """Whether a path exists; not, if a folder on the way may not be read."""
    try:
        return Path(path).exists()
    except OSError:
        return False


def _about(named: str, beside: Sequence[Path]) -> str:
    """What is known about a missing file at the path that the study names."""
    here, relative = Path.cwd(), not Path(named).is_absolute()
    path = Path(os.path.normpath(here / named))
    line = f"{named} is missing"
    if relative:
        line += f": there is no {path} (paths are relative to the folder in which the study runs, {here})"
    if path.is_symlink():
        return f"{line}; there is a link to {path.readlink()}, which does not exist"
    for folder in beside:
        if relative and folder != here and _is_there(folder / named):
            return f"{line}; it is beside the study: add --directory {folder}, or run in that folder"
    if not path.parent.is_dir():
        return f"{line}; there is no folder {path.parent}"
    try:
        beside_it = [other.name for other in itertools.islice(path.parent.iterdir(), MOST_NAMES)]
    except OSError as error:
        return f"{line}; {path.parent} cannot be read: {error.strerror}"
    return line + near(path.name, beside_it)
