"""Measure everything on one GPU in ten minutes: whole jobs first, then what they are made of, each beside what the
hardware allows and, where it can be had, the usual way on the same card.

    PYTHONPATH=workflow/scripts python -P -m bench.gpu [--quick] [--parts limits rows embed] [--folder build/gpu]

Each part is a process with a time limit of its own (`PARTS`), so a part that fails or hangs loses only what it has not
yet measured. Every figure is a row of FOLDER/gpu.tsv as soon as it is there; what could not be measured is a row with
the reason. FOLDER/gpu.md is the same for people. Rows, embeddings and weights are random. Without a GPU it only runs
with `--quick`: small sizes, to see whether everything runs before time on a card is spent.

If some parts are measured again, their rows replace those in the table, which must be of the same card, commit and
versions. Rows and embedding caches (20 GB) are in memory-backed files if there is room, and removed in the end.
"""

import argparse
import datetime
import json
import math
import os
import shutil
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass
from pathlib import Path

from bench import processes, table
from bench.card import card, cores, head, on_cpu
from bench.processes import Job
from s2f.common import devices
from s2f.common.errors import InputError, run
from s2f.common.files import check_writable, read_json, write_json

ROWS = 627_660  # of the MPRA that the published heads were trained on
FLATTEN = "boda-flatten-512-512"
ROW_BYTES = 5 * 1536 * 2  # of an embedding in bfloat16: 5 tokens at 600 bp, 1536 channels


@dataclass(frozen=True)
class Plan:
    """What all parts share: the `folder` of the table and the one of large files (`data`), the number of `rows` and
    why they are fewer than `ROWS`, memory of the card in bytes, CPU `threads`, and whether sizes are small."""

    folder: str
    data: str
    rows: int
    scaled: str
    memory: float
    threads: int
    quick: bool

    def file(self, name):
        """Path of a large file."""
        return Path(self.data) / name

    def size(self, full, quick):
        """The first, or the second if sizes are small."""
        return quick if self.quick else full

    def encoder(self):
        """Section of AlphaGenome's encoder with random weights."""
        size, precision, batch = self.size(("full", "bfloat16", 512), ("tiny", "float32", 64))
        spec = {"kind": "alphagenome", "size": size, "weights": {"random": 0}}
        return spec | {"precision": precision, "batch_size": batch}

    def naive_parameters(self):
        """Parameters of the optimiser in the usual way of head training: those of AlphaGenome, if they fit."""
        return 100_000 if self.quick else 454_000_000 if self.memory > 40e9 else 90_000_000

    def rates(self):
        """{name: FLOP/s or bytes/s} of the limits, if they were measured."""
        path = Path(self.folder) / "limits.json"
        return read_json(path) if path.is_file() else {}

    def products(self):
        """{precision: (name, FLOP/s)} of matrix products, if they were measured."""
        names, rates = {"float32": ("TF32", "float32"), "bfloat16": ("bfloat16", "float32")}, self.rates()
        found = {precision: next((n for n in known if n in rates), None) for precision, known in names.items()}
        return {precision: (name, rates[name]) for precision, name in found.items() if name}


# --- parts: each a function of the plan, which adds rows to the table


