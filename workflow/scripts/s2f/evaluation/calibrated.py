"""Calibration on the validation rows, checked on panels: the measures of `comparison.compare` for calibration.tsv."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from scipy.special import expit

from s2f.common import kinds
from s2f.common.errors import InputError
from s2f.common.provenance import derived_seed
from s2f.common.tables import numbers, read_table
from s2f.evaluation.bootstrap import influences, resampled_counts, stratified_bootstrap
from s2f.evaluation.calibration import (
    LEVELS,
    TEMPERATURES,
    bins_of,
    brier,
    calibration_error,
    chance_error,
    coverage,
    crps,
    fewest_rows,
    half_widths,
    log_loss,
    log_odds,
    scaled_by,
    temperature,
)  # fmt: skip
from s2f.evaluation.calibration_table import CALIBRATION_COLUMNS
from s2f.evaluation.cells import labelled
from s2f.evaluation.comparison import Measured, Scored, compare
from s2f.evaluation.measure import Panel, read_predictions
from s2f.evaluation.measured_runs import Comparison, MeasuredRun
from s2f.evaluation.metrics import SUFFIXES, score
from s2f.evaluation.resampling import Units
from s2f.rows.stages import Stages
from s2f.splits.panel_kinds import pairs
from s2f.splits.table import PANEL_COLUMNS
from s2f.splits.units_table import read_units

SHARES = {f"{100 * level:g}": level for level in LEVELS}
OF_INTERVALS = (*(f"{name}_{share}" for name in ("coverage", "width") for share in SHARES), "crps", "spearman")
OF_PROBABILITIES = (
    "temperature", "ece", "ece_scaled", "ece_chance", "brier", "brier_scaled", "logloss", "logloss_scaled",
)  # fmt: skip
MOST_RESAMPLES = 1000  # this many give a standard error to within 2 %
AT_ONCE = 2**21  # counts in memory
NO_SPREAD = "no column sd: a single model has no members that could differ"
NO_PAIRS = "no pair of alleles is among the validation rows: there is nothing to calibrate effects with"
PUBLISHED = "published weights may have been trained on the validation rows, which would make intervals too narrow"
NO_RANKING = "on the validation rows its log-odds rank no better than chance: no temperature"
APART = "on the validation rows its log-odds separate the classes perfectly: no temperature"

# from how often each validation unit (C, K) and each item (C, N) is taken to {metric: (C,)}
Measure = Callable[[np.ndarray, np.ndarray], dict[str, np.ndarray]]


def calibration(comparison: Comparison) -> pd.DataFrame:
    """Frame of `CALIBRATION_COLUMNS`: what the calibration of each model on its validation rows is worth on each panel.

    A line per dataset, split, panel, cell, metric, level and model. For a regression: `coverage` and `width` of the
    split conformal interval at each of `LEVELS`, and `crps`. If predictions have a column `sd`, errors are scaled by
    it, and `spearman` is its correlation with |error|. Pairs have these measures once for the alternate alleles
    (`_abs`) and once for effects (`_delta`); the intervals of effects come from the errors of effects of pairs among
    the validation rows and are unscaled, because the spread of an effect does not follow from the spreads of its
    alleles. For a classification: the `temperature`; `ece`, `brier` and `logloss` of the model as it is and with the
    temperature (`_scaled`); and the `ece` that the scaled model would show by mere chance (`_chance`). Values,
    intervals and notes are made as in `compare`, but validation units are drawn too: an interval covers what would
    change with other test rows, other validation rows and other trainings. Degrees of freedom count the large units of
    the panel but not those of the validation rows: if a few large families dominate these, intervals are too narrow (in
    simulations of 60 single rows and two families of 70, intervals of 95 % for a coverage held it in 90 %).
    `n_validation` rows or pairs were calibrated on. Raises `InputError` as `compare` does, and for a run without
    predictions of its validation rows.
    """
    measures = Calibration()
    table, _ = compare(replace(comparison, resamples=min(comparison.resamples, MOST_RESAMPLES)), measures)
    found = table["metric"].str.extract(r"^([a-z]+(?:_scaled|_chance)?)(?:_(\d+))?((?:_abs|_delta)?)$")
    table["metric"], table["level"] = found[0] + found[2], found[1].map(SHARES).astype("float64")
    places = zip(table["dataset"], table["split"], table["cell"], map(_of, found[2]), table["model"], strict=True)
    table["n_validation"] = pd.array([measures.validated.get(place) for place in places], "Int64")
    # nothing is reported for models without a column sd, nor if no model has one
    ranked = table.groupby(["dataset", "split", "panel", "cell", "metric"], sort=False)["value"].transform("count") > 0
    told = (found[0] != "spearman") | (ranked & ~table["note"].str.contains(NO_SPREAD, regex=False))
    return table.loc[told, list(CALIBRATION_COLUMNS)].reset_index(drop=True)


class Calibration:
    """`comparison.Measures` of calibration. `validated` {(dataset, split, cell, suffix, model): validation items}."""

    columns = PANEL_COLUMNS

    def __init__(self) -> None:
        self.validated: dict[tuple[str, str, str, str, str], int] = {}
        self._units: dict[str, np.ndarray] = {}

    def names(self, panel: Panel, task: str) -> list[str]:
        """As `Measures.names`."""
        if task == "classification":
            return list(OF_PROBABILITIES)
        return [name + suffix for suffix in SUFFIXES[panel.kind] for name in OF_INTERVALS]

    def of(
        self,
        comparison: Comparison,
        place: tuple[str, str],
        panel: Panel,
        rows: pd.DataFrame,
        runs: Sequence[MeasuredRun],
        read: Sequence[Scored],
        units: Units,
    ) -> Measured:
        """As `Measures.of`; the units of the validation rows are drawn too, with a separate seed."""
        dataset, split = place
        compared = comparison.datasets[dataset]
        if dataset not in self._units:
            self._units[dataset] = read_units(Path(compared.rows).with_name("units.tsv"), rows)["unit"].to_numpy()
        own = rows.assign(unit=self._units[dataset])
        own = labelled(own, panel.view).dropna(subset="label") if panel.view else own
        validation = _validation(own, runs, panel, compared.panels_in(split)[panel.name])
        seed = derived_seed(comparison.seed, "bootstrap", dataset, split, "validation")
        found, names = [], self.names(panel, compared.task)
        for run, item, of_run in zip(runs, read, validation, strict=True):
            spread = _spread(run.predictions[panel.name], panel)
            # most validation rows of an ensemble over folds belong to a single member, which has no spread
            if (spread is None) != (of_run.spread is None) and split not in compared.folds:
                raise InputError(
                    f"{run.validation}: only one of this table and {run.predictions[panel.name]} has a column sd; "
                    "predict both again"
                )
            measure = _probabilities if compared.task == "classification" else _intervals
            function, notes = measure(panel, item.predictions, spread, of_run)
            results = _resampled(function, panel, units, of_run.drawn, seed, comparison.resamples)
            if compared.task == "regression":
                results = _with_ranks(results, panel, units, item.predictions, spread, comparison.resamples)
            found.append((*results, notes if run.trained_on else dict.fromkeys(names, PUBLISHED) | notes))
            for suffix in SUFFIXES[panel.kind]:
                self.validated[dataset, split, panel.cell, _of(suffix), run.model] = len(of_run.units_of(suffix))
        least = {
            suffix: min([panel.units, *(max(1, len(np.unique(of_run.units_of(suffix)))) for of_run in validation)])
            for suffix in SUFFIXES[panel.kind]
        }
        return Measured(
            {name: [(float(values[name]), notes.get(name, "")) for values, *_, notes in found] for name in names},
            {name: np.array([draws[name] for _, draws, _, _ in found]) for name in names},
            {name: np.array([of_units[name] for _, _, of_units, _ in found]) for name in names},
            {name: next(n for suffix, n in least.items() if name.endswith(suffix)) for name in names},
        )


def _of(suffix: str) -> str:
    """Which validation items calibrate the metrics of a suffix: pairs for effects, otherwise rows."""
    return suffix if suffix == "_delta" else ""


@dataclass(frozen=True)
class _Validation:
    """What a run predicts for its n validation rows, for one cell or difference of cells.

    `labels`, `predictions` and `spread` (None: no column sd) are (n,); `units` (n,) are numbered from 0 to `drawn` - 1,
    over all runs; `pairs` (m, 2) are positions of the reference and the alternate row of m pairs.
    """

    labels: np.ndarray
    predictions: np.ndarray
    spread: np.ndarray | None
    units: np.ndarray
    pairs: np.ndarray
    drawn: int

    @property
    def errors(self) -> np.ndarray:
        """Measured minus predicted, (n,)."""
        return self.labels - self.predictions

    def units_of(self, suffix: str) -> np.ndarray:
        """The unit of each item that calibrates the metrics of a suffix: of each of the n rows, or of the m pairs."""
        return self.units[self.pairs[:, 1]] if suffix == "_delta" else self.units


def _validation(
    rows: pd.DataFrame, runs: Sequence[MeasuredRun], panel: Panel, section: dict[str, Any]
) -> list[_Validation]:
    """The `_Validation` of each run; `rows` have a label and a column `unit`, `section` is the section of a `panel`."""
    position = pd.Series(np.arange(len(rows)), index=rows["row_id"])
    positions = []
    for run in runs:
        path = Path(run.validation)
        if not run.validation or not path.is_file():
            raise InputError(
                f"{path}: does not exist, expected the predictions of the validation rows of {run}, which was "
                "trained before they were kept; train it again (remove its folder best_model)"
            )
        place = position.reindex(read_table(path, ("row_id",), "predictions")["row_id"].drop_duplicates())
        # rows without a label in a cell are not rows of it
        known = place.dropna() if panel.view else place
        if known.isna().any():
            row = known.index[known.isna()][0]
            raise InputError(f"{path}: row {row!r} is not a row of the dataset; train {run} again")
        positions.append(np.sort(known.to_numpy(np.int64)))
    every = np.unique(np.concatenate(positions)) if positions else np.empty(0, np.int64)
    names, number = np.unique(rows["unit"].to_numpy()[every], return_inverse=True)
    paired = _pairs(rows.iloc[every], panel.name, section) if panel.kind == "pairs" else pd.DataFrame()
    found = []
    for run, places in zip(runs, positions, strict=True):
        own = rows.iloc[places].reset_index(drop=True)
        as_panel = Panel(
            name="validation", kind="rows", rows=own, scored=np.arange(len(own)), reference=None,
            clusters=np.arange(len(own)), groups=np.empty(0, object), rows_sha256="", view=panel.view,
        )  # fmt: skip
        predictions, _, _ = read_predictions(run.validation, as_panel)
        of_id = pd.Series(np.arange(len(own)), index=own["row_id"])
        of_pairs = np.empty((0, 2))
        if len(paired):
            columns = [of_id.reindex(paired[column]).to_numpy() for column in ("ref_row_id", "alt_row_id")]
            of_pairs = np.stack(columns, axis=1)
            of_pairs = of_pairs[np.isfinite(of_pairs).all(axis=1)]
        found.append(
            _Validation(
                own["label"].to_numpy(np.float64), predictions, _spread(run.validation, as_panel),
                number[np.searchsorted(every, places)], of_pairs.astype(np.int64), len(names),
            )
        )  # fmt: skip
    return found


def _pairs(rows: pd.DataFrame, name: str, section: dict[str, Any]) -> pd.DataFrame:
    """Pairs among the validation rows, however few, made as panel `name` makes its pairs among the test rows."""
    match = {key: section[key] for key in ("match",) if key in section}
    options = kinds.settings("panels", "pairs", {"kind": "pairs", **match})
    named = rows["pair_id" if options["match"] == "pair_id" else "variant"] != ""
    if not set(rows["allele"][named]) >= {"ref", "alt"}:
        return pd.DataFrame()
    with_unit = rows.assign(unit=[f"u{unit}" for unit in rows["unit"]])
    return pairs.among(with_unit, options, f"{name}, of validation rows", Stages())


def _spread(path: str | Path, panel: Panel) -> np.ndarray | None:
    """The column sd of a table of predictions in the order of `panel.rows`, (R,); None if the table has none, and for a
    difference of cells. Raises `InputError` for a value that is not a number of at least 0."""
    table = read_table(path, ("row_id",), "predictions")
    if "sd" not in table or (panel.view and panel.view.others):
        return None
    if panel.view:
        table = table[table["cell"] == panel.view.target]
    of_row = pd.Series(numbers(table, "sd", path).to_numpy(), index=table["row_id"])
    values = of_row.reindex(panel.rows["row_id"]).to_numpy()
    bad = ~(np.isfinite(values) & (values >= 0))
    if bad.any():
        row = panel.rows["row_id"][bad].iloc[0]
        raise InputError(f"{path}: row {row!r}: sd is {values[bad][0]}, expected a number of at least 0")
    return values


def _intervals(
    panel: Panel, predictions: np.ndarray, spread: np.ndarray | None, validation: _Validation
) -> tuple[Measure, dict[str, str]]:
    """Measures of intervals and predictive distributions, with notes by name."""
    labels, predicted = panel.by_suffix(panel.rows["label"].to_numpy(np.float64)), panel.by_suffix(predictions)
    parts, notes = {}, dict[str, str]()
    for suffix in SUFFIXES[panel.kind]:
        notes |= {f"spearman{suffix}": NO_SPREAD} if spread is None or suffix == "_delta" else {}
        residuals, units, scale = validation.errors, validation.units, np.ones(len(panel.scored))
        if suffix == "_delta":
            ref, alt = validation.pairs.T
            residuals, units = residuals[alt] - residuals[ref], validation.units_of(suffix)
        elif spread is not None and validation.spread is not None:
            residuals = residuals / scaled_by(validation.spread, validation.spread)
            scale = scaled_by(spread[panel.scored], validation.spread)
        errors = (labels[suffix] - predicted[suffix]) / scale
        parts[suffix] = residuals, units, errors, scale
        if not len(residuals):
            notes |= {name + suffix: NO_PAIRS for name in OF_INTERVALS if name != "spearman"}
            continue
        for share, level in SHARES.items():
            if len(residuals) < fewest_rows(level):
                items = ("pair" if suffix == "_delta" else "row") + "s" * (len(residuals) != 1)
                note = (
                    f"{len(residuals):,} {items} to calibrate with, but an interval of {share} % needs "
                    f"{fewest_rows(level)}"
                )
                notes |= {f"{name}_{share}{suffix}": note for name in ("coverage", "width")}

    def measure(of_units: np.ndarray, of_items: np.ndarray) -> dict[str, np.ndarray]:
        found, total, nothing = dict[str, np.ndarray](), of_items.sum(axis=1), np.full(len(of_items), np.nan)
        for suffix, (residuals, units, errors, scale) in parts.items():
            if not len(residuals):
                found |= {name + suffix: nothing for name in OF_INTERVALS}
                continue
            taken = of_units[:, units]
            half = half_widths(residuals, LEVELS, taken)
            covered = np.where(np.isinf(half), np.nan, coverage(errors, half, of_items))
            widths = np.where(np.isinf(half), np.nan, 2 * half * (of_items @ scale / total))
            for share, one, width in zip(SHARES, covered, widths, strict=True):
                found[f"coverage_{share}{suffix}"], found[f"width_{share}{suffix}"] = one, width
            scores = crps(residuals, errors, taken)
            found[f"crps{suffix}"] = np.einsum("cn,cn->c", scores, of_items * scale) / total
        return found

    return measure, notes


def _probabilities(
    panel: Panel, predictions: np.ndarray, spread: np.ndarray | None, validation: _Validation
) -> tuple[Measure, dict[str, str]]:
    """Measures of probabilities, with notes by name."""
    labels, p = panel.rows["label"].to_numpy(np.float64)[panel.scored], predictions[panel.scored]
    logits, of_validation, bins = log_odds(p), log_odds(validation.predictions), bins_of(p)
    whole = float(temperature(of_validation, validation.labels)[0])
    apart, blind = (bool(_at(whole, limit)) for limit in TEMPERATURES)

    def measure(of_units: np.ndarray, of_items: np.ndarray) -> dict[str, np.ndarray]:
        total = of_items.sum(axis=1)
        divisor = temperature(of_validation, validation.labels, of_units[:, validation.units], start=whole)
        scaled = expit(logits / divisor[:, None])
        at_limit = np.any([_at(divisor, limit) for limit in TEMPERATURES], axis=0)
        return {
            "temperature": np.where(at_limit, np.nan, divisor),
            "ece": calibration_error(p, labels, bins, of_items),
            "ece_scaled": calibration_error(scaled, labels, bins, of_items),
            "ece_chance": chance_error(scaled, bins, of_items),
            "brier": of_items @ brier(p, labels) / total,
            "brier_scaled": (of_items * brier(scaled, labels)).sum(axis=1) / total,
            "logloss": of_items @ log_loss(p, labels) / total,
            "logloss_scaled": (of_items * log_loss(scaled, labels)).sum(axis=1) / total,
        }

    return measure, {"temperature": APART if apart else NO_RANKING} if apart or blind else {}


def _at(values: np.ndarray | float, limit: float) -> np.ndarray:
    return np.isclose(values, limit, rtol=1e-6)


Results = tuple[dict[str, float], dict[str, np.ndarray], dict[str, np.ndarray]]  # values, their resamples, influences


def _resampled(measure: Measure, panel: Panel, units: Units, drawn: int, seed: int, resamples: int) -> Results:
    """The values of a `measure`, their resamples (B,), and the influence of large units (U,) on them.

    The units of the panel are drawn as for the comparison, the `drawn` units of the validation rows with `seed`. The
    influence is the difference between weights of 1.5 and 0.5 for a unit, as in `bootstrap.influences`.
    """
    clusters, strata = units.numbers(panel)
    own = sum(count for count, _ in strata)
    items, as_they_are = len(clusters), np.ones((1, drawn))
    values = {name: float(value[0]) for name, value in measure(as_they_are, np.ones((1, items))).items()}
    size = max(1, AT_ONCE // (items + drawn)) * (own + drawn)
    parts = [
        measure(counts[:, own:], counts[:, clusters])
        for counts in resampled_counts(resamples, *strata, (drawn, seed), size=size)
    ]
    draws = {name: np.concatenate([part[name] for part in parts]) for name in values}
    if panel.units == 1:  # then every resample is the panel itself
        draws = {name: np.full(resamples, np.nan) for name in values}
    there = np.flatnonzero(np.isin(units.large, panel.groups))
    influence = {name: np.zeros(len(units.large)) for name in values}
    for unit in there:
        in_unit = panel.clusters == np.searchsorted(panel.groups, units.large[unit])
        more, less = (measure(as_they_are, np.where(in_unit, weight, 1.0)[None]) for weight in (1.5, 0.5))
        for name in values:
            influence[name][unit] = more[name][0] - less[name][0]
    return values, draws, influence


def _with_ranks(
    results: Results, panel: Panel, units: Units, predictions: np.ndarray, spread: np.ndarray | None, resamples: int
) -> Results:
    """`results` with Spearman's correlation of the `spread` (R,) and |error|; NaN without a spread, and for effects."""
    clusters, strata = units.numbers(panel)
    errors = np.abs(panel.of_rows(panel.rows["label"].to_numpy(np.float64) - predictions))
    for suffix in SUFFIXES[panel.kind]:
        name = f"spearman{suffix}"
        values, draws, influence = results
        values[name], draws[name] = np.nan, np.full(resamples, np.nan)
        influence[name] = np.zeros(len(units.large))
        if spread is None or suffix == "_delta":
            continue
        own = spread[panel.scored]
        values[name] = score("spearman", errors, own)[0]
        if panel.units > 1:
            drawn = stratified_bootstrap("regression", errors, own[None], clusters, resamples, *strata)
            draws[name] = drawn["spearman"][0]
            there = np.isin(units.large, panel.groups)
            large = np.searchsorted(panel.groups, units.large[there])
            influence[name][there] = influences("regression", errors, own[None], panel.clusters, large)["spearman"][0]
    return results
