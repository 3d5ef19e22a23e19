"""Replicates of what is random before training: weights and adaptations that are drawn anew for each seed.

Weights `{random: SEED}`, and an adaptation, are one draw that all seeds of a model share: their spread says nothing
about it. `{random: per_seed}`, and an adaptation with `per_seed: true`, are drawn for each seed of the study, which
makes the seeds of a model replicates of the whole procedure.

Loaded by the Snakefile: no numpy here.
"""

from typing import Any

from s2f.common.errors import InputError
from s2f.common.provenance import derived_seed

PER_SEED = "per_seed"


def is_drawn(study: dict[str, Any], section: str, name: str) -> bool:
    """Whether the weights of an encoder or a baseline (`section`) are drawn anew for each seed."""
    weights = study[section][name].get("weights") or {}
    adaptation = study["tapt"].get(weights.get("tapt"), {})  # an unknown name is refused later
    return weights.get("random") == PER_SEED or adaptation.get("per_seed", False)


def one_draw(study: dict[str, Any], section: str, name: str) -> str:
    """What is random in the weights of an encoder or a baseline but shared by all seeds: "random weights", "adaptation"
    or nothing."""
    weights = study[section][name].get("weights") or {}
    if "tapt" in weights:
        adaptation = study["tapt"][weights["tapt"]]
        if not adaptation["per_seed"]:
            return "adaptation"
        weights = adaptation["start"]
    return "random weights" if isinstance(weights.get("random"), int) else ""


def entry(study: dict[str, Any], section: str, name: str, seed: int) -> dict[str, Any]:
    """The entry of an encoder or a baseline for a run with `seed`: with a number for random weights, and the name of
    the draw for an adaptation per seed."""
    found = study[section][name]
    weights = found.get("weights") or {}
    if "tapt" in weights and study["tapt"][weights["tapt"]]["per_seed"]:
        return {**found, "weights": {"tapt": draw_name(weights["tapt"], seed)}}
    return {**found, "weights": _drawn(study, weights, seed)} if weights.get("random") == PER_SEED else found


def draw_name(name: str, seed: int) -> str:
    """Name of an adaptation drawn for a seed, which is also the end of its path."""
    return f"{name}/draw{seed}"


def without_draw(name: str) -> tuple[str, str]:
    """The name of an adaptation and the seed of its draw ("" if it is not a draw) from a `draw_name`."""
    plain, _, seed = name.partition("/draw")
    return plain, seed


def adaptation(study: dict[str, Any], name: str) -> dict[str, Any]:
    """The entry of an adaptation, or of one of its draws by its `draw_name`, without the key `per_seed`."""
    plain, seed = without_draw(name)
    found = {key: value for key, value in study["tapt"][plain].items() if key != "per_seed"}
    return {**found, "start": _drawn(study, found["start"], int(seed))} if seed else found


def _drawn(study: dict[str, Any], weights: dict[str, Any], seed: int) -> dict[str, Any]:
    """Weights with a number for `per_seed`. The number is the same for all encoders of a study: adapted weights and
    those that they started from thus belong to one draw."""
    return {"random": derived_seed(study["seed"], "draw", seed)} if weights.get("random") == PER_SEED else weights


def check(study: dict[str, Any]) -> None:
    """Raise `InputError` for an adaptation that is made only once, from weights that are drawn for each seed."""
    for name, options in study["tapt"].items():
        if options["start"].get("random") == PER_SEED and not options["per_seed"]:
            raise InputError(
                f"tapt.{name}.start: random is {PER_SEED}, but the adaptation is made only once; add {PER_SEED}: "
                "true, or "
                "give random a seed"
            )
