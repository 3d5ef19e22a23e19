"""The study: its configuration, checked once before anything runs, and the list of its runs.

Needs only PyYAML and jsonschema, both part of Snakemake's own environment: the Snakefile loads this module.
"""

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
)
from s2f.study.checks import check_heads, check_names
from s2f.study.runs import Run, runs
from s2f.study.schema import checked, checked_head, checked_kind, refuse_other_names, schema, with_data_dir


def validated(config: dict[str, Any]) -> dict[str, Any]:
    """The configuration with all defaults filled in.

    Raises `InputError`, naming the key path, what is wrong and what is expected, for unknown keys (with the nearest
    known key), wrong types and values, and names that no section defines.
    """
    refuse_other_names(config, "")
    study = checked(stage2.with_presets(config), schema(), "")
    for entry in study["models"]:  # a mode without options has the name of its kind
        for mode in entry["augmentations"]:
            if mode in kinds.names("augmentations"):
                study["augmentations"].setdefault(mode, {"kind": mode})
    for section in ("splits", "encoders", "augmentations", "baselines"):
        for name, entry in study[section].items():
            study[section][name] = checked_kind(entry, section, f"{section}.{name}")
    for name, entry in study["stage2"].items():
        entry["augmentation"] = checked_kind(entry["augmentation"], "augmentations", f"stage2.{name}.augmentation")
    for slug, entry in study["heads"].items():
        study["heads"][slug] = checked_head(slug, entry)
    for name, dataset in study["datasets"].items():
        dataset.setdefault("cells", [])
        dataset["source"] = {"files": {}} | checked_kind(dataset["source"], "sources", f"datasets.{name}.source")
        for panel, entry in dataset["panels"].items():
            dataset["panels"][panel] = checked_kind(entry, "panels", f"datasets.{name}.panels.{panel}")
    for section in ("datasets", "splits", "encoders", "baselines", "tapt", "motifs", "scoring", "design"):
        study[section] = with_data_dir(study[section], study["data_dir"], section)
    for name, mode in study["augmentations"].items():
        if name in kinds.names("augmentations") and name != mode["kind"]:
            raise InputError(
                f"augmentations.{name}: its kind is {mode['kind']}, and {name!r} is the name of another kind: paths "
                "and tables would mislead; choose another name"
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
    comparison.check_series(study)
    planned = runs(study)
    stage2.check(study, planned)
    cells.check(study, planned)
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


def by_split(items: Iterable[Any], run_of: Callable[[Any], Run] = lambda run: run) -> dict[tuple[str, str], list[Any]]:
    """{(dataset, split): its items, in order}; an item is a run, or belongs to the run ``run_of(item)``."""
    of_split: dict[tuple[str, str], list[Any]] = {}
    for item in items:
        run = run_of(item)
        of_split.setdefault((run.dataset, run.split), []).append(item)
    return of_split
