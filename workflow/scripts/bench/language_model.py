"""Measure the embedding throughput of LAMAR against a plain loop, on this machine.

    PYTHONPATH=workflow/scripts python -m bench.language_model [--size lamar-mini] [--sequences 128] [--table FILE.csv]

The plain loop is how such embeddings are usually made: batches of 32 through transformers' tokenizer, padded to 512
tokens, eager attention, all hidden states. Both compute the same layer, and the difference of their results is shown.
They run by turns; ratios are medians over turns. Seconds of CPU time stand beside those of the wall, because another
job on the machine disturbs them less.
"""

import argparse
import statistics
import tempfile
import time

PLAIN_BATCH, PLAIN_TOKENS = 32, 512


def plain_embeddings(model, tokenizer, sequences):
    """Last hidden states of the letters, one array (L, D) per sequence, the usual way."""
    import torch

    out = []
    for start in range(0, len(sequences), PLAIN_BATCH):
        batch = sequences[start : start + PLAIN_BATCH]
        tokens = tokenizer(batch, padding="max_length", max_length=PLAIN_TOKENS, truncation=True, return_tensors="pt")
        with torch.no_grad():
            hidden = model(**tokens.to(model.device), output_hidden_states=True).hidden_states[-1].cpu().numpy()
        out += [states[1 : 1 + len(sequence)] for states, sequence in zip(hidden, batch, strict=True)]
    return out


def bench_lamar(sequences, size="lamar-mini", repeats=3, precisions=("float32", "bfloat16")):
    """Print rates and ratios for texts of one length; returns {precision: (ratio of wall time, of CPU time, error)}."""
    import numpy as np
    import torch
    from transformers import AutoTokenizer

    from s2f.embeddings import encoders
    from s2f.language_model import configuration, loading, tokenizer
    from s2f.sequences import dna

    device = "cuda" if torch.cuda.is_available() else "cpu"
    model = loading.from_seed(configuration.make(size, "eager"), 0).to(device)
    with tempfile.TemporaryDirectory() as folder:
        tokenizer.save(folder)
        plain_tokenizer = AutoTokenizer.from_pretrained(folder)
    codes = np.stack([dna.encode(sequence) for sequence in sequences])
    section = {"kind": "lamar", "size": size, "weights": {"random": 0}}
    ways = {"plain": lambda: np.stack(plain_embeddings(model, plain_tokenizer, sequences))}
    for precision in precisions:
        encoder = encoders.build({**section, "precision": precision})
        ways[precision] = lambda encoder=encoder: encoder.encode(codes).astype(np.float32)
    results = {name: run() for name, run in ways.items()}  # warms up
    times = {name: [] for name in ways}
    for _ in range(repeats):
        for name, run in ways.items():
            wall, cpu = time.perf_counter(), time.process_time()
            run()
            times[name].append((time.perf_counter() - wall, time.process_time() - cpu))
    print(f"\nLAMAR embeddings, {size}, {len(codes)} windows of {codes.shape[1]} letters, {device}, every token")
    print(f"{'':34s}{'windows/s':>10s}{'wall s':>9s}{'CPU s':>9s}{'ratio':>8s}{'of CPU':>8s}{'largest error':>15s}")
    out = {}
    for name in ways:
        ratio, of_cpu = (
            statistics.median(plain[i] / ours[i] for plain, ours in zip(times["plain"], times[name], strict=True))
            for i in range(2)
        )
        wall, cpu = (min(turn[i] for turn in times[name]) for i in range(2))
        error = float(np.abs(results[name] - results["plain"]).max())
        title = "plain: batch 32, padded to 512" if name == "plain" else f"encoder, {name}"
        print(f"{title:34s}{len(codes) / wall:10,.1f}{wall:9.2f}{cpu:9.2f}{ratio:8.1f}{of_cpu:8.1f}{error:15.1e}")
        out[name] = ratio, of_cpu, error
    return out


def random_windows(count, length=101):
    """Random windows, the same in every run."""
    import numpy as np

    from s2f.sequences import dna

    codes = np.random.Generator(np.random.PCG64(2)).integers(0, 4, (count, length), np.uint8)
    return [dna.decode(row) for row in codes]


def main():
    """Measure on the sequences of a file, or on random ones of 101 letters."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--size", default="lamar-mini", choices=["lamar", "lamar-mini"], help="model")
    parser.add_argument("--sequences", type=int, default=128, help="how many")
    parser.add_argument("--table", help="table with a column `sequence`, separated by commas")
    parser.add_argument("--repeats", type=int, default=3, help="turns")
    parser.add_argument("--threads", type=int, default=2, help="CPU threads")
    a = parser.parse_args()
    from s2f.common.devices import keep_to_share

    keep_to_share(a.threads, gpus=1)
    from s2f.common.tables import read_table

    table = read_table(a.table, ["sequence"], separator=",") if a.table else None
    windows = random_windows(a.sequences) if table is None else table["sequence"].tolist()[: a.sequences]
    bench_lamar(windows, a.size, a.repeats)


if __name__ == "__main__":
    main()
