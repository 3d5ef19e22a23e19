"""Head `linear-probe`: mean over tokens, each channel standardised over the training rows, one linear map.

It measures what a linear model can read from a frozen representation, by a logistic or linear regression on pooled
embeddings (Alain and Bengio 2016, "Understanding intermediate layers using linear classifier probes"). It is not
trained in epochs but solved to its optimum, see `solve`: channels of pooled embeddings are nearly collinear, and
gradient steps that are stopped early never leave the first few directions.
"""

import dataclasses
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

import haiku as hk
import jax.numpy as jnp
import numpy as np
import pandas as pd

from s2f.common.errors import InputError
from s2f.embeddings.table import BLOCK_BYTES
from s2f.heads.examples import Examples
from s2f.heads.networks.layers import linear
from s2f.models.validation import VALIDATION, comparable, mean_of, validation_score
from s2f.models.weighting import weights_by_error

PASS_BYTES = 32 << 20  # of pooled rows in float64, processed at a time


def build(parts: Sequence[dict[str, str]], dropout: float, precision: str, outputs: int = 1) -> hk.TransformedWithState:
    """Haiku functions for `linear-probe`; see `s2f.heads.networks.build`. D + 1 parameters per output; `dropout` is not
    used."""

    def forward(x, is_training, lane=0, weight=None):
        x = linear(Standard("standard")(x.mean(axis=1)), outputs, "output", precision, jnp.zeros)
        return x if outputs > 1 else x[:, 0]

    return hk.transform_with_state(forward)


class Standard(hk.Module):
    """(x - mean) / sd per channel, both in the state, where `solve` puts them."""

    def __call__(self, x: jnp.ndarray) -> jnp.ndarray:
        """(B, D) -> (B, D)."""
        mean = hk.get_state("mean", x.shape[-1:], init=jnp.zeros)
        return (x - mean) / hk.get_state("sd", x.shape[-1:], init=jnp.ones)


def solve(
    train: Examples,
    val: Examples,
    task: str,
    options: Mapping[str, Any],
    memory: int | None = None,
    report: Callable[[str], object] = print,
) -> tuple[tuple[Any, Any], float | None, pd.DataFrame]:
    """(variables, validation score, table of the penalties tried) for the penalty that is best on the validation rows
    `val`.

    All views of `train` give rows. For the `task` regression, this is the ridge regression for every penalty in
    `alphas`, from the normal equations: one pass over the caches, with only D x D matrices in memory. For a
    classification, it is the logistic regression for every inverse penalty in `C`, by L-BFGS: some tens of passes over
    the pooled rows, which are kept if they fit into `memory` bytes (rows x views x D float32) and otherwise pooled
    again from the caches in every pass, with the same result. See `linear_models`. Nothing is random. If the score is
    undefined for all penalties, it is None and the first penalty is taken. With `weighting` stderr, rows of a
    regression are weighted by `weights_by_error`. With C labels per row, each label is solved by itself, from the rows
    that have it, but with one penalty for all, the one with the best mean score, because other models have one setting
    for all outputs too; the table then has a column `output`. Raises `InputError` for labels of a classification that
    are not 0 and 1, and for a weighting without standard errors.
    """
    found = [
        _solve(_of_output(train, output), _of_output(val, output), task, options, memory, report)
        for output in range(train.outputs)
    ]
    directs, shifts, scores, histories = zip(*(one[2:] for one in found), strict=True)
    by_penalty = [mean_of(of_outputs) for of_outputs in zip(*scores, strict=True)]
    best = int(np.argmax([comparable(score) for score in by_penalty]))
    penalties = histories[0].iloc[:, 0]
    if len(penalties) > 1 and best in (0, len(penalties) - 1):
        report(f"the best {penalties.name}, {penalties[best]:g}, is at the end of the list: extend the list")
    if train.outputs > 1:
        histories = tuple(history.assign(output=number) for number, history in enumerate(histories, 1))
    mean, sd, *_ = found[0]
    variables = _variables(mean, sd, [direct[best] for direct in directs], [shift[best] for shift in shifts])
    return variables, by_penalty[best], pd.concat(histories, ignore_index=True)


def _of_output(examples: Examples, output: int) -> Examples:
    """The rows that have a label for an output, with only that label."""
    if examples.outputs == 1:
        return examples
    measured = np.isfinite(examples.labels[:, output])
    labels = examples.labels[measured, output]
    errors = None if examples.errors is None else examples.errors[measured, output]
    return dataclasses.replace(examples, index=examples.index[measured], labels=labels, errors=errors)


