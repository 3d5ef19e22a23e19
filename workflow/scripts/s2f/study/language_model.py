"""What a study says of LAMAR: names of layers, and task-adaptive training that has not seen what models are tested on.

Loaded by `s2f.study.validate`, thus by the Snakefile: no torch here.
"""

import re

from s2f.common.errors import InputError

LAYERS = {"lamar": 12, "lamar-mini": 4}  # as `language_model.configuration.SIZES`
SMALL = ("lamar-mini",)  # sizes that need no GPU


def check(study, runs, nearest):
    """Raise `InputError` for an encoder whose name tells another layer, and for a use of adapted weights on rows that
    their training did not hold out. `runs` of the study; `nearest(name, known)` gives the end of a message."""
    for name, spec in study["tapt"].items():
        for dataset, splits in spec["datasets"].items():
            where = f"tapt.{name}.datasets"
            if dataset not in study["datasets"]:
                raise InputError(
                    f"{where}: {dataset!r} is not in the section 'datasets'{nearest(dataset, study['datasets'])}"
                )
            known = study["datasets"][dataset]["splits"]
            for split in splits:
                if split not in known:
                    raise InputError(f"{where}.{dataset}: {split!r} is no split of this dataset{nearest(split, known)}")
    users = [*((f"encoders.{name}", spec) for name, spec in study["encoders"].items() if spec["kind"] == "lamar")]
    users += [(f"baselines.{n}", spec) for n, spec in study["baselines"].items() if spec["kind"] == "lamar_finetuned"]
    for where, spec in users:
        _check_weights(where, spec, study["tapt"], nearest)
        if where.startswith("encoders."):
            _check_layer(where, spec)
    _check_finetuned(study, runs)
    for run in runs:
        spec = study["encoders"].get(run.encoder) or study["baselines"].get(run.model)
        adapted = spec.get("weights", {}).get("tapt") if isinstance(spec.get("weights"), dict) else None
        if adapted is None or study["tapt"][adapted]["transductive"]:
            continue
        held_out = study["tapt"][adapted]["datasets"].get(run.dataset, [])
        if run.split not in held_out:
            raise InputError(
                f"model {run.model!r} of dataset {run.dataset!r}, split {run.split!r}: tapt.{adapted} does not hold "
                f"out what this split evaluates; name dataset and split in tapt.{adapted}.datasets, or say "
                "transductive: true, which tables will show"
            )


def _check_weights(where, spec, trained, nearest):
    """Refuse adapted weights that no section defines, or of another size."""
    name = spec["weights"].get("tapt")
    if name is None:
        return
    if name not in trained:
        raise InputError(f"{where}.weights.tapt: {name!r} is not in the section 'tapt'{nearest(name, trained)}")
    if trained[name]["size"] != spec["size"]:
        raise InputError(f"{where}: size is {spec['size']}, tapt.{name} is {trained[name]['size']}")


def _check_layer(where, spec):
    """The layer is part of an encoder's name: hidden states are easily taken one off."""
    layer = spec.get("layer", LAYERS[spec["size"]])
    told = re.search(r"\.layer(\d+)$", where)
    if layer > LAYERS[spec["size"]]:
        raise InputError(f"{where}: layer is {layer}, {spec['size']} has layers 0 to {LAYERS[spec['size']]}")
    if told is None or told[1] != f"{layer:02d}":
        raise InputError(f"{where}: the name must end in .layer{layer:02d}, the layer that it reads")


def _check_finetuned(study, planned):
    """Refuse fine-tuning whose settings contradict each other, or whose labels are not what the dataset's are."""
    finetuned = {name: spec for name, spec in study["baselines"].items() if spec["kind"] == "lamar_finetuned"}
    for name, spec in finetuned.items():
        where, warmup = f"baselines.{name}", spec["warmup_epochs"]
        if spec["freeze"] and warmup:
            raise InputError(
                f"{where}: freeze and warmup_epochs ({warmup}) exclude each other: freeze keeps the encoder as it is "
                "throughout, warmup_epochs unfreezes it"
            )
        if warmup >= spec["epochs"]:
            raise InputError(f"{where}: warmup_epochs is {warmup}, expected fewer than epochs, {spec['epochs']}")
    for run in planned:
        labels, task = finetuned.get(run.model, {}).get("labels"), study["datasets"][run.dataset]["task"]
        if labels not in (None, task):
            raise InputError(f"baselines.{run.model}: labels is {labels}, dataset {run.dataset!r} is a {task}")


def needs_gpu(spec):
    """Whether a section (encoder, baseline or tapt) with `size` is for a GPU."""
    return spec.get("size") not in SMALL
