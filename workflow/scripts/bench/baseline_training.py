"""Training LegNet and DREAM-RNN, in the library and as their authors do it."""

import contextlib
import io
import itertools
import tempfile

import numpy as np
import pandas as pd
import torch
from torch import nn
from torch.utils.data import DataLoader, Dataset

from bench.machine import ON_CPU, Turns, binding, header, shares
from bench.table import note
from s2f import baselines
from s2f.sequences import dna
from s2f.sequences.constructs import Construct
from s2f.sequences.flanks import GOSAI_DOWNSTREAM, GOSAI_UPSTREAM

WINDOW = Construct(230, GOSAI_UPSTREAM, GOSAI_DOWNSTREAM)
BATCH = {"legnet": 256, "dream_rnn": 32}  # LegNet's default, 1024, takes 5 GB the plain way
BATCHES = {"legnet": 2, "dream_rnn": 4}
ON_GPU = {"legnet": (1024, 64), "dream_rnn": (32, 256)}  # rows per batch, the defaults of both, and batches
PLAIN_ROWS = 1024  # at most, for the plain way on a GPU
CODE = {"A": 0, "G": 1, "C": 2, "T": 3}
FORMS = ("float32", "bfloat16")


def bench(repeats, limits, quick=False):
    """Print a line per kind and precision; `quick` with narrow networks and one small batch."""
    print(
        f"\nbaselines trained from scratch, windows of {WINDOW.length} bp, one epoch and one prediction\n"
        "plain: as in the authors' code: a text per row, made one-hot by a loop over its letters, DataLoader, standard "
        "layers on\n(batch, channels, length), float32, one step per batch"
    )
    print(
        f"{'':24s}{'batch':>7s}{'examples/s':>12s}{'GFLOP/s':>10s}{header(limits)}{'x plain':>9s}{'by CPU time':>13s}"
    )
    for kind in BATCH:
        batch, batches = (8, 1) if quick else (BATCH[kind], BATCHES[kind]) if ON_CPU else ON_GPU[kind]
        options = {"batch_size": batch, "epochs": 1, **(NARROW[kind] if quick else {})}
        examples = batch * batches
        plain_rows = examples if ON_CPU else min(examples, PLAIN_ROWS)
        rows = random_rows(examples // 2 if kind == "dream_rnn" else examples)  # which reads both strands of each
        runs = {f"ours in {form}": ours(kind, rows, {**options, "precision": form}) for form in FORMS}
        plain = PLAIN[kind](baselines.get(kind).Settings.from_spec(options))
        runs["plain"] = plain_epoch(kind, plain, pd.concat([rows] * 2)[:plain_rows], batch)
        turns = Turns({limit.name: limit.run for limit in limits} | runs, repeats)
        flop = flop_of(plain, kind)
        for form in FORMS:
            name = f"ours in {form}"
            rate, more = examples / turns.best(name), examples / plain_rows
            print(
                f"{f'{kind} {form}':24s}{batch:7d}{rate:12,.1f}{rate * flop / 1e9:10,.1f}"
                + shares(limits, turns, name, [flop * examples] * len(limits))
                + f"{more * turns.ratio('plain', name):9.2f}{more * turns.ratio('plain', name, 'cpu'):13.2f}",
                flush=True,
            )
            limited_by, share = binding(limits, turns, name, [flop * examples] * len(limits), form)
            note(
                f"{kind} training, {WINDOW.length} bp, batch {batch}, {form}", rate, "examples/s",
                plain_rows / turns.best("plain"), rate / share, limited_by,
                f"a whole training of {examples:,} examples; the authors' way in float32 on {plain_rows:,}",
            )  # fmt: skip


def random_rows(count):
    """Rows of 200 bp."""
    codes = np.random.Generator(np.random.PCG64(5)).integers(0, 4, (count, 200), np.uint8)
    names = [f"r{number}" for number in range(count)]
    return pd.DataFrame({"row_id": names, "sequence": [dna.decode(c) for c in codes], "label": np.arange(count) % 7.0})


def ours(kind, rows, options):
    """`run()` trains one epoch with the library: its whole training, with validation on four rows."""

    def run():
        with tempfile.TemporaryDirectory() as folder, contextlib.redirect_stdout(io.StringIO()):
            baselines.get(kind).train(rows, rows.iloc[:4], WINDOW, options, 0, folder)

    return run


class PlainRows(Dataset):
    """Texts made one-hot row by row and letter by letter, (channels, length) float32 in the order A, G, C, T; for
    LegNet shifted and reverse-complemented at random, for DREAM-RNN with a channel for the strand."""

    def __init__(self, kind, rows):
        self.kind, self.labels, self.random = kind, rows["label"].to_numpy(np.float32), np.random.default_rng(0)
        left, right = WINDOW.flank_lengths(200)
        self.texts = [WINDOW.upstream[-left:] + sequence + WINDOW.downstream[:right] for sequence in rows["sequence"]]
        self.behind = WINDOW.downstream[right:]

    def __len__(self):
        return len(self.texts)

    def __getitem__(self, index):
        text, turned = self.texts[index], self.random.random() < 0.5
        if self.kind == "legnet":
            shift = self.random.integers(0, 22)
            text = text[shift:] + self.behind[:shift]
        if turned:
            text = dna.reverse_complement_text(text)
        one_hot = torch.zeros(4, len(text))
        for position, letter in enumerate(text):
            if letter in CODE:
                one_hot[CODE[letter], position] = 1
        if self.kind == "dream_rnn":
            one_hot = torch.cat([one_hot, torch.full((1, len(text)), float(turned))])
        return one_hot, self.labels[index]


def plain_epoch(kind, network, rows, batch):
    """`run()` trains one epoch in the way of the authors."""
    rate, decay = {"legnet": (0.01, 0.1), "dream_rnn": (0.005, 0.01)}[kind]
    device = baselines.get(kind).torch_device()
    network.to(device)

    def run():
        loader = DataLoader(PlainRows(kind, rows), batch, shuffle=True)
        optimiser = torch.optim.AdamW(network.parameters(), rate, weight_decay=decay)
        schedule = torch.optim.lr_scheduler.OneCycleLR(optimiser, rate, total_steps=len(loader) + 1)
        network.train()
        for x, y in loader:
            loss = nn.functional.mse_loss(network(x.to(device)), y.to(device))
            optimiser.zero_grad()
            loss.backward()
            if kind == "legnet":
                nn.utils.clip_grad_norm_(network.parameters(), 1)
            optimiser.step()
            schedule.step()
            loss.item()

    return run


def unit(channels, out, kernel, groups=1):
    """Convolution, batch normalisation, SiLU."""
    convolution = nn.Conv1d(channels, out, kernel, padding="same", groups=groups, bias=False)
    return [convolution, nn.BatchNorm1d(out), nn.SiLU()]


class PlainStage(nn.Module):
    """A stage of LegNet before its pooling."""

    def __init__(self, channels, out):
        super().__init__()
        inner = 4 * channels
        self.wide = nn.Sequential(*unit(channels, inner, 1), *unit(inner, inner, 9, inner))
        self.share = nn.Sequential(nn.Linear(inner, channels), nn.SiLU(), nn.Linear(channels, inner), nn.Sigmoid())
        self.back, self.out = nn.Sequential(*unit(inner, channels, 1)), nn.Sequential(*unit(2 * channels, out, 9))

    def forward(self, x):
        """(B, out, length)."""
        wide = self.wide(x)
        return self.out(torch.cat([self.back(wide * self.share(wide.mean(2))[:, :, None]), x], 1))


class PlainLegNet(nn.Module):
    """LegNet from standard layers."""

    def __init__(self, settings):
        super().__init__()
        widths = [settings.stem_channels, *settings.channels]
        stages = [layer for pair in itertools.pairwise(widths) for layer in (PlainStage(*pair), nn.MaxPool1d(2))]
        last, mapper = widths[-1], settings.mapper_channels
        self.body = nn.Sequential(
            *unit(4, widths[0], 11), *stages, nn.BatchNorm1d(last), nn.Conv1d(last, mapper, 1)
        )  # fmt: skip
        self.head = nn.Sequential(nn.Linear(mapper, mapper), nn.BatchNorm1d(mapper), nn.SiLU(), nn.Linear(mapper, 1))

    def forward(self, x):
        """(B,) from (B, 4, length)."""
        return self.head(self.body(x).mean(2)).squeeze(1)


class PlainDreamRNN(nn.Module):
    """DREAM-RNN from standard layers."""

    def __init__(self, settings):
        super().__init__()
        own, lstm, mapper = settings.convolution_channels, settings.lstm_channels, settings.mapper_channels

        def parallel(channels):
            return nn.ModuleList(
                nn.Sequential(nn.Conv1d(channels, own, kernel, padding="same"), nn.ReLU(), nn.Dropout(settings.dropout))
                for kernel in (9, 15)
            )

        self.first, self.core = parallel(5), parallel(2 * lstm)
        self.lstm = nn.LSTM(2 * own, lstm, batch_first=True, bidirectional=True)
        self.dropout = nn.Dropout(settings.core_dropout)
        self.mapper, self.linear = nn.Conv1d(2 * own, mapper, 1), nn.Linear(mapper, 1)

    def forward(self, x):
        """(B,) from (B, 5, length)."""
        x = torch.cat([part(x) for part in self.first], 1)
        x = self.lstm(x.permute(0, 2, 1))[0].permute(0, 2, 1)
        x = self.dropout(torch.cat([part(x) for part in self.core], 1))
        return self.linear(self.mapper(x).mean(2)).squeeze(1)


PLAIN = {"legnet": PlainLegNet, "dream_rnn": PlainDreamRNN}
NARROW = {
    "legnet": {"stem_channels": 4, "channels": [4, 4], "mapper_channels": 4},
    "dream_rnn": {"convolution_channels": 4, "lstm_channels": 4, "mapper_channels": 4},
}


def flop_of(network, kind):
    """FLOP of one example in training, two per multiply-add: three times those of the forward pass, in which the
    convolutions and the LSTM are counted."""
    counted = []

    def count(layer, inputs, output):
        if isinstance(layer, nn.LSTM):
            counted.append(
                WINDOW.length * sum(array.numel() for name, array in layer.named_parameters() if "weight" in name)
            )
        else:
            counted.append(output.shape[2] * layer.weight.numel())

    layers = [layer for layer in network.modules() if isinstance(layer, nn.Conv1d | nn.LSTM)]
    hooks = [layer.register_forward_hook(count) for layer in layers]
    device = next(network.parameters()).device
    with torch.no_grad():
        network.eval()(torch.zeros(1, 4 + (kind == "dream_rnn"), WINDOW.length, device=device))
    for hook in hooks:
        hook.remove()
    return 6 * sum(counted)