def _solve(
    train: Examples,
    val: Examples,
    task: str,
    options: Mapping[str, Any],
    memory: int | None,
    report: Callable[[str], object],
) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray, list[float | None], pd.DataFrame]:
    """Mean and sd (D,) of the channels; for each of A penalties, weights (A, D) for the unscaled channels, intercepts
    (A,) and validation scores; and the table of `solve`, for labels (N,)."""
    from s2f.heads import linear_models  # loads scipy, which predictions do not need

    began = time.perf_counter()
    name, penalties = {
        "regression": ("alpha", sorted(map(float, options["alphas"]))),
        "classification": ("C", sorted(map(float, options["C"]))),
    }[task]
    rows, channels = len(train.index) * len(train.tables), train.tables[0].shape[2]
    needed = rows * channels * 4
    kept = task == "classification" and (memory is None or needed <= memory)
    passing = "kept in memory" if kept else "one pass" if task == "regression" else "pooled again in every pass"
    tried = ", ".join(f"{value:g}" for value in penalties)
    report(
        f"linear-probe: {len(train.index):,} rows in {len(train.tables)} views, {channels:,} channels "
        f"({needed / 1e9:.3f} GB pooled, {passing}), on the CPU; {name} {tried}"
    )
    importance = None
    if task == "regression" and options["weighting"] == "stderr":
        errors = np.full(len(train.index), np.nan) if train.errors is None else train.errors
        importance = weights_by_error(errors, options["tau"])
    pass_over = _kept(train) if kept else lambda: _pooled(train, importance)
    statistics = linear_models.moments(pass_over)
    if task == "regression":
        weights, intercepts, losses = linear_models.ridge(statistics, penalties)
    else:
        if not set(np.unique(train.labels)) <= {0, 1}:
            raise InputError("linear-probe: a training row has a label other than 0 and 1 (a classification)")
        weights, intercepts, losses = linear_models.logistic(pass_over, statistics, penalties)
    direct = weights / statistics.sd  # for the unscaled channels
    shift = intercepts - direct @ statistics.mean
    predicted = np.concatenate([x @ direct.T + shift for x, *_ in _pooled(val)])
    labels = val.labels[_order(val)]
    scores = [validation_score(task, labels, predicted[:, number]) for number in range(len(penalties))]
    history = pd.DataFrame(
        {
            name: penalties,
            "train_loss": losses,
            f"val_{VALIDATION[task]}": [np.nan if score is None else score for score in scores],
            "seconds": round(time.perf_counter() - began, 4),
        }
    )
    for line in history.itertuples(index=False):
        report(f"{name} {line[0]:g}  train loss {line[1]:.4f}  validation {VALIDATION[task]} {line[2]:.4f}")
    return statistics.mean, statistics.sd, direct, shift, scores, history


def _variables(
    mean: np.ndarray, sd: np.ndarray, directs: Sequence[np.ndarray], shifts: Sequence[float]
) -> tuple[Any, Any]:
    """(parameters, state) of the network, float32, from weights (D,) for the unscaled channels and an intercept, for
    each output.

    Each array is computed from the rounded values of the earlier ones, so rounding errors do not add up.
    """
    mean, sd = mean.astype(np.float32), sd.astype(np.float32)
    weights = [(direct * sd.astype(np.float64)).astype(np.float32) for direct in directs]
    bias = [
        shift + mean.astype(np.float64) @ (of_output.astype(np.float64) / sd)
        for of_output, shift in zip(weights, shifts, strict=True)
    ]
    parameters = {"output": {"w": np.stack(weights, axis=1), "b": np.array(bias, np.float32)}}
    return parameters, {"standard": {"mean": mean, "sd": sd}}


def _order(examples: Examples) -> np.ndarray:
    """The rows in the order of their tables, which are then read from the first to the last embedding."""
    return np.argsort(examples.index, kind="stable")


def _pooled(examples: Examples, importance: np.ndarray | None = None) -> Iterator[tuple[np.ndarray, ...]]:
    """One pass: means over tokens (B, D) float32 and labels (B,), of all rows in one view after the other; with the
    `importance` (N,) of rows if it is given."""
    order = _order(examples)
    step = max(1, BLOCK_BYTES // (int(np.prod(examples.tables[0].shape[1:])) * 4))
    for table in examples.tables:
        for start in range(0, len(order), step):
            rows = order[start : start + step]
            block = np.asarray(table[examples.index[rows]], np.float32).mean(1), examples.labels[rows]
            yield block if importance is None else (*block, importance[rows])


def _kept(examples: Examples) -> Callable[[], Iterator[tuple[np.ndarray, ...]]]:
    """The rows of `_pooled`, kept in memory in float32."""
    rows = len(examples.index) * len(examples.tables)
    x, labels, end = np.empty((rows, examples.tables[0].shape[2]), np.float32), np.empty(rows, np.float32), 0
    for block, of_block in _pooled(examples):
        x[end : end + len(block)], labels[end : end + len(block)] = block, of_block
        end += len(block)
    step = max(1, PASS_BYTES // (8 * x.shape[1]))
    return lambda: ((x[start : start + step], labels[start : start + step]) for start in range(0, rows, step))
