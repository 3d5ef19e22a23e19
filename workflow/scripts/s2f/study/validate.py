"""The study: its configuration, checked once at the door, and the list of runs that it asks for.

Needs only PyYAML and jsonschema, both part of Snakemake's own environment: the Snakefile loads this module.
"""

from s2f.common.errors import InputError
from s2f.heads import augmentations as augmentation
from s2f.study import comparison, interpretation, language_model, representation
from s2f.study.checks import _check_names
from s2f.study.runs import runs
from s2f.study.schema import _checked, _checked_kind, _nearest, _with_data_dir, kinds, schema


def validated(config):
    """The configuration with all defaults filled in.

    Raises `InputError` that names the key path, what is wrong and what is expected: unknown keys (with the nearest
    known one), wrong types and values, and names that no section defines.
    """
    study = _checked(config, schema(), "")
    for entry in study["models"]:  # a mode without options is named by its kind
        for mode in entry["augmentations"]:
            if mode in kinds("augmentations"):
                study["augmentations"].setdefault(mode, {"kind": mode})
    for room in ("splits", "encoders", "augmentations", "baselines"):
        for name, entry in study[room].items():
            study[room][name] = _checked_kind(entry, room, f"{room}.{name}")
    for name, dataset in study["datasets"].items():
        dataset["source"] = {"files": {}} | _checked_kind(dataset["source"], "sources", f"datasets.{name}.source")
    for section in ("datasets", "splits", "encoders", "baselines"):
        study[section] = _with_data_dir(study[section], study["data_dir"], section)
    for name, mode in study["augmentations"].items():
        if name in kinds("augmentations") and name != mode["kind"]:
            raise InputError(
                f"augmentations.{name}: its kind is {mode['kind']}, and {name!r} is the name of another kind: paths "
                "and tables would tell a lie; choose another name"
            )
        try:
            augmentation.views(mode)
        except InputError as error:
            raise InputError(f"augmentations.{name}: {error}") from None
    comparison.with_folds(study)
    _check_names(study)
    comparison.check_series(study)
    planned = runs(study)
    language_model.check(study, planned, _nearest)
    representation.check(study, planned, _nearest)
    interpretation.check(study, planned, _nearest)
    return study


def by_split(items, run_of=lambda run: run):
    """{(dataset, split): its runs, or what else belongs to the run ``run_of(item)``, in their order}."""
    found = {}
    for item in items:
        run = run_of(item)
        found.setdefault((run.dataset, run.split), []).append(item)
    return found
