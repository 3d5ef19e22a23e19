"""Stage 2: an encoder and a head that was trained on it are trained further together.

This follows ALBench-S2F and alphagenome_FT_MPRA: two groups of parameters, each with its own step size. Whatever is not
unfrozen is an argument of the compiled step and not a parameter: it can receive neither a gradient nor weight decay,
and the optimiser has no state for it. Statistics of normalisations never change. Weights are standardised within the
step, so the gradient passes through the standardisation.

Parameters and moments are float32; the encoder computes in its own precision, the head in float32.

With several devices, each holds all parameters and computes its part of a batch; XLA adds up the gradients.
"""

from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass, replace
from functools import cached_property, partial
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import optax
from jax.sharding import Mesh, NamedSharding, PartitionSpec
from scipy.special import expit

from s2f.common import kinds
from s2f.common.errors import InputError
from s2f.embeddings.encoders import Tunable
from s2f.heads import networks
from s2f.heads.augmentations.draws import steps_per_batch
from s2f.heads.epochs import Data, Epochs
from s2f.heads.examples import Examples
from s2f.heads.locon import Locon
from s2f.heads.trained_head import predict
from s2f.heads.training import Trained, Trainer, TrainingSettings

# keys that the section shares with heads; `start`, `unfrozen` and `augmentation` say what is trained on what
OF_TRAINING = ("learning_rate", "weight_decay", "batch_size", "epochs", "patience", "schedule", "warmup")


@dataclass(frozen=True)
class Stage2Settings(TrainingSettings):
    """Settings of stage 2; `stage2.yaml` gives their meaning and defaults. `learning_rate` is the head's."""

    encoder_learning_rate: float
    clip: float
    remat: bool

    @staticmethod
    def of(section: Mapping[str, Any], head: Mapping[str, Any]) -> "Stage2Settings":
        """Settings from a config section; those that it does not name come from the training of the head. Labels are
        not standardised, because the head already predicts in their unit."""
        own = kinds.section_settings("heads/stage2", dict(section))
        known = asdict(TrainingSettings.from_spec(dict(head))) | {key: own[key] for key in OF_TRAINING}
        known |= {"precision": "float32", "standardise_labels": False}
        return Stage2Settings(**known, **{key: own[key] for key in ("encoder_learning_rate", "clip", "remat")})


class Stage2Rates(NamedTuple):
    """Arguments of a compiled epoch: numbers of `Stage2Settings`, and the encoder's `frozen` arrays {name: array}."""

    encoder_learning_rate: Any
    learning_rate: Any
    weight_decay: Any
    kept: Any
    frozen: Any


class Windows(NamedTuple):
    """Takes the place of an encoder in modes that cut windows: the network reads the windows themselves."""

    parameters: None = None

    @staticmethod
    def apply(_: None, codes: Any) -> Any:
        """The codes themselves."""
        return codes


WINDOWS = Windows()
BATCH = 256  # rows to predict at a time


class Whole(NamedTuple):
    """Encoder and head as one network, in the form of `networks.build`, with parameters {"encoder", "frozen",
    "head"}."""

    apply: Callable


def whole(
    tunable: Tunable,
    first: int,
    head: Any,
    dtype: Any,
    locon: Locon | None = None,
    remat: bool = False,
    rows: NamedSharding | None = None,
) -> Whole:
    """The network that consists of an encoder, from block number `first` on, and of a `head` (pair of functions).

    Its input is codes of windows, float32 (B, L) or (B, L, 1), or with `first` > 0 the input of that block, (B, l, C).
    Predictions read embeddings rounded to the `dtype` of the caches that the head was trained on; gradient steps do
    not, because rounding has no gradient. With `locon`, the encoder's parameters are adapters. With `remat`, a gradient
    step keeps only what passes between blocks and computes their inside a second time. `rows`: how the rows of a batch
    are distributed over devices in a gradient step.
    """
    count = len(set(tunable.block_of.values()))

    def encoded(weights, x, again):
        if not again:
            return tunable.apply(weights, x, first, -1)
        for block in range(first, count):
            x = jax.checkpoint(partial(tunable.apply, first=block, last=block))(weights, x)
        return x

    def apply(parameters, measured, key, x, is_training, lane=0, weight=None):
        if rows and is_training:
            x = jax.lax.with_sharding_constraint(x, rows)
        x = x if first else jax.nn.one_hot(x.reshape(len(x), -1).astype(jnp.uint8), 4)
        frozen, trained = parameters["frozen"], parameters["encoder"]
        weights = {**frozen, **(locon.changes(tunable, frozen, trained) if locon else trained)}
        embedding = encoded(weights, x, remat and is_training)
        embedding = embedding if is_training else embedding.astype(dtype)
        embedding = embedding.astype(jnp.promote_types(embedding.dtype, jnp.float32))
        return head.apply(
            parameters["head"], measured, key, embedding, is_training=is_training, lane=lane, weight=weight
        )

    return Whole(apply)


