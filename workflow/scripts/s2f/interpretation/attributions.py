"""Attributions of a set of sequences: computed by one method, kept in one HDF5 file."""

import json
import time
from pathlib import Path

import h5py
import numpy as np

from s2f.common import provenance
from s2f.common.devices import report as device_report
from s2f.common.errors import InputError
from s2f.common.files import atomic
from s2f.interpretation import gradients, mutagenesis
from s2f.interpretation.methods import METHODS, NEED_GRADIENT
from s2f.sequences import dna

UNITS = {
    "ism": "change of score per substitution",
    "window": "score lost with the window spoiled",
    "saliency": "change of score per base",
    "ig": "share of the score difference to the baseline",
}


def attribute(scorer, method, codes, settings, seed=0):
    """{name: array} of one sequence, uint8 codes (L,) without N: what `METHODS` hold in common, and more.

    `attribution` (L, 4): ism, change of the score by each substitution, 0 at the sequence's own base; saliency, the
    gradient minus its mean over bases; ig, integrated gradients; window, the importance at the sequence's own base.
    `importance` (L,): how much the base that is there raises the score: what logos show and `truth` judges. `score`.
    """
    if method in NEED_GRADIENT:
        scorer.needs_gradient()
    if method == "ism":
        changes, score = mutagenesis.saturation(scorer, codes, **settings)
        found = {"importance": mutagenesis.importance_of_substitutions(changes), "attribution": changes}
    elif method == "window":
        importance, starts, effects, score = mutagenesis.sliding(scorer, codes, **settings, seed=seed)
        found = {"importance": importance, "attribution": importance[:, None] * dna.one_hot(codes)}
        found |= {"window_start": starts, "window_effect": effects}
    elif method == "saliency":
        gradient, scores = gradients.saliency(scorer, codes[None], **settings)
        right, score = gradients.corrected(gradient[0]), scores[0]
        found = {"importance": gradients.on_observed(right, codes), "attribution": right, "gradient": gradient[0]}
        found["input_x_gradient"] = gradients.on_observed(gradient[0], codes)
    elif method == "ig":
        result = gradients.integrated(scorer, codes, **settings)
        score = result.score
        found = {"importance": result.attribution.sum(axis=1), "attribution": result.attribution}
        found |= {"difference": result.difference, "gap": result.gap, "steps": result.steps}
        found["complete"] = result.relative_gap <= settings.get("tolerance", 0.01)
    else:
        raise InputError(f"method is {method!r}, expected one of: {', '.join(METHODS)}")
    return found | {"score": score}


def attribute_all(scorer, method, rows, settings, seed=0, report=print):
    """A list of `attribute` for rows (`row_id`, `sequence`), with a line of progress per sequence.

    Each has its `seconds` too, those of the first with compilation. Integrated gradients whose gap is above the
    tolerance are named in a warning; raises `InputError` for a result that is not finite.
    """
    began, out = time.perf_counter(), []
    report(f"{method} of {scorer.name}: {len(rows)} sequences, {settings or 'no settings'}, strands {scorer.strands}")
    for number, (row, sequence) in enumerate(zip(rows["row_id"], rows["sequence"], strict=True), 1):
        start = time.perf_counter()
        found = attribute(scorer, method, dna.encode(sequence), settings, seed)
        found["seconds"] = time.perf_counter() - start
        if not np.isfinite(found["attribution"]).all():
            raise InputError(f"row {row!r}: {method} of model {scorer.name} is not finite")
        if not found.get("complete", True):
            report(
                f"warning: row {row!r}: integrated gradients miss the score difference {found['difference']:.4g} by "
                f"{found['gap']:.2g} after {found['steps']} steps: more than {settings.get('tolerance', 0.01):.1%}"
            )
        out.append(found)
        report(f"{number} of {len(rows)}  {row}  score {found['score']:.4f}  {time.perf_counter() - began:.1f} s")
    return out


def write(path, rows, found, **attributes):
    """Write attributions of rows (`row_id`, `sequence`, `label`) atomically.

    Arrays per position are filled up with NaN behind shorter sequences; numbers per sequence stand in (n,).
    """
    longest = max(map(len, rows["sequence"]))
    with atomic(path) as temporary, h5py.File(temporary, "w") as file:
        for name in ("row_id", "sequence"):
            file.create_dataset(name, data=rows[name].to_list(), dtype=h5py.string_dtype())
        file["label"] = rows["label"].to_numpy(np.float64)
        for name in found[0]:
            arrays = [np.asarray(one[name]) for one in found]
            if arrays[0].ndim == 0:
                file[name] = np.stack(arrays)
                continue
            most = longest if name != "window_start" and name != "window_effect" else max(map(len, arrays))
            table = np.full((len(arrays), most, *arrays[0].shape[1:]), np.nan, np.float32)
            for place, array in enumerate(arrays):
                table[place, : len(array)] = array
            file[name] = table
        for name, value in attributes.items():
            file.attrs[name] = value if isinstance(value, str) else json.dumps(value, sort_keys=True)


def describe(scorer, method, settings, seed, unit):
    """Attributes of a file: where its numbers come from and what they are."""
    return {
        "model": scorer.name, "model_fingerprint": scorer.fingerprint, "seed": scorer.record["seed"],
        "dataset": scorer.record["dataset"], "split": scorer.record["split"],
        "strand_rule": scorer.record["strand_rule"], "licence": scorer.record["licence"],
        "provenance": scorer.record["provenance"], "device": device_report(), "method": method,
        "settings": settings, "method_seed": seed, "score_unit": unit, "attribution_unit": UNITS[method],
        "versions": provenance.versions("numpy", "h5py", "jax", "torch"), "model_versions": scorer.record["versions"],
    }  # fmt: skip


def read(path):
    """{name: array or list of texts} and {attribute: value} of a file of `write`. Raises `InputError` otherwise."""
    try:
        with h5py.File(Path(path), "r") as file:
            found = {name: file[name].asstr()[:] if file[name].dtype.kind == "O" else file[name][:] for name in file}
            attributes = dict(file.attrs)
    except OSError as error:
        raise InputError(f"{path}: not a readable file of attributions ({error})") from None
    for name in ("row_id", "sequence", "label", "attribution", "importance", "score", "seconds"):
        if name not in found:
            raise InputError(f"{path}: holds no {name}: not a file of attributions")
    return found, attributes
