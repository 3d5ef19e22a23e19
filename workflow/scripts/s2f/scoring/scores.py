"""From the outputs of a model to the lines of a result: predictions, effects, and how certain they are."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path

import numpy as np
import pandas as pd
from scipy.special import expit

from s2f.common.errors import InputError
from s2f.common.tables import numbers, read_table
from s2f.evaluation.calibration import check_confidence, half_width, scaled_by
from s2f.models.predictions import VALIDATION


@dataclass(frozen=True)
class Effects:
    """Measured effects of variants, alt - ref, and the model's predictions of them: (N,) each, for one cell."""

    measured: np.ndarray
    predicted: np.ndarray


@dataclass(frozen=True, eq=False)
class Scores:
    """Makes the lines of one model. `cells` are the cells that it predicts, or one without a name if rows have a single
    label.

    `errors` {cell: measured minus predicted (N,)} are for the validation rows of a regression, and for an ensemble
    `spread` {cell: standard deviation over its members (N,)}, if it is known for all rows; `effects` {cell: `Effects`}
    are for measured variants, if there are any. `confidence` is the coverage of the intervals. Outputs are those of M
    `members`, one after another: values are means over them.
    """

    model: str
    fingerprint: str
    classification: bool
    strands: Sequence[str]
    cells: Sequence[str] = ("",)
    confidence: float = 0.95
    errors: dict[str, np.ndarray] = field(default_factory=dict)
    effects: dict[str, Effects] = field(default_factory=dict)
    spread: dict[str, np.ndarray] = field(default_factory=dict)
    members: int = 1

    def __post_init__(self) -> None:
        """Refuse an impossible confidence."""
        check_confidence(self.confidence)

    def lines(self, lines: pd.DataFrame, outputs: np.ndarray) -> pd.DataFrame:
        """`of_sequences` or `of_variants`, depending on the number of values of a line, the second axis of
        `outputs`."""
        return self.of_sequences(lines, outputs) if outputs.shape[1] == 1 else self.of_variants(lines, outputs)

    def of_sequences(self, lines: pd.DataFrame, outputs: np.ndarray) -> pd.DataFrame:
        """Lines of sequences, one per cell, from `outputs` (S, 1, N, M * C): the columns of `lines`, then [cell,]
        model, prediction, sd, forward, reverse, low, high, fingerprint. In a classification predictions are
        probabilities, and members are averaged as probabilities."""
        of_members = self._by_member(outputs[:, 0])
        if self.classification:
            of_members = expit(of_members)
        values = of_members.mean(axis=2)
        columns = {"prediction": values.mean(axis=0).ravel(), "sd": self._sd(of_members.mean(axis=0))}
        by_strand = dict(zip(self.strands, values, strict=True))
        columns |= {
            strand: by_strand[strand].ravel() if strand in by_strand else np.full(values[0].size, np.nan)
            for strand in ("forward", "reverse")
        }
        half = self.half_of_predictions
        return self._table(lines, columns, "prediction", np.tile(half, values.shape[1]) * self._scale(columns["sd"]))

    def of_variants(self, lines: pd.DataFrame, outputs: np.ndarray) -> pd.DataFrame:
        """Lines of variants, one per cell, from `outputs` (S, 2, N, M * C) for both alleles, or (S, 4, N, M * C) for
        both alleles on the plus and on the minus strand of the genome, NaN for a strand that is not asked for: the
        strand with the larger effect counts. Columns: those of `lines`, then strand, [cell,] model, ref, alt, delta,
        sd, low, high, percentile, fingerprint. In a classification ref and alt are log-odds.

        `delta` is alt - ref and `sd` its standard deviation over members; low and high are its interval, from the
        errors of measured effects; `percentile` is the share of measured effects that are not larger in size.
        """
        of_members = self._by_member(outputs.mean(axis=0))
        values, apart = of_members.mean(axis=2), of_members[1] - of_members[0]
        ref, alt = values[0], values[1]
        if len(values) > 2:
            first, second = np.isfinite(values[0]), np.isfinite(values[2])
            larger = second & (~first | (np.abs(values[3] - values[2]) > np.abs(alt - ref)))
            ref, alt = np.where(larger, values[2], ref), np.where(larger, values[3], alt)
            apart = np.where(larger[:, None], of_members[3] - of_members[2], apart)
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
        columns = {"ref": ref.ravel(), "alt": alt.ravel(), "delta": delta, "sd": self._sd(apart)}
        width = np.tile(self.half_of_effects, len(ref))
        return self._table(lines, columns, "delta", width, percentile=percentile)

    def _by_member(self, outputs: np.ndarray) -> np.ndarray:
        """(X, N, M, C) of outputs (X, N, M * C)."""
        return outputs.reshape(*outputs.shape[:2], self.members, len(self.cells))

    def _sd(self, of_members: np.ndarray) -> np.ndarray:
        """Standard deviation over members of values (N, M, C): (N * C,), NaN for a single member."""
        if self.members == 1:
            return np.full(len(of_members) * len(self.cells), np.nan)
        return of_members.std(axis=1, ddof=1).ravel()

    def _scale(self, sd: np.ndarray) -> np.ndarray:
        """The factor for the width of each interval, (N * C,): see `calibration.scaled_by`."""
        scale = np.ones(len(sd))
        for number, cell in enumerate(self.cells):
            if cell in self.spread:
                own = slice(number, None, len(self.cells))
                scale[own] = scaled_by(sd[own], self.spread[cell])
        return scale

    @cached_property
    def half_of_predictions(self) -> np.ndarray:
        """Half the width of a prediction's interval for each cell (C,), NaN if it is not known; in units of `spread`
        for an ensemble for which that is known."""
        scaled = {
            cell: errors / scaled_by(self.spread[cell], self.spread[cell]) if cell in self.spread else errors
            for cell, errors in self.errors.items()
        }
        return np.array([self._half(scaled.get(cell)) for cell in self.cells])

    @cached_property
    def half_of_effects(self) -> np.ndarray:
        """Half the width of an effect's interval for each cell (C,), NaN if it is not known."""
        known = [self.effects.get(cell) for cell in self.cells]
        return np.array([self._half(own.measured - own.predicted if own else None) for own in known])

    @cached_property
    def sizes_of_effects(self) -> list[np.ndarray]:
        """Sizes of the measured effects of each cell, in ascending order."""
        known = [self.effects.get(cell) for cell in self.cells]
        return [np.sort(np.abs(own.measured)) if own else np.array([]) for own in known]

    def _half(self, errors: np.ndarray | None) -> float:
        return np.nan if errors is None else half_width(errors, self.confidence)

    def _table(
        self, lines: pd.DataFrame, columns: dict[str, np.ndarray], centre: str, width: np.ndarray, **more: np.ndarray
    ) -> pd.DataFrame:
        size = len(columns[centre])
        if len(lines) != size:
            lines = lines.loc[lines.index.repeat(len(self.cells))]
        times = size // len(self.cells)
        named = {"cell": np.tile(np.array(self.cells, object), times)} if self.cells[0] else {}
        bad = ~np.isfinite(columns[centre])
        if bad.any():
            raise InputError(f"the model's value for {lines.iloc[int(bad.argmax()), 0]!r} is not finite")
        new = {
            **named, "model": self.model, **columns, "low": columns[centre] - width, "high": columns[centre] + width,
            **more, "fingerprint": self.fingerprint,
        }  # fmt: skip
        return lines.reset_index(drop=True).assign(**new)


