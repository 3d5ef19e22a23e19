"""Fine-tuned language models as baselines: their folder, and what reads it. See `_finetuning` for the training.

A run starts fresh from the weights that its section names; the head, where they have none, and the order of the rows
come from the job's seed.
"""

from collections.abc import Callable, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np

from s2f.baselines import _finetuning, check_strand, read_details, write_details
from s2f.baselines._finetuning import TASKS, Settings
from s2f.common import kinds
from s2f.common.errors import InputError
from s2f.common.files import write_json
from s2f.common.provenance import derived_seed
from s2f.language_model import folder, states, weights
from s2f.language_model.families import Tokens
from s2f.models.validation import VALIDATION
from s2f.sequences import dna
from s2f.sequences.constructs import Construct


def train(
    kind: str, train: Any, val: Any, construct: Construct, spec: dict[str, Any], seed: int, directory: str | Path
) -> tuple[list[dict[str, Any]], dict[str, Any]]:
    """Fine-tune, keep the epoch of the best validation AUROC (of a regression: Pearson r), write the folder.

    It holds what `folder.save_model` writes, `training_args.json`, `results.json` and `details.json`. The same seed,
    number of threads and machine give the same weights on a CPU. Raises `InputError` for bad settings, weights that do
    not fit, inserts that do not fill the construct's window and windows longer than the model takes; else as
    `_finetuning.finetune`.
    """
    settings = Settings.from_spec(spec, kind)
    where, family = settings.where, settings.family
    _finetuning.device_of(settings)
    if construct.length > (family.longest or construct.length):
        raise InputError(
            f"{where}: the construct's window is {construct.length} bp, the model takes {family.longest} at most"
        )
    options = {
        key: value for key, value in asdict(settings).items() if key in kinds.schema("baselines", kind)["properties"]
    }
    del options["kind"]
    tokens = family.tokens(settings.weights, settings.tokenizer, settings.size)
    parts = []
    for part, rows in (("training", train), ("validation", val)):
        construct.check_inserts(rows, f"{where}, {part} rows")
        ids = tokens.of_codes(construct.assemble(list(rows["sequence"])))
        parts.append((ids, rows["label"].to_numpy(np.float64)))
    model, origin, licence = weights.load(
        family, where, settings.weights, _configuration(settings), settings.size, settings.licence,
        "classification", derived_seed(seed, "head"),
    )  # fmt: skip
    before = states.fingerprint(model.base_model)
    tuned = _finetuning.finetune(model, parts[0], parts[1], settings, seed)
    after = states.fingerprint(tuned.model.base_model)
    if settings.freeze and after != before:
        raise RuntimeError("the frozen encoder has changed")
    validation = {
        "metric": VALIDATION[settings.labels], "value": tuned.value, "epoch": tuned.epoch, "ended": tuned.ended,
    }  # fmt: skip
    write_json(Path(directory) / "training_args.json", {**options, "seed": seed})
    readable = [{key: None if value != value else value for key, value in entry.items()} for entry in tuned.history]
    write_json(Path(directory) / "results.json", {"history": readable, "validation": validation})
    write_details(
        directory, length=construct.length, settings=options, centre=tuned.centre, scale=tuned.scale,
        **folder.save_model(directory, tuned.model, tokens), encoder_before=before, encoder_after=after,
        parameters=sum(p.numel() for p in tuned.model.parameters() if p.requires_grad), licence=licence,
        provenance=f"fine-tuned on {len(train)} rows{', encoder frozen' if settings.freeze else ''}, from {origin}",
    )  # fmt: skip
    return tuned.history, validation


def load(kind: str, directory: str | Path, record: dict[str, Any]) -> Callable[..., np.ndarray]:
    """``predict(inserts, strand="forward") -> float64 (N,)``: probabilities, or values of a regression.

    The construct is that of `record`. Raises `InputError` when it has another length than in training, and when weights
    or tokenizer are not the files that were written, or do not fit.
    """
    details, path = read_details(directory), Path(directory) / folder.WEIGHTS
    construct = Construct.from_spec(record["construct"])
    if construct.length != details["length"]:
        raise InputError(f"{path}: trained on {details['length']} bp, the construct has {construct.length} bp")
    folder.check_files(directory, details)
    model, settings = load_model(kind, directory, details)
    tokens = tokens_of(directory, settings)

    def predict(inserts: Sequence[str], strand: str = "forward") -> np.ndarray:
        check_strand(strand)
        if not len(inserts):
            return np.empty(0)
        codes = construct.assemble(inserts)
        ids = tokens.of_codes(dna.reverse_complement(codes) if strand == "reverse" else codes)
        return _finetuning.predict(model, ids, settings, details["centre"], details["scale"])

    return predict


def logits(kind: str, directory: str | Path, record: dict[str, Any]) -> Callable[[Sequence[str], str], np.ndarray]:
    """``logits(inserts, strand) -> float64 (N,)``; of a regression the predicted values."""
    details = read_details(directory)
    model, settings = load_model(kind, directory, details)
    tokens = tokens_of(directory, settings)
    value, construct = value_of_logits(details, settings), Construct.from_spec(record["construct"])

    def of(inserts: Sequence[str], strand: str) -> np.ndarray:
        codes = construct.assemble(inserts)
        ids = tokens.of_codes(dna.reverse_complement(codes) if strand == "reverse" else codes)
        return value(_finetuning.logits(model, ids, settings))

    return of


def value_of_logits(details: dict[str, Any], settings: Settings) -> Callable[[Any], Any]:
    """Function of the logits (B, outputs) of a fine-tuned model: the difference between the classes, or the predicted
    values of a regression (B,)."""
    if settings.labels == "regression":
        return lambda logits: details["centre"] + details["scale"] * logits[:, 0]
    return lambda logits: logits[:, 1] - logits[:, 0]


def load_model(
    kind: str, directory: str | Path, details: dict[str, Any], attention: str | None = None
) -> tuple[Any, Settings]:
    """(model on its device, `Settings`) of a checkpoint, by default with the attention it was trained with."""
    settings = Settings.from_spec(details["settings"] | ({"attention": attention} if attention else {}), kind)
    device = _finetuning.device_of(settings)
    settings.family.check_folder(directory, settings.size)
    return settings.family.from_folder(directory, _configuration(settings), "classification").to(device), settings


def tokens_of(directory: str | Path, settings: Settings) -> Tokens:
    """How a checkpoint reads texts: by the tokenizer in its folder."""
    return settings.family.tokens({"path": str(directory)}, "", settings.size)


def _configuration(settings: Settings) -> Any:
    outputs, problem = TASKS[settings.labels]
    return settings.family.configure(settings.size, settings.attention, num_labels=outputs, problem_type=problem)
