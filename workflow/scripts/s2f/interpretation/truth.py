"""Are attributions true? Against the planted sites of simulated rows, and against the known motif of a protein.

The null hypothesis keeps what is smooth in an attribution: its profile is rotated within the sequence, by any number of
positions at equal chance, so neither neighbouring positions nor sequences are taken for independent draws.
"""

import numpy as np

from s2f import dna
from s2f.files import InputError
from s2f.sources import simulated, simulated_rbp

DRAWS = 10_000
IUPAC = {
    "A": "A", "C": "C", "G": "G", "T": "T", "U": "T", "R": "AG", "Y": "CT", "S": "CG", "W": "AT", "K": "GT", "M": "AC",
    "B": "CGT", "D": "AGT", "H": "ACT", "V": "ACG", "N": "ACGT",
}  # fmt: skip


def planted(kind, spec, row_ids):
    """Planted positions, bool (n, L), of rows of a simulation made anew from its spec.

    `simulated`: the sites of the planted motifs; `simulated_rbp`: both arms and the loop of what is bound, nothing in
    rows that are not. Raises `InputError` for a kind without truth and a row that it does not make.
    """
    sources = {"simulated": simulated, "simulated_rbp": simulated_rbp}
    if kind not in sources:
        raise InputError(f"source {kind!r} has no truth; known: {', '.join(sources)}")
    table = sources[kind].simulate(spec).set_index("row_id")
    lost = [row for row in row_ids if row not in table.index]
    if lost:
        raise InputError(f"row {lost[0]!r} is not made by this simulation; make the rows again")
    table = table.loc[list(row_ids)]
    out = np.zeros((len(table), len(table["sequence"].iloc[0])), bool)
    if kind == "simulated":
        for row, sites in zip(out, table["motifs"], strict=True):
            for factor, first, _ in (site.split(":") for site in sites.split(",") if site):
                row[int(first) : int(first) + len(simulated.FACTORS[factor][0])] = True
    else:
        for row, bound, first in zip(out, table["bound"], table["first"], strict=True):
            row[first : first + simulated_rbp.SITE] = bound
    return out


def oracle(kind, sequences):
    """Importance (n, L) by mutagenesis of the simulated activity itself, the most that a model can know; None where the
    simulation has no such function."""
    if kind != "simulated":
        return None
    out = []
    for sequence in sequences:
        codes = dna.encode(sequence)
        variants = np.repeat(codes[None], 3 * len(codes), axis=0)
        places = np.repeat(np.arange(len(codes)), 3)
        variants[np.arange(len(places)), places] = (codes[places] + np.tile([1, 2, 3], len(codes))) % 4
        changes = simulated.activity(variants) - simulated.activity(codes[None])
        out.append(-changes.reshape(-1, 3).mean(axis=1))
    return np.array(out)


def average_precision(importance, positives):
    """Average precision of |importance| (L,) for each of M sets of positions, bool (M, L): (M,).

    Positions of equal value enter together, as in scikit-learn; sets must not be empty.
    """
    size = np.abs(importance)
    order = np.argsort(-size, kind="stable")
    ends = np.flatnonzero(np.append(np.diff(size[order]) != 0, True))
    hits = np.cumsum(positives[:, order], axis=1)[:, ends]
    gained = np.diff(hits, axis=1, prepend=0)
    return (gained * hits / (ends + 1)).sum(axis=1) / hits[:, -1]


def against_planted(importances, positives, seed=0):
    """How well |importance| finds planted positions: mean average precision over sequences, and by chance.

    `importances` (n, L), `positives` bool (n, L). Dict: value, random (mean over all rotations), random_low and
    random_high (the middle 95 % of `DRAWS` draws), p_value, prevalence (share of planted positions), n (sequences with
    planted positions and others: only these count). Raises `InputError` where there is none.
    """
    counted = [i for i, row in enumerate(positives) if 0 < row.sum() < len(row)]
    if not counted:
        raise InputError("no sequence has planted positions: select others")
    length = positives.shape[1]
    shifts = (np.arange(length)[:, None] + np.arange(length)) % length
    rotated = np.array([average_precision(importances[i], positives[i][shifts]) for i in counted])
    return _outcome(rotated, seed) | {"prevalence": float(positives[counted].mean())}


def _outcome(values, seed):
    """Statistics of `values` (n, choices): column 0 is what was found, any column what chance gives."""
    rng = np.random.Generator(np.random.PCG64(seed))
    choices = rng.integers(0, values.shape[1], (DRAWS, len(values)))
    drawn = values[np.arange(len(values)), choices].mean(axis=1)
    value = float(values[:, 0].mean())
    low, high = np.quantile(drawn, [0.025, 0.975])
    return {
        "value": value, "random": float(values.mean()), "random_low": float(low), "random_high": float(high),
        "p_value": float((1 + (drawn >= value - 1e-12).sum()) / (1 + DRAWS)), "n": len(values),
    }  # fmt: skip


def occurrences(sequence, motif):
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


def against_motif(importances, sequences, motif, seed=0):
    """How often the window of highest summed importance of a sequence is the motif, and how often a random window is.

    A window of the motif's length k is one that begins at most k / 4 positions from an occurrence. Dict as
    `against_planted`, of shares of sequences; `prevalence` is the mean share of such windows.
    """
    near, rows = len(motif) // 4, []
    for importance, sequence in zip(importances, sequences, strict=True):
        begins = occurrences(sequence, motif)
        hit = np.convolve(begins, np.ones(2 * near + 1), "same") > 0 if near else begins
        sums = np.convolve(importance[: len(sequence)], np.ones(len(motif)), "valid")
        rows.append(np.roll(hit, -int(sums.argmax())).astype(float))
    length = min(map(len, rows))
    if any(len(row) != length for row in rows):
        raise InputError("sequences of several lengths: a motif is sought in windows of one length")
    found = _outcome(np.array(rows), seed)
    return found | {"prevalence": found["random"]}


def judge(found, about, dataset, seed=0):
    """Lines (dicts) of the table of truth for one file of attributions, `found` and `about` as `attributions.read`.

    `dataset`: {kind, spec} of its source where that is a simulation, {motif} where the rows of label 1 should hold it.
    """
    lines = []
    place = {key: about[key] for key in ("dataset", "split", "panel", "model", "method")} | {"seed": int(about["seed"])}
    if dataset.get("kind"):
        positives = planted(dataset["kind"], dataset["spec"], found["row_id"])
        best = oracle(dataset["kind"], found["sequence"])
        if best is not None:
            own = place | {"model": "(the simulated activity itself)", "method": "ism", "seed": 0, "measure": "auprc"}
            lines.append(own | against_planted(best, positives, seed))
        lines.append(place | {"measure": "auprc"} | against_planted(found["importance"], positives, seed))
    if dataset.get("motif"):
        bound = found["label"] == 1
        if bound.any():
            outcome = against_motif(found["importance"][bound], found["sequence"][bound], dataset["motif"], seed)
            lines.append(place | {"measure": f"motif {dataset['motif']}"} | outcome)
    return lines