def validation_errors(
    directory: str | Path, cells: Sequence[str]
) -> tuple[dict[str, np.ndarray], dict[str, np.ndarray]]:
    """{cell: measured minus predicted (N,)} for the validation rows of a regression checkpoint, and {cell: standard
    deviation over members (N,)}, empty if there are none; for rows with a label."""
    path = Path(directory) / VALIDATION
    table = _predictions(path, cells)
    table = table[table["label"].notna()]
    by_cell = {cell: table[table["cell"] == cell] for cell in cells}
    errors = {cell: (own["label"] - own["prediction"]).to_numpy() for cell, own in by_cell.items()}
    return errors, {cell: own["sd"].to_numpy() for cell, own in by_cell.items() if "sd" in own}


def measured_effects(predictions: str | Path, panel: str | Path, cells: Sequence[str]) -> dict[str, Effects]:
    """{cell: `Effects`} of the pairs of a panel, from the table of a run's predictions for it and the table of the
    panel.

    Raises `InputError` for a panel that lists no pairs, and for a row of it without a prediction.
    """
    pairs = read_table(panel, ("ref_row_id", "alt_row_id"), "a panel of pairs")
    table, found = _predictions(predictions, cells), {}
    for cell in cells:
        of_row = table[table["cell"] == cell].set_index("row_id")
        missing = ~pairs[["ref_row_id", "alt_row_id"]].isin(of_row.index).all(axis=1)
        if missing.any():
            row = pairs["ref_row_id"][missing].iloc[0]
            raise InputError(
                f"{predictions}: a prediction for {row!r} or its other allele is missing; predict the panel again"
            )
        ref, alt = (
            of_row.loc[pairs[column], ["label", "prediction"]].to_numpy() for column in ("ref_row_id", "alt_row_id")
        )
        effects = (alt - ref)[np.isfinite(alt[:, 0] - ref[:, 0])]
        if len(effects):
            found[cell] = Effects(effects[:, 0], effects[:, 1])
    return found


def _predictions(path: str | Path, cells: Sequence[str]) -> pd.DataFrame:
    """row_id, cell, label (NaN where it is missing), prediction and, for an ensemble, sd from a table of
    predictions."""
    table = read_table(path, ("row_id", "label", "prediction"), "predictions")
    if cells[0] and "cell" not in table.columns:
        raise InputError(f"{path}: column 'cell' is missing, but the model has the cells {', '.join(cells)}")
    return pd.DataFrame(
        {
            "row_id": table["row_id"],
            "cell": table["cell"] if cells[0] else "",
            "label": numbers(table, "label", path),
            "prediction": numbers(table, "prediction", path),
            **({"sd": numbers(table, "sd", path)} if "sd" in table else {}),
        }
    )
