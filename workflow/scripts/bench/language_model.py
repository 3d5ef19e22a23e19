"""Measure the embedding throughput of LAMAR and DNABERT-2 against plain loops, on this machine.

    PYTHONPATH=workflow/scripts python -m bench.language_model [--size lamar-mini] [--sequences 128] [--table FILE.csv]

The plain loop is how such embeddings are usually made. For LAMAR: batches of 32 through transformers' tokenizer, padded
to 512 tokens, eager attention, all hidden states. For DNABERT-2: batches of 32 in the order of the file through
transformers' tokenizer, padded to 512 tokens or to the longest of the batch, with an attention mask, and the mean over
the pieces. All compute the same, and the difference between results is shown. The ways take turns; ratios are medians
over turns. CPU seconds are shown beside wall seconds, because other jobs on the machine affect them less.
"""

import argparse
import statistics
import tempfile
import time

PLAIN_BATCH, PLAIN_TOKENS = 32, 512
PADDED = f"plain: batch {PLAIN_BATCH}, padded to {PLAIN_TOKENS}"


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
    """Print rates and ratios for texts of one length; returns {way: (ratio of wall time, of CPU time, error)}."""
    import numpy as np
    from transformers import AutoTokenizer

    from s2f.common.devices import torch_device
    from s2f.embeddings import encoders
    from s2f.language_model import configuration, loading, tokenizer
    from s2f.sequences import dna

    model = loading.from_seed(configuration.make(size, "eager"), 0).to(torch_device())
    with tempfile.TemporaryDirectory() as folder:
        tokenizer.save(folder)
        plain_tokenizer = AutoTokenizer.from_pretrained(folder)
    codes = np.stack([dna.encode(sequence) for sequence in sequences])
    section = {"kind": "lamar", "size": size, "weights": {"random": 0}}
    ways = {PADDED: lambda: np.stack(plain_embeddings(model, plain_tokenizer, sequences))}
    for precision in precisions:
        encoder = encoders.build({**section, "precision": precision})
        ways[f"encoder, {precision}"] = lambda encoder=encoder: encoder.encode(codes).astype(np.float32)
    return _compared(f"LAMAR embeddings, {size}", "every token", codes, ways, repeats)


def plain_means(model, tokenizer, sequences, padding):
    """Means over the pieces, (N, 1, D), the usual way; `padding` as transformers' tokenizers take it."""
    import numpy as np
    import torch

    from s2f.common.devices import torch_device

    out = []
    for start in range(0, len(sequences), PLAIN_BATCH):
        batch = sequences[start : start + PLAIN_BATCH]
        tokens = tokenizer(batch, padding=padding, max_length=PLAIN_TOKENS, truncation=True, return_tensors="pt")
        ids = tokens["input_ids"].to(torch_device())
        with torch.inference_mode():
            hidden = model(ids, ids == tokenizer.pad_token_id)
        counted = (ids > tokenizer.mask_token_id)[..., None]
        out.append(((hidden * counted).sum(1) / counted.sum(1)).cpu().numpy())
    return np.concatenate(out)[:, None]


def bench_dnabert2(sequences, size="dnabert2-mini", repeats=3, precisions=("float32", "bfloat16"), tokenizer=""):
    """As `bench_lamar`; `tokenizer` is the folder of the full-size model's tokenizer."""
    import numpy as np
    from transformers import PreTrainedTokenizerFast

    from s2f.common.devices import torch_device
    from s2f.embeddings import encoders
    from s2f.language_model import bpe, dnabert2
    from s2f.sequences import dna

    model = dnabert2.from_seed(dnabert2.configure(size), 0).to(torch_device())
    names = {f"{name.strip('[]').lower()}_token": name for name in bpe.SPECIAL}
    with tempfile.TemporaryDirectory() as folder:
        dnabert2.pieces({"random": 0}, tokenizer, size).save(folder)
        plain = PreTrainedTokenizerFast(tokenizer_file=f"{folder}/{bpe.FILE}", **names)
    codes = np.stack([dna.encode(sequence) for sequence in sequences])
    section = {"kind": "dnabert2", "size": size, "weights": {"random": 0}, "tokenizer": tokenizer}
    ways = {
        PADDED: lambda: plain_means(model, plain, sequences, "max_length"),
        f"plain: batch {PLAIN_BATCH}, padded to its longest": lambda: plain_means(model, plain, sequences, "longest"),
    }
    for precision in precisions:
        encoder = encoders.build({**section, "precision": precision})
        ways[f"encoder, {precision}"] = lambda encoder=encoder: encoder.encode(codes).astype(np.float32)
    return _compared(f"DNABERT-2 embeddings, {size}", "mean over the pieces", codes, ways, repeats)


def _compared(title, what, codes, ways, repeats):
    """Time the `ways`, {name: function}, in turns, and print a line for each compared with the first."""
    import numpy as np

    from s2f.common.devices import torch_device

    first = next(iter(ways))
    results = {name: run() for name, run in ways.items()}  # warms up
    times = {name: [] for name in ways}
    for _ in range(repeats):
        for name, run in ways.items():
            wall, cpu = time.perf_counter(), time.process_time()
            run()
            times[name].append((time.perf_counter() - wall, time.process_time() - cpu))
    print(f"\n{title}, {len(codes)} windows of {codes.shape[1]} letters, {torch_device().type}, {what}")
    print(f"{'':34s}{'windows/s':>10s}{'wall s':>9s}{'CPU s':>9s}{'ratio':>8s}{'of CPU':>8s}{'largest error':>15s}")
    out = {}
    for name in ways:
        ratio, of_cpu = (
            statistics.median(plain[i] / ours[i] for plain, ours in zip(times[first], times[name], strict=True))
            for i in range(2)
        )
        wall, cpu = (min(turn[i] for turn in times[name]) for i in range(2))
        error = float(np.abs(results[name] - results[first]).max())
        print(f"{name:34s}{len(codes) / wall:10,.1f}{wall:9.2f}{cpu:9.2f}{ratio:8.1f}{of_cpu:8.1f}{error:15.1e}")
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
    sizes = ["lamar", "lamar-mini", "dnabert2", "dnabert2-mini"]
    parser.add_argument("--size", choices=sizes, help="model (default: both small ones)")
    parser.add_argument("--tokenizer", default="", help="for size dnabert2: folder with tokenizer.json")
    parser.add_argument("--sequences", type=int, default=128, help="how many")
    parser.add_argument("--table", help="comma-separated table with a column `sequence`")
    parser.add_argument("--repeats", type=int, default=3, help="turns")
    parser.add_argument("--threads", type=int, default=2, help="CPU threads")
    a = parser.parse_args()
    from s2f.common.devices import limit_to_job_resources

    limit_to_job_resources(a.threads, gpus=1)
    from s2f.common.tables import read_table

    table = read_table(a.table, ["sequence"], separator=",") if a.table else None
    windows = random_windows(a.sequences) if table is None else table["sequence"].tolist()[: a.sequences]
    for size in [a.size] if a.size else ["lamar-mini", "dnabert2-mini"]:
        if size.startswith("lamar"):
            bench_lamar(windows, size, a.repeats)
        else:
            bench_dnabert2(windows, size, a.repeats, tokenizer=a.tokenizer)


if __name__ == "__main__":
    main()
