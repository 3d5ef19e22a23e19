"""Attributions of a set of sequences, computed by one method and kept in one HDF5 file."""

import json
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import h5py
import numpy as np

from s2f.common import provenance
from s2f.common.devices import report as device_report
from s2f.common.errors import InputError
from s2f.common.files import atomic
from s2f.common.hdf5 import open_hdf5
from s2f.interpretation import gradients, mutagenesis
from s2f.interpretation.methods import METHODS, NEED_GRADIENT
from s2f.sequences import dna

UNITS = {
    "ism": "change of score per substitution",
    "window": "score lost when the window is replaced",
    "saliency": "change of score per base",
    "ig": "share of the score difference from the baseline",
}


def attribute(scorer: Any, method: str, codes: np.ndarray, settings: dict[str, Any], seed: int = 0) -> dict[str, Any]:
    """{name: array} for one sequence, uint8 codes (L,) without N: what all `METHODS` give, and more.

    `attribution` (L, 4): for ism, the change of the score with each substitution, 0 at the sequence's own base; for
    saliency, the gradient minus its mean over bases; for ig, integrated gradients; for window, the importance at the
    sequence's own base. `importance` (L,): how much the sequence's base raises the score, which logos show and `truth`
    judges. `score`: the score of the sequence.
    """
    if method in NEED_GRADIENT:
        scorer.needs_gradient()
    values: dict[str, Any]
    if method == "ism":
        changes, score = mutagenesis.saturation(scorer, codes, **settings)
        values = {"importance": mutagenesis.importance_of_substitutions(changes), "attribution": changes}
    elif method == "window":
        importance, starts, effects, score = mutagenesis.sliding(scorer, codes, **settings, seed=seed)
        values = {"importance": importance, "attribution": importance[:, None] * dna.one_hot(codes)}
        values |= {"window_start": starts, "window_effect": effects}
    elif method == "saliency":
        gradient, scores = gradients.saliency(scorer, codes[None], **settings)
        corrected, score = gradients.corrected(gradient[0]), scores[0]
        values = {
            "importance": gradients.on_observed(corrected, codes),
            "attribution": corrected,
            "gradient": gradient[0],
        }
        values["input_x_gradient"] = gradients.on_observed(gradient[0], codes)
    elif method == "ig":
        result = gradients.integrated(scorer, codes, **settings)
        score = result.score
        values = {"importance": result.attribution.sum(axis=1), "attribution": result.attribution}
        values |= {"difference": result.difference, "gap": result.gap, "steps": result.steps}
        values["complete"] = result.relative_gap <= settings.get("tolerance", 0.01)
    else:
        raise InputError(f"method is {method!r}, expected one of: {', '.join(METHODS)}")
    return values | {"score": score}


def attribute_all(
    scorer: Any,
    method: str,
    rows: Any,
    settings: dict[str, Any],
    seed: int = 0,
    report: Callable[[str], None] = print,
) -> list[dict[str, Any]]:
    """A list of the results of `attribute` for rows (`row_id`, `sequence`), with a line of progress per sequence.

    Each also has its `seconds`, including compilation for the first. Integrated gradients whose gap is above the
    tolerance are named in a warning. Raises `InputError` for a result that is not finite.
    """
    began, results = time.perf_counter(), []
    report(f"{method} of {scorer.name}: {len(rows)} sequences, {settings or 'no settings'}, strands {scorer.strands}")
    for number, (row, sequence) in enumerate(zip(rows["row_id"], rows["sequence"], strict=True), 1):
        start = time.perf_counter()
        values = attribute(scorer, method, dna.encode(sequence), settings, seed)
        values["seconds"] = time.perf_counter() - start
        if not np.isfinite(values["attribution"]).all():
            raise InputError(f"row {row!r}: {method} of model {scorer.name} is not finite")
        if not values.get("complete", True):
            report(
                f"warning: row {row!r}: integrated gradients miss the score difference {values['difference']:.4g} by "
                f"{values['gap']:.2g} after {values['steps']} steps: more than {settings.get('tolerance', 0.01):.1%}"
            )
        results.append(values)
        report(f"{number} of {len(rows)}  {row}  score {values['score']:.4f}  {time.perf_counter() - began:.1f} s")
    return results


def write(path: str | Path, rows: Any, results: Sequence[Mapping[str, Any]], **attributes: Any) -> None:
    """Write attributions of rows (`row_id`, `sequence`, `label`) atomically.

    Arrays per position are padded with NaN after shorter sequences; numbers per sequence are arrays (n,).
    """
    longest = max(map(len, rows["sequence"]))
    with atomic(path) as temporary, open_hdf5(temporary, "w") as file:
        for name in ("row_id", "sequence"):
            file.create_dataset(name, data=rows[name].to_list(), dtype=h5py.string_dtype())
        file["label"] = rows["label"].to_numpy(np.float64)
        for name in results[0]:
            arrays = [np.asarray(result[name]) for result in results]
            if arrays[0].ndim == 0:
                file[name] = np.stack(arrays)
                continue
            most = longest if name != "window_start" and name != "window_effect" else max(map(len, arrays))
            table = np.full((len(arrays), most, *arrays[0].shape[1:]), np.nan, np.float32)
            for index, array in enumerate(arrays):
                table[index, : len(array)] = array
            file[name] = table
        for name, value in attributes.items():
            file.attrs[name] = value if isinstance(value, str) else json.dumps(value, sort_keys=True)


def describe(scorer: Any, method: str, settings: dict[str, Any], seed: int, unit: str) -> dict[str, Any]:
    """Attributes of a file: where its numbers come from and what they are."""
    return {
        "model": scorer.name, "model_fingerprint": scorer.fingerprint, "seed": scorer.record["seed"],
        "dataset": scorer.record["dataset"], "split": scorer.record["split"],
        "strand_rule": scorer.record["strand_rule"], "licence": scorer.record["licence"],
        "provenance": scorer.record["provenance"], "device": device_report(), "method": method,
        "settings": settings, "method_seed": seed, "score_unit": unit, "attribution_unit": UNITS[method],
        "versions": provenance.versions("numpy", "h5py", "jax", "torch"), "model_versions": scorer.record["versions"],
    }  # fmt: skip


def read(path: str | Path) -> tuple[dict[str, np.ndarray], dict[str, Any]]:
    """{name: array or list of texts} and {attribute: value} of a file of `write`. Raises `InputError` for any other."""
    try:
        with open_hdf5(path) as file:
            arrays = {name: file[name].asstr()[:] if file[name].dtype.kind == "O" else file[name][:] for name in file}
            attributes = dict(file.attrs)
    except OSError as error:
        raise InputError(f"{path}: is not a readable file of attributions ({error})") from None
    for name in ("row_id", "sequence", "label", "attribution", "importance", "score", "seconds"):
        if name not in arrays:
            raise InputError(f"{path}: holds no {name}: not a file of attributions")
    return arrays, attributes
