"""The limits of this machine, measured with the same library that does the work, and timing relative to them."""

import gc
import statistics
import time
from pathlib import Path

import jax
import jax.numpy as jnp

ON_CPU = jax.default_backend() == "cpu"


def seconds(run):
    """Wall time of one call of `run`."""
    began = time.perf_counter()
    run()
    return time.perf_counter() - began


class Turns:
    """Times of `runs`, {name: function}, called in turns after one call of each to warm up.

    Other load on the machine then slows all of them alike: compare within a turn. `wall` and `cpu` are {name: times in
    s}, the latter over all threads of this process; `first` {name: s} are the warm-up calls, compilation included.
    """

    def __init__(self, runs, repeats):
        self.first = {name: seconds(run) for name, run in runs.items()}
        self.wall, self.cpu = {name: [] for name in runs}, {name: [] for name in runs}
        for _ in range(repeats):
            for name, run in runs.items():
                used = time.process_time()
                self.wall[name].append(seconds(run))
                self.cpu[name].append(time.process_time() - used)

    def best(self, name):
        """Shortest wall time."""
        return min(self.wall[name])

    def ratio(self, one, other, clock="wall"):
        """Median over turns of the time of `one` divided by the time of `other`."""
        times = getattr(self, clock)
        return statistics.median(a / b for a, b in zip(times[one], times[other], strict=True))


class Limit:
    """A rate that nothing here can exceed: `run()` does `amount` FLOP or bytes."""

    def __init__(self, name, amount, function, *arguments):
        self.name, self.amount = name, amount
        compiled = jax.jit(function)
        self.run = lambda: jax.block_until_ready(compiled(*arguments))

    def rate(self, turns):
        """Best FLOP/s or bytes/s."""
        return self.amount / turns.best(self.name)


def header(limits):
    """Titles of the columns of `shares`."""
    return "".join(f"{'of ' + limit.name:>13s}" for limit in limits) + (f"{'by CPU time':>13s}" if ON_CPU else "")


def shares(limits, turns, work, amounts):
    """Columns: the share of each limit that `work` reached, with `amounts` [FLOP or bytes, per limit] of work in each
    turn.

    On a CPU the share is also given by CPU time, which other processes affect less, but in which idle threads cost
    nothing.
    """
    reached = [
        amount / limit.amount / turns.ratio(work, limit.name, clock)
        for clock in (["wall", "cpu"] if ON_CPU else ["wall"])
        for limit, amount in zip(limits, amounts, strict=True)
    ]
    return "".join(f"{share:13.1%}" for share in reached)


def binding(limits, turns, work, amounts, precision="float32"):
    """(name, share) of the limit that `work` in this `precision` came nearest to: what it does in each turn is
    `amounts` [FLOP or bytes, per limit]."""
    other = "TF32" if precision == "bfloat16" else "bfloat16"  # float32 never reaches the rate of bfloat16
    reached = [
        (amount / limit.amount / turns.ratio(work, limit.name), limit.name)
        for limit, amount in zip(limits, amounts, strict=True)
        if limit.name != other
    ]
    share, name = max(reached)
    return name, share


def limits(quick=False):
    """Limits of the device: float32 matrix products on a CPU; bfloat16 and TF32 products and memory traffic on a GPU.

    Products are of square matrices: of size 2048 on a CPU (the fastest of 1024 to 4096 there), and 16 of size 8192 in a
    row on a GPU. Memory: a copy of 2 GB, counted as read and written.
    """
    if ON_CPU:
        n = 512 if quick else 2048
        x = jnp.ones((n, n), jnp.float32)
        return [Limit("float32", 2 * n**3, jnp.matmul, x, x)]
    n, chain = 8192, 16
    x = jnp.full((n, n), 1 / n, jnp.float32)

    def products(precision):
        def run(x):
            return jax.lax.fori_loop(0, chain, lambda _, y: jnp.matmul(y, x, precision=precision), x)

        return run

    memory = jnp.ones(2**29, jnp.float32)
    return [
        Limit("bfloat16", 2 * n**3 * chain, products("default"), x.astype(jnp.bfloat16)),
        Limit("TF32", 2 * n**3 * chain, products("tensorfloat32"), x),
        Limit("memory", 2 * memory.nbytes, lambda x: x + 1, memory),
    ]


def reset_peak():
    """Reset the peak memory of this process; a GPU's peak cannot be reset."""
    gc.collect()
    if ON_CPU:
        Path("/proc/self/clear_refs").write_text("5")


def peak_gb():
    """Peak memory in GB: resident memory of the process since `reset_peak`, or the device's since the start."""
    if not ON_CPU:
        return jax.devices()[0].memory_stats()["peak_bytes_in_use"] / 1e9
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith("VmHWM")) / 1e6