class Finetuner(Trainer):
    """Trains an encoder together with a head, the only lane `slug` with `seed`, starting from the head's `variables`.

    `train` and `val` hold codes of windows as tables (U, L, 1) or, with `first` > 0, the input of block number `first`;
    if `val` has two tables, one per strand, the mean of their predictions is validated. `unfrozen`: names of the
    encoder blocks that are trained, with `locon` by adapters. `devices`: the devices that share a batch; the first of
    them does the validation. Other arguments as in `Trainer`, `dtype` as in `whole`. `Trained.variables` are
    ({"encoder": {name: array}, "head": tree}, state of the head).
    """

    compiles_ahead = False  # the embeddings are few, and the arguments may be spread over several devices

    def __init__(
        self,
        slug: str,
        seed: int,
        mode: Mapping[str, Any],
        train: Examples,
        val: Examples,
        tunable: Tunable,
        unfrozen: Collection[str],
        variables: tuple[Any, Any],
        dtype: Any,
        first: int = 0,
        length: int = 0,
        memory: int | None = None,
        report: Callable[[str], object] = print,
        task: str = "regression",
        locon: Locon | None = None,
        devices: Sequence[Any] = (),
    ) -> None:
        self.tunable, self.first, self.dtype, self.variables, self.locon = tunable, first, dtype, variables, locon
        self.mesh = Mesh(np.array(devices), ("rows",)) if len(devices) > 1 else None
        names = {name for name, block in tunable.block_of.items() if block in unfrozen and not locon}
        self.trained = {name: array for name, array in tunable.weights.items() if name in names}
        frozen = {name: array for name, array in tunable.weights.items() if name not in names}
        if locon:
            self.trained = locon.start(tunable, unfrozen, seed)
        self.frozen = self._on_all(frozen)
        super().__init__([(slug, seed)], mode, train, val, WINDOWS, length, memory, report, task)

    def train(self, settings: TrainingSettings) -> list[Trained]:
        """As `Trainer.train`. Also raises `InputError` for batches that cannot be divided evenly among the devices."""
        count = self.mesh.size if self.mesh else 1
        if settings.batch_size % count:
            raise InputError(
                f"stage2: batch_size is {settings.batch_size}, which {count} devices cannot share evenly: choose a "
                f"multiple of {count}"
            )
        return super().train(settings)

    def _on_all(self, tree: Any) -> Any:
        """Arrays on the device, or a copy of them on each of several devices."""
        return jax.device_put(tree, self.mesh and NamedSharding(self.mesh, PartitionSpec()))

    @cached_property
    def _data(self) -> Data:
        return self._on_all(super()._data)

    def _built(self) -> Whole:
        return self._whole(0.0, False)

    def _whole(self, dropout: Any, remat: bool) -> Whole:
        head = networks.build(self.slugs, dropout, outputs=self.examples.outputs)
        rows = self.mesh and NamedSharding(self.mesh, PartitionSpec("rows"))
        return whole(self.tunable, self.first, head, self.dtype, self.locon, remat, rows)

    def _rates(self, settings: TrainingSettings) -> Stage2Rates:
        assert isinstance(settings, Stage2Settings)
        rate, *others = super()._rates(settings)
        return Stage2Rates(jnp.float32(settings.encoder_learning_rate), rate, others[0], others[1], self.frozen)

    def _validated(self, variables: tuple[Any, Any]) -> np.ndarray:
        parameters, state = variables
        variables = {**parameters, "frozen": self.frozen}, state
        if self.mesh:  # each device has a copy: take the first one
            variables = jax.tree.map(lambda a: a.addressable_data(0) if isinstance(a, jax.Array) else a, variables)
        table, index = self._val_table
        views = len(self.val.tables)
        tables = [(table, index + view * (len(table) // views)) for view in range(views)]
        if not self.fits:
            tables = [(view, index) for view in self.val.tables]
        found = [predict(self.network, variables, *view, batch_size=BATCH) for view in tables]
        if views == 1:
            return found[0]
        if self.task == "classification":  # the mean of probabilities, as for panels
            # in float64, as in float32 large logits are all 1, which ties them in an AUROC
            found = [expit(logits.astype(np.float64)) for logits in found]
        return np.mean(found, axis=0)

    def validation(self) -> np.ndarray:
        """What the starting weights predict for the validation rows."""
        return self._validated(({"encoder": self.trained, "head": self.variables[0]}, self.variables[1]))

    def _program(self, settings: TrainingSettings) -> tuple[Epochs, Callable]:
        assert isinstance(settings, Stage2Settings)
        return super()._program(replace(settings, encoder_learning_rate=0.0))  # an argument of the program

    def _compile(self, settings: TrainingSettings) -> tuple[Epochs, Callable]:
        assert isinstance(settings, Stage2Settings)
        train = self.examples
        steps = settings.epochs * -(-len(train.index) // settings.batch_size) * steps_per_batch(self.draw)

        def optimiser(rates: Stage2Rates) -> optax.GradientTransformation:
            def group(rate: Any) -> optax.GradientTransformation:
                step_size = replace(settings, learning_rate=rate).step_size(steps)
                return optax.adamw(step_size, weight_decay=rates.weight_decay)

            groups = {"encoder": group(rates.encoder_learning_rate), "head": group(rates.learning_rate)}
            both = optax.multi_transform(groups, {name: name for name in groups})
            return optax.chain(optax.clip_by_global_norm(settings.clip), both) if settings.clip else both

        def learner(rates: Stage2Rates) -> tuple[Whole, optax.GradientTransformation]:
            network = self._whole(1 - rates.kept if settings.dropout else 0.0, settings.remat)

            def apply(parameters: Any, *arguments: Any, **named: Any) -> Any:
                return network.apply({**parameters, "frozen": rates.frozen}, *arguments, **named)

            return Whole(apply), optimiser(rates)

        epochs = Epochs(
            learner, self.draw, settings.batch_size, len(train.tables), WINDOWS.apply, self.length,
            train.tables[0].dtype, None, self.task, train.labels.ndim, jax.default_backend() == "cpu",
        )  # fmt: skip
        parameters, measured = self.variables

        def start(_: Any) -> Any:
            # copies, because an epoch updates them in place
            state = jax.tree.map(jnp.array, ({"encoder": self.trained, "head": parameters}, measured))
            return self._on_all((*state, jax.jit(optimiser(self._rates(settings)).init)(state[0])))

        return epochs, start


def blocks_below(blocks: Sequence[str], unfrozen: Collection[str]) -> int:
    """How many `blocks`, in the order of the network, come before the first unfrozen one: these never change."""
    return min(blocks.index(block) for block in unfrozen)


@contextmanager
def told_what_to_lower(settings: Stage2Settings, unfrozen: Sequence[str], precision: str) -> Iterator[None]:
    """Raise `InputError`, which names what would take less memory, if a device has none left. (On a CPU the system
    kills the job instead, without a message.)"""
    try:
        yield
    except jax.errors.JaxRuntimeError as error:
        if "RESOURCE_EXHAUSTED" not in str(error):
            raise
        fixes = [f"lower batch_size ({settings.batch_size})"] if settings.batch_size > 1 else []
        fixes += (
            [] if settings.remat else ["set remat: true, which computes activations once more instead of keeping them"]
        )
        fixes += [f"unfreeze fewer blocks, from the last on ({', '.join(unfrozen)})"] if len(unfrozen) > 1 else []
        fixes += [] if precision == "bfloat16" else [f"set precision: bfloat16 for the encoder ({precision})"]
        fixes.append("give the job more GPUs, which share a batch")
        reason = str(error).partition("\n")[0]
        raise InputError(
            f"stage2: the device has no memory left ({reason}). In this order: {'; '.join(fixes)}"
        ) from error
