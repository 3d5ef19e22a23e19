"""What a study says about language models: names of layers, and adaptation that has not seen what models are tested on.

Loaded by `s2f.study.validate` and thus by the Snakefile: no torch here.
"""

import re
from collections.abc import Sequence
from typing import Any

from s2f.common import kinds, seen
from s2f.common.errors import InputError
from s2f.common.kinds import nearest
from s2f.study.runs import Run

PHASES = ("freeze", "lora", "warmup_epochs", "epochs")  # options that say what is fine-tuned, and when


def check(study: dict[str, Any], runs: Sequence[Run]) -> None:
    """Raise `InputError` for an encoder whose name states a layer other than the one it reads, and for adapted weights
    used on rows that their training did not hold out."""
    for name, options in study["tapt"].items():
        for dataset, splits in options["datasets"].items():
            where = f"tapt.{name}.datasets"
            if dataset not in study["datasets"]:
                raise InputError(
                    f"{where}: {dataset!r} is not in the section 'datasets'{nearest(dataset, study['datasets'])}"
                )
            known = study["datasets"][dataset]["splits"]
            for split in splits:
                if split not in known:
                    raise InputError(
                        f"{where}.{dataset}: {split!r} is not a split of this dataset{nearest(split, known)}"
                    )
        _check_tokenizer(f"tapt.{name}", options, kinds.encoder_of_size(options["size"]), options["start"])
    for section in ("encoders", "baselines"):
        for name, options in study[section].items():
            where = f"{section}.{name}"
            _check_tokenizer(where, options, seen.encoder_of(section, options), options.get("weights") or {})
            _check_weights(where, options, study["tapt"])
            if section == "encoders":
                _check_layer(where, options)
    _check_finetuned(study, runs)
    for run in runs:
        options = study["encoders"].get(run.encoder) or study["baselines"].get(run.model)
        adapted = options.get("weights", {}).get("tapt") if isinstance(options.get("weights"), dict) else None
        if adapted is None or study["tapt"][adapted]["transductive"]:
            continue
        held_out = study["tapt"][adapted]["datasets"].get(run.dataset, [])
        if run.split not in held_out:
            raise InputError(
                f"model {run.model!r} of dataset {run.dataset!r}, split {run.split!r}: tapt.{adapted} does not hold "
                f"out what this split evaluates; name dataset and split in tapt.{adapted}.datasets, or set "
                "transductive: true, which tables will show"
            )


def _check_weights(where: str, options: dict[str, Any], trained: dict[str, Any]) -> None:
    """Refuse adapted weights that no section defines, or with another size."""
    name = (options.get("weights") or {}).get("tapt")
    if name is None:
        return
    if name not in trained:
        raise InputError(f"{where}.weights.tapt: {name!r} is not in the section 'tapt'{nearest(name, trained)}")
    if trained[name]["size"] != options["size"]:
        raise InputError(f"{where}: size is {options['size']}, but tapt.{name} has size {trained[name]['size']}")


def _check_tokenizer(where: str, options: dict[str, Any], encoder: str, weights: dict[str, Any]) -> None:
    """Refuse a tokenizer that is not used, and random weights without the tokenizer that they need."""
    if not encoder or "tokenizer" not in options:
        return
    sizes, size, given = kinds.facts("encoders", encoder)["tokenizer_sizes"], options["size"], options["tokenizer"]
    if given and "random" not in weights:
        raise InputError(f"{where}.tokenizer: weights in a folder use the tokenizer in that folder; omit it")
    if given and not sizes:
        raise InputError(f"{where}.tokenizer: {encoder} has its own tokens; omit it")
    if not given and "random" in weights and size in sizes:
        raise InputError(
            f"{where}: random weights of size {size} need the key tokenizer: give the folder with the tokenizer.json "
            "of the published weights"
        )


def _check_layer(where: str, options: dict[str, Any]) -> None:
    """Refuse an encoder whose name does not contain its layer: hidden states are easily off by one."""
    layers = kinds.facts("encoders", options["kind"])["layers"]
    if not layers:
        return
    last = layers[options["size"]]
    layer = options.get("layer", last)
    told = re.search(r"\.layer(\d+)$", where)
    if layer > last:
        raise InputError(f"{where}: layer is {layer}, expected 0 to {last}, the layers of {options['size']}")
    if told is None or told[1] != f"{layer:02d}":
        raise InputError(f"{where}: the name must end in .layer{layer:02d}, the layer that it reads")


def _check_finetuned(study: dict[str, Any], planned: Sequence[Run]) -> None:
    """Refuse fine-tuning whose settings contradict each other, or whose task is not that of the dataset."""
    finetuned = {name: options for name, options in study["baselines"].items() if set(PHASES) <= set(options)}
    for name, options in finetuned.items():
        check_phases(f"baselines.{name}", options)
        if bool(options["lora"]) != ("lora" in name):
            says, is_so = ("", "with") if options["lora"] else ("not ", "without")
            raise InputError(
                f"baselines.{name}: it is fine-tuned {is_so} lora: its name must {says}contain 'lora', which tables "
                "show"
            )
    for run in planned:
        labels, task = finetuned.get(run.model, {}).get("labels"), study["datasets"][run.dataset]["task"]
        if labels not in (None, task):
            raise InputError(f"baselines.{run.model}: labels is {labels}, but dataset {run.dataset!r} is a {task}")


def check_phases(where: str, options: dict[str, Any]) -> None:
    """Raise `InputError` if the options `PHASES` of a fine-tuning exclude each other."""
    warmup = options["warmup_epochs"]
    if options["freeze"] and warmup:
        raise InputError(
            f"{where}: freeze and warmup_epochs ({warmup}) exclude each other: freeze keeps the encoder unchanged "
            "throughout, warmup_epochs unfreezes it; give only one of them"
        )
    if options["freeze"] and options["lora"]:
        raise InputError(
            f"{where}: lora and freeze exclude each other: adapters change the output of the encoder; "
            "give only one of them"
        )
    if warmup >= options["epochs"]:
        raise InputError(f"{where}: warmup_epochs is {warmup}, expected fewer than epochs ({options['epochs']})")


def tapt_uses_gpu(options: dict[str, Any]) -> bool:
    """Whether an adaptation asks for a GPU: if the encoder that it adapts does."""
    return options["size"] not in kinds.facts("encoders", kinds.encoder_of_size(options["size"]))["sizes_without_gpu"]
