"""Are attributions true? Compared with the planted sites of simulated rows, and with the known motif of a protein.

There are two null hypotheses, and the larger p value counts. Both preserve the smoothness of an attribution, so
neighbouring positions are not mistaken for independent draws. One rotates the profile within its sequence by a
uniformly random number of positions: does the attribution find more than it would at any other place? The other
exchanges profiles between sequences, each at its own place: does it find more than a model that looks at the same
positions in every sequence? A rotation would accept such a model if sites are not spread evenly.
"""

from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import Any

import numpy as np

from s2f.common import kinds
from s2f.common.errors import InputError
from s2f.interpretation.mutagenesis import importance_of_substitutions, substitutions
from s2f.sequences import dna
from s2f.sequences.iupac import IUPAC

DRAWS = 10_000
SUBJECT = ("dataset", "split", "panel", "model", "method")  # what a line is about, from the file of attributions
COLUMNS = (
    *SUBJECT, "seed", "measure", "value", "random", "random_low", "random_high", "p_value", "n", "prevalence", "note",
)  # fmt: skip


def planted(kind: str, options: dict[str, Any], row_ids: Collection[str], sequences: Iterable[str]) -> np.ndarray:
    """Planted positions, bool (n, L), of rows of a simulation, which is repeated from its options.

    `planted` in the source's module gives them. Raises `InputError` for a kind without truth, and for a row that the
    simulation does not make, or not with this sequence.
    """
    if not kinds.facts("sources", kind)["simulated"]:
        known = kinds.having("sources", "simulated")
        raise InputError(f"source {kind!r} has no truth; known: {', '.join(known)}")
    source = kinds.module("sources", kind)
    table = source.simulate(options).set_index("row_id")
    lost = [row for row in row_ids if row not in table.index]
    if lost:
        raise InputError(f"row {lost[0]!r} does not come from this simulation; make the rows again")
    table = table.loc[list(row_ids)]
    for row, simulated, sequence in zip(row_ids, table["sequence"], sequences, strict=True):
        if simulated != sequence:
            raise InputError(f"row {row!r} has another sequence in this simulation; explain the rows again")
    return source.planted(table)


def oracle(kind: str, sequences: Iterable[str]) -> np.ndarray | None:
    """Importance (n, L) by mutagenesis of the simulated activity itself, the most that a model can know; None if the
    simulation has no such function."""
    activity = getattr(kinds.module("sources", kind), "activity", None)
    if activity is None:
        return None
    out = []
    for codes in map(dna.encode, sequences):
        changes = activity(substitutions(codes)[0]) - activity(codes[None])
        out.append(importance_of_substitutions(changes.reshape(-1, 3)))
    return np.array(out)


def average_precision(importance: np.ndarray, positives: np.ndarray) -> np.ndarray:
    """Average precision of |importance| (L,) for each of M sets of positions, bool (M, L): (M,).

    Positions of equal value are counted together, as in scikit-learn; sets must not be empty.
    """
    size = np.abs(importance)
    order = np.argsort(-size, kind="stable")
    ends = np.flatnonzero(np.append(np.diff(size[order]) != 0, True))
    hits = np.cumsum(positives[:, order], axis=1)[:, ends]
    gained = np.diff(hits, axis=1, prepend=0)
    return (gained * hits / (ends + 1)).sum(axis=1) / hits[:, -1]


def against_planted(importances: np.ndarray, positives: np.ndarray, seed: int = 0) -> dict[str, Any]:
    """How well |importance| finds planted positions: the mean average precision over sequences, and what chance gives.

    `importances` (n, L), `positives` bool (n, L). Dict: value, random (mean over all rotations), random_low and
    random_high (the middle 95 % of `DRAWS` draws), p_value (the larger of rotations and exchanges), prevalence (share
    of planted positions), n (sequences with planted positions and others: only these count). Raises `InputError` if
    there is none.
    """
    counted = np.flatnonzero(judged(positives))
    if not len(counted):
        raise InputError("no sequence has planted positions; select other rows")
    length = positives.shape[1]
    shifts = (np.arange(length)[:, None] + np.arange(length)) % length
    rotated = np.array([average_precision(importances[i], positives[i][shifts]) for i in counted])
    outcome = _outcome(rotated, seed)
    across = [average_precision(importances[i], positives[counted]) for i in counted]
    outcome["p_value"] = max(outcome["p_value"], _exchanged(across, seed))
    return outcome | {"prevalence": float(positives[counted].mean())}


def judged(positives: np.ndarray) -> np.ndarray:
    """Which sequences can be judged, bool (n,): those with planted positions and others."""
    return np.logical_and(positives.any(axis=1), ~positives.all(axis=1))


def _exchanged(values: np.ndarray | Sequence[np.ndarray], seed: int) -> float:
    """The p value of the mean over sequences under random exchange of profiles: `values` (n, n) belong to profile k and
    the truth of sequence i, and each truth draws the profile of a random sequence."""
    own_first = np.array([np.roll(row, -k) for k, row in enumerate(np.asarray(values).T)])
    return _outcome(own_first, seed)["p_value"]


