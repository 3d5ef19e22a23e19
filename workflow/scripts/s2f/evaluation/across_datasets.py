"""Comparison over the datasets of a series: means, and a test in which each protein counts once."""

from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd

from s2f.common.errors import InputError
from s2f.evaluation.estimates import RANDOM_WEIGHTS
from s2f.evaluation.markdown import saw_more, seen
from s2f.evaluation.metrics import LOWER_IS_BETTER
from s2f.evaluation.words import called

ACROSS_COLUMNS = (
    "series", "split", "panel", "metric", "model", "datasets", "proteins", "value", "sd", "delta_vs_baseline",
    "better", "p_value", "of_datasets", "seen", "note",
)  # fmt: skip
# with at least this many proteins, the smallest p value that the test can give is below 0.1
ENOUGH = 5
HEAD = (
    "Each protein counts once: if several datasets of a series are of one protein, their mean is used, and a dataset "
    "without a protein counts by itself. A value is the mean over these (± standard deviation) of the values in "
    "compare.tsv, Δ is the mean difference from the baseline, and `better` is the number of cases in which the model "
    "is better than the baseline. p is from the two-sided Wilcoxon signed-rank test of these differences (exact up "
    "to 50 without ties). It is not corrected for the number of models, and it generalises to other proteins but not "
    "to other trainings on these, because the value of each dataset is taken as given. With n differences it cannot "
    "fall below 2^(1-n): 0.25 for 3, 0.125 for 4, 0.0625 for 5. All datasets weigh the same, whatever their size. "
    "The test assumes that proteins are independent. Datasets that share sequences are not, such as those whose "
    "negatives are peaks of the other proteins: their p is too small. A model that lacks a dataset is not compared."
)


def across(table: pd.DataFrame, series: Mapping[str, dict[str, Any]]) -> pd.DataFrame:
    """Frame of `ACROSS_COLUMNS`: a line per series, split, panel, metric and model.

    `seen` is what the table says that the model has seen, with the names of the datasets if that differs between them.
    `table` comes from `comparison.read_compare`; in `series` {name: {datasets, proteins, splits, baseline}}, `proteins`
    {dataset: protein} says which datasets count as one. A model without a value in one of the datasets is not compared,
    and the note names the dataset. Differences are paired by protein; prevalence has no difference. Raises `InputError`
    for a dataset that the table lacks.
    """
    lines = []
    for name, options in series.items():
        of_series = table[table["dataset"].isin(options["datasets"]) & table["split"].isin(options["splits"])]
        absent = sorted(set(options["datasets"]) - set(of_series["dataset"]))
        if absent:
            raise InputError(f"series {name!r}: dataset {absent[0]!r} has no line in the comparison; compare again")
        for (split, panel, metric), cells in of_series.groupby(["split", "panel", "metric"], sort=False):
            values = cells.pivot(index="model", columns="dataset", values="value").reindex(columns=options["datasets"])
            baseline = values.loc[options["baseline"]] if options["baseline"] in values.index else None
            for model in dict.fromkeys(cells["model"]):
                line = {"series": name, "split": split, "panel": panel, "metric": metric, "model": model}
                line["of_datasets"] = ", ".join(options["datasets"])
                proteins = options["proteins"]
                line |= _line(values.loc[model], baseline, proteins, metric, model == options["baseline"])
                line["seen"] = _seen_in_each(cells[cells["model"] == model])
                provenance = cells.loc[cells["model"] == model, "provenance"].astype(str)
                line["note"] = "; ".join(filter(None, [line["note"], *_marks(provenance)]))
                lines.append(line)
    table = pd.DataFrame(lines).reindex(columns=list(ACROSS_COLUMNS))
    numeric = ("value", "sd", "delta_vs_baseline", "p_value")
    return table.astype(dict.fromkeys(numeric, "float64") | dict.fromkeys(("datasets", "proteins", "better"), "Int64"))


def _seen_in_each(cells: pd.DataFrame) -> str:
    """What one model has seen, from its lines of one metric, one line per dataset."""
    datasets: dict[str, list[str]] = {}
    for dataset, text in zip(cells["dataset"], cells["seen"], strict=True):
        datasets.setdefault(text, []).append(dataset)
    if len(datasets) == 1:
        return next(iter(datasets))
    return " | ".join(f"{', '.join(names)}: {text or 'not stated'}" for text, names in datasets.items())


def _marks(provenance: pd.Series) -> list[str]:
    """What the provenance of a model (D texts) says that a reader of means must know."""
    marks = {"transductive": "transductive", "random weights": RANDOM_WEIGHTS}
    return [mark for mark, pattern in marks.items() if provenance.str.contains(pattern).any()]


