"""The strands on which baselines are trained: those from which their dataset is predicted, as for heads.

If a dataset is predicted from the mean over both strands (`strand_rule: mean`), a model must have been trained on both;
if from the given strand (`forward`), on that one alone. Otherwise it learns half of what it is asked, or a symmetry
that the labels do not have, and the model that is compared with it wins for the wrong reason. Where an option of the
kind decides (`x-strands` in its schema), a study need not give it: each dataset gets the value for its rule.

Language models are fine-tuned on the given strand, so they are refused under `mean`: their predictions for the other
strand would be for sequences of a kind that fine-tuning never showed them.

Loaded by `s2f.study.validate` and thus by the Snakefile: no numpy here.
"""

import json
from collections.abc import Sequence
from typing import Any

from s2f.common import kinds
from s2f.common.errors import InputError
from s2f.study.runs import Run

TRAINED = {"mean": "both", "forward": "given"}  # value of the fact `strands` of kinds that suit a strand rule
OTHER = {"mean": "forward", "forward": "mean"}
CALLED = {"both": "both strands", "given": "the given strand"}


def with_strands(entry: dict[str, Any], rule: str) -> dict[str, Any]:
    """The entry of a baseline for a dataset with a strand rule: what it does not say of strands is as the rule
    needs."""
    return _needed(entry["kind"], rule) | entry


def _needed(kind: str, rule: str) -> dict[str, Any]:
    """The options of a kind of baseline that decide on strands, with their values for a strand rule."""
    options = kinds.schema("baselines", kind)["properties"]
    return {key: option["x-strands"][rule] for key, option in options.items() if "x-strands" in option}


def check(study: dict[str, Any], planned: Sequence[Run]) -> None:
    """Raise `InputError` for a baseline that is trained, or whose epochs are compared, on other strands than those from
    which its dataset is predicted."""
    for model, dataset in dict.fromkeys((run.model, run.dataset) for run in planned if not run.head):
        entry, rule = study["baselines"][model], study["datasets"][dataset]["strand_rule"]
        kind, where, needed = entry["kind"], f"baselines.{model}", TRAINED[rule]
        why = f"but dataset {dataset!r} (strand_rule: {rule}) is predicted from {CALLED[needed]}"
        trained = kinds.facts("baselines", kind)["strands"]
        if trained not in ("any", needed):
            raise InputError(
                f"{where}: kind {kind} is trained on {CALLED[trained]}, {why}; write strand_rule: {OTHER[rule]} in the "
                "dataset, or name other datasets in the baseline's entry of models"
            )
        for key, value in _needed(kind, rule).items():
            if entry.get(key, value) != value:
                found, expected = (json.dumps(shown).strip('"') for shown in (entry[key], value))
                raise InputError(
                    f"{where}.{key}: is {found}, {why}, expected {expected}; omit the key, and it follows the strand "
                    "rule of each dataset"
                )
        if entry.get("validation_strand") == "mean" and rule == "forward":
            raise InputError(f"{where}.validation_strand: is mean, {why}; omit the key")