def _outcome(values: np.ndarray, seed: int) -> dict[str, Any]:
    """Statistics of `values` (n, choices): column 0 is what was found, a random column is what chance gives."""
    rng = np.random.Generator(np.random.PCG64(seed))
    choices = rng.integers(0, values.shape[1], (DRAWS, len(values)))
    drawn = values[np.arange(len(values)), choices].mean(axis=1)
    value = float(values[:, 0].mean())
    low, high = np.quantile(drawn, [0.025, 0.975])
    return {
        "value": value, "random": float(values.mean()), "random_low": float(low), "random_high": float(high),
        "p_value": float((1 + (drawn >= value - 1e-12).sum()) / (1 + DRAWS)), "n": len(values),
    }  # fmt: skip


def occurrences(sequence: str, motif: str) -> np.ndarray:
    """Whether the motif, IUPAC letters, begins at each position of a sequence: bool (L - k + 1,)."""
    strange = set(motif) - set(IUPAC)
    if not motif or strange:
        raise InputError(f"motif is {motif!r}, expected IUPAC letters")
    if len(sequence) < len(motif):
        raise InputError(f"motif {motif} is longer than the sequence of {len(sequence)} letters")
    codes = dna.encode(sequence)
    allowed = np.array([[base in IUPAC[letter] for base in dna.ALPHABET] for letter in motif])
    starts = len(codes) - len(motif) + 1
    return np.all([row[codes[k : k + starts]] for k, row in enumerate(allowed)], axis=0)


def against_motif(importances: np.ndarray, sequences: Iterable[str], motif: str, seed: int = 0) -> dict[str, Any]:
    """How often the window of highest summed importance in a sequence is the motif, and how often a random window is.

    A window of the motif's length k counts as the motif if it begins at most k / 4 positions from an occurrence. Dict
    as from `against_planted`, with shares of sequences; `prevalence` is the mean share of such windows.
    """
    near, hits, best = len(motif) // 4, [], []
    for importance, sequence in zip(importances, sequences, strict=True):
        begins = occurrences(sequence, motif)
        hits.append(np.convolve(begins, np.ones(2 * near + 1), "same") > 0 if near else begins)
        best.append(int(np.convolve(importance[: len(sequence)], np.ones(len(motif)), "valid").argmax()))
    if len(set(map(len, hits))) > 1:
        raise InputError("sequences have several lengths, but a motif is searched for in windows of one length")
    windows = np.array(hits, float)
    holding = int(windows.any(axis=1).sum())
    outcome = _outcome(np.array([np.roll(hit, -start) for hit, start in zip(windows, best, strict=True)]), seed)
    outcome["p_value"] = max(outcome["p_value"], _exchanged(windows[:, best].T, seed))
    note = f"{holding} of {len(hits)} sequences hold the motif: {holding / len(hits):.3f} is the highest value possible"
    return outcome | {"prevalence": outcome["random"], "note": note}


def judge(
    arrays: Mapping[str, np.ndarray], about: Mapping[str, Any], dataset: Mapping[str, Any], study_seed: int = 0
) -> list[dict[str, Any]]:
    """Lines of the table of truth, dicts of `COLUMNS`, for one file of attributions: `arrays` and `about` as returned
    by `attributions.read`.

    `dataset`: {kind, spec} of its source if that is a simulation, {motif} if the rows of label 1 should contain it. If
    no sequence of the file can be judged, a line with n 0 and a note says so.
    """
    lines = []
    subject = {key: about[key] for key in SUBJECT} | {"seed": int(about["seed"]), "note": ""}
    if dataset.get("kind"):
        positives = planted(dataset["kind"], dataset["spec"], arrays["row_id"], arrays["sequence"])
        line = subject | {"measure": "auprc"}
        count = int(judged(positives).sum())
        if count < len(positives):
            line["note"] = f"{count} of {len(positives)} sequences count: they have both planted and other positions"
        if count:
            best = oracle(dataset["kind"], arrays["sequence"])
            if best is not None:
                activity = {"model": "(the simulated activity itself)", "method": "ism", "seed": 0}
                lines.append(line | activity | against_planted(best, positives, study_seed))
            lines.append(line | against_planted(arrays["importance"], positives, study_seed))
        else:
            lines.append(line | {"n": 0, "note": "no sequence has planted positions"})
    if dataset.get("motif"):
        line, bound = subject | {"measure": f"motif {dataset['motif']}"}, arrays["label"] == 1
        if bound.any():
            outcome = against_motif(
                arrays["importance"][bound], arrays["sequence"][bound], dataset["motif"], study_seed
            )
            lines.append(line | outcome)
        else:
            lines.append(line | {"n": 0, "note": "no sequence has label 1"})
    return [{name: line.get(name, np.nan) for name in COLUMNS} for line in lines]
