"""The comparison for people: compare.md, written from the table compare.tsv alone."""

import numpy as np

from s2f.evaluation.estimates import RANDOM_WEIGHTS
from s2f.evaluation.metrics import LOWER_IS_BETTER

VIEWS = {"": "", "_abs": "values of the alternate alleles", "_delta": "effects, alternate minus reference"}
PLAIN = ("precision", "recall")  # of metrics that others imply, no interval is shown and none is best
SIMULATED = "**Simulated data: these numbers test the workflow and say nothing about biology.**"
FOLDS = (
    "Values are means over {} folds, each with models of its own, of the mean over seeds; ± is the standard deviation "
    "over folds; intervals are those of the mean over folds, clusters being drawn within each fold. The single folds "
    "are in compare.tsv. Provenance below is that of the first fold."
)


def markdown(table, clusters, comparison):
    """Text of compare.md from `compare`'s table and cluster counts and the `Comparison` they come from.

    One section per dataset and split, in it one table per panel (two for pairs: values and effects), models from best
    to worst by the first metric, the best of each metric in bold, baseline and floors marked. The folds of a k-fold
    split have one section, that of their mean.
    """
    parts = [f"# Comparison: {comparison.study}", comparison.description, _method(comparison)]
    parts = [part for part in parts if part]
    for (dataset, split), own in table.groupby(["dataset", "split"], sort=False):
        spec = comparison.datasets[dataset]
        if split in [fold for folds in spec.folds.values() for fold in folds]:
            continue
        folds = spec.folds.get(split, [split])
        parts.append(f"## {dataset}, split {split}")
        parts.append(SIMULATED if spec.simulated else _measured(spec.negatives))
        parts += [FOLDS.format(len(folds))] if split in spec.folds else []
        for panel, lines in own.groupby("panel", sort=False):
            lines = lines.assign(view=lines["metric"].str.extract("(_abs|_delta)$")[0].fillna(""))
            for view, lines_of_view in lines.groupby("view", sort=False):
                parts += _panel(panel, view, lines_of_view, clusters[dataset, split, panel], spec)
        runs = [run for run in comparison.runs if (run.dataset, run.split) == (dataset, folds[0])]
        parts += ["### Models", _models(runs, spec)]
    return "\n\n".join(parts) + "\n"


def _measured(negatives):
    if not negatives:
        return "Measured data."
    made = ", made from the positives: GC content is equal by construction" if "shuffle" in negatives else ""
    return f"Measured positives; negatives of kind {negatives}{made}."


def _method(comparison):
    share = f"{100 * comparison.confidence:g} %"
    return (
        f"A value is the mean over seeds of a metric computed once over the whole panel; ± is the standard deviation "
        f"over seeds. Brackets are {share} percentile intervals of that mean over {comparison.resamples:,} bootstrap "
        f"resamples of the panel's clusters (rows that must stay together are drawn together); they hold for new "
        f"sequences, not for new trainings. Δ is the difference from the baseline within the same resamples, "
        f"p = min(1, 2 (1 + min(#Δ ≤ 0, #Δ ≥ 0)) / (resamples + 1)), not corrected for the number of models. "
        f"Bold is the best of a column. All numbers were computed by this study."
    )


def _panel(panel, view, lines, clusters, spec):
    """Heading, table and footnotes of one view of one panel."""
    scored = lines[lines["n"].notna()]
    title = f"### Panel {panel}" + (f": {VIEWS[view]}" if view else "")
    if scored.empty:
        return [title, *_missing(lines)]
    n = int(scored["n"].iloc[0])
    facts = [
        f"n = {n:,} {'pairs' if view else 'rows'} in {clusters:,} clusters",
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
    compared = bool(spec.baseline) and lines["delta_vs_baseline"].notna().any()
    header = ["model", "seeds", *(metric.removesuffix(view) for metric in metrics)]
    header += [f"Δ {metrics[0].removesuffix(view)}", "p"] if compared else []
    body = []
    for model in order:
        row = [_name(model, first.loc[model, "provenance"], spec), str(first.loc[model, "seeds"])]
        row += [
            _cell(cells[metric].loc[model], bold=model in best[metric], plain=metric in PLAIN) for metric in metrics
        ]
        row += _difference(first.loc[model]) if compared else []
        body.append(row)
    return [title, "; ".join(facts) + ".", _table(header, body), *_missing(lines)]


def _best(metric, values):
    """Models with the best defined value; one alone is not the best of anything."""
    values = values.dropna()
    if len(values) < 2:
        return ()
    best = values.min() if metric.startswith(LOWER_IS_BETTER) else values.max()
    return tuple(values.index[values == best])


def _name(model, provenance, spec):
    marks = ["baseline"] if model == spec.baseline else []
    marks += ["floor"] if model in spec.floors else []
    marks += ["random weights"] if RANDOM_WEIGHTS.search(provenance) else []
    return f"`{model}`" + (f" ({', '.join(marks)})" if marks else "")


def _cell(line, bold, plain):
    if not np.isfinite(line["value"]) or plain:
        return _number(line["value"]) if np.isfinite(line["value"]) else "–"
    value = f"**{_number(line['value'])}**" if bold else _number(line["value"])
    value += f" ± {_number(line['sd'])}" if np.isfinite(line["sd"]) else ""
    return value + _interval(line["ci_low"], line["ci_high"])


def _difference(line):
    if not np.isfinite(line["delta_vs_baseline"]):
        return ["–", "–"]
    difference = f"{line['delta_vs_baseline']:+.4f}" + _interval(line["delta_ci_low"], line["delta_ci_high"], "+")
    return [difference, f"{line['p_value']:.3g}" if np.isfinite(line["p_value"]) else "–"]


def _interval(low, high, sign=""):
    return f" [{low:{sign}.4f}, {high:{sign}.4f}]" if np.isfinite(low) else ""


def _number(value):
    return f"{value:.4f}"


def _table(header, body):
    align = ["---", *["---:"] * (len(header) - 1)]
    return "\n".join("| " + " | ".join(row) + " |" for row in [header, align, *body])


def _missing(lines):
    """Why a value or its interval is missing: one item per model and reason."""
    absent = lines[lines["ci_low"].isna()]
    if absent.empty:
        return []
    items = {}
    for metric, model, note in zip(absent["metric"], absent["model"], absent["note"], strict=True):
        items.setdefault((model, note), []).append(metric)
    return [
        "Without a value or without an interval:",
        "\n".join(f"- `{model}`, {', '.join(metrics)}: {note}" for (model, note), metrics in items.items()),
    ]


def _models(runs, spec):
    """What each model is and where its weights come from."""
    models = {}
    for run in runs:
        models.setdefault(run.model, []).append(run)
    body = []
    for name, own in models.items():
        notes = "; ".join(dict.fromkeys(run.note for run in own if run.note))
        cells = [own[0].encoder, own[0].augmentation, own[0].head, own[0].provenance, notes]
        seeds = ", ".join(str(run.seed) for run in own)
        body.append([_name(name, own[0].provenance, spec), seeds, *(cell or "–" for cell in cells)])
    header = ["model", "seeds", "encoder", "augmentation", "head", "provenance", "note"]
    return _table(header, body).replace("---:", "---")
