"""Tangent of Malinois."""

from pathlib import Path
from typing import Any

import torch
import torch.nn.functional as F

from s2f.baselines._malinois_network import KERNELS, POOLS
from s2f.baselines._malinois_training import load_network
from s2f.interpretation.tangents import Tangent
from s2f.interpretation.tangents._frameworks import of_torch
from s2f.sequences.constructs import Construct


def tangent(directory: Path, record: dict[str, Any], construct: Construct) -> Tangent:
    """Tangent of Malinois, in float32.

    Its fast first stage reads codes, for which there is no gradient: here the plain first stage replaces it.
    """
    network, predicted = load_network(directory, construct, "float32")
    network.eval().requires_grad_(False)
    first, norm = network.conv1.conv, network.conv1.bn_layer

    def first_stage(one_hot: torch.Tensor) -> torch.Tensor:
        x = F.conv1d(one_hot.transpose(1, 2), first.weight, first.bias, padding=KERNELS[0] // 2).unsqueeze(2)
        return F.relu(F.max_pool2d(norm(x), (1, POOLS[0])))

    network._first_stage = first_stage  # type: ignore[method-assign, assignment]  # of this network only
    return of_torch(lambda x, strand: network(x)[:, predicted], first.weight.device)
