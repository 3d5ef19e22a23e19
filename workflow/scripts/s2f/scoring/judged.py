"""Scores judged by measurements: effects in saturation mutagenesis, and negative controls."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from scipy import stats

from s2f.common.errors import InputError
from s2f.common.provenance import derived_seed
from s2f.common.tables import numbers, read_table
from s2f.evaluation.bootstrap import stratified_bootstrap
from s2f.evaluation.inference import Influence, interval, standard_error
from s2f.evaluation.metrics import score
from s2f.scoring.measured_variants import DELETION, read_variants

# bp of an element whose variants are resampled together. For a k-mer ridge the interval of the mean over 6 elements is
# 0.07 wide with 1 bp (only variants at one position together), 0.10 with 5, 0.11 with 10, 0.12 with 20, 0.13 with 30
BLOCK = 20
CONFIDENT = 0.1  # confidence of CAGI5 above which an effect counts as real: a p value of 1e-5
ALL = "all"
AGREEMENT = ("pearson", "spearman")
# for each subset of variants: which lines of the table of scores are in it
SUBSETS: dict[str, Callable[[pd.DataFrame], pd.Series]] = {
    "SNVs": lambda table: table["alt"] != DELETION,
    f"SNVs, confidence > {CONFIDENT}": lambda table: (table["alt"] != DELETION) & (table["confidence"] > CONFIDENT),
    "challenge SNVs": lambda table: (table["alt"] != DELETION) & (table["cagi5_set"] == "challenge"),
    f"challenge SNVs, confidence > {CONFIDENT}": lambda table: (
        (table["alt"] != DELETION) & (table["cagi5_set"] == "challenge") & (table["confidence"] > CONFIDENT)
    ),
    "deletions": lambda table: table["alt"] == DELETION,
}
SATMUT_COLUMNS = (
    "model", "cell", "element", "experiment", "cell_line", "variants", "metric", "value", "ci_low", "ci_high", "n",
    "blocks", "ceiling", "ceiling_n", "floor", "filled_by", "note",
)  # fmt: skip
CONTROL_COLUMNS = ("model", "cell", "metric", "value", "ci_low", "ci_high", "n", "n_active", "active_above", "ceiling")


@dataclass(frozen=True)
class Resampling:
    """How intervals are made: coverage, number of resamples, seed."""

    confidence: float = 0.95
    resamples: int = 10_000
    seed: int = 0


# --- Saturation mutagenesis


def satmut(scores: str | Path, variants: str | Path, barcodes: int, floor: str, how: Resampling) -> pd.DataFrame:
    """Table of `SATMUT_COLUMNS`: how well the effects in a table of scores agree with the measured effects, for each
    element, and as a mean over the elements of each cell line and over all elements.

    `ceiling` is the agreement of another experiment on the same element (the first in the file) over the variants with
    at least `barcodes` barcodes in both; `floor` is the value of the model `floor`. Variants of one position or one
    motif share their effect and the model's error, so intervals resample blocks of `BLOCK` bp, not variants; they hold
    for these elements, not for others. Raises `InputError` for a table of scores that is not from saturation
    mutagenesis, and for models that did not score the same variants.
    """
    table, cells = _scored(scores)
    ceilings = Ceilings(read_variants(variants), barcodes)
    lines: list[dict[str, Any]] = []
    for cell in cells:
        of_cell = table[table["cell"] == cell]
        for subset, chosen in SUBSETS.items():
            lines += [{"cell": cell, "variants": subset, **line} for line in _agreement(of_cell[chosen(of_cell)], how)]
    found = pd.DataFrame(lines)
    for column in ("ceiling", "ceiling_n"):
        found[column] = [
            ceilings.of(line["experiment"], line["variants"], line["metric"])[column == "ceiling_n"] for line in lines
        ]
    same = ["cell", "element", "cell_line", "variants", "metric"]
    of_floor = found[found["model"] == floor].set_index(same)["value"]
    found["floor"] = of_floor.reindex(pd.MultiIndex.from_frame(found[same])).to_numpy() if len(of_floor) else np.nan
    return found.reindex(columns=list(SATMUT_COLUMNS)).sort_values(
        ["cell", "model"], kind="stable", ignore_index=True
    )  # fmt: skip


def _scored(path: str | Path) -> tuple[pd.DataFrame, list[str]]:
    columns = ("variant", "element", "experiment", "cell_line", "offset", "filled_by", "measured", "confidence",
               "cagi5_set", "model", "delta")  # fmt: skip
    table = read_table(path, columns, "scores of saturation mutagenesis")
    table["alt"] = table["variant"].str.rpartition(":")[2]
    if "cell" not in table:
        table["cell"] = ""
    for column in ("offset", "measured", "confidence", "delta"):
        table[column] = numbers(table, column, path)
    models = table.groupby("cell")["model"].nunique()  # some models predict only the first cell
    times = table.groupby(["cell", "experiment", "variant"])["model"].agg(["size", "nunique"])
    expected = models.reindex(times.index.get_level_values("cell")).to_numpy()
    wrong = (times["size"] != expected) | (times["nunique"] != expected)
    if wrong.any():
        raise InputError(f"{path}: not every model scored {times.index[wrong][0][2]} exactly once; score them again")
    return table, table["cell"].unique().tolist()


def _agreement(table: pd.DataFrame, how: Resampling) -> Iterator[dict[str, Any]]:
    """Lines of all models on some variants: for each element, for the mean over the elements of a cell line, and over
    all."""
    resampled: dict[tuple[str, str], list[tuple[str, float, np.ndarray, int, int, str]]] = {}
    for (element, experiment), own in table.groupby(["element", "experiment"], sort=False):
        by_model = own.pivot(index="variant", columns="model", values="delta")
        first = own.drop_duplicates("variant").set_index("variant").loc[by_model.index]
        measured, predicted = first["measured"].to_numpy(), by_model.to_numpy().T
        blocks = pd.factorize(first["offset"].to_numpy() // BLOCK, sort=True)[0]
        count = int(blocks.max()) + 1
        seed = derived_seed(how.seed, "satmut", experiment)
        draws = stratified_bootstrap("regression", measured, predicted, blocks, how.resamples, (count, seed))
        cell_line, filled_by = first["cell_line"].iloc[0], first["filled_by"].iloc[0]
        for number, model in enumerate(by_model.columns):
            for metric in AGREEMENT:
                value, why = score(metric, measured, predicted[number])
                low, high, reason = _interval(value, draws[metric][number], count, metric, how.confidence)
                yield {
                    "model": model, "element": element, "experiment": experiment, "cell_line": cell_line,
                    "metric": metric, "value": value, "ci_low": low, "ci_high": high, "n": len(measured),
                    "blocks": count, "filled_by": filled_by, "note": why or reason,
                }  # fmt: skip
                of_mean = (str(element), value, draws[metric][number], len(measured), count, cell_line)
                resampled.setdefault((model, metric), []).append(of_mean)
    for (model, metric), elements in resampled.items():
        lines = sorted({element[-1] for element in elements})
        for cell_line in [*(lines if len(lines) > 1 else []), ALL]:
            own_elements = [element for element in elements if cell_line in (ALL, element[-1])]
            if cell_line != ALL and len(own_elements) < 2:
                continue
            names, values, parts, counts, of_blocks, _ = zip(*own_elements, strict=True)
            value = float(np.mean(values))
            low, high, reason = _interval(value, np.mean(parts, axis=0), sum(of_blocks), metric, how.confidence)
            undefined = ", ".join(name for name, one in zip(names, values, strict=True) if not np.isfinite(one))
            yield {
                "model": model, "element": "mean", "experiment": "", "cell_line": cell_line, "metric": metric,
                "value": value, "ci_low": low, "ci_high": high, "n": sum(counts), "blocks": sum(of_blocks),
                "filled_by": "", "note": f"undefined for {undefined}" if undefined else reason,
            }  # fmt: skip


def _interval(value: float, draws: np.ndarray, units: int, metric: str, confidence: float) -> tuple[float, float, str]:
    if not np.isfinite(value):
        return np.nan, np.nan, ""
    nothing = Influence(np.empty(0), np.empty(0, np.int64), units)
    return interval(value, standard_error(draws, nothing, units), metric, units, confidence)


class Ceilings:
    """How well a second experiment on an element agrees with the first."""

    def __init__(self, variants: pd.DataFrame, barcodes: int) -> None:
        table = variants[variants["barcodes"] >= barcodes].set_index(["offset", "alt"])
        self.experiments = {str(name): own for name, own in table.groupby("experiment", sort=False)}
        self.element = {name: own["element"].iloc[0] for name, own in self.experiments.items()}

    def of(self, experiment: str, subset: str, metric: str) -> tuple[float, float]:
        """(agreement, number of variants) for one of the `SUBSETS`; NaN if there is no other experiment."""
        others = [
            name
            for name, element in self.element.items()
            if name != experiment and element == self.element.get(experiment)
        ]
        if not others:
            return np.nan, np.nan
        first, second = self.experiments[experiment], self.experiments[others[0]]
        both = first.assign(again=second["effect"]).dropna(subset="again").reset_index()
        both = both[SUBSETS[subset](both)]
        return score(metric, both["effect"].to_numpy(), both["again"].to_numpy())[0], len(both)


# --- Negative controls


def controls(
    scores: str | Path,
    measured: pd.Series,
    panel: str | Path,
    predictions: Mapping[str, str | Path],
    above: float | None,
    how: Resampling,
) -> pd.DataFrame:
    """Table of `CONTROL_COLUMNS`: whether models recognise negative controls.

    Metrics: `bias`, the mean over controls of prediction minus measurement; `panel_bias`, the same over the rows of a
    panel, to be compared with `bias` because the scales of two libraries differ; `auroc`, with which predictions
    separate active rows of the panel from controls; its `ceiling` is the AUROC of the measurements. A row is active if
    its label is above `above`, by default the 95th percentile of the controls.

    `scores`: table of scores of the controls; `measured`: their activity by name, NaN if it is not known;
    `predictions`: {model: its predictions for the `panel`}. For models of several cells, the first cell counts. Raises
    `InputError` for controls without scores, and if there are no controls or no active rows.
    """
    table = _of_first_cell(read_table(scores, ("id", "model", "prediction"), "scores of controls"))
    table["prediction"] = numbers(table, "prediction", scores)
    measured = measured[measured.notna()]
    if len(measured) < 3:
        raise InputError(f"{len(measured)} controls have a measured activity, expected 3 or more")
    units = read_table(panel, ("row_id", "group"), "panel").set_index("row_id")["group"]
    if above is None:
        above = float(np.quantile(measured, 0.95))
    lines: list[dict[str, Any]] = []
    for model, path in predictions.items():
        of_controls = table[table["model"] == model].set_index("id")["prediction"].reindex(measured.index)
        if of_controls.isna().any():
            name = of_controls.index[of_controls.isna()][0]
            raise InputError(f"{scores}: model {model!r} has no score of {name!r}; score it again")
        rows = _of_first_cell(read_table(path, ("row_id", "label", "prediction"), "predictions"))
        rows = rows[rows["row_id"].isin(units.index)]
        label, prediction = numbers(rows, "label", path), numbers(rows, "prediction", path)
        known = label.notna()
        group, label, prediction = units[rows["row_id"][known]].to_numpy(), label[known], prediction[known]
        active = (label > above).to_numpy()
        if active.sum() < 3:
            raise InputError(
                f"{path}: {active.sum()} labels are above {above:.4g}, expected 3 or more: give a lower --active-above"
            )
        of_line = {
            "model": model, "cell": table["cell"].iloc[0] if "cell" in table else "", "active_above": above,
            "n": len(measured), "n_active": int(active.sum()),
        }  # fmt: skip
        own = np.arange(len(measured))
        biases = (
            ("bias", (of_controls - measured).to_numpy(), own, of_line),
            ("panel_bias", (prediction - label).to_numpy(), group, of_line | {"n": len(label)}),
        )
        for metric, errors, of, line in biases:
            low, high = _mean_interval(errors, of, how.confidence)
            lines.append({**line, "metric": metric, "value": errors.mean(), "ci_low": low, "ci_high": high})
        ends = np.concatenate([np.zeros(len(measured)), np.ones(active.sum())])
        own_of_active = pd.factorize(group[active])[0]
        clusters = np.concatenate([own, len(measured) + own_of_active])
        strata = [(len(measured), derived_seed(how.seed, "controls")), (int(own_of_active.max()) + 1,
                  derived_seed(how.seed, "active"))]  # fmt: skip
        predicted, truth = (_shares(np.concatenate(two)) for two in (
            (of_controls.to_numpy(), prediction[active]), (measured.to_numpy(), label[active])
        ))  # fmt: skip
        value = score("auroc", ends, predicted)[0]
        draws = stratified_bootstrap("classification", ends, predicted, clusters, how.resamples, *strata)["auroc"][0]
        low, high, _ = _interval(value, draws, min(count for count, _ in strata), "auroc", how.confidence)
        ceiling = score("auroc", ends, truth)[0]
        lines.append({**of_line, "metric": "auroc", "value": value, "ci_low": low, "ci_high": high, "ceiling": ceiling})
    return pd.DataFrame(lines).reindex(columns=list(CONTROL_COLUMNS))


def _of_first_cell(table: pd.DataFrame) -> pd.DataFrame:
    return table[table["cell"] == table["cell"].iloc[0]].copy() if "cell" in table and len(table) else table


def _shares(values: np.ndarray) -> np.ndarray:
    """Ranks as numbers between 0 and 1: an AUROC only depends on ranks."""
    return stats.rankdata(values) / (len(values) + 1)


def _mean_interval(values: np.ndarray, units: Sequence[Any] | np.ndarray, confidence: float) -> tuple[float, float]:
    """Interval of a mean of values that are similar within units: the t interval of the sums of units."""
    number = pd.factorize(np.asarray(units))[0]
    count = int(number.max()) + 1
    if count < 2:
        return np.nan, np.nan
    apart = np.bincount(number, values - values.mean())
    error = np.sqrt(count / (count - 1) * (apart**2).sum()) / len(values)
    half = stats.t.ppf((1 + confidence) / 2, count - 1) * error
    return float(values.mean() - half), float(values.mean() + half)
