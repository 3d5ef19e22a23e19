"""Training of Malinois with one output: examples/s in the library, in plain torch modules, and in ways that are not
built into the library, to see whether they would pay: the network compiled, and the whole step as a CUDA graph."""

import contextlib
import io
import tempfile
import time

import torch
from torch import nn

from bench.cache_building import CONSTRUCT
from bench.row_reading import random_rows
from bench.table import attempt, missing, note
from s2f.baselines import _malinois_training as training
from s2f.baselines._malinois_network import Malinois, flatten_length
from s2f.baselines._sequence_training import Windows, labels_by_output, oriented, update
from s2f.common.devices import torch_device
from s2f.sequences.constructs import Construct

NARROW = {"conv1_channels": 4, "conv2_channels": 4, "conv3_channels": 4, "linear_channels": 4, "branched_channels": 4}
KERNELS, POOLS = (19, 11, 7), ((3, 0), (4, 0), (4, 1))
FORMS = ("float32", "bfloat16")


def plain_network(settings, length):
    """The network from standard layers, (B, 4, length) one-hot -> (B, 1)."""
    s = settings
    widths, layers = (4, s.conv1_channels, s.conv2_channels, s.conv3_channels), []
    for i, (pool, padding) in enumerate(POOLS):
        layers += [nn.Conv1d(*widths[i : i + 2], KERNELS[i], padding="same"), nn.BatchNorm1d(widths[i + 1]), nn.ReLU()]
        layers += [nn.MaxPool1d(pool, padding=padding)]
    size, branch = s.linear_channels, s.branched_channels
    layers += [nn.Flatten(), nn.Linear(widths[-1] * flatten_length(length), size), nn.BatchNorm1d(size), nn.ReLU()]
    layers += [nn.Dropout(s.linear_dropout)]
    for inputs in (size, branch):
        layers += [nn.Linear(inputs, branch), nn.ReLU(), nn.Dropout(s.branched_dropout)]
    return nn.Sequential(*layers, nn.Linear(branch, branch), nn.Linear(branch, 1))


def flop_of(settings, length):
    """FLOP of an example in training, two per multiply-add: three times those of convolutions and linear layers, twice
    for the first convolution, whose input needs no gradient."""
    s, widths = settings, (4, settings.conv1_channels, settings.conv2_channels, settings.conv3_channels)
    products, left = 0, length
    for i, (pool, padding) in enumerate(POOLS):
        products += (3 if i else 2) * left * KERNELS[i] * widths[i] * widths[i + 1]
        left = (left + 2 * padding) // pool
    dense = left * widths[-1] * s.linear_channels + s.linear_channels * s.branched_channels + 2 * s.branched_channels**2
    return 2 * (products + 3 * dense)


