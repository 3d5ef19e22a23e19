"""Tangent of a fine-tuned LAMAR."""

from pathlib import Path
from typing import Any

import torch

from s2f.baselines import read_details
from s2f.baselines._finetuned import load_model, value_of_logits
from s2f.interpretation.tangents import Tangent
from s2f.interpretation.tangents._frameworks import of_torch
from s2f.interpretation.tangents.lamar import attention_in_float32, letters_embedded
from s2f.sequences.constructs import Construct


def tangent(directory: Path, record: dict[str, Any], construct: Construct) -> Tangent:
    """Tangent of a fine-tuned LAMAR, in float32."""
    details = read_details(directory)
    model, settings = load_model(
        "lamar_finetuned", directory, details, attention_in_float32(details["settings"]["attention"])
    )
    model.eval().requires_grad_(False)
    value = value_of_logits(details, settings)

    def function(one_hot: torch.Tensor, strand: str) -> torch.Tensor:
        return value(model(inputs_embeds=letters_embedded(model, one_hot)).logits)[:, None]

    return of_torch(function, model.device)
