"""The comparison for people: compare.md, written from the table compare.tsv alone."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np

from s2f.common.seen import TRAIN_ROWS
from s2f.evaluation.estimates import RANDOM_WEIGHTS
from s2f.evaluation.inference import ENOUGH, EXPLAINED, NETWORKS
from s2f.evaluation.measured_runs import ComparedDataset, Comparison, MeasuredRun
from s2f.evaluation.metrics import LOWER_IS_BETTER

WORDS_OF_SUFFIX = {"": "", "_abs": "values of the alternate alleles", "_delta": "effects, alternate minus reference"}
PLAIN = ("precision", "recall")  # of metrics that others imply, no interval is shown and none is best
SIMULATED = "**Simulated data: these numbers test the workflow and say nothing about biology.**"
FOLDS = (
    "Values are means over {} folds, each with models of its own, of the mean over seeds; ± is the standard deviation "
    "over seeds of the mean over folds; intervals are those of the mean over folds, clusters being drawn and seeds "
    "compared within each fold. The single folds are in compare.tsv. Provenance below is that of the first fold."
)


def markdown(table: Any, clusters: Mapping[tuple[str, str, str], int], comparison: Comparison) -> str:
    """Text of compare.md from `compare`'s table and cluster counts and the `Comparison` they come from.

    One section per dataset and split, in it one table per panel (two for pairs: values and effects), models from best
    to worst by the first metric, the best of each metric in bold, baseline and floors marked. The folds of a k-fold
    split have one section, that of their mean.
    """
    parts = [f"# Comparison: {comparison.study}", comparison.description, _method(comparison), _budgets(comparison)]
    parts = [part for part in parts if part]
    for (dataset, split), of_split in table.groupby(["dataset", "split"], sort=False):
        compared = comparison.datasets[dataset]
        if split in [fold for folds in compared.folds.values() for fold in folds]:
            continue
        folds = compared.folds.get(split, [split])
        parts.append(f"## {dataset}, split {split}")
        parts.append(SIMULATED if compared.simulated else _measured(compared.negatives))
        parts += [FOLDS.format(len(folds))] if split in compared.folds else []
        for panel, lines in of_split.groupby("panel", sort=False):
            lines = lines.assign(suffix=lines["metric"].str.extract("(_abs|_delta)$")[0].fillna(""))
            for suffix, lines_of_suffix in lines.groupby("suffix", sort=False):
                parts += _panel(panel, suffix, lines_of_suffix, clusters[dataset, split, panel], compared)
        runs = [run for run in comparison.runs if (run.dataset, run.split) == (dataset, folds[0])]
        parts += ["### Models", _models(runs, compared)]
    return "\n\n".join(parts) + "\n"


def _measured(negatives: str) -> str:
    if not negatives:
        return "Measured data."
    made = ", made from the positives: GC content is equal by construction" if "shuffle" in negatives else ""
    return f"Measured positives; negatives of kind {negatives}{made}."


def _method(comparison: Comparison) -> str:
    share = f"{100 * comparison.confidence:g} %"
    method = EXPLAINED.format(share=share, resamples=comparison.resamples, enough=ENOUGH)
    return f"{method} Bold is the best of a column. All numbers were computed by this study."


def _budgets(comparison: Comparison) -> str:
    """How many settings each model tried; empty where the study does not search."""
    if not any(run.search for run in comparison.runs):
        return ""
    models: dict[int, list[str]] = {}
    for run in comparison.runs:
        of_number = models.setdefault(run.search.get("trials", 1), [])
        if run.model not in of_number:
            of_number.append(run.model)
    names = {number: ", ".join(f"`{name}`" for name in of_number) for number, of_number in sorted(models.items())}
    fixed = names.pop(0, "")
    said = [f"Nothing to choose in {fixed}."] if fixed else []
    if len(names) == 1:
        number = next(iter(names))
        said.insert(
            0, f"Every model was given {number} settings, of which the validation rows chose one for each seed."
        )
    elif names:
        unequal = "; ".join(f"{number} for {own}" for number, own in names.items())
        said.insert(0, f"**Unequal budgets**: the number of settings tried is {unequal}.")
    return " ".join([*said, "The seconds spent are in compare.tsv, as the mean over seeds."])


def _panel(panel: str, suffix: str, lines: Any, clusters: int, compared: ComparedDataset) -> list[str]:
    """Heading, table and footnotes of one panel, of pairs for one suffix of its metrics."""
    scored = lines[lines["n"].notna()]
    title = f"### Panel {panel}" + (f": {WORDS_OF_SUFFIX[suffix]}" if suffix else "")
    if scored.empty:
        return [title, *_missing(lines)]
    n = int(scored["n"].iloc[0])
    facts = [
        f"n = {n:,} {'pairs' if suffix else 'rows'} in {clusters:,} clusters",
        f"strand rule {scored['strand_rule'].iloc[0]}",
        f"rows {scored['rows_sha256'].iloc[0][:12]}",
    ]
    prevalence = scored.loc[scored["metric"] == "prevalence", "value"]
    if len(prevalence):
        facts.insert(1, f"prevalence {_number(prevalence.iloc[0])} (the AUPRC of a random guess)")
    metrics = [metric for metric in dict.fromkeys(lines["metric"]) if metric != "prevalence"]
    cells = {metric: lines[lines["metric"] == metric].set_index("model") for metric in metrics}
    best = {metric: () if metric in PLAIN else _best(metric, cells[metric]["value"]) for metric in metrics}
    first = cells[metrics[0]]
    order = first["value"].sort_values(ascending=False, kind="stable", na_position="last").index
    with_difference = bool(compared.baseline) and lines["delta_vs_baseline"].notna().any()
    header = ["model", "seeds", *(metric.removesuffix(suffix) for metric in metrics)]
    header += [f"Δ {metrics[0].removesuffix(suffix)}", "p", "p (Holm)"] if with_difference else []
    body = []
    for model in order:
        mark = " †" if first.loc[model, "inference"] == NETWORKS else ""
        row = [_name(model, first.loc[model, "provenance"], compared) + mark, str(first.loc[model, "seeds"])]
        row += [
            _cell(cells[metric].loc[model], bold=model in best[metric], plain=metric in PLAIN) for metric in metrics
        ]
        row += _difference(first.loc[model]) if with_difference else []
        body.append(row)
    return [title, "; ".join(facts) + ".", _table(header, body), *_missing(lines), *_seen(first.loc[order])]


def _best(metric: str, values: Any) -> tuple[str, ...]:
    """Models with the best defined value; one alone is not the best of anything."""
    values = values.dropna()
    if len(values) < 2:
        return ()
    best = values.min() if metric.startswith(LOWER_IS_BETTER) else values.max()
    return tuple(values.index[values == best])


def _name(model: str, provenance: str, compared: ComparedDataset) -> str:
    marks = ["baseline"] if model == compared.baseline else []
    marks += ["floor"] if model in compared.floors else []
    marks += ["random weights"] if RANDOM_WEIGHTS.search(provenance) else []
    return f"`{model}`" + (f" ({', '.join(marks)})" if marks else "")


def _cell(line: Any, bold: bool, plain: bool) -> str:
    if not np.isfinite(line["value"]) or plain:
        return _number(line["value"]) if np.isfinite(line["value"]) else "–"
    value = f"**{_number(line['value'])}**" if bold else _number(line["value"])
    value += f" ± {_number(line['sd'])}" if np.isfinite(line["sd"]) else ""
    return value + _interval(line["ci_low"], line["ci_high"])


def _difference(line: Any) -> list[str]:
    if not np.isfinite(line["delta_vs_baseline"]):
        return ["–", "–", "–"]
    difference = f"{line['delta_vs_baseline']:+.4f}" + _interval(line["delta_ci_low"], line["delta_ci_high"], "+")
    return [difference, *(f"{line[p]:.3g}" if np.isfinite(line[p]) else "–" for p in ("p_value", "p_holm"))]


def _interval(low: float, high: float, sign: str = "") -> str:
    return f" [{low:{sign}.4f}, {high:{sign}.4f}]" if np.isfinite(low) else ""


def _number(value: float) -> str:
    return f"{value:.4f}"


def _table(header: list[str], body: Iterable[list[str]]) -> str:
    align = ["---", *["---:"] * (len(header) - 1)]
    return "\n".join("| " + " | ".join(row) + " |" for row in [header, align, *body])


def _missing(lines: Any) -> list[str]:
    """Why a value or its interval is missing: one item per model and reason."""
    absent = lines[lines["ci_low"].isna()]
    if absent.empty:
        return []
    items: dict[tuple[str, str], list[str]] = {}
    for metric, model, note in zip(absent["metric"], absent["model"], absent["note"], strict=True):
        items.setdefault((model, note), []).append(metric)
    return [
        "Without a value or without an interval:",
        "\n".join(f"- `{model}`, {', '.join(metrics)}: {note}" for (model, note), metrics in items.items()),
    ]


def _seen(lines: Any) -> list[str]:
    """What models that began with trained weights had seen, and whether rows of the panel were among it; `lines` by
    model."""
    models_of: dict[str, list[str]] = {}
    for model, text in zip(lines.index, lines["seen"], strict=True):
        models_of.setdefault(text, []).append(f"`{model}`")
    models_of = {text: models for text, models in models_of.items() if text not in ("", TRAIN_ROWS)}
    if not models_of:
        return []
    items = [f"- {', '.join(models)}: {text}" for text, models in models_of.items()]
    return ["Has seen more than the training rows:", "\n".join(items)]


def _models(runs: Sequence[MeasuredRun], compared: ComparedDataset) -> str:
    """What each model is and where its weights come from."""
    models: dict[str, list[MeasuredRun]] = {}
    for run in runs:
        models.setdefault(run.model, []).append(run)
    body = []
    for name, of_model in models.items():
        notes = "; ".join(dict.fromkeys(run.note for run in of_model if run.note))
        cells = [of_model[0].encoder, of_model[0].augmentation, of_model[0].head, of_model[0].provenance, notes]
        seeds = ", ".join(str(run.seed) for run in of_model)
        body.append([_name(name, of_model[0].provenance, compared), seeds, *(cell or "–" for cell in cells)])
    header = ["model", "seeds", "encoder", "augmentation", "head", "provenance", "note"]
    return _table(header, body).replace("---:", "---")
