"""Training heads on embeddings of a frozen encoder: compiled epochs, early stopping on validation, and the best epoch
is kept. Heads whose kind has a solution are solved instead."""

import dataclasses
import time
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Executor, Future, ThreadPoolExecutor
from dataclasses import dataclass
from functools import cached_property
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pandas as pd

from s2f.common import kinds
from s2f.common.errors import InputError
from s2f.heads import augmentations, networks
from s2f.heads.augmentations.draws import steps_per_batch
from s2f.heads.embeddings import Loaded, Shared
from s2f.heads.epochs import Data, Epochs
from s2f.heads.examples import Examples
from s2f.heads.resume import Resume
from s2f.heads.trained_head import compile_prediction, network_of, predict
from s2f.models.validation import VALIDATION, DivergedError, pearson_by_cell, validation_score
from s2f.models.weighting import weights_by_error

PACKAGES = ("jax", "jaxlib", "dm-haiku", "optax", "orbax-checkpoint", "numpy")


@dataclass(frozen=True)
class TrainingSettings:
    """Settings of head training; `training.yaml` gives their meaning and defaults (those of ALBench-S2F's K562
    heads)."""

    learning_rate: float
    weight_decay: float
    batch_size: int
    epochs: int
    patience: int
    dropout: float
    precision: str
    schedule: str
    warmup: float
    standardise_labels: bool
    weighting: str
    tau: float | None
    outputs: str

    @staticmethod
    def from_spec(spec: dict[str, Any]) -> "TrainingSettings":
        """Settings of a config section. Raises `InputError` for an unknown key."""
        return TrainingSettings(**kinds.section_settings("heads/training", spec))

    def step_size(self, steps: int) -> float | optax.Schedule:
        """Step size of AdamW: a number, or a function of the step (from 0) if it changes over all `steps`.

        It rises over a share `warmup` of the steps, as in `language_model.schedule`, and then stays constant or falls
        to 0 along half a cosine (Loshchilov and Hutter 2017, without restarts).
        """
        warm = round(self.warmup * steps)
        if self.schedule == "constant" and not warm:
            return self.learning_rate
        rise = optax.linear_schedule(self.learning_rate / max(1, warm), self.learning_rate, max(1, warm - 1))
        after = (
            optax.constant_schedule(self.learning_rate)
            if self.schedule == "constant"
            else optax.cosine_decay_schedule(self.learning_rate, max(1, steps - warm))
        )
        return optax.join_schedules([rise, after], [warm])


@dataclass
class Trained:
    """Outcome: `variables` (parameters, state) of the best epoch; this `epoch` (from 1; 0 for a head that is solved);
    its validation `score` by `metric`; once training has ended, a table of all epochs, or of all penalties, and how it
    `ended`: by "patience", at the "limit" of epochs, or "solved". For a head that is solved, `tried` holds the
    penalties with their validation scores. `by_output` has the score of each of several outputs."""

    variables: tuple[Any, Any]
    epoch: int
    metric: str
    score: float
    history: pd.DataFrame | None = None
    ended: str = ""
    tried: Sequence[tuple[float, float | None]] = ()
    by_output: list[float | None] | None = None

    @property
    def parameters(self) -> dict[str, dict[str, Any]]:
        """What was trained, {module: {leaf: array}}."""
        return self.variables[0]

    @property
    def size(self) -> int:
        """Number of trained values."""
        return sum(array.size for array in jax.tree.leaves(self.parameters))


class Rates(NamedTuple):
    """Settings that are arguments of a compiled epoch, float32. Dropout is passed as `kept`, 1 - dropout in float64. Up
    to a dropout of 0.5, 1 - (1 - kept) in float32 is equal to it (Sterbenz' lemma): a network gets the bits of a
    number."""

    learning_rate: Any
    weight_decay: Any
    kept: Any


