"""The comparison for people: compare.md, written only from the table compare.tsv."""

import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np

from s2f.common.seen import TRAIN_ROWS
from s2f.evaluation.estimates import RANDOM_WEIGHTS
from s2f.evaluation.in_short import in_short
from s2f.evaluation.inference import ENOUGH, NETWORKS
from s2f.evaluation.measured_runs import ComparedDataset, Comparison, MeasuredRun
from s2f.evaluation.metrics import METRICS
from s2f.evaluation.words import called, in_brackets, rounded, word

WORDS_OF_SUFFIX = {"": "", "_abs": "values of the alternate alleles", "_delta": "effects, alternate minus reference"}
PLAIN = ("precision", "recall")  # metrics that follow from others, shown without intervals
NO_REPLICATES = (
    f"† Holds only for the trained networks, without a p value: fewer than {ENOUGH} seeds of the model or of the "
    "baseline, or one draw of something random for all of them (see column `note` in compare.tsv)."
)
FROM_START = (
    "**Δ from its start** is the difference between a fine-tuned model and the model from which it started, compared "
    "seed by seed; **p (start)** belongs to this difference and is not corrected for the number of such models."
)
VALUES = (
    "Models are listed from best to worst by the first metric on the test rows. Higher is better, except for the mean "
    "squared error. Metrics are computed over the whole panel, not averaged over parts of it."
)
SEEDS = "**Values** are means over seeds (trainings of one model), ± is the standard deviation over seeds."
BRACKETS = (
    "**Brackets** are {share} intervals: where a value or difference may lie with other sequences and, unless the "
    "model is marked †, with other trainings. They come from {resamples:,} bootstrap resamples of the panel's units "
    "(rows of one locus or with homologous inserts are drawn together) and from the spread over seeds."
)
DELTA = "**Δ** is the difference from the baseline."
P = (
    "**p** belongs to Δ of the first metric. **p (Holm)** is corrected for the number of models that the table "
    "compares with the baseline (in a dataset with cells, for each cell separately). The p values of other metrics, in "
    "compare.tsv, are not corrected."
)
VALIDATION = (
    "**Validation** is the score by which training chose its best epoch or setting. A **name in bold** is the model "
    "with the best validation score, whatever its score on the test rows; a **validation score in bold** is the best "
    "of an encoder with several models."
)
NO_VALIDATION = "Published weights that may have seen the validation rows have no validation score."
COLLAPSED = (
    "A run is **collapsed** if its predictions hardly vary and rank nothing, or if it is at chance while another "
    "seed of its model is far above; a mean over seeds that include such a run is not shown."
)
FLOOR = "A **floor** is a trivial baseline, which every model should beat."
MORE = (
    "More is in the folder docs of the workflow: how intervals and p values are computed in docs/statistics.md, "
    "columns and metrics of compare.tsv in docs/results.md, and terms in docs/glossary.md."
)
PREDICTED_FROM = {"mean": "predictions are means over both strands", "forward": "predictions for the given strand"}
PROMISED = 0.9  # confidence of the intervals that the text mentions
SURE = (
    "Each prediction comes with an interval, calibrated on the validation rows, that should contain the measured value "
    "for 90 % of rows like these (split conformal; for effects, on the pairs among the validation rows). **Coverage** "
    "is the share of rows here for which it does, from the lowest to the highest model. A model is compatible with 90 "
    "% unless the whole {share} interval of its coverage lies below, so that coverage **breaks** (these rows are not "
    "like the validation rows, and predictions are further off than their intervals say), or above, so that its "
    "intervals are wider than promised. Other levels, widths and CRPS are in calibration.tsv."
)
SURE_OF_CLASSES = (
    "Probabilities are right on average if the expected calibration error (**ECE**, in 15 bins of equal mass) is no "
    "larger than it would be by chance. The **temperature**, chosen by the log loss of the validation rows, divides "
    "the log-odds; if it is above 1, the model was overconfident. It does not change rankings and is not applied to "
    "the predictions in files. Brier scores and log losses are in calibration.tsv."
)
CURVE = (
    "Models trained on parts of the training rows, with {share} intervals in brackets. For each seed the rows of a "
    "part are drawn by units, and a smaller part is contained in a larger one; validation and test rows are the same "
    "at every point. Other metrics are in learning_curve.tsv."
)
SIMULATED = "**Simulated data: these numbers test the workflow and say nothing about biology.**"
FOLDS = (
    "Values are means over {} folds, each with its own models, of the mean over seeds; ± is the standard deviation "
    "over seeds of the mean over folds. Intervals are for the mean over folds; units are drawn and seeds compared "
    "within each fold. The individual folds are in compare.tsv. Provenance below is from the first fold."
)
CELLS = (
    "Each cell has its own tables, for the rows measured in it. A cell named A-mean is the difference between A and "
    "the mean of the other cells, A-max the difference between A and the largest of them, and A-B the difference "
    "between two cells, taken for labels and predictions alike in rows measured in all of these cells: it shows how "
    "well a model predicts what is specific to A."
)


