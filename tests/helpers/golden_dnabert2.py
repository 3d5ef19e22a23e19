"""Weights and numbers made with DNABERT-2's own code: the recipe of the golden files, under the published names."""

import json
import zlib

import numpy as np
import torch

SIZES = {
    "small": {"hidden_size": 96, "num_hidden_layers": 4, "intermediate_size": 160},
    "full": {"hidden_size": 768, "num_hidden_layers": 12, "intermediate_size": 3072},
}
COMMON = {"num_attention_heads": 12, "vocab_size": 4096}
DECODER, WORDS = "cls.predictions.decoder.weight", "bert.embeddings.word_embeddings.weight"


def tensor(name, shape):
    """One tensor of the recipe, which depends only on its name and shape."""
    raw = np.random.PCG64(zlib.crc32(name.encode())).random_raw(int(np.prod(shape)))
    z = (2.0 * (raw >> np.uint64(40)).astype(np.float64) * 2.0**-24 - 1.0) * np.sqrt(3.0)
    if name.endswith(("word_embeddings.weight", "token_type_embeddings.weight")) or len(shape) == 1:
        z *= 0.125
        z += name.lower().endswith("layernorm.weight")
    else:
        z = (1.25 if "Wqkv" in name else 1.0) * z / np.sqrt(shape[1])
    return torch.from_numpy(z.reshape(shape).astype(np.float32))


class Golden:
    """`numbers` (npz), `notes` (json), `folder`; `state(size)` is the checkpoint as published, with 142 names."""

    def __init__(self, folder):
        self.folder = folder
        self.notes = json.loads((folder / "golden.json").read_text())
        self.numbers = np.load(folder / "golden.npz")
        self.ids = torch.from_numpy(self.numbers["input_ids"]).long()
        self.padding = torch.from_numpy(self.numbers["attention_mask"]) == 0

    def state(self, size):
        """The tensors of pytorch_model.bin of a size."""
        entries = self.notes["parameters"][size]["arrays"]
        state = {name: tensor(name, entry["shape"]) for name, entry in entries.items() if "pooler" not in name}
        for name, found in state.items():
            assert found.flatten()[0] == np.float32(entries[name]["first"]), f"recipe of {name}"
        return state | {DECODER: state[WORDS]}

    def rows(self, array, name="rows"):
        """Rows (sequence, position) of the slices of the golden file, of a tensor (4, 75, …), as an array."""
        at = np.array(self.notes["slices"][name])
        return array.detach().float().numpy()[at[:, 0], at[:, 1]]
