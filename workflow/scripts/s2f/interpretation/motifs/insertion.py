"""The effect of a pattern by itself: the score of shuffled sequences with its consensus in their middle, minus the
score without it (marginalisation; Avsec 2021)."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from scipy.stats import t as students

from s2f.common.errors import InputError
from s2f.common.provenance import derived_seed
from s2f.common.tables import numbers, read_table
from s2f.interpretation.motifs.patterns import Pattern
from s2f.rows.negatives import shuffled
from s2f.sequences import dna

COLUMNS = ("pattern", "background", "score", "effect", "control")


def backgrounds(row_ids: Sequence[str], sequences: Sequence[str], count: int, seed: int) -> np.ndarray:
    """uint8 (count, L): shuffles of the sequences, each in turn, that keep their dinucleotide counts; only sequences of
    the most frequent length are used. They depend on `seed` and the sequences, not on a model or a pattern."""
    lengths = [len(sequence) for sequence in sequences]
    length = max(sorted(set(lengths)), key=lengths.count)
    known = [(row, text) for row, text in zip(row_ids, sequences, strict=True) if len(text) == length]
    texts = []
    for number in range(count):
        row, text = known[number % len(known)]
        rng = np.random.Generator(np.random.PCG64(derived_seed(seed, "background", row, number)))
        texts.append(shuffled(text, rng))
    return np.array([dna.encode(text) for text in texts])


def insert(scorer: Any, patterns: Sequence[Pattern], around: np.ndarray, seed: int) -> pd.DataFrame:
    """Table of `COLUMNS`, a line per pattern and background (`around`, uint8 codes (B, L)): the score of the
    background, and how much it changes with the pattern's consensus in the middle (`effect`) and with the letters of
    the consensus in a random order, drawn for each background (`control`). Raises `InputError` for a pattern that is
    longer than the backgrounds."""
    for pattern in patterns:
        if len(pattern.matrix) > around.shape[1]:
            raise InputError(
                f"{pattern.name} has {len(pattern.matrix)} bp, more than the sequences ({around.shape[1]} bp) into "
                "which it is inserted; choose a smaller window in the study (motifs.*.window)"
            )
    alone = scorer.score(around)
    parts = []
    for pattern in patterns:
        word = pattern.matrix.argmax(axis=1).astype(np.uint8)
        rng = np.random.Generator(np.random.PCG64(derived_seed(seed, "control", dna.decode(word))))
        first = (around.shape[1] - len(word)) // 2
        with_word, with_letters = around.copy(), around.copy()
        with_word[:, first : first + len(word)] = word
        with_letters[:, first : first + len(word)] = rng.permuted(np.tile(word, (len(around), 1)), axis=1)
        parts.append(
            pd.DataFrame(
                {
                    "pattern": pattern.name, "background": np.arange(len(around)), "score": alone,
                    "effect": scorer.score(with_word) - alone, "control": scorer.score(with_letters) - alone,
                }
            )
        )  # fmt: skip
    return pd.concat(parts, ignore_index=True) if parts else pd.DataFrame(columns=COLUMNS)


def read(path: str | Path) -> pd.DataFrame:
    """A table that `insert` made. Raises `InputError` for another file."""
    table = read_table(path, COLUMNS, "effects of motifs")
    for column in ("score", "effect", "control"):
        table[column] = numbers(table, column, path)
    return table


def summary(tables: Sequence[pd.DataFrame]) -> pd.DataFrame:
    """One line per pattern, with its name as index: mean `effect` and `control` over backgrounds, after averaging over
    `tables`, one for each seed of the model. `effect_z` is the mean effect over its standard error, sd /
    sqrt(backgrounds), and `effect_p` its two-sided p value (Student's t, backgrounds - 1 degrees of freedom): an effect
    is the difference between two scores of one background, so this is a paired test. `specific_z` and `specific_p` are
    the same for effect - control, the part that the letters of the consensus in any order do not explain."""
    every = pd.concat(tables)
    by_background = every.groupby(["pattern", "background"], sort=False)[["effect", "control"]].mean()
    by_background["specific"] = by_background["effect"] - by_background["control"]
    grouped = by_background.groupby("pattern", sort=False)
    means, count = grouped.mean(), grouped.size()
    out = means[["effect", "control"]].copy()
    for name in ("effect", "specific"):
        with np.errstate(divide="ignore", invalid="ignore"):
            z = means[name] / (grouped[name].std(ddof=1) / np.sqrt(count))
        # no background differs, as where the letters of TTTTT are put in another order
        z = z.where((means[name] != 0) | (grouped[name].std(ddof=1) != 0), 0.0)
        out[f"{name}_z"], out[f"{name}_p"] = z, 2 * students.sf(z.abs(), count - 1)
    return out


def joined(matches: pd.DataFrame, hits: pd.DataFrame, effects: Sequence[pd.DataFrame]) -> pd.DataFrame:
    """The columns of `matches` (text), the number of `hits` and of sequences with a hit, and the columns of
    `summary`."""
    out = matches.set_index("pattern")
    by_pattern = hits.groupby("pattern")["row_id"]
    out["hits"] = by_pattern.size().reindex(out.index, fill_value=0).astype(int)
    out["sequences_hit"] = by_pattern.nunique().reindex(out.index, fill_value=0).astype(int)
    return out.join(summary(effects)).reset_index()