def markdown(
    table: Any,
    units: Mapping[tuple[str, str, str, str], int],
    comparison: Comparison,
    dropped: Mapping[tuple[str, str, str], str] | None = None,
    calibration: Any = None,
    curve: Any = None,
) -> str:
    """Text of compare.md from the table and numbers of units that `compare` returns, and the `Comparison` they come
    from.

    One section per dataset and split, with one table per panel and cell (two for pairs: values and effects). Models are
    listed from best to worst by the first metric, baseline and floors marked. Bold marks what the validation rows
    chose, never the best on the test rows. The folds of a k-fold split share one section, for their mean. `dropped` has
    the lines of `left_out`, `calibration` the lines of calibration.tsv (`calibrated.calibration`), `curve` those of
    learning_curve.tsv.
    """
    dropped = dropped or {}
    method = _method(table, comparison)
    parts = [f"# Comparison: {comparison.study}", comparison.description, method, _budgets(comparison)]
    parts = [part for part in parts if part]
    for (dataset, split), of_split in table.groupby(["dataset", "split"], sort=False):
        compared = comparison.datasets[dataset].in_split(split)
        if split in [fold for folds in compared.folds.values() for fold in folds]:
            continue
        folds = compared.folds.get(split, [split])
        parts.append(f"## {dataset}, split {split}")
        parts.append(SIMULATED if compared.simulated else _measured(compared.negatives))
        parts += [FOLDS.format(len(folds))] if split in compared.folds else []
        of_section = {"Rows": (dataset, "", ""), f"Split {folds[0]}": (dataset, folds[0], "")}
        of_section |= {f"Panel {panel}": (dataset, folds[0], panel) for panel in compared.panels[folds[0]]}
        counted = [f"- {what}: {dropped[place]}" for what, place in of_section.items() if place in dropped]
        parts += ["\n".join(counted)] if counted else []
        parts += [CELLS] if (of_split["cell"] != "").any() else []
        for (panel, cell), lines in of_split.groupby(["panel", "cell"], sort=False):
            lines = lines.assign(suffix=lines["metric"].str.extract("(_abs|_delta)$")[0].fillna(""))
            for suffix, lines_of_suffix in lines.groupby("suffix", sort=False):
                parts += _panel(
                    _place(panel, cell), suffix, lines_of_suffix, units[dataset, split, panel, cell], compared
                )
        if calibration is not None:
            of_place = calibration[(calibration["dataset"] == dataset) & (calibration["split"] == split)]
            parts += ["### How sure the models are", *_sure(of_place, compared.task, _share(comparison))]
        if curve is not None:
            parts += _curve(curve[(curve["dataset"] == dataset) & (curve["split"] == split)], _share(comparison))
        runs = [run for run in comparison.runs if run.dataset == dataset and run.split in (folds[0], split)]
        parts += ["### Models", *_models(runs, of_split.drop_duplicates("model").set_index("model"), compared)]
    return "\n\n".join(parts) + "\n"