def _line(
    values: pd.Series, baseline: pd.Series | None, proteins: Mapping[str, str], metric: str, is_baseline: bool
) -> dict[str, Any]:
    """Columns of one model, from its values by dataset (D,) and the baseline's (None: no baseline is configured)."""
    lacking = list(values.index[values.isna()])
    line: dict[str, Any] = {"datasets": len(values) - len(lacking)}
    line["proteins"] = values.dropna().index.map(proteins).nunique()
    if lacking:
        return line | {"note": f"not compared: no value in {', '.join(lacking)}"}
    of_proteins = values.groupby(proteins, sort=False).mean()
    line |= {"value": of_proteins.mean(), "sd": of_proteins.std(ddof=1)}
    if is_baseline:
        return line | {"note": "baseline"}
    if baseline is None or metric == "prevalence":
        return line | {"note": ""}
    if baseline.isna().any():
        lacking = baseline.index[baseline.isna()]
        return line | {"note": f"no difference: the baseline has no value in {', '.join(lacking)}"}
    differences = (values - baseline).groupby(proteins, sort=False).mean().to_numpy()
    sign = -1 if metric.startswith(LOWER_IS_BETTER) else 1
    line |= {"delta_vs_baseline": differences.mean(), "better": int((sign * differences > 0).sum())}
    p, note = signed_rank(differences, "proteins" if of_proteins.index.difference(values.index).size else "datasets")
    return line | {"p_value": p, "note": note}


def signed_rank(differences: np.ndarray, of: str = "datasets") -> tuple[float, str]:
    """Two-sided p value of the Wilcoxon signed-rank test of (D,) paired differences, and a note on what it can show.

    `of` is the word for what is paired.

    Differences of zero are dropped, as Wilcoxon did. The null distribution is exact, over all 2^n signs of the n
    remaining differences, up to n = 50 without ties and n = 13 with ties (scipy); above that it is approximated.
    """
    differences = np.asarray(differences, np.float64)
    others = differences[np.abs(differences) > 1e-12]
    count = len(others)
    zeros = f"{len(differences) - count} differences of zero dropped" if count < len(differences) else ""
    if count == 0:
        return np.nan, f"no test: no difference in any of {len(differences)} {of}"
    from scipy.stats import wilcoxon  # takes a second to load: only if there are pairs

    p = float(wilcoxon(others, alternative="two-sided", method="auto").pvalue)
    few = f"{count} {of}: p is at least {2 ** (1 - count):g}" if count < ENOUGH else ""
    return p, "; ".join(filter(None, [zeros, few]))


def markdown(table: pd.DataFrame, study: Mapping[str, Any]) -> str:
    """Text of across.md: one table per series, split and panel, models from best to worst by the first metric."""
    parts = [f"# Comparison over datasets: {study['study']}", HEAD]
    for (name, split, panel), of_panel in table.groupby(["series", "split", "panel"], sort=False):
        options = study["series"][name]
        parts.append(f"## {name}, split {split}, panel {panel}")
        if options["simulated"]:
            parts.append("**Some of the datasets are simulated: these numbers say nothing about biology.**")
        parts.append(
            f"{_counted(options)}: {of_panel['of_datasets'].iloc[0]}. Baseline: {options['baseline'] or 'none'}."
        )
        metrics = [metric for metric in dict.fromkeys(of_panel["metric"]) if metric != "prevalence"]
        first = of_panel[of_panel["metric"] == metrics[0]].set_index("model")
        values = of_panel.pivot(index="model", columns="metric", values="value")
        order = first["value"].sort_values(ascending=False, kind="stable", na_position="last").index
        header = ["model", "datasets", "proteins", *map(called, metrics), f"Δ {called(metrics[0])}", "better", "p"]
        lines = [header, ["---", *["---:"] * (len(header) - 1)]]
        for model in order:
            line = first.loc[model]
            spread = f" ± {line['sd']:.4f}" if np.isfinite(line["sd"]) else ""
            cells = [
                _number(values.loc[model, metric]) + (spread if metric == metrics[0] else "") for metric in metrics
            ]
            tested = [_number(line["delta_vs_baseline"], "+.4f"), _number(line["better"], "d")]
            mark = " (baseline)" if model == options["baseline"] else ""
            mark += " ‡" if saw_more(line["seen"]) else ""
            tested.append(_number(line["p_value"], ".3g"))
            counts = [str(line["datasets"]), str(line["proteins"])]
            lines.append([f"`{model}`{mark}", *counts, *cells, *tested])
        parts.append("\n".join("| " + " | ".join(line) + " |" for line in lines))
        notes = first["note"][(first["note"] != "") & (first["note"] != "baseline")]
        items = [
            f"- {', '.join(f'`{model}`' for model in models)}: {note}"
            for note, models in notes.groupby(notes).groups.items()
        ]
        parts += ["\n".join(items)] if items else []
        parts += seen(first.loc[order])
    return "\n\n".join(parts) + "\n"


def _counted(options: Mapping[str, Any]) -> str:
    """How many datasets a series has, and for how many proteins."""
    datasets, proteins = len(options["datasets"]), options["proteins"]
    if set(proteins) == set(proteins.values()):
        return f"n = {datasets} datasets"
    text = f"n = {len(set(proteins.values()))} proteins in {datasets} datasets"
    twice = [
        f"{protein} ({', '.join(dataset for dataset in proteins if proteins[dataset] == protein)})"
        for protein in dict.fromkeys(proteins.values())
        if list(proteins.values()).count(protein) > 1
    ]
    return text + (f", counted once: {'; '.join(twice)}" if twice else "")


def _number(value: float, form: str = ".4f") -> str:
    return "–" if pd.isna(value) else format(int(value) if form == "d" else value, form)
