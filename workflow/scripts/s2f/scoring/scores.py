"""From the outputs of a model to the lines of a result: predictions, effects, and how sure they are."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path

import numpy as np
import pandas as pd
from scipy.special import expit

from s2f.common.errors import InputError
from s2f.common.tables import numbers, read_table
from s2f.evaluation.calibration import check_confidence, half_width
from s2f.models.predictions import VALIDATION


@dataclass(frozen=True)
class Effects:
    """Measured effects of variants, alt - ref, and what the model predicts for them: (N,) each, of one cell."""

    measured: np.ndarray
    predicted: np.ndarray


@dataclass(frozen=True, eq=False)
class Scores:
    """Makes the lines of one model. `cells` are those that it predicts, one without a name where rows have one label.

    `errors` {cell: measured minus predicted (N,)} of the validation rows of a regression; `effects` {cell: `Effects`}
    of measured variants, where there are any. `confidence` is the coverage of the intervals.
    """

    model: str
    fingerprint: str
    classification: bool
    strands: Sequence[str]
    cells: Sequence[str] = ("",)
    confidence: float = 0.95
    errors: dict[str, np.ndarray] = field(default_factory=dict)
    effects: dict[str, Effects] = field(default_factory=dict)

    def __post_init__(self) -> None:
        """Refuse a confidence that is none."""
        check_confidence(self.confidence)

    def lines(self, lines: pd.DataFrame, outputs: np.ndarray) -> pd.DataFrame:
        """`of_sequences` or `of_variants`, by the number of values of a line, the second axis of `outputs`."""
        return self.of_sequences(lines, outputs) if outputs.shape[1] == 1 else self.of_variants(lines, outputs)

    def of_sequences(self, lines: pd.DataFrame, outputs: np.ndarray) -> pd.DataFrame:
        """Lines of sequences, one per cell, of `outputs` (S, 1, N, C): the columns of `lines`, then [cell,] model,
        prediction, forward, reverse, low, high, fingerprint. In a classification predictions are probabilities."""
        values = outputs[:, 0]
        if self.classification:
            values = expit(values)
        columns = {"prediction": values.mean(axis=0).ravel()}
        by_strand = dict(zip(self.strands, values, strict=True))
        columns |= {
            strand: by_strand[strand].ravel() if strand in by_strand else np.full(values[0].size, np.nan)
            for strand in ("forward", "reverse")
        }
        return self._table(lines, columns, "prediction", self.half_of_predictions)

    def of_variants(self, lines: pd.DataFrame, outputs: np.ndarray) -> pd.DataFrame:
        """Lines of variants, one per cell, of `outputs` (S, 2, N, C) of both alleles, or (S, 4, N, C) of those on the
        plus and on the minus strand of the genome, NaN where one is not asked for: of two strands the one with the
        larger effect counts. Columns: those of `lines`, then strand, [cell,] model, ref, alt, delta, low, high,
        percentile, fingerprint. In a classification ref and alt are log-odds.

        `delta` is alt - ref; low and high are its interval by the errors of measured effects; `percentile` says which
        share of these are not larger, in size.
        """
        values = outputs.mean(axis=0)
        ref, alt = values[0], values[1]
        if len(values) > 2:
            first, second = np.isfinite(values[0]), np.isfinite(values[2])
            larger = second & (~first | (np.abs(values[3] - values[2]) > np.abs(alt - ref)))
            ref, alt = np.where(larger, values[2], ref), np.where(larger, values[3], alt)
            both = first & second
            strand = np.where(larger, "-", "+").astype(object) + np.where(both, " (larger of both)", "").astype(object)
            lines = lines.loc[lines.index.repeat(len(self.cells))].assign(strand=strand.ravel())
        delta = (alt - ref).ravel()
        cells = np.tile(np.arange(len(self.cells)), len(ref))
        percentile = np.full(len(delta), np.nan)
        for number, sizes in enumerate(self.sizes_of_effects):
            own = cells == number
            if len(sizes):
                percentile[own] = 100 * np.searchsorted(sizes, np.abs(delta[own]), "right") / len(sizes)
        columns = {"ref": ref.ravel(), "alt": alt.ravel(), "delta": delta}
        return self._table(lines, columns, "delta", self.half_of_effects, percentile=percentile)

    @cached_property
    def half_of_predictions(self) -> np.ndarray:
        """Half the width of the interval of a prediction for each cell, NaN where it is not known: (C,)."""
        return np.array([self._half(self.errors.get(cell)) for cell in self.cells])

    @cached_property
    def half_of_effects(self) -> np.ndarray:
        """Half the width of the interval of an effect for each cell, NaN where it is not known: (C,)."""
        known = [self.effects.get(cell) for cell in self.cells]
        return np.array([self._half(own.measured - own.predicted if own else None) for own in known])

    @cached_property
    def sizes_of_effects(self) -> list[np.ndarray]:
        """Sizes of the measured effects of each cell, in rising order."""
        known = [self.effects.get(cell) for cell in self.cells]
        return [np.sort(np.abs(own.measured)) if own else np.array([]) for own in known]

    def _half(self, errors: np.ndarray | None) -> float:
        return np.nan if errors is None else half_width(errors, self.confidence)

    def _table(
        self, lines: pd.DataFrame, columns: dict[str, np.ndarray], centre: str, half: np.ndarray, **more: np.ndarray
    ) -> pd.DataFrame:
        size = len(columns[centre])
        if len(lines) != size:
            lines = lines.loc[lines.index.repeat(len(self.cells))]
        times = size // len(self.cells)
        named = {"cell": np.tile(np.array(self.cells, object), times)} if self.cells[0] else {}
        width = np.tile(half, times)
        bad = ~np.isfinite(columns[centre])
        if bad.any():
            raise InputError(f"the model's value for {lines.iloc[int(bad.argmax()), 0]!r} is not finite")
        new = {
            **named, "model": self.model, **columns, "low": columns[centre] - width, "high": columns[centre] + width,
            **more, "fingerprint": self.fingerprint,
        }  # fmt: skip
        return lines.reset_index(drop=True).assign(**new)


def validation_errors(directory: str | Path, cells: Sequence[str]) -> dict[str, np.ndarray]:
    """{cell: measured minus predicted (N,)} of the validation rows of a checkpoint of a regression."""
    path = Path(directory) / VALIDATION
    table = _predictions(path, cells)
    error = table["label"] - table["prediction"]
    return {cell: error[table["cell"] == cell].to_numpy() for cell in cells}


def measured_effects(predictions: str | Path, panel: str | Path, cells: Sequence[str]) -> dict[str, Effects]:
    """{cell: `Effects`} of the pairs of a panel: the table of a run's predictions for it, and that of the panel.

    Raises `InputError` for a panel that lists no pairs, and for a row of it without a prediction.
    """
    pairs = read_table(panel, ("ref_row_id", "alt_row_id"), "a panel of pairs")
    table, found = _predictions(predictions, cells), {}
    for cell in cells:
        of_row = table[table["cell"] == cell].set_index("row_id")
        missing = ~pairs[["ref_row_id", "alt_row_id"]].isin(of_row.index).all(axis=1)
        if missing.any():
            row = pairs["ref_row_id"][missing].iloc[0]
            raise InputError(f"{predictions}: a prediction for {row!r} or its other allele is missing; run it again")
        ref, alt = (
            of_row.loc[pairs[column], ["label", "prediction"]].to_numpy() for column in ("ref_row_id", "alt_row_id")
        )
        effects = (alt - ref)[np.isfinite(alt[:, 0] - ref[:, 0])]
        if len(effects):
            found[cell] = Effects(effects[:, 0], effects[:, 1])
    return found


def _predictions(path: str | Path, cells: Sequence[str]) -> pd.DataFrame:
    """row_id, cell, label (NaN where it is missing) and prediction of a table of predictions."""
    table = read_table(path, ("row_id", "label", "prediction"), "predictions")
    if cells[0] and "cell" not in table.columns:
        raise InputError(f"{path}: column 'cell' is missing, the model has the cells {', '.join(cells)}")
    return pd.DataFrame(
        {
            "row_id": table["row_id"],
            "cell": table["cell"] if cells[0] else "",
            "label": numbers(table, "label", path),
            "prediction": numbers(table, "prediction", path),
        }
    )
