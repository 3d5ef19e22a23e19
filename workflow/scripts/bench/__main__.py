"""Measure the hot paths on this machine: their rates, the share of the hardware's limit that they reach, and how many
times faster they are than the usual way.

    PYTHONPATH=workflow/scripts python -m bench [--rows 4096] [--heads boda-flatten-512-512] [--modes no_shift full]

Needs JAX, torch and the library; runs on the device that JAX finds. Every rate is the best of the repeats. Shares and
ratios are medians over turns in which the limit, our way and the usual way run one after another: a busy machine slows
all of them alike. Embeddings and rows are random.
"""

import argparse

from s2f.common.devices import limit_to_job_resources, log_device

HEADS = [f"boda-{reduction}-512-512" for reduction in ("flatten", "sum", "mean", "max", "center")]
HEADS += ["encoder-1024-dropout", "chip-cnn"]
PARTS = ("heads", "baselines", "cache", "tower", "rows", "mutagenesis", "scoring", "stage2")


def main():
    """Print all figures."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--parts", nargs="+", choices=PARTS, default=PARTS, help="what to measure")
    parser.add_argument("--rows", type=int, help="rows of head training (default: 4096 on a CPU, 65536 on a GPU)")
    parser.add_argument("--heads", nargs="+", default=HEADS, help="slugs")
    parser.add_argument("--modes", nargs="+", default=["no_shift"], help="kinds of augmentation")
    parser.add_argument("--batch-size", type=int, default=128, help="batch size of head training")
    parser.add_argument(
        "--precision", choices=["float32", "bfloat16"], default="float32", help="precision of head training"
    )
    parser.add_argument(
        "--seeds", type=int, default=1, help="heads trained together in one program; their rows/s are added up"
    )
    parser.add_argument(
        "--naive-parameters",
        type=int,
        help="parameters that the naive optimiser carries (default: 90 M on a CPU, 454 M on a GPU)",
    )
    parser.add_argument(
        "--encoder", choices=["tiny", "full"], help="size of the encoder (default: tiny on a CPU, full on a GPU)"
    )
    parser.add_argument(
        "--encoder-precision",
        choices=["float32", "bfloat16"],
        help="precision of the encoder (default: float32 on a CPU, bfloat16 on a GPU)",
    )
    parser.add_argument("--encoder-batch", type=int, help="sequences per call (default: 64 on a CPU, 512 on a GPU)")
    parser.add_argument(
        "--sequences", type=int, help="sequences of cache building (default: 512 on a CPU, 32768 on a GPU)"
    )
    parser.add_argument("--repeats", type=int, default=5, help="number of turns")
    parser.add_argument("--quick", action="store_true", help="small sizes and one turn, to see whether everything runs")
    parser.add_argument("--threads", type=int, default=2, help="CPU threads")
    a = parser.parse_args()
    limit_to_job_resources(a.threads, gpus=1)
    # JAX reads the thread count once
    from bench import (
        baseline_training,
        cache_building,
        head_training,
        interpretation,
        machine,
        row_reading,
        scoring,
        stage2,
    )
    from s2f.embeddings import encoders

    cpu, repeats = machine.ON_CPU, 1 if a.quick else a.repeats
    log_device()
    limits = machine.limits(a.quick)
    alone = machine.Turns({limit.name: limit.run for limit in limits}, repeats)
    for limit in limits:
        print(f"limit: {limit.name} {limit.rate(alone) / 1e9:,.0f} {'GB' if limit.name == 'memory' else 'GFLOP'}/s")
    spec = {
        "kind": "alphagenome",
        "size": a.encoder or ("tiny" if cpu or a.quick else "full"),
        "weights": {"random": 0},
        "precision": a.encoder_precision or ("float32" if cpu else "bfloat16"),
        "batch_size": a.encoder_batch or (64 if cpu else 512),
    }
    if "heads" in a.parts:
        rows = a.rows or (256 if a.quick else 4096 if cpu else 65_536)
        naive = a.naive_parameters or (100_000 if a.quick else 90_000_000 if cpu else 454_000_000)
        encoder = encoders.build(spec)
        head_training.bench(
            a.heads, a.modes, rows, repeats, limits, encoder, spec, a.batch_size, a.precision, naive, a.seeds
        )  # fmt: skip
    if "baselines" in a.parts:
        baseline_training.bench(min(repeats, 3), limits, a.quick)
    if "cache" in a.parts:
        cache_building.bench(a.sequences or (64 if a.quick else 512 if cpu else 32_768), repeats, limits, spec)
    if "tower" in a.parts:
        from bench import enformer_tower  # needs torch too

        small = "tiny" if a.quick else a.encoder or "full"
        of_tower = {
            **spec,
            "kind": "enformer_tower",
            "size": small,
            "batch_size": a.encoder_batch or (32 if cpu else 512),
        }
        count = a.sequences or (64 if cpu else 32_768)
        enformer_tower.bench(count, min(repeats, 3) if cpu else repeats, limits, of_tower)
    if "rows" in a.parts:
        row_reading.bench(1000 if a.quick else 100_000, repeats)
    if "mutagenesis" in a.parts:
        small = {"size": "tiny" if a.quick else a.encoder or "full", "batch_size": a.encoder_batch or 32}
        interpretation.bench(min(repeats, 1) if cpu else repeats, {**spec, **(small if cpu else {})})
    if "scoring" in a.parts:
        scoring.bench(32 if a.quick else 8192 if cpu else 100_000, min(repeats, 2), spec)
    if "stage2" in a.parts:
        of_stage2 = {**spec, "size": "tiny" if a.quick else a.encoder or "full"}
        forms = list(stage2.FORMS)[: 1 if a.quick else None]
        stage2.bench(forms, 4 if cpu else 128, min(repeats, 2), limits, of_stage2)


if __name__ == "__main__":
    main()