def _measured(negatives: str) -> str:
    if not negatives:
        return "Measured data."
    made = ", made from the positives, so their GC content is equal by construction" if "shuffle" in negatives else ""
    return f"Measured positives; negatives of kind {negatives}{made}."


def _method(table: Any, comparison: Comparison) -> str:
    """How to read the tables: a sentence about each thing that they show, and no other."""
    constants = {(name, model) for name, of in comparison.datasets.items() for model in of.constants}
    floors = {(name, model) for name, of in comparison.datasets.items() for model in of.floors}
    models = set(zip(table["dataset"], table["model"], strict=True))
    validated = bool(table["val_value"].notna().any())
    scored = table[table["val_value"].notna() | (table["collapsed"] != "")]  # in some cell
    published = models - set(zip(scored["dataset"], scored["model"], strict=True)) - constants
    items = {
        VALUES: True,
        SEEDS: bool(table["sd"].notna().any()),
        BRACKETS.format(share=_share(comparison), resamples=comparison.resamples): bool(table["ci_low"].notna().any()),
        f"{DELTA} {P}" if table["p_holm"].notna().any() else DELTA: bool(table["delta_vs_baseline"].notna().any()),
        f"{VALIDATION} {NO_VALIDATION}" if published else VALIDATION: validated,
        COLLAPSED: bool((table["collapsed"] != "").any()),
        FLOOR: bool(models & floors),
        MORE: True,
    }
    return "\n".join(["How to read the tables:", "", *(f"- {item}" for item, shown in items.items() if shown)])


def _share(comparison: Comparison) -> str:
    return f"{100 * comparison.confidence:g} %"


def _budgets(comparison: Comparison) -> str:
    """How many settings each model tried; empty if the study does not search."""
    if not any(run.search for run in comparison.runs):
        return ""
    models: dict[int, list[str]] = {}
    for run in comparison.runs:
        of_number = models.setdefault(run.search.get("trials", 1), [])
        if run.model not in of_number:
            of_number.append(run.model)
    names = {number: ", ".join(f"`{name}`" for name in of_number) for number, of_number in sorted(models.items())}
    fixed = names.pop(0, "")
    said = [f"{fixed} had no settings to choose."] if fixed else []
    if len(names) == 1:
        number = next(iter(names))
        said.insert(
            0, f"Every model had {number} settings to try, of which the validation rows chose one for each seed."
        )
    elif names:
        unequal = "; ".join(f"{number} for {own}" for number, own in names.items())
        said.insert(0, f"**Unequal budgets**: the number of settings tried is {unequal}.")
    return " ".join([*said, "The seconds spent are in compare.tsv (mean over seeds)."])


