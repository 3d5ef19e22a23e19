"""Tangent of a baseline whose module has `load_network`, which returns a network with `of_one_hot`."""

from pathlib import Path
from typing import Any

import torch

from s2f import baselines
from s2f.interpretation.tangents import Tangent
from s2f.interpretation.tangents._frameworks import of_torch
from s2f.sequences.constructs import Construct


def tangent(directory: Path, record: dict[str, Any], construct: Construct) -> Tangent:
    """Tangent of LegNet or DREAM-RNN, in float32."""
    network, predicted = baselines.get(record["kind"]).load_network(directory, construct, "float32")
    network.eval().requires_grad_(False)

    def function(one_hot: torch.Tensor, strand: str) -> torch.Tensor:
        reverse = torch.full((len(one_hot),), strand == "reverse", device=one_hot.device)
        return network.of_one_hot(one_hot, reverse)[:, predicted]

    return of_torch(function, next(network.parameters()).device)