def trainer_of(
    lanes: Sequence[tuple[str, int]],
    mode: Mapping[str, Any],
    train: Examples,
    val: Examples,
    encoder: Any = None,
    length: int = 0,
    memory: int | None = None,
    host_memory: int | None = None,
    report: Callable[[str], object] = print,
    task: str = "regression",
    shared: Shared | None = None,
    ahead: tuple[Executor, Mapping[str, Any]] | None = None,
) -> Callable[[Mapping[str, Any]], list[Trained]]:
    """Function of options that trains `lanes` with them, see `Trainer`. If the kind of the head has a solution, the
    function gives that for every lane, because no seed changes it.

    `host_memory`: bytes that a solution, which is computed on the CPU, may use for rows. `ahead`: threads that begin at
    once to compile what a training with these options needs. Also raises `InputError` for a
    mode that runs the encoder in training, and for an option that does not belong to the kind.
    """
    slug = lanes[0][0]
    if networks.facts(slug)["epochs"]:
        trainer = Trainer(lanes, mode, train, val, encoder, length, memory, report, task, shared)
        if ahead is not None:
            trainer.compile_in(ahead[0], TrainingSettings.from_spec(dict(ahead[1])))
        return lambda options: trainer.train(TrainingSettings.from_spec(dict(options)))
    if kinds.facts("augmentations", mode["kind"])["encodes"]:
        raise InputError(f"{slug} is solved on cached views, and augmentation {mode['kind']} encodes in training")
    networks.check_tokens(slug, train.tables[0].shape[1])

    def solved(options: Mapping[str, Any]) -> list[Trained]:
        chosen = networks.options(slug, options)
        variables, score, history = networks.solve(slug, train, val, task, chosen, host_memory, report)
        if score is None:
            raise DivergedError(f"{slug}: validation predictions are constant for every penalty, so there is no model")
        # with several outputs, a penalty has the mean of their scores
        by_penalty = history.groupby(history.columns[0])[f"val_{VALIDATION[task]}"]
        tried = [(penalty, None if scores.isna().any() else scores.mean()) for penalty, scores in by_penalty]
        by_output = None
        if val.outputs > 1:
            network = networks.build(slug, 0.0, outputs=val.outputs)
            by_output = pearson_by_cell(val.labels, predict(network, variables, val.tables[0], val.index))
        return [Trained(variables, 0, VALIDATION[task], score, history, "solved", tried, by_output) for _ in lanes]

    return solved


