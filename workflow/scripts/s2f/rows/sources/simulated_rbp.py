"""Simulated binding sites of an RNA-binding protein that reads a motif in the loop of a hairpin; the truth is known.

files: none. spec: the fields of `Simulation`. `read` gives canonical rows, `simulate` the same rows with the truth.

Half of the rows are sites: a loop drawn from the motif `LOOP`, between two arms of `ARM` bases that pair; each base of
the first arm is drawn uniformly, and its partner is the complement. The other half are of three kinds: a share `decoys`
has the loop between arms in which no base pairs, a share `stems` has a paired stem around seven other bases, and the
rest have neither. The GC content of the background is drawn per row (mean 0.45, sd 0.08). So sites and decoys have the
same composition and the same short words: k-mer counts see the loop, and only the dependency between the arms, base i
with base 2 ARM + loop - 1 - i, distinguishes sites from decoys; a language model's map should show that dependency.

A share `label_noise` of the labels is wrong, so the truth itself has an AUROC of about 1 - label_noise. A row has a
strand, as RNA does, and a chromosome drawn by length, but no coordinates.

AUROC on chr7 and 13 (161-369 rows), measured with 2,000 and 4,000 rows and three seeds each: GC content 0.51-0.58;
logistic regression on counts of 1- to 4-mers 0.63-0.79; the best match of the loop 0.73-0.81; the best match of the
loop with paired arms 0.98-0.99; the truth 0.97-0.99.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from s2f.common import kinds
from s2f.common.errors import InputError
from s2f.common.provenance import derived_seed
from s2f.rows.canonical import COLUMNS
from s2f.rows.sources.simulated import CHROMOSOMES
from s2f.rows.stages import Stages
from s2f.sequences import dna

KIND = "simulated_rbp"
LOOP, CONSENSUS = "ACTAACA", 0.94  # the QKI site and one base; probability of the consensus base
ARM = 5
SITE = 2 * ARM + len(LOOP)
CONTENTS = ("site", "decoy", "stem", "background")


@dataclass(frozen=True)
class Simulation:
    """The settings of `simulate`, which are the options of the source; defaults are in its YAML."""

    rows: int  # half of them are sites
    seed: int
    length: int  # nt
    decoys: float  # share of the other half with the loop between unpaired arms
    stems: float  # share of the other half with a stem around another loop
    label_noise: float  # share of wrong labels

    def check(self) -> None:
        """Raise `InputError` naming a setting that is out of range."""
        for name, good, expected in (
            ("rows", isinstance(self.rows, int) and self.rows >= 50, "a whole number of at least 50"),
            ("length", isinstance(self.length, int) and self.length >= SITE, f"a whole number of at least {SITE}"),
            ("decoys", 0 <= self.decoys <= 1, "a share from 0 to 1"),
            ("stems", 0 <= self.stems <= 1 - self.decoys, "together with decoys a share from 0 to 1"),
            ("label_noise", 0 <= self.label_noise < 0.5, "a share below 0.5"),
        ):
            if not good:
                raise InputError(f"source {KIND}: {name} is {getattr(self, name)!r}, expected {expected}")


def read(files: dict[str, str], spec: dict[str, Any]) -> tuple[pd.DataFrame, Stages]:
    """Canonical rows and stages of a simulation; `files` is empty."""
    if files:
        raise InputError(f"source {KIND}: reads no files, but 'files' has {sorted(files)[0]!r}; remove it")
    table, stages = simulate(spec), Stages()
    return stages.keep("simulated", table[[name for name in COLUMNS if name in table]]), stages


def simulate(spec: dict[str, Any]) -> pd.DataFrame:
    """Canonical columns and the truth: `kind` (one of `CONTENTS`), `bound` (whether it is a site) and `first`
    (0-based position of the first base of the first arm, -1 in background)."""
    simulation = Simulation(**kinds.settings("sources", KIND, spec))
    simulation.check()
    rng = np.random.Generator(np.random.PCG64(derived_seed(KIND, simulation.seed)))
    count, length = simulation.rows, simulation.length
    other = count - count // 2
    sizes = [count // 2, round(simulation.decoys * other), round(simulation.stems * other)]
    kind = rng.permutation(np.repeat(CONTENTS, [*sizes, count - sum(sizes)]))

    strong = rng.random((count, length)) < np.clip(rng.normal(0.45, 0.08, count), 0.25, 0.70)[:, None]
    second = rng.random((count, length)) < 0.5
    codes = np.where(strong, np.where(second, 2, 1), np.where(second, 3, 0)).astype(np.uint8)
    first = np.where(kind == "background", -1, rng.integers(0, length - SITE + 1, count))
    arm = rng.integers(0, 4, (count, ARM))
    # 1 to 3 letters away from the complement: no base in a decoy's arms pairs, and all are as frequent as in a site
    partner = 3 - (arm + np.where(kind == "decoy", 1, 0)[:, None] * rng.integers(1, 4, arm.shape)) % 4
    missed = rng.random((count, len(LOOP))) >= CONSENSUS
    loop = (dna.encode(LOOP) + missed * rng.integers(1, 4, missed.shape)) % 4
    for i in np.flatnonzero(first >= 0):
        site = codes[i, first[i] : first[i] + SITE]
        site[:ARM], site[-ARM:] = arm[i], partner[i, ::-1]
        if kind[i] != "stem":
            site[ARM:-ARM] = loop[i]

    bound = kind == "site"
    names = [f"{KIND}_{i:06d}" for i in range(count)]
    weights = np.array(list(CHROMOSOMES.values()))
    return pd.DataFrame(
        {
            "row_id": names,
            "sequence": [dna.decode(row) for row in codes],
            "label": np.where(rng.random(count) < simulation.label_noise, ~bound, bound).astype(float),
            "chrom": rng.choice(list(CHROMOSOMES), count, p=weights / weights.sum()),
            "strand": "+",
            "group": names,
            "kind": kind,
            "bound": bound,
            "first": first,
        }
    )


def motifs() -> dict[str, NDArray[np.float64]]:
    """{name: base probabilities (length, 4)} of the loop, the only planted motif: any arms that pair will do."""
    consensus = dna.one_hot(dna.encode(LOOP), np.float64)
    return {"LOOP": np.where(consensus == 1, CONSENSUS, (1 - CONSENSUS) / 3)}


def planted(table: pd.DataFrame) -> NDArray[np.bool_]:
    """The positions of both arms and the loop in bound rows made by `simulate`, (n, L); none in other rows."""
    out = np.zeros((len(table), len(table["sequence"].iloc[0])), bool)
    for row, bound, first in zip(out, table["bound"], table["first"], strict=True):
        row[first : first + SITE] = bound
    return out
