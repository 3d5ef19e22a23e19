"""The outcome of a table of the comparison in one line of words."""

from collections.abc import Mapping
from typing import Any

import numpy as np

from s2f.evaluation.inference import ENOUGH, NETWORKS
from s2f.evaluation.measured_runs import ComparedDataset
from s2f.evaluation.words import in_brackets, rounded, word

DIFFERENT = 0.05  # p (Holm) below which the text calls models different
MOST_NAMED = 6  # models in a sentence


def in_short(first: Any, cells: Mapping[str, Any], compared: ComparedDataset) -> list[str]:
    """The outcome of a table in words: which models differ from the baseline (without p values, their order), and which
    are worse than a constant.

    `first` has the lines of the first metric by model, best first, `cells` the lines of every metric.
    """
    said, tested = [], first[first["p_holm"].notna()]
    if len(tested):
        differs = tested["p_holm"] < DIFFERENT
        sure = f"(p (Holm) < {DIFFERENT})"
        groups = (
            (f"better than `{compared.baseline}` {sure}", tested[differs & (tested["delta_vs_baseline"] > 0)]),
            (f"worse than `{compared.baseline}` {sure}", tested[differs & (tested["delta_vs_baseline"] < 0)]),
            (f"not distinguishable from `{compared.baseline}` on these rows", tested[~differs]),
        )
        said += [f"{_some(models, len(tested))} {what}" for what, models in groups if len(models)]
        untested = first[(first["inference"] == NETWORKS) & first["delta_vs_baseline"].notna()]
        said += [f"{_some(untested, len(untested))} not tested (†)"] if len(untested) else []
    else:
        said += _in_order(first, compared.baseline)
    for metric, lines in cells.items():
        constant = [model for model in compared.constants if model in lines.index]
        if metric.startswith("mse") and constant:
            least = lines["value"][constant].min()
            lost = [model for model in first.index if lines["value"][model] >= least and model not in constant]
            if lost:
                among = len(first) - len(constant)
                error = "no better than a constant by mean squared error"
                said.append(f"{_some(first.loc[lost].assign(delta_vs_baseline=np.nan), among)} {error}")
    return [f"**In short**: {'; '.join(said)}."] if said else []


def _in_order(first: Any, baseline: str) -> list[str]:
    """The order of models by the first metric, with their intervals, and why there is no p value."""
    scored = first[first["value"].notna()]
    if len(scored) < 2:
        return []
    named = [
        f"`{line.Index}` {rounded(line.value, 3)}{in_brackets(line.ci_low, line.ci_high, digits=3)}"
        for line in scored.head(MOST_NAMED).itertuples()
    ]
    more = [f"{len(scored) - MOST_NAMED} more"] if len(scored) > MOST_NAMED else []
    notes = first["note"].str
    own = first.loc[[baseline]] if baseline in first.index else first[:0]
    if not baseline:
        why = "p values need a baseline (`comparison: {against: MODEL}`)"
    elif ((own["inference"] == NETWORKS) & (own["seeds"] < ENOUGH)).any() and first["seeds"].max() >= ENOUGH:
        why = f"p values need {ENOUGH} seeds of the baseline `{baseline}`"
    elif notes.contains(f"but {ENOUGH} are needed", regex=False).any():
        why = f"p values need {ENOUGH} seeds (`seeds: {list(range(1, ENOUGH + 1))}`)"
    elif (first["inference"] == NETWORKS).any():
        why = "all seeds share one random draw (†)"
    else:
        why = "compare.tsv says why"
    order = f"from the best by {word(first['metric'].iloc[0])}: {', '.join([*named, *more])}"
    return [f"{order}; whether this order is more than chance is not tested: {why}"]


def _some(models: Any, of: int) -> str:
    """The beginning of a sentence on the models of some lines: their names, a single one with its difference from the
    baseline, or their number if there are many."""
    if len(models) > MOST_NAMED:
        return f"{len(models)} of {of} models are"
    names = ", ".join(f"`{model}`" for model in models.index)
    if len(models) > 1:
        return f"{names} are"
    line = models.iloc[0]
    if not np.isfinite(line["delta_vs_baseline"]):
        return f"{names} is"
    limits = in_brackets(line["delta_ci_low"], line["delta_ci_high"], "+", 3)
    return f"{names} (Δ {line['delta_vs_baseline']:+.3f}{limits}) is"
