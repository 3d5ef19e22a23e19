"""Weights and numbers made with LAMAR's own code: the recipe of the golden files, with LAMAR's tensor names."""

import hashlib
import json
import math

import numpy as np
import torch

SIZE = {"hidden_size": 64, "num_hidden_layers": 2, "num_attention_heads": 4, "intermediate_size": 128}


def tensor(name, shape):
    """One tensor of the recipe, which depends only on its name and shape."""
    key = f"{name}|{'x'.join(map(str, shape))}"
    seed = int.from_bytes(hashlib.sha256(key.encode()).digest()[:4], "little")
    u = np.random.RandomState(seed).uniform(-1, 1, size=shape)
    if len(shape) == 1:
        scale = name.endswith(".weight") and ("layernorm" in name.lower() or "layer_norm" in name.lower())
        u = scale + 0.1 * u
    elif not name.endswith(("word_embeddings.weight", "position_embeddings.weight")):
        u = u * math.sqrt(3 / math.prod(shape[1:]))
    return torch.from_numpy(u.astype(np.float32))


class Golden:
    """`numbers` (npz), `notes` (json) and the checkpoint `state` as LAMAR's class saves it."""

    def __init__(self, folder):
        self.notes = json.loads((folder / "golden_lamar.json").read_text())
        self.numbers = np.load(folder / "golden_lamar.npz")
        self.state = {name: tensor(name, entry["shape"]) for name, entry in self.notes["parameters"].items()}
        for name, entry in self.notes["parameters"].items():
            assert self.state[name].flatten()[0] == np.float32(entry["first"]), f"recipe of {name}"
        frequencies = 1.0 / 10000 ** (torch.arange(0, 16, 2, dtype=torch.float32) / 16)
        for layer in range(2):
            self.state[f"esm.encoder.layer.{layer}.attention.self.rotary_embeddings.inv_freq"] = frequencies.clone()
        self.state["esm.embeddings.position_ids"] = torch.arange(1026)[None]

    def classifier(self):
        """State of LAMAR's classification model with its linear head."""
        shapes = {name: entry["shape"] for name, entry in self.notes["parameters_clf_Linear"].items()}
        own = {name: tensor(name, shape) for name, shape in shapes.items()}
        return {name: value for name, value in self.state.items() if not name.startswith("lm_head.")} | own

    def inputs(self):
        """Input of the model: ids and attention mask (4, 103)."""
        return {name: torch.from_numpy(self.numbers[name]) for name in ("input_ids", "attention_mask")}

    def difference(self, found, name):
        """Largest difference from a golden array, over positions with letters."""
        real = self.numbers["attention_mask"] == 1
        return np.abs(found.detach().float().numpy() - self.numbers[name])[real].max()