def _panel(panel: str, suffix: str, lines: Any, units: int, compared: ComparedDataset) -> list[str]:
    """Heading, table and footnotes of one panel; of a panel of pairs, for one suffix of its metrics."""
    scored = lines[lines["n"].notna()]
    title = f"### Panel {panel}" + (f": {WORDS_OF_SUFFIX[suffix]}" if suffix else "")
    if scored.empty:
        return [title, *_missing(lines)]
    n = int(scored["n"].iloc[0])
    facts = [
        f"n = {n:,} {'pairs' if suffix else 'rows'} in {units:,} units",
        PREDICTED_FROM[scored["strand_rule"].iloc[0]],
        f"fingerprint of the rows {scored['rows_sha256'].iloc[0][:12]}",
    ]
    prevalence = scored.loc[scored["metric"] == "prevalence", "value"]
    if len(prevalence):
        facts.insert(1, f"prevalence {rounded(prevalence.iloc[0])} (the AUPRC of a random guess)")
    metrics = [metric for metric in dict.fromkeys(lines["metric"]) if metric != "prevalence"]
    cells = {metric: lines[lines["metric"] == metric].set_index("model") for metric in metrics}
    first = cells[metrics[0]]
    order = first["value"].sort_values(ascending=False, kind="stable", na_position="last").index
    best, best_of_encoder = chosen(first)
    with_validation = bool(first["val_value"].notna().any())
    with_difference = bool(compared.baseline) and lines["delta_vs_baseline"].notna().any()
    with_holm = with_difference and bool(first["p_holm"].notna().any())
    header = ["model", "seeds", *([f"validation {word(METRICS[compared.task][0])}"] if with_validation else [])]
    header += [word(metric) for metric in metrics]
    with_p = with_difference and bool(first["p_value"].notna().any())
    header += [f"Δ {word(metrics[0])}", *(["p"] if with_p else [])] if with_difference else []
    header += ["p (Holm)"] if with_holm else []
    with_start = bool(first["delta_vs_start"].notna().any())
    header += ["Δ from its start", "p (start)"] if with_start else []
    body = []
    for model in order:
        line = first.loc[model]
        name = _name(model, line, compared)
        row = [f"**{name}**" if model == best else name]
        row.append(str(line["seeds"]))
        row += [_score(line, bold=model in best_of_encoder)] if with_validation else []
        row += [_cell(cells[metric].loc[model], plain=metric in PLAIN) for metric in metrics]
        row += _difference(line, "delta_vs_baseline", "delta", "p_value")[: 1 + with_p] if with_difference else []
        row += [_p(line["p_holm"])] if with_holm else []
        row += _difference(line, "delta_vs_start", "start", "start_p_value") if with_start else []
        body.append(row)
    networks = [NO_REPLICATES] if (first["inference"] == NETWORKS).any() else []
    networks += [FROM_START] if with_start else []
    short = in_short(first.loc[order], cells, compared)
    footnotes = [*networks, *_missing(lines), *seen(first.loc[order])]
    return [title, "; ".join(facts) + ".", *short, _table(header, body), *footnotes]


def _sure(lines: Any, task: str, share: str) -> list[str]:
    """How well calibration holds on each panel, for the models of one dataset and split, from lines of
    calibration.tsv."""
    if task == "classification":
        return _sure_of_classes(lines)
    body, unknown = [], []
    at_level = lines[lines["metric"].str.startswith("coverage") & (lines["level"] == PROMISED)]
    for (panel, cell, metric), own in at_level.groupby(["panel", "cell", "metric"], sort=False):
        suffix = metric.removeprefix("coverage")
        name = _place(panel, cell) + (f": {WORDS_OF_SUFFIX[suffix]}" if suffix else "")
        known = own[own["ci_low"].notna()]
        if known.empty:
            reasons = [re.sub(r"^seed \d+: ", "", part) for note in own["note"] for part in note.split("; ")]
            unknown.append(f"- {name}: {'; '.join(dict.fromkeys(part for part in reasons if part != 'baseline'))}")
            continue
        below, above = known[known["ci_high"] < PROMISED], known[known["ci_low"] > PROMISED]
        breaks = [
            f"`{line.model}` ({rounded(line.value, 2)}{in_brackets(line.ci_low, line.ci_high, digits=2)})"
            for line in below.itertuples()
        ]
        span = " to ".join(dict.fromkeys(rounded(end, 2) for end in (known["value"].min(), known["value"].max())))
        kept = len(known) - len(below) - len(above)
        body.append([name, f"{kept} of {len(known)}", str(len(above)), span, ", ".join(breaks) or "none"])
    header = ["panel", "models compatible with 90 %", "wider than promised", "coverage", "breaks"]
    found = [_table(header, body)] if body else []
    found += ["\n".join(["Not known:", "", *unknown])] if unknown else []
    return [SURE.format(share=share), *found]


