"""Weights and numbers made with the authors' own code of LegNet and DREAM-RNN: the recipe of the golden files."""

import json
import math
import zlib

import numpy as np
import torch

from s2f.common.devices import torch_device
from s2f.sequences import dna


class Golden:
    """`numbers` (npz) and `notes` (json) of a folder; `tag` and `scale` belong to its weight recipe. Codes, labels
    and filled networks are on the device of tests."""

    def __init__(self, folder, tag, scale):
        self.notes = json.loads((folder / "golden.json").read_text())
        self.numbers, self.tag, self.scale = np.load(folder / "golden.npz"), tag, scale
        self.device = torch_device()
        self.codes = {
            length: torch.from_numpy(np.stack([dna.encode(sequence) for sequence in named.values()])).to(self.device)
            for length, named in self.notes["sequences"].items()
        }

    def uniform(self, name, shape):
        """u of the recipe, float64 from 0 to 1."""
        raw = np.random.PCG64(zlib.crc32(f"{self.tag}|{name}".encode())).random_raw(math.prod(shape))
        return ((raw >> 11) * 2.0**-53).reshape(shape)

    def tensor(self, name, shape):
        """A tensor of the state dict."""
        u = self.uniform(name, shape)
        z = (2 * u - 1) * math.sqrt(3)
        if name.endswith("num_batches_tracked"):
            return torch.tensor(0)
        if len(shape) > 1:
            z = self.scale * z / math.sqrt(math.prod(shape[1:]))
        elif name.endswith("running_var"):
            z = 0.25 + 1.5 * u
        else:
            z = 1 + 0.25 * z if name.endswith(".weight") else 0.25 * z
        return torch.from_numpy(z.astype(np.float32))

    def fill(self, network, parameters):
        """Put the weights of the recipe into a network whose `parameters` the notes list; names, order and shapes must
        agree."""
        state = {name: self.tensor(name, tuple(array.shape)) for name, array in network.state_dict().items()}
        assert list(state) == [entry["name"] for entry in parameters]
        for entry, array in zip(parameters, state.values(), strict=True):
            assert tuple(entry["shape"]) == tuple(array.shape)
            assert array.flatten()[0] == np.float32(entry["first"]), f"recipe of {entry['name']}"
        network.load_state_dict(state)
        return network.to(self.device)

    def targets(self):
        """Labels of the training batch, float32 (8, 1)."""
        z = (2 * self.uniform("targets", (8,)) - 1) * math.sqrt(3)
        return torch.from_numpy((1.5 * z).astype(np.float32))[:, None].to(self.device)


def on_host(found):
    """A tensor of any device, or an array, as an array."""
    return found.detach().cpu().numpy() if isinstance(found, torch.Tensor) else np.asarray(found)


def gradients(network, loss):
    """{name: gradient float64}."""
    names, arrays = zip(*network.named_parameters(), strict=True)
    return {
        name: on_host(gradient.double())
        for name, gradient in zip(names, torch.autograd.grad(loss, arrays, retain_graph=True), strict=True)
    }


def entries(values):
    """The four entries that the golden files keep of an array."""
    flat = on_host(values).astype(np.float64).ravel()
    n = len(flat)
    return flat[[0, n // 3, 2 * n // 3, n - 1]]
