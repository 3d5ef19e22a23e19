"""Stage 2: examples/s of gradient steps in each form, as shares of the limit, and their memory."""

import gc

import jax
import jax.numpy as jnp
import ml_dtypes
import numpy as np

from bench.head_training import FULL_ROWS, LENGTH, duration, stages_flop
from bench.machine import Turns, binding, header, peak_gb, reset_peak, shares
from bench.table import note
from s2f.common import kinds
from s2f.embeddings import encoders
from s2f.embeddings.encoders import _alphagenome_network
from s2f.heads import networks
from s2f.heads.examples import Examples
from s2f.heads.locon import Locon
from s2f.heads.stage2 import Finetuner, Stage2Settings
from s2f.heads.training import TrainingSettings

SLUG, MODE = "boda-flatten-512-512", {"kind": "none"}
BLOCKS = _alphagenome_network.BLOCKS + 1
FORMS = {  # name: (number of the first block that learns, whether those before it are cached, settings)
    "blocks 4-5, cached": (5, True, {}),
    "blocks 4-5, whole encoder": (5, False, {}),
    "LoCon in 4-5, cached": (5, True, {"locon": Locon(4, 1.0)}),
    "LoCon in 4-5, whole encoder": (5, False, {"locon": Locon(4, 1.0)}),
    "all": (0, False, {}),
    "all, remat": (0, False, {"remat": True}),
}


def bench(forms, batch_size, repeats, limits, spec):
    """Print one line per form in `FORMS` of fine-tuning AlphaGenome's encoder as `spec` describes it."""
    names, tunable = kinds.facts("encoders", "alphagenome")["blocks"], encoders.tunable(spec)
    width, step = _alphagenome_network.SIZES[spec["size"]]
    of_stages = stages_flop(spec["size"], LENGTH)
    limits = [limit for limit in limits if limit.name != "memory"]
    print(
        f"\nstage 2, AlphaGenome's {spec['size']} size in {spec['precision']} with {SLUG}, batches of {batch_size}, "
        f"{LENGTH} bp, {jax.devices()[0]}\nshares: of three times the forward work in blocks that learn, once in those "
        f"below unless cached\nfull: {FULL_ROWS:,} rows once, extrapolated; trained: values of the encoder that learn"
    )
    print(f"{'':30s}{'trained':>12s}{'GFLOP/row':>11s}{'rows/s':>9s}{header(limits)}{'peak GB':>9s}  full")
    for name in forms:
        first, cached, how = FORMS[name]
        shape = (LENGTH, 1)
        if cached:
            shape = -(-LENGTH // 2**first), width + step * (first - 1)
        codes = np.random.default_rng(0).integers(0, 4, (batch_size, *shape))
        table = codes.astype(ml_dtypes.bfloat16) if cached else codes.astype(np.uint8)
        train = Examples((table,), np.arange(batch_size, dtype=np.int32), np.ones(batch_size, np.float32))
        tokens = jnp.zeros((1, -(-LENGTH // 2**BLOCKS), width + step * (BLOCKS - 1)))
        head = networks.build(SLUG, 0.0).init(jax.random.key(0), tokens, is_training=False)
        tuner = Finetuner(
            SLUG, 0, MODE, train, train, tunable, names[first:], head, np.dtype(ml_dtypes.bfloat16),
            first if cached else 0, LENGTH, report=lambda line: None, locon=how.get("locon"),
        )  # fmt: skip
        section = {"unfrozen": "all", "batch_size": batch_size, "augmentation": MODE, "remat": how.get("remat", False)}
        settings = Stage2Settings.of(section, TrainingSettings.from_spec({}).__dict__)
        epochs, start = tuner._program(settings)
        data, key = tuner._data._replace(rates=tuner._rates(settings)), jax.random.key(0)
        reset_peak()
        state = [start(key)]

        def run(epochs=epochs, state=state, data=data, key=key):
            state[0], loss = epochs.resident(state[0], data, key)
            jax.block_until_ready(loss)

        turns = Turns({name: run, **{limit.name: limit.run for limit in limits}}, repeats)
        work = 3 * sum(of_stages[first:]) + (0 if cached else sum(of_stages[:first]))
        best = turns.best(name)
        print(
            f"{name:30s}{sum(a.size for a in tuner.trained.values()):12,d}{work / 1e9:11.2f}{batch_size / best:9.2f}"
            f"{shares(limits, turns, name, [work * batch_size] * len(limits))}{peak_gb():9.2f}  "
            f"{duration(FULL_ROWS * best / batch_size)} (extrapolated)",
            flush=True,
        )
        limited_by, share = binding(limits, turns, name, [work * batch_size] * len(limits), spec["precision"])
        note(
            f"stage 2, {name}, {spec['precision']}, batch {batch_size}", batch_size / best, "rows/s", None,
            batch_size / best / share, limited_by, f"first call {turns.first[name]:.1f} s, with compilation",
        )  # fmt: skip
        del tuner, epochs, start, data, state, run
        gc.collect()