def limits(plan):
    """What the card and the machine can do."""
    import jax
    import jax.numpy as jnp
    import numpy as np

    from bench import machine

    found = machine.limits(plan.quick)
    if not machine.ON_CPU:
        n = 8192
        x = jnp.full((n, n), 1 / n, jnp.float32)
        full = lambda a, b: jnp.matmul(a, b, precision="highest")  # noqa: E731
        found.append(machine.Limit("float32", 2 * n**3, full, x, x))
    turns, rates = machine.Turns({limit.name: limit.run for limit in found}, 3), {}
    for limit in found:
        rates[limit.name] = limit.rate(turns)
        if limit.name == "memory":
            table.note("memory traffic, read and written", rates["memory"] / 1e9, "GB/s")
        else:
            table.note(f"{limit.name} products", rates[limit.name] / 1e12, "TFLOP/s")
    del found
    size, by_pinned = plan.size(2**31, 2**24), "copy to the card, from pinned memory, by torch"

    def copied(name, copy):
        best = min(_seconds(copy) for _ in range(4))
        rates[name] = size / best
        table.note(f"copy to the card, {name}", size / best / 1e9, "GB/s", remark=f"{size / 1e9:.3g} GB in one piece")

    def pageable():
        host = np.ones(size, np.uint8)
        copied("from pageable memory, by JAX", lambda: jax.block_until_ready(jax.device_put(host)))

    def pinned():
        import torch

        device = devices.torch_device()
        if device.type == "cpu":
            table.missing(by_pinned, "no GPU" if on_cpu() else "torch sees no GPU")
            return
        host = torch.ones(size, dtype=torch.uint8).pin_memory()
        target = torch.empty(size, dtype=torch.uint8, device=device)

        def copy():
            target.copy_(host, non_blocking=True)
            torch.cuda.synchronize()

        copied("from pinned memory, by torch", copy)

    table.attempt("copy to the card, from pageable memory, by JAX", pageable)
    table.attempt(by_pinned, pinned)
    target, file = np.ones(plan.size(2**32, 2**24), np.uint8), plan.file("read")
    target.tofile(file)
    for threads in sorted({1, plan.threads, cores()}):
        best = min(_read(file, memoryview(target), threads) for _ in range(2))
        rates["page cache"] = max(rates.get("page cache", 0), target.nbytes / best)
        table.note("read of a file from the page cache, into memory in use", target.nbytes / best / 1e9, "GB/s",
                   remark=f"{threads} threads, {target.nbytes / 1e9:.3g} GB")  # fmt: skip
    file.unlink()
    write_json(Path(plan.folder) / "limits.json", rates)
    began = time.perf_counter()
    subprocess.run([sys.executable, "-c", "import jax, haiku, optax; jax.devices()"], check=True)
    table.note("start of a process with JAX, until it has the card", time.perf_counter() - began, "s")


def rows(plan):
    """Rows and a split, for the jobs that follow."""
    import numpy as np
    import pandas as pd

    from bench.row_reading import random_rows
    from s2f.rows.canonical import canonical, write_rows

    raw = random_rows(plan.rows)
    began = time.perf_counter()
    write_rows(plan.file("rows.parquet"), canonical(raw, "bench"))
    seconds = time.perf_counter() - began
    table.note(f"{plan.rows:,} rows of 200 bp checked and written", seconds, "s", remark=plan.scaled)
    share = np.arange(plan.rows) / plan.rows
    parts = np.select([share < 0.84, share < 0.92], ["train", "val"], "test")
    pd.DataFrame({"row_id": raw["row_id"], "split": parts}).to_csv(plan.file("split.tsv"), sep="\t", index=False)


def embed(plan):
    """`embed` as a whole job, both strands, and where its seconds go."""
    from bench.cache_building import CONSTRUCT, INSERT
    from bench.head_training import LENGTH, encoder_flop
    from s2f.embeddings.encoders import _alphagenome_network, _flank_reuse
    from s2f.sequences.constructs import Construct

    spec = {key: value for key, value in plan.encoder().items() if key != "batch_size"}  # the one that studies have
    job = Job(Path(plan.folder) / "embed.log", "embed", embed_options(plan, spec))
    windows, what = 2 * plan.rows, f"embed, {plan.rows:,} inserts on two strands, {spec['precision']}"
    reuse = _flank_reuse.plan(
        LENGTH, *Construct.from_spec(CONSTRUCT).flank_lengths(INSERT), _alphagenome_network.REACHES
    )
    name, rate = plan.products().get(spec["precision"], ("", None))
    limit = rate and rate / encoder_flop(spec["size"], LENGTH, reuse)
    table.note(f"{what}: the whole job", job.seconds, "s", None, limit and windows / limit, name, plan.scaled)
    device, planned = job.at(r'\{"python"'), job.at(r".* unique inserts, ")
    table.note(f"{what}: start, libraries, rows and weights, to the line of the device", device, "s")
    table.note(f"{what}: unique inserts and checks, to the plan", planned - device, "s")
    done = [(when, int(found[1].replace(",", ""))) for when, found in job.lines(r"([\d,]+) of [\d,]+ windows, ")]
    (first, before), (last, after) = done[0], done[-1]
    steady = (after - before) / (last - first) if last > first else windows / (last - planned)
    table.note(f"{what}: steady part", steady, "windows/s", None, limit, name)
    table.note(f"{what}: to the first tenth, beyond the steady rate", first - planned - before / steady, "s", None,
               remark=f"{job.compiling():.1f} s of compilation in the whole job")  # fmt: skip
    table.note(f"{what}: after the last window, to verified files", job.seconds - last, "s")