def bench(rows, limits, quick=False, turns=3):
    """Print a line per way; `limits`, {precision: (name, FLOP/s)}, are for the table of `bench.gpu`."""
    construct, device, table = Construct.from_spec(CONSTRUCT), torch_device(), random_rows(rows)
    narrow = NARROW | {"batch_size": 32} if quick else {}
    of_form = {form: training.Settings.from_spec({"precision": form, **narrow}) for form in FORMS}
    size = of_form["float32"].batch_size
    windows = Windows(construct, list(table["sequence"]), device)
    labels = torch.from_numpy(labels_by_output(table)).to(device)
    batches = torch.arange(rows // size * size, device=device).view(-1, size)
    flop, plain = flop_of(of_form["float32"], construct.length), {}
    print(f"\nMalinois, {construct.length} bp, batch {size}, {rows:,} rows, {device.type}")

    def say(way, form, rate, remark=""):
        print(f"{f'{way}, {form}':58s}{rate:12,.0f} examples/s", flush=True)
        limited_by, limit = limits.get(form, ("", None))
        note(f"Malinois training, {way}, batch {size}, {form}", rate, "examples/s", plain.get(form),
             limit and limit / flop, limited_by, remark)  # fmt: skip

    def timed(step):
        """Examples/s of `step(rows of a batch)`, best of the turns, after one that warms up."""
        seconds = []
        for _ in range(1 + turns):
            began = _now(device)
            for chosen in batches:
                step(chosen)
            seconds.append(_now(device) - began)
        return batches.numel() / min(seconds[1:])

    def plainly(form):
        network = plain_network(of_form[form], construct.length).to(device)
        optimiser, schedule = training.optimiser_of(network, 10**6, of_form[form])
        one_hot = torch.eye(5, 4, device=device)

        def step(chosen):
            x = one_hot[windows.codes[chosen].int()].transpose(1, 2).contiguous()
            with torch.autocast(device.type, torch.bfloat16, enabled=form == "bfloat16"):
                predicted = network(x)
            update(network, training.mixed_loss(predicted.float(), labels[chosen]), optimiser, schedule, None)

        plain[form] = timed(step)
        print(f"{f'plain torch, {form}':58s}{plain[form]:12,.0f} examples/s", flush=True)

    def in_library(form):
        spec = {"precision": form, "epochs": 3, "min_epochs": 1, "duplication_cutoff": None, **narrow}
        with tempfile.TemporaryDirectory() as folder, contextlib.redirect_stdout(io.StringIO()):
            history, _ = training.train(table, table[:64], construct, spec, 0, folder)
        say("the library", form, max(epoch["rows_per_second"] for epoch in history[1:]))

    def compiled(form):
        network = Malinois(construct.length, of_form[form]).to(device).train()
        optimiser, schedule = training.optimiser_of(network, 10**6, of_form[form])
        forward, reverse = torch.compile(network), torch.zeros(size, dtype=torch.bool, device=device)

        def step(chosen):
            predicted = forward(oriented(windows.cut(chosen), reverse))
            update(network, training.mixed_loss(predicted, labels[chosen]), optimiser, schedule, None)

        say("variant: torch.compile of the network", form, timed(step))

    def captured(form):
        settings, reverse = of_form[form], torch.zeros(size, dtype=torch.bool, device=device)
        network = Malinois(construct.length, settings).to(device).train()
        rate = torch.tensor(settings.learning_rate, device=device)
        betas = settings.beta1, settings.beta2
        optimiser = torch.optim.Adam(
            network.parameters(), rate, betas, weight_decay=settings.weight_decay, amsgrad=True, fused=True,
            capturable=True,
        )  # fmt: skip
        codes, wanted = windows.cut(batches[0]).clone(), labels[batches[0]].clone()  # what the graph reads

        def inner():
            optimiser.zero_grad(set_to_none=False)
            training.mixed_loss(network(codes), wanted).backward()
            optimiser.step()

        aside = torch.cuda.Stream()
        aside.wait_stream(torch.cuda.current_stream())
        with torch.cuda.stream(aside):
            for _ in range(3):
                inner()
        torch.cuda.current_stream().wait_stream(aside)
        graph = torch.cuda.CUDAGraph()
        with torch.cuda.graph(graph):
            inner()

        def step(chosen):
            codes.copy_(oriented(windows.cut(chosen), reverse))
            wanted.copy_(labels[chosen])
            graph.replay()

        say("variant: the step as a CUDA graph", form, timed(step), "without the schedule of step sizes")

    for form in FORMS:
        attempt(f"Malinois training, plain torch, {form}", lambda form=form: plainly(form))
        attempt(f"Malinois training, the library, {form}", lambda form=form: in_library(form))
    what = "Malinois training, variant: the step as a CUDA graph, bfloat16"
    if device.type == "cuda":
        attempt(what, lambda: captured("bfloat16"))
    else:
        missing(what, "CUDA graphs need a CUDA card")
    attempt("Malinois training, variant: torch.compile of the network, bfloat16", lambda: compiled("bfloat16"))


def _now(device):
    """Seconds, once the device has done its work."""
    if device.type == "cuda":
        torch.cuda.synchronize()
    return time.perf_counter()