class Trainer:
    """Trains the heads `lanes`, pairs (slug, seed) of one family, with one set of settings after another.

    Shared work is done once: the embeddings are moved to the device, and the program of an epoch is compiled for each
    batch size, precision and schedule; the numbers in `Rates` are its arguments. The first training compiles in threads
    while the embeddings are moved, for which shapes are enough.

    `mode`: section of the augmentation. `val` holds only the canonical strand, on which the published heads were
    validated too. `encoder` and the window `length` in bp are for modes that encode. `memory`: bytes that embeddings
    may take on the device; if they do not fit, they are streamed from the files with the same result. With `shared`,
    embeddings that other trainers read too are moved once for all; `train` and `val` then hold this trainer's own views
    of the same rows. Several lanes train in one program, each on its own batches, as they would alone. Labels (N, C) of
    C cells give a head with C outputs, whose loss is the mean over all labels that are there, and whose score is the
    mean over cells. `resume`: the file from which `train` continues. Raises `InputError` for embeddings too short for
    the heads.
    """

    resume: Resume | None = None
    compiles_ahead = True

    def __init__(
        self,
        lanes: Sequence[tuple[str, int]],
        mode: Mapping[str, Any],
        train: Examples,
        val: Examples,
        encoder: Any = None,
        length: int = 0,
        memory: int | None = None,
        report: Callable[[str], object] = print,
        task: str = "regression",
        shared: Shared | None = None,
    ) -> None:
        self.lanes, self.mode, self.examples, self.val = lanes, mode, train, val
        self.length, self.report, self.task = length, report, task
        self.slugs, self.seeds = zip(*lanes, strict=True)
        self.count = len(lanes) if len(lanes) > 1 else None  # one lane goes without the lane axis
        facts = kinds.facts("augmentations", mode["kind"])
        self.reads, self.encoder = facts["reads_caches"], encoder if facts["encodes"] else None
        own = Shared(Loaded(train), Loaded(val), range(len(train.tables)))
        self.loaded, self.loaded_val, self.places = shared or own
        self.needed = self.loaded.bytes * self.reads + self.loaded_val.bytes
        self.fits = memory is None or self.needed <= memory
        self.draw = augmentations.build(mode)
        self.network = self._built()
        self.programs: dict[TrainingSettings, tuple[Epochs, Any]] = {}
        self.compiling: list[Future] = []

    def train(self, settings: TrainingSettings) -> list[Trained]:
        """One `Trained` per lane, with the variables of its best validation.

        Each batch gives one AdamW step per view of the mode: in a regression on the mean squared error, in a
        classification (labels 0 and 1) on the mean binary cross entropy of the logit. The order is drawn anew in each
        epoch, and the last, short batch is padded with weight 0. A head stops after `settings.patience` epochs without
        a better Pearson r, or AUROC. With `settings.weighting`, the squared errors of precise labels count more
        (`weights_by_error`). With `settings.standardise_labels`, a regression learns labels of mean 0 and sd 1, but
        losses and predictions are still in the unit of the labels. Raises `DivergedError` if a loss is not finite, or
        if the validation predictions of a head are constant or not finite in every epoch until its patience ends, and
        `InputError` for a weighting without standard errors.
        """
        count, train, val = self.count, self.examples, self.val
        self.report(self._plan(settings))
        scaled = settings.standardise_labels and self.task == "regression"
        centre, spread = _label_scale(train.labels) if scaled else (0.0, 1.0)
        changes: dict[str, Any] = {"rates": self._rates(settings)}
        if scaled:
            changes["labels"] = jnp.asarray((train.labels - centre) / spread, jnp.float32)
        if settings.weighting == "stderr" and self.task == "regression":
            errors = np.full(train.labels.shape, np.nan) if train.errors is None else train.errors
            known = np.isfinite(train.labels)  # a missing label takes no part in the mean
            importance = np.ones(train.labels.shape)
            importance[known] = weights_by_error(errors[known], settings.tau)
            changes["importance"] = jnp.asarray(importance, jnp.float32)
        if count is None:
            keys, split = jax.random.key(self.seeds[0]), jax.random.split
        else:  # (2, lanes), because one key gives (2,)
            keys = jnp.stack([jax.random.key(seed) for seed in self.seeds])
            split = jax.vmap(jax.random.split, out_axes=1)
        keys, this = split(keys)
        epochs, start = self._program(settings)
        with ThreadPoolExecutor(2) as threads:
            if not self.compiling and not self.loaded_val.there:
                self.compile_in(threads, settings)
            data, _ = self._data._replace(**changes), self._val_table
            for program in self.compiling:
                program.result()
        self.compiling = []
        state = start(this)
        runs = [_Run(slug, seed, VALIDATION[self.task], count is None) for slug, seed in self.lanes]
        done = 0
        if self.resume:
            done, keys, state = self.resume.load(keys, state, runs)
            if done:
                self.report(f"{self.resume.path}: continues after epoch {done}")
        for number in range(done + 1, settings.epochs + 1):
            began = time.perf_counter()
            keys, this = split(keys)
            if self.fits or not self.reads:
                state, losses = epochs.resident(state, data, this)
            else:
                state, losses = epochs.streamed(state, data, this, train.tables, train.index)
            losses = np.atleast_1d(np.asarray(losses, np.float64)) * spread**2
            seconds = time.perf_counter() - began
            predicted = self._validated(state[:2])
            predicted = predicted if count else predicted[None]
            for lane, run in enumerate(runs):
                if run.ended:
                    continue
                variables = state[:2] if count is None else jax.tree.map(lambda array: array[lane], state[:2])  # noqa: B023
                score = validation_score(self.task, val.labels, predicted[lane])
                by_output = pearson_by_cell(val.labels, predicted[lane]) if val.outputs > 1 else None
                run.add(number, losses[lane], score, by_output, variables, settings, len(train.index), seconds)
                self.report(run.line() if count is None else f"{run.name}  {run.line()}")
            if all(run.ended for run in runs):
                break
            if self.resume:
                self.resume.keep(number, keys, state, runs)
        trained = [run.result() for run in runs]
        for slug, one in zip(self.slugs, trained, strict=True):
            if scaled:
                one.variables = networks.rescaled(slug, one.variables, train.tables[0].shape[1:], spread, centre)
        return trained

    def compile_in(self, threads: Executor, settings: TrainingSettings) -> None:
        """Compile in `threads` what `train`, which waits for it, is going to run with these settings; epochs that are
        streamed are left to the first epoch."""
        if not (self.compiles_ahead and self.fits):
            return
        epochs, start = self._program(settings)
        key = jax.random.key(0)
        key = key if self.count is None else jax.random.split(key, self.count)
        data = self._rows._replace(rates=self._rates(settings))
        if self.reads:
            table, index = self.loaded.shapes
            data = data._replace(table=table, index=index)
        if settings.weighting == "stderr" and self.task == "regression":
            data = data._replace(importance=data.labels)

        def epoch() -> None:
            epochs.compile(jax.eval_shape(start, key), data, key)

        def others() -> None:
            start.lower(key).compile()
            variables, (table, index) = jax.eval_shape(start, key)[:2], self.loaded_val.shapes
            compile_prediction(self.network, variables, table, len(index), self.count)

        # not even traced here: the embeddings would wait
        self.compiling = [threads.submit(epoch), threads.submit(others)]

    def _built(self) -> Any:
        """The network that is started, validated and kept: in float32, without dropout."""
        networks.check_tokens(self.slugs[0], self.examples.tables[0].shape[1])
        if self.count is None:
            return network_of(self.slugs[0], self.examples.outputs)
        return networks.build(self.slugs, 0.0, outputs=self.examples.outputs)

    def _rates(self, settings: TrainingSettings) -> Any:
        """The arguments of the compiled epoch from which the learner is made."""
        return Rates(*map(jnp.float32, (settings.learning_rate, settings.weight_decay, 1 - settings.dropout)))

    def _validated(self, variables: tuple[Any, Any]) -> np.ndarray:
        """What `variables` predict for the validation rows, as `trained_head.predict`."""
        return predict(self.network, variables, *self._val_table, self.count)

    def _program(self, settings: TrainingSettings) -> tuple[Epochs, Any]:
        """The epochs for the settings, and the function that makes a state from a key; the same for settings that
        differ only in what is not compiled."""
        scheduled = settings.schedule != "constant" or settings.warmup > 0
        compiled = dataclasses.replace(
            settings, learning_rate=0.0, weight_decay=0.0, dropout=float(settings.dropout > 0), patience=0, outputs="",
            tau=None, standardise_labels=False, epochs=settings.epochs if scheduled else 0,
        )  # fmt: skip
        if compiled not in self.programs:
            self.programs[compiled] = self._compile(settings)
        return self.programs[compiled]

    def _compile(self, settings: TrainingSettings) -> tuple[Epochs, Any]:
        train, encoder = self.examples, self.encoder
        steps = settings.epochs * -(-len(train.index) // settings.batch_size) * steps_per_batch(self.draw)

        def learner(rates: Rates) -> tuple[Any, optax.GradientTransformation]:
            # a dropout of 0 is compiled as such: no masks are drawn
            dropout = 1 - rates.kept if settings.dropout else 0.0
            network = networks.build(self.slugs, dropout, settings.precision, train.outputs)
            step_size = dataclasses.replace(settings, learning_rate=rates.learning_rate).step_size(steps)
            return network, optax.adamw(step_size, weight_decay=rates.weight_decay)

        epochs = Epochs(
            learner, self.draw, settings.batch_size, len(self.loaded.examples.tables), encoder and encoder.apply,
            self.length, train.tables[0].dtype, self.count, self.task, train.labels.ndim,
        )  # fmt: skip
        example = jnp.zeros((1, *train.tables[0].shape[1:]), jnp.float32)
        optimiser = optax.adamw(settings.step_size(steps), weight_decay=settings.weight_decay)

        def start(key):
            parameters, measured = self.network.init(key, example, is_training=False)
            return parameters, measured, optimiser.init(parameters)

        # one program: op by op, each op would be compiled separately
        return epochs, jax.jit(start if self.count is None else jax.vmap(start))

    @cached_property
    def _rows(self) -> Data:
        """The training rows without their embeddings: with stretches and parameters if an encoder runs."""
        examples, zeros = self.examples, np.zeros(len(self.examples.index), np.int32)
        codes, low, high = examples.stretches or (None, zeros, zeros)
        data = Data(jnp.asarray(examples.labels), jnp.asarray(low), jnp.asarray(high))
        if self.reads:
            data = data._replace(order=examples.order)
        if list(self.places) != list(range(len(self.places))):
            data = data._replace(places=jnp.asarray(self.places, jnp.int32))
        return (
            data._replace(codes=jnp.asarray(codes), frozen=self.encoder.parameters)
            if self.encoder is not None
            else data
        )

    @cached_property
    def _data(self) -> Data:
        """The training rows, with their embeddings if these fit."""
        table, index = self.loaded.arrays if self.fits and self.reads else (None, None)
        return self._rows._replace(table=table, index=index)

    @cached_property
    def _val_table(self) -> tuple[Any, Any]:
        """Embeddings of the validation rows and the index into them, on the device if they fit."""
        return self.loaded_val.arrays if self.fits else (self.val.tables[0], self.val.index)

    def _plan(self, settings: TrainingSettings) -> str:
        """One line that says what is going to happen."""
        names = ", ".join(f"{slug} (seed {seed})" for slug, seed in self.lanes)
        where = "on the device" if self.fits else "streamed from the caches"
        return (
            f"{names}, {self.mode}: {len(self.examples.index):,} rows to train, {len(self.val.index):,} to validate, "
            f"batches of {settings.batch_size}, at most {settings.epochs} epochs, {settings.precision}, on "
            f"{jax.devices()[0]}; {'' if self.reads else 'encoder in every step, '}{self.needed / 1e9:.3f} GB of "
            f"embeddings {where}"
        )


def _label_scale(labels: np.ndarray) -> tuple[Any, float]:
    """Mean and sd of labels (N,), with sd 1 if all are equal; for labels (N, C), the mean (C,) of each cell and a
    single sd about these means, so that the loss weights cells as it does without a scale."""
    labels = labels.astype(np.float64)
    centre = labels.mean() if labels.ndim == 1 else np.nanmean(labels, axis=0)
    return centre, float(np.sqrt(np.nanmean((labels - centre) ** 2))) or 1.0


class _Run:
    """One lane in training, `alone` or with others: its history so far, its best epoch, and whether its patience has
    ended."""

    def __init__(self, slug: str, seed: int, metric: str, alone: bool) -> None:
        self.name, self.metric, self.alone, self.ended = f"{slug}, seed {seed}", metric, alone, False
        self.history: list[dict[str, Any]] = []
        self.best: Trained | None = None

    def add(
        self,
        number: int,
        loss: float,
        score: float | None,
        by_output: list[float | None] | None,
        variables: tuple[Any, Any],
        settings: TrainingSettings,
        rows: int,
        seconds: float,
    ) -> None:
        """Take in one epoch; raises `DivergedError` if its loss is not finite."""
        if not np.isfinite(loss):
            others = "; the heads and seeds that train with it in one program are lost too"
            raise DivergedError(
                f"{self.name}, epoch {number}: training loss is {loss}; lower the learning rate "
                f"({settings.learning_rate}){'' if self.alone else others}"
            )
        speed = {"seconds": round(seconds, 4), "rows_per_second": round(rows / seconds, 1)}
        shown = np.nan if score is None else score
        self.history.append({"epoch": number, "train_loss": loss, f"val_{self.metric}": shown, **speed})
        if score is not None and (self.best is None or score > self.best.score):
            self.best = Trained(jax.tree.map(np.array, variables), number, self.metric, score, by_output=by_output)
        self.ended = number - (self.best.epoch if self.best else 0) >= settings.patience

    def notes(self) -> dict[str, Any]:
        """What `continued` needs besides the variables of the best epoch; can be written as JSON."""
        best = None
        if self.best is not None:
            best = {key: getattr(self.best, key) for key in ("epoch", "metric", "score", "by_output")}
        return {"history": self.history, "ended": self.ended, "best": best}

    def continued(self, notes: dict[str, Any], variables: Any) -> None:
        """Continue the run that gave the `notes`, with the `variables` of its best epoch."""
        self.history, self.ended, best = notes["history"], notes["ended"], notes["best"]
        self.best = best and Trained(variables, **best)

    def line(self) -> str:
        """The last epoch, for the log."""
        last = self.history[-1]
        return (
            f"epoch {last['epoch']:3d}  train loss {last['train_loss']:.4f}  validation {self.metric} "
            f"{last[f'val_{self.metric}']:.4f}  {last['rows_per_second']:,.0f} rows/s"
        )

    def result(self) -> Trained:
        """The best epoch with the history; raises `DivergedError` if there is none."""
        if self.best is None:
            raise DivergedError(
                f"{self.name}: validation predictions are constant or not finite in every epoch, so there is no model"
            )
        self.best.history = pd.DataFrame(self.history)
        self.best.ended = "patience" if self.ended else "limit"
        return self.best
