"""The study: its configuration, checked once before anything runs, and the list of its runs.

Needs only PyYAML and jsonschema, both part of Snakemake's own environment: the Snakefile loads this module.
"""

import copy
import functools
from collections.abc import Callable, Iterable
from typing import Any

from s2f.common import kinds
from s2f.common.errors import InputError
from s2f.heads import augmentations
from s2f.study import (
    cells,
    comparison,
    design,
    draws,
    ensembles,
    interpretation,
    language_model,
    learning_curve,
    motifs,
    representation,
    scoring,
    search,
    seen,
    stage2,
    strands,
)
from s2f.study.checks import check_heads, check_names, check_unused
from s2f.study.runs import Run, runs
from s2f.study.schema import (
    ProblemsError,
    checked,
    checked_head,
    checked_kind,
    refuse_other_names,
    schema,
    with_data_dir,
)


def validated(config: dict[str, Any]) -> dict[str, Any]:
    """The configuration with all defaults filled in.

    Raises `InputError`, naming the key path, what is wrong and what is expected, for unknown keys (with the nearest
    known key), wrong types and values, all in one message; then for the first name that no section defines, or whatever
    else makes no sense.
    """
    refuse_other_names(config, "")
    study = _by_schemas(stage2.with_presets(config))
    for dataset in study["datasets"].values():
        dataset.setdefault("cells", [])
        dataset["source"] = {"files": {}} | dataset["source"]
    for section in ("datasets", "splits", "encoders", "baselines", "tapt", "motifs", "scoring", "design"):
        study[section] = with_data_dir(study[section], study["data_dir"], section)
    for name, mode in study["augmentations"].items():
        if name in kinds.names("augmentations") and name != mode["kind"]:
            raise InputError(
                f"augmentations.{name}: its kind is {mode['kind']}, but {name!r} is the name of another kind, so "
                "paths and tables would mislead; choose another name"
            )
        try:
            augmentations.views(mode)
        except InputError as error:
            raise InputError(f"augmentations.{name}: {error}") from None
    comparison.with_folds(study)
    learning_curve.completed(study)
    stage2.check_names(study)
    check_names(study)
    check_heads(study, config)
    check_unused(study, config)
    comparison.check_series(study)
    planned = runs(study)
    stage2.check(study, planned)
    cells.check(study, planned)
    strands.check(study, planned)
    ensembles.check(study, planned)
    models = [*planned, *ensembles.runs(study, planned)]
    comparison.check_against_in(study, models)
    draws.check(study)
    language_model.check(study, planned)
    seen.check(study)
    representation.check(study, planned)
    interpretation.check(study, planned)
    motifs.check(study, planned)
    scoring.check(study, models)
    design.check(study, models)
    search.check(study, planned)
    learning_curve.check(study, planned)
    stage2.add_frozen_parts(study, planned)
    return study


def _by_schemas(config: dict[str, Any]) -> dict[str, Any]:
    """The configuration with the defaults of all schemas: that of the study, and those of the kinds that it names.

    Raises `ProblemsError` for all that breaks a schema. A study that breaks its own is checked by those of its kinds as
    far as it has their entries.
    """
    problems: list[str] = []

    def tried(check: Callable[..., Any], value: Any, *rest: Any) -> Any:
        """What a check returns, or the value itself if it has problems."""
        try:
            return check(value, *rest)
        except InputError as error:
            problems.extend(error.problems if isinstance(error, ProblemsError) else [str(error)])
            return value

    def of_kind(holder: dict[str, Any], key: str, section: str, where: str) -> None:
        """Replace an entry by what `checked_kind` returns; an entry without a kind breaks the study's own schema."""
        if isinstance(holder.get(key), dict) and "kind" in holder[key]:
            holder[key] = tried(checked_kind, holder[key], section, where)

    study = tried(checked, config, schema(), "")
    if problems:
        study = copy.deepcopy(study)  # still the caller's own
    else:
        for entry in study["models"]:  # a mode without options has the name of its kind
            for mode in entry["augmentations"]:
                if mode in kinds.names("augmentations"):
                    study["augmentations"].setdefault(mode, {"kind": mode})
    for section in ("splits", "encoders", "augmentations", "baselines"):
        for name in _dict(study.get(section)):
            of_kind(study[section], name, section, f"{section}.{name}")
    for name, entry in _dict(study.get("stage2")).items():
        of_kind(_dict(entry), "augmentation", "augmentations", f"stage2.{name}.augmentation")
    for slug, entry in _dict(study.get("heads")).items():
        if isinstance(entry, dict):
            study["heads"][slug] = tried(functools.partial(checked_head, slug), entry)
    for name, dataset in _dict(study.get("datasets")).items():
        of_kind(_dict(dataset), "source", "sources", f"datasets.{name}.source")
        panels = _dict(_dict(dataset).get("panels"))
        for panel in panels:
            of_kind(panels, panel, "panels", f"datasets.{name}.panels.{panel}")
    if problems:
        raise ProblemsError(problems)
    return study


def _dict(value: Any) -> dict[str, Any]:
    """A section or an entry, or an empty one in the place of anything else."""
    return value if isinstance(value, dict) else {}


def by_split(items: Iterable[Any], run_of: Callable[[Any], Run] = lambda run: run) -> dict[tuple[str, str], list[Any]]:
    """{(dataset, split): its items, in order}; an item is a run, or belongs to the run ``run_of(item)``."""
    of_split: dict[tuple[str, str], list[Any]] = {}
    for item in items:
        run = run_of(item)
        of_split.setdefault((run.dataset, run.split), []).append(item)
    return of_split