def train(plan):
    """`train_head` as a whole job, first without and then with what the first one compiled."""
    from bench.head_training import ADAMW_BYTES

    rates, count = plan.rates(), math.ceil(plan.rows * 0.84)
    copied = plan.rows * (0.84 * 2 + 0.08) * ROW_BYTES
    updates = 2 * -(-count // 128) * ADAMW_BYTES * (7680 * 512 + 512 * 512)  # of an epoch, in both layers
    for state, epochs in (("nothing compiled before", plan.size(10, 3)), ("compiled before", 3)):
        limit = None
        if {"memory", "from pinned memory, by torch"} <= rates.keys():
            limit = copied / rates["from pinned memory, by torch"] + epochs * updates / rates["memory"]
        job, precision = _training(plan, [FLATTEN], epochs, f"train_head_{state.replace(' ', '_')}")
        what = f"train_head, {FLATTEN}, {precision}, {count:,} rows on two strands, {state}"
        table.note(f"{what}: the whole job, {epochs} epochs", job.seconds, "s", None, limit,
                   "copy of the caches and bytes of the updates", plan.scaled)  # fmt: skip
        done = [when for when, _ in job.lines(r"epoch +\d+ ")]
        epoch = (done[-1] - done[0]) / (len(done) - 1)
        device, planned = job.at(r'\{"python"'), job.at(r".* rows to train, ")
        table.note(f"{what}: first step after", done[0] - epoch, "s",
                   remark=f"{job.compiling():.1f} s of compilation in all threads")  # fmt: skip
        table.note(f"{what}: start and libraries, to the line of the device", device, "s")
        table.note(f"{what}: rows, split, index of the caches", planned - device, "s")
        table.note(f"{what}: loading and compilation", done[0] - epoch - planned, "s")
        table.note(f"{what}: an epoch with its validation", epoch, "s")
        table.note(f"{what}: after the last epoch, to the written model", job.seconds - done[-1], "s")


def one_load(plan):
    """Four families of heads in one job, on embeddings that are loaded once (`train_together: caches`)."""
    heads = [FLATTEN, "boda-mean-512-512", "boda-center-512-512", "encoder-1024-dropout"]
    job, precision = _training(plan, heads, 3, "one_load")
    count = math.ceil(plan.rows * 0.84)
    what = f"train_head, {', '.join(heads)} from one load, {precision}, {count:,} rows on two strands"
    table.note(f"{what}: the whole job, 3 epochs each", job.seconds, "s", remark=plan.scaled)
    done = [when for when, _ in job.lines(r"epoch +\d+ ")]
    for own, before, first in zip(heads[1:], done[2::3], done[3::3], strict=False):
        table.note(f"{what}: {own}, from the last epoch of the head before to its first", first - before, "s")


def _training(plan, heads, epochs, name):
    """(job, precision) of a training of heads on the caches of the part `embed`."""
    if not plan.file("+00.forward.json").is_file():
        raise InputError("there are no embedding caches: the part embed failed")
    precision = plan.size("bfloat16", "float32")
    settings = {"precision": precision, "epochs": epochs, "patience": epochs}
    compiled = {"S2F_COMPILED": str(plan.file("compiled"))}
    log = Path(plan.folder) / f"{name}.log"
    return Job(log, "train_head", train_options(plan, heads, settings, name), compiled), precision


def embed_options(plan, spec):
    """Options of `embed` for both strands."""
    from bench.cache_building import CONSTRUCT, STRANDS

    paths = [plan.file(f"+00.{strand}.h5") for strand in STRANDS]
    return [
        "--rows", plan.file("rows.parquet"), "--encoder", "ag", "--encoder-spec", spec, "--construct", CONSTRUCT,
        "--strands", *STRANDS, "--out", *paths, "--manifests", *(path.with_suffix(".json") for path in paths),
    ]  # fmt: skip


def train_options(plan, heads, training, name):
    """Options of `train_head` for a run of each head, in folders whose names begin with `name`."""
    from bench.cache_building import CONSTRUCT, STRANDS

    count, outs = len(heads), [plan.file(f"{name}_{head}") / "best_model" for head in heads]
    return [
        "--rows", plan.file("rows.parquet"), "--split", plan.file("split.tsv"), "--task", "regression",
        "--construct", CONSTRUCT, "--caches", *(plan.file(f"+00.{strand}.h5") for strand in STRANDS),
        "--dataset", "d", "--split-name", "s", "--encoder", "ag", "--study-seed", 1, "--strand-rule", "mean",
        "--memory-mb", 100_000, "--heads", *heads, "--seeds", *[1] * count,
        "--augmentations", *["no_shift"] * count, "--modes", *[{"kind": "no_shift"}] * count,
        "--training", *[training] * count, "--models", *outs,
        "--histories", *(out.with_name("history.tsv") for out in outs),
    ]  # fmt: skip


def epochs(plan):
    """Epochs of heads on embeddings that are on the card."""
    from bench import head_training, machine

    found, narrow = machine.limits(plan.quick), plan.size("bfloat16", "float32")
    flatten, others = [FLATTEN], ["boda-mean-512-512", "boda-center-512-512"]
    for slugs, precision, naive, seeds in (
        (flatten, narrow, plan.naive_parameters(), 1),
        (flatten, "float32", None, 1),
        (flatten, narrow, None, 5),
        (others, narrow, None, 1),
    ):
        what = f"head epoch, {', '.join(slugs)}, {precision}, seeds: {seeds}"
        table.attempt(what, lambda a=(slugs, precision, naive, seeds): head_training.bench(
            a[0], ["no_shift"], plan.rows, plan.size(2, 1), found, None, plan.encoder(), 128, a[1], a[2], a[3]
        ))  # fmt: skip


def unroll(plan):
    """Whether it would pay to unroll the loops over batches and views of an epoch."""
    import jax

    from bench import head_training, machine

    scan, mode, precision = jax.lax.scan, {"kind": "no_shift"}, plan.size("bfloat16", "float32")
    tables = head_training.make_tables(mode, plan.rows, *head_training.SHAPE, plan.encoder())
    runs = {}
    for steps in (1, 2, 4):
        own, _ = head_training.start_training(FLATTEN, mode, plan.rows, None, 128, precision, tables)

        def epoch(own=own, steps=steps):
            jax.lax.scan = lambda *a, **k: scan(*a, **{"unroll": steps, **k})  # read when the epoch is traced
            try:
                own()
            finally:
                jax.lax.scan = scan

        runs[steps] = epoch
    for steps in (2, 4):
        turns = machine.Turns({steps: runs[steps], 1: runs[1]}, plan.size(2, 1))
        table.note(
            f"head epoch, {FLATTEN}, no_shift, {precision}, variant: {steps} steps of a loop at once",
            turns.best(steps) * ROWS / plan.rows, "s", None, None, "",
            f"{turns.ratio(1, steps):.2f} times as fast as one at a time; first epoch {turns.first[steps]:.1f} s",
        )  # fmt: skip


def modes(plan):
    """Epochs of modes that run the encoder, extrapolated from few rows."""
    from bench import head_training, machine
    from s2f.embeddings import encoders

    spec, found = plan.encoder(), machine.limits(plan.quick)
    encoder = encoders.build(spec)
    for mode in ("full", "hybrid"):
        naive = plan.naive_parameters() if mode == "full" else None
        table.attempt(f"head epoch, {FLATTEN}, {mode}", lambda mode=mode, naive=naive: head_training.bench(
            [FLATTEN], [mode], plan.size(16_384, 64), 1, found, encoder, spec, 128, spec["precision"], naive, 1
        ))  # fmt: skip


def malinois(plan):
    """Training of Malinois."""
    from bench import malinois as own

    own.bench(plan.size(64 * 1076, 64), plan.products(), plan.quick, plan.size(3, 1))


def from_scratch(plan):
    """Training of LegNet and DREAM-RNN."""
    from bench import baseline_training, machine

    baseline_training.bench(plan.size(2, 1), machine.limits(plan.quick), plan.quick)


def language_models(plan):
    """Embedding and fine-tuning by LAMAR and DNABERT-2."""
    from bench import language_model
    from s2f.language_model import dnabert2

    # the published tokenizer is not at hand: at full size, with the pieces of the small one, 29 in 101 letters
    own, small = dict(dnabert2.SIZES["dnabert2"]), dnabert2.SIZES["dnabert2-mini"]
    dnabert2.SIZES["dnabert2, 281 pieces"] = own | {"vocab_size": small["vocab_size"]}
    lamar, bert = plan.size(("lamar", "dnabert2, 281 pieces"), ("lamar-mini", "dnabert2-mini"))
    windows, products = language_model.random_windows(plan.size(4096, 8)), plan.products()
    few, examples, steps = plan.size((256, 1024, 8), (4, 64, 1))
    more = {"repeats": plan.size(2, 1), "plain_count": few, "limits": products}
    runs = {
        f"{lamar}: embedding": lambda: language_model.bench_lamar(windows, lamar, **more),
        f"{bert}: embedding": lambda: language_model.bench_dnabert2(windows, bert, **more),
        f"{lamar}: fine-tuning": lambda: language_model.bench_finetuning(lamar, examples, products, steps),
        f"{bert}: fine-tuning": lambda: language_model.bench_finetuning(bert, examples, products, steps),
    }
    for what, own_run in runs.items():
        table.attempt(what, own_run)


def tower(plan):
    """Enformer's tower."""
    from bench import enformer_tower, machine

    spec = plan.encoder() | {"kind": "enformer_tower"}
    enformer_tower.bench(plan.size(8192, 8), plan.size(2, 1), machine.limits(plan.quick), spec)


def stage2(plan):
    """Gradient steps of stage 2, in its cheapest form."""
    from bench import machine
    from bench import stage2 as own

    own.bench(list(own.FORMS)[:1], plan.size(128, 4), plan.size(3, 1), machine.limits(plan.quick), plan.encoder())


def scoring(plan):
    """Scoring of a VCF."""
    from bench import scoring as own

    own.bench(plan.size(50_000, 32), 1, plan.encoder())


@dataclass(frozen=True)
class Part:
    """A part: its function, the seconds after which it is ended, the libraries that must see the card, the part whose
    files it reads, and whether it starts `programs`, which then have the card to themselves."""

    function: object
    seconds: int
    libraries: tuple = ("jax",)
    after: str | None = None
    programs: bool = False


# to add a part, write a function and a line here; all limits together stay below 600 s
PARTS = {
    "limits": Part(limits, 30),
    "rows": Part(rows, 15, ()),
    "embed": Part(embed, 78, after="rows", programs=True),
    "train": Part(train, 95, after="embed", programs=True),
    "one_load": Part(one_load, 50, after="embed", programs=True),
    "epochs": Part(epochs, 70),
    "unroll": Part(unroll, 36),
    "modes": Part(modes, 50),
    "malinois": Part(malinois, 45, ("torch",)),
    "from_scratch": Part(from_scratch, 20, ("torch", "jax")),
    "language_models": Part(language_models, 36, ("torch",)),
    "tower": Part(tower, 20, ("torch", "jax")),
    "stage2": Part(stage2, 20),
    "scoring": Part(scoring, 30),
}


def _seconds(function):
    began = time.perf_counter()
    function()
    return time.perf_counter() - began


def _read(path, target, threads, piece=2**24):
    """Seconds in which threads read a file, each a range in pieces, into a memory view of its size."""
    size = len(target)
    edges = [size * i // threads for i in range(threads + 1)]
    file = os.open(path, os.O_RDONLY)

    def part(number):
        start, end = edges[number : number + 2]
        while start < end:
            start += os.preadv(file, [target[start : min(start + piece, end)]], start)

    try:
        with ThreadPoolExecutor(threads) as pool:
            return _seconds(lambda: list(pool.map(part, range(threads))))
    finally:
        os.close(file)


# --- the program


def run_part(plan, name, seconds, command=None):
    """Run a part as a process, end it and all that it started after some seconds; failure is a row of the table."""
    command = command or [sys.executable, "-P", "-m", "bench.gpu", "--child", name, json.dumps(asdict(plan))]
    print(f"\n--- {name}, at most {seconds} s", flush=True)
    why, took = processes.ended(command, seconds)
    print(f"--- {name}: {took:.0f} s", flush=True)
    table.keep(Path(plan.folder) / "gpu.tsv", name)
    if why:
        table.missing(f"{name}: all that is not in the rows above", why)


def child(name, plan):
    """Run one part in this process."""
    part = PARTS[name]
    devices.limit_to_job_resources(plan.threads, gpus=int(not (part.programs or on_cpu())))
    table.keep(Path(plan.folder) / "gpu.tsv", name)
    part.function(plan)


def plan_of(arguments, memory):
    """The `Plan` for this machine."""
    wanted, scaled = 1024 if arguments.quick else ROWS, ""
    space = 2 * wanted * ROW_BYTES * 1.1 + 5e9
    places = [Path("/dev/shm"), arguments.folder]
    places = [place for place in places if place.is_dir() and (arguments.quick or _free(place) > 1.3 * space)]
    place = places[0] if places and not arguments.quick else arguments.folder
    by = {
        f"{memory / 1e9:.0f} GB free on the card": int(0.4 * memory / (2 * ROW_BYTES)),
        f"{_free(place) / 1e9:.0f} GB free in {place}": int((_free(place) / 1.3 - 5e9) / (2.2 * ROW_BYTES)),
    }
    why, fitting = min(by.items(), key=lambda item: item[1])
    rows = wanted if arguments.quick else min(wanted, fitting)
    if rows < min(wanted, 4096):
        raise InputError(f"{place}: {why}, room for {rows} rows; expected 4096 or more; choose another --folder")
    if rows < wanted:
        scaled = f"instead of {wanted:,} rows: {why}"
    data = place / f"s2f-bench-gpu-{os.getpid()}"
    threads = min(8, cores())
    return Plan(str(arguments.folder), str(data), rows, scaled, memory, threads, arguments.quick)


def _free(place):
    return shutil.disk_usage(place).free


def above_zero(text):
    """The number that is the value of an option."""
    if not 0 < float(text) < math.inf:
        raise argparse.ArgumentTypeError(f"{text} is not a number above 0")
    return float(text)


def main():
    """Run the parts one after another, and print the table."""
    if sys.argv[1:2] == ["--child"]:
        return child(sys.argv[2], Plan(**json.loads(sys.argv[3])))
    parser = argparse.ArgumentParser(
        prog="python -m bench.gpu", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--quick", action="store_true", help="small sizes, also without a GPU: does it run?")
    parser.add_argument("--parts", nargs="+", choices=PARTS, default=list(PARTS), help="what to measure")
    parser.add_argument("--folder", type=Path, default=Path("build/gpu"), help="of the table (%(default)s)")
    parser.add_argument("--patience", type=above_zero, default=1, help="multiplies the time limits, for a slower card")
    arguments = parser.parse_args()
    about, seen, memory = card()
    if not (seen.get("jax") or seen.get("torch") or arguments.quick):
        raise InputError(
            "neither JAX nor torch sees a GPU: run this where there is one, with the builds of both for CUDA; --quick "
            "runs small sizes on the CPU, to see whether everything works"
        )
    arguments.folder = arguments.folder.resolve()
    try:
        arguments.folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise InputError(
            f"--folder {arguments.folder}: cannot be made ({error.strerror}); expected a folder to write to"
        ) from None
    check_writable(arguments.folder / "gpu.tsv")
    plan, path = plan_of(arguments, memory), arguments.folder / "gpu.tsv"
    parts = _with_needed(arguments.parts)
    lines, kept = head([*about, *(["quick: the sizes are too small to say anything"] if arguments.quick else [])]), []
    if path.is_file():
        before, kept = table.read(path)
        if before[:-1] != lines:
            raise InputError(f"{path}: measured with {'; '.join(before[:-1])}, this is {'; '.join(lines)}; choose "
                             "another --folder")  # fmt: skip
        kept = [row for row in kept if row["part"] not in parts]
    table.begin(path, [*lines, f"date: {datetime.datetime.now(datetime.UTC):%Y-%m-%d %H:%M} UTC"], kept)
    Path(plan.data).mkdir()
    try:
        for name in parts:
            lacking = [library for library in PARTS[name].libraries if seen and not seen.get(library)]
            if lacking:
                table.keep(path, name)
                table.missing(f"{name}: all", f"{' and '.join(lacking)} sees no GPU")
                continue
            run_part(plan, name, PARTS[name].seconds * arguments.patience * (5 if arguments.quick else 1))
    finally:
        shutil.rmtree(plan.data)
        text = table.markdown(path)
        path.with_suffix(".md").write_text(text)
        print(f"\n{text}\n{path}, {path.with_suffix('.md')}")


def _with_needed(names):
    """The parts and those whose files they read, in the order of `PARTS`."""
    wanted = set(names)
    for name in reversed(PARTS):
        if name in wanted and PARTS[name].after:
            wanted.add(PARTS[name].after)
    return [name for name in PARTS if name in wanted]


if __name__ == "__main__":
    run(main)