def _sure_of_classes(lines: Any) -> list[str]:
    body = []
    for (panel, cell), own in lines.groupby(["panel", "cell"], sort=False):
        of_metric = {metric: of["value"] for metric, of in own.groupby("metric")}
        low, high = of_metric["temperature"].min(), of_metric["temperature"].max()
        spread = f"{low:.2f} to {high:.2f}" if np.isfinite(low) else "–"
        errors = [_median(of_metric[f"ece{suffix}"]) for suffix in ("", "_scaled", "_chance")]
        body.append([_place(panel, cell), str(of_metric["ece"].notna().sum()), spread, *errors])
    header = ["panel", "models", "temperature", "median ECE", "with temperature", "by chance"]
    return [SURE_OF_CLASSES, _table(header, body)]


def _curve(lines: Any, share: str) -> list[str]:
    """The gain from more training rows: the first metric of each panel at each number of rows, for one dataset and
    split."""
    if lines.empty:
        return []
    parts = ["### What more training rows buy", CURVE.format(share=share)]
    for (panel, cell), own in lines.groupby(["panel", "cell"], sort=False):
        metric = own["metric"].iloc[0]
        own = own[own["metric"] == metric]
        sizes = own.groupby("fraction")["train_rows"].median()
        header = ["model", *(f"{100 * part:g} % ({size:,.0f} rows)" for part, size in sizes.items())]
        body = []
        for model, of_model in own.groupby("model", sort=False):
            at = of_model.set_index("fraction")
            body.append([f"`{model}`", *(_point(at.loc[part]) for part in sizes.index)])
        parts += [f"{_place(panel, cell)}, {called(metric)}:", _table(header, body)]
    parts += [NO_REPLICATES] if (lines["inference"] == NETWORKS).any() else []
    return parts


def _point(line: Any) -> str:
    """The value of a model at a number of training rows."""
    if not np.isfinite(line["value"]):
        return "–"
    networks = " †" if line["inference"] == NETWORKS else ""
    return rounded(line["value"], 3) + in_brackets(line["ci_low"], line["ci_high"], digits=3) + networks


def _place(panel: str, cell: str) -> str:
    return f"{panel}, cell {cell}" if cell else panel


def _median(values: Any) -> str:
    return rounded(values.median()) if values.notna().any() else "–"


def chosen(lines: Any) -> tuple[str, tuple[str, ...]]:
    """What validation chooses among the models of one metric (lines of the table, by model): the best of all ("": there
    is no rival), and the best of each encoder with several. A model without a value on the panel, such as one with
    collapsed runs, is not chosen."""
    scores = lines.loc[lines["value"].notna() & lines["val_value"].notna(), ["encoder", "val_value"]]
    of_encoder = [own["val_value"].idxmax() for name, own in scores.groupby("encoder") if name and len(own) > 1]
    return scores["val_value"].idxmax() if len(scores) > 1 else "", tuple(of_encoder)


def _name(model: str, about: Any, compared: ComparedDataset) -> str:
    """A model with what a reader of its line must know; `about` has the columns of its line."""
    marks = ["baseline"] if model == compared.baseline else []
    marks += ["floor"] if model in compared.floors else []
    marks += ["random weights"] if RANDOM_WEIGHTS.search(about["provenance"]) else []
    marks += ["not trained to the end"] if "limit" in about["ended"] else []
    marks += [f"collapsed seeds: {about['collapsed']}"] if about["collapsed"] else []
    signs = ("†" if about["inference"] == NETWORKS else "") + ("‡" if saw_more(about["seen"]) else "")
    return f"`{model}`" + (f" ({', '.join(marks)})" if marks else "") + (f" {signs}" if signs else "")


def _score(line: Any, bold: bool) -> str:
    """The validation score; none for a model with a collapsed run."""
    if not np.isfinite(line["val_value"]):
        return "–"
    return f"**{rounded(line['val_value'])}**" if bold else rounded(line["val_value"])


def _cell(line: Any, plain: bool) -> str:
    if not np.isfinite(line["value"]):
        return "–"
    if plain:
        return rounded(line["value"])
    spread = f" ± {rounded(line['sd'])}" if np.isfinite(line["sd"]) else ""
    return rounded(line["value"]) + spread + in_brackets(line["ci_low"], line["ci_high"])


