"""Measure how fast LAMAR and DNABERT-2 embed, and how fast they are fine-tuned, against plain loops on this machine.

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

from bench.table import note

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


def bench_lamar(
    sequences, size="lamar-mini", repeats=3, precisions=("float32", "bfloat16"), plain_count=None, limits=None
):
    """Print rates and ratios for texts of one length; returns {way: (ratio of wall time, of CPU time, error)}.

    The plain loop reads only the first `plain_count` (None: all). `limits`, {precision: (name, FLOP/s)}, are for the
    table of `bench.gpu`.
    """
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
    ways = {PADDED: lambda: np.stack(plain_embeddings(model, plain_tokenizer, sequences[:plain_count]))}
    for precision in precisions:
        encoder = encoders.build({**section, "precision": precision})
        ways[f"encoder, {precision}"] = lambda encoder=encoder: encoder.encode(codes).astype(np.float32)
    return _compared(f"LAMAR embeddings, {size}", "every token", codes, ways, repeats, limits)


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


def bench_dnabert2(
    sequences, size="dnabert2-mini", repeats=3, precisions=("float32", "bfloat16"), tokenizer="", plain_count=None,
    limits=None,
):  # fmt: skip
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
        PADDED: lambda: plain_means(model, plain, sequences[:plain_count], "max_length"),
        f"plain: batch {PLAIN_BATCH}, padded to its longest": lambda: plain_means(
            model, plain, sequences[:plain_count], "longest"
        ),
    }
    for precision in precisions:
        encoder = encoders.build({**section, "precision": precision})
        ways[f"encoder, {precision}"] = lambda encoder=encoder: encoder.encode(codes).astype(np.float32)
    return _compared(f"DNABERT-2 embeddings, {size}", "mean over the pieces", codes, ways, repeats, limits)


def _compared(title, what, codes, ways, repeats, limits):
    """Time the `ways`, {name: function}, in turns, and print a line for each compared with the first, per window."""
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
    out, both = {}, len(results[first])
    best = {name: min(turn[0] for turn in times[name]) for name in ways}
    for name in ways:
        count = len(results[name])
        ratio, of_cpu = (
            count / both * statistics.median(a[i] / b[i] for a, b in zip(times[first], times[name], strict=True))
            for i in range(2)
        )
        cpu = min(turn[1] for turn in times[name])
        error = float(np.abs(results[name][:both] - results[first]).max())
        print(f"{name:34s}{count / best[name]:10,.1f}{best[name]:9.2f}{cpu:9.2f}{ratio:8.1f}{of_cpu:8.1f}{error:15.1e}")
        out[name] = ratio, of_cpu, error
        if name.startswith("encoder"):
            limited_by, limit = _limit(limits, name.split(", ")[1], lambda name=name: ways[name](), count)
            note(
                f"{title}, windows of {codes.shape[1]} letters, {name.split(', ')[1]}", count / best[name], "windows/s",
                both / best[first], limit, limited_by, f"{count:,} windows; {first}, float32, on {both:,}",
            )  # fmt: skip
    return out


def _limit(limits, precision, run, count):
    """(name, rate) at which `run()`, which does `count` items, would do its products at the rate of `limits`."""
    if not limits:
        return "", None
    from torch.utils.flop_counter import FlopCounterMode

    with FlopCounterMode(display=False) as counter:
        run()
    name, rate = limits[precision]
    return name, rate * count / counter.get_total_flops()


def bench_finetuning(size, examples, limits=None, plain_steps=8, precisions=("float32", "bfloat16")):
    """Print steps/s of fine-tuning all weights on windows of 101 letters in batches of `PLAIN_BATCH`: ours in the
    second of two epochs, and a plain loop in float32 on ids padded to 512 tokens, without its first steps."""
    import numpy as np
    import torch

    from s2f.baselines import _finetuning
    from s2f.common.devices import torch_device
    from s2f.language_model import families

    family, device = families.of_size(size), torch_device()
    tokens = family.tokens({"random": 0}, "", size)
    codes = np.random.Generator(np.random.PCG64(3)).integers(0, 4, (examples, 101), np.uint8)
    ids, labels = tokens.of_codes(codes), np.arange(examples) % 2.0
    print(f"\nfine-tuning, {size}, all weights, windows of 101 letters, batches of {PLAIN_BATCH}, {device.type}")

    eager = "eager" if family.kind == "lamar" else "sdpa"
    model = family.from_seed(family.configure(size, eager, num_labels=2), 0, "classification").to(device).train()
    optimiser = torch.optim.AdamW(model.parameters(), 5e-5)
    padded = np.pad(ids[:PLAIN_BATCH], ((0, 0), (0, PLAIN_TOKENS - ids.shape[1])), constant_values=family.pad)
    times = []
    for _ in range(plain_steps):
        began = time.perf_counter()
        x, y = torch.from_numpy(padded).to(device).long(), torch.from_numpy(labels[:PLAIN_BATCH]).to(device).long()
        outputs = model.classifier(family.hidden(model, x, x == family.pad))
        loss = torch.nn.functional.cross_entropy(outputs, y)
        optimiser.zero_grad()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimiser.step()
        loss.item()
        times.append(time.perf_counter() - began)
    plain = 1 / statistics.median(times[plain_steps // 4 :])
    print(f"{'plain loop, float32':34s}{plain:10,.2f} steps/s")
    del model, optimiser
    for precision in precisions:
        spec = {"size": size, "weights": {"random": 0}, "precision": precision, "batch_size": PLAIN_BATCH}
        spec |= {"micro_batch": PLAIN_BATCH, "patience": 9}
        settings = {
            epochs: _finetuning.Settings.from_spec({**spec, "epochs": epochs}, f"{family.kind}_finetuned")
            for epochs in (1, 2)
        }

        def train(epochs, settings=settings):
            model = family.from_seed(family.configure(size, num_labels=2), 0, "classification")
            part = (ids[:64], labels[:64]) if epochs == 1 else (ids, labels)
            return _finetuning.finetune(model, part, (ids[:64], labels[:64]), settings[epochs], 0, lambda line: None)

        rate = train(2).history[-1]["rows_per_second"] / PLAIN_BATCH
        print(f"{f'ours, {precision}':34s}{rate:10,.2f} steps/s")
        # an epoch of 64 examples, then as many forward passes: three quarters of the products are those of the steps
        limited_by, limit = _limit(limits, precision, lambda: train(1), 64 / PLAIN_BATCH * 4 / 3)
        note(
            f"fine-tuning {size}, all weights, batch {PLAIN_BATCH}, {precision}", rate, "steps/s", plain, limit,
            limited_by, f"{examples:,} windows of 101 letters; plain: padded to {PLAIN_TOKENS} tokens, float32",
        )  # fmt: skip


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