def _difference(line: Any, delta: str, interval: str, p: str) -> list[str]:
    """Table cells of the difference in column `delta`, with its interval and its p value."""
    if not np.isfinite(line[delta]):
        return ["–", "–"]
    low, high = line[f"{interval}_ci_low"], line[f"{interval}_ci_high"]
    return [f"{line[delta]:+.4f}" + in_brackets(low, high, "+"), _p(line[p])]


def _p(value: float) -> str:
    return f"{value:.3g}" if np.isfinite(value) else "–"


def _table(header: list[str], body: Iterable[list[str]]) -> str:
    align = ["---", *["---:"] * (len(header) - 1)]
    return "\n".join("| " + " | ".join(row) + " |" for row in [header, align, *body])


def _missing(lines: Any) -> list[str]:
    """Why values or their intervals are missing: one item per reason, with the metrics that it applies to."""
    absent = lines[lines["ci_low"].isna()]
    if absent.empty:
        return []
    metrics: dict[tuple[str, str], list[str]] = {}
    for metric, model, note in zip(absent["metric"], absent["model"], absent["note"], strict=True):
        metrics.setdefault((model, note), []).append(metric)
    models: dict[tuple[str, str], list[str]] = {}
    every = len(set(lines["metric"]) - {"prevalence"})
    for (model, note), own in metrics.items():
        of_metrics = "" if len(own) == every else f", {', '.join(map(word, own))}"
        models.setdefault((of_metrics, note), []).append(f"`{model}`")
    all_models = lines["model"].nunique()
    items = [
        f"- {'all models' if 1 < all_models == len(own) else ', '.join(own)}{of_metrics}: {note}"
        for (of_metrics, note), own in models.items()
    ]
    return ["Without a value or without an interval:", "\n".join(items)]


def seen(lines: Any) -> list[str]:
    """What models with pretrained weights had seen, and whether that included rows of the panel; `lines` by model."""
    models_of: dict[str, list[str]] = {}
    for model, text in zip(lines.index, lines["seen"], strict=True):
        models_of.setdefault(text, []).append(f"`{model}`")
    models_of = {text: models for text, models in models_of.items() if saw_more(text)}
    if not models_of:
        return []
    items = [f"- {', '.join(models)}: {text}" for text, models in models_of.items()]
    return ["‡ Has seen more than the training rows:", "\n".join(items)]


def saw_more(text: str) -> bool:
    """Whether a text of the column `seen` names more than the training rows."""
    return text not in ("", TRAIN_ROWS)


def _models(runs: Sequence[MeasuredRun], about: Any, compared: ComparedDataset) -> list[str]:
    """What each model is, where its weights come from, and which models were not trained to the end; `about` has a line
    of the table for each model."""
    models: dict[str, list[MeasuredRun]] = {}
    for run in runs:
        models.setdefault(run.model, []).append(run)
    body = []
    for name, of_model in models.items():
        notes = "; ".join(dict.fromkeys(run.note for run in of_model if run.note))
        cells = [of_model[0].encoder, of_model[0].augmentation, of_model[0].head, of_model[0].provenance, notes]
        seeds = ", ".join(str(run.seed) for run in of_model)
        body.append([f"`{name}`", seeds, *(cell or "–" for cell in cells)])
    header = ["model", "seeds", "encoder", "augmentation", "head", "provenance", "note"]
    kept = [i for i, column in enumerate(header) if column in ("model", "seeds") or any(row[i] != "–" for row in body)]
    table = _table([header[i] for i in kept], [[row[i] for i in kept] for row in body]).replace("---:", "---")
    limited = [f"`{name}` ({text})" for name, text in about["ended"].items() if "limit" in text]
    if not limited:
        return [table]
    return [
        table,
        "Not trained to the end: these models ran out of epochs before their patience did, so more epochs might "
        "improve them: " + ", ".join(limited).replace("limit: ", "") + ".",
    ]
