"""Baseline `malinois_published`: the published Malinois network (Gosai et al. 2024), read and never trained here.

The artifact is the file at `URL`, or the `torch_checkpoint.pt` inside it: a dictionary with the state dict and the
settings as `argparse.Namespace`. It is a pickle, so it is read with PyTorch's restricted unpickler, which builds
tensors and the few plain classes named below and refuses everything else, before any of it runs.

What it has seen: it was trained on all chromosomes except 7, 13, 19, 21 and X, and 19, 21 and X chose the epoch. So
only two kinds of rows test it: those on chromosomes 7 and 13, and the designed sequences of library OL46, measured in
2022, after its training in 2021 (it saw 0.02 % of the synthetic rows). The designed sequences are no leak, but they
were designed to optimise this network's predictions, so they test it differently from models that had no part in their
making. It reads 600 bp of the Gosai plasmid and nothing else. Licence of the weights: MIT, according to the header of
the boda2 sources.
"""

import argparse
import hashlib
import io
import pickle
import re
import tarfile
from pathlib import Path
from typing import Any

import numpy as np
import torch

from s2f.baselines._malinois_network import Malinois
from s2f.baselines._malinois_training import Settings, load, write_network
from s2f.baselines._sequence_training import load_weights
from s2f.common import kinds
from s2f.common.errors import InputError
from s2f.common.weights import refuse_pointers, wrapper_of
from s2f.models.validation import pearson_by_cell, validation_score
from s2f.rows.canonical import cells_of, labels_of
from s2f.sequences.constructs import Construct
from s2f.sequences.flanks import GOSAI_DOWNSTREAM, GOSAI_UPSTREAM

__all__ = ["load", "train"]
URL = (
    "https://storage.googleapis.com/tewhey-public-data/CODA_resources/"
    "malinois_artifacts__20211113_021200__287348.tar.gz"
)
MEMBER = "artifacts/torch_checkpoint.pt"
LARGEST = 2**28  # bytes of a member or file; the real one has 16 MB
OUTPUTS = ("K562", "HepG2", "SKNSH")
CONSTRUCT = Construct(600, GOSAI_UPSTREAM, GOSAI_DOWNSTREAM)
CLEAN_CHROMOSOMES = tuple(kinds.facts("baselines", "malinois_published")["unseen"])
CLEAN_DESIGNED = ("ood:FastSeqProp", "ood:Simulated_Annealing", "ood:AdaLead")

# settings that must have these values if the artifact states them; the older dialect has no input_len, which is then
# 600
EXPECTED = {
    "input_len": 600, "conv1_channels": 300, "conv1_kernel_size": 19, "conv2_channels": 200, "conv2_kernel_size": 11,
    "conv3_channels": 200, "conv3_kernel_size": 7, "n_linear_layers": 1, "linear_channels": 1000,
    "linear_activation": "ReLU", "n_branched_layers": 3, "branched_channels": 140, "branched_activation": "ReLU",
    "n_outputs": 3, "use_batch_norm": True, "use_weight_norm": False,
}  # fmt: skip

# classes that the restricted unpickler may build: plain settings, and NumPy numbers under their old and new names
SCALAR = np.float64(0).__reduce__()[0]
SAFE = [
    argparse.Namespace,
    np.dtype,
    (SCALAR, "numpy.core.multiarray.scalar"),
    (SCALAR, "numpy._core.multiarray.scalar"),
    *(type(np.dtype(kind)) for kind in ("bool", "int32", "int64", "float32", "float64", "str")),
]


def train(
    train: Any, val: Any, construct: Construct, spec: dict[str, Any], seed: int, directory: str | Path
) -> tuple[list[dict[str, Any]], dict[str, Any]]:
    """Check the artifact of `spec` and keep its weights as a plain state dict; nothing is trained. Rows are used only
    for the validation score, which exists only if all validation rows are new to the network: a score on rows that it
    was trained on, or that chose its epoch, is too high, and a comparison with other models' scores would pick it.

    `spec`: path (file or .tar.gz), output (K562, HepG2 or SKNSH) for rows with one label, optional sha256 of the file,
    url for the record and precision (float32 or bfloat16); use_contaminated_panels is for the caller. For rows with
    several cells it predicts these. Raises `InputError` for another construct, checksum, network or content, and for a
    cell that it does not predict.
    """
    options = kinds.settings("baselines", "malinois_published", spec)
    predicted: list[Any] = cells_of(val) or [options.get("output")]
    for cell in predicted:
        if cell not in OUTPUTS:
            what = "a cell of the dataset" if cells_of(val) else "output"
            raise InputError(f"baseline malinois_published: {what} is {cell!r}, expected one of {OUTPUTS}")
    if "path" not in options:
        raise InputError(f"baseline malinois_published: path is missing, expected a local copy of {URL}")
    if any(
        getattr(construct, key) != getattr(CONSTRUCT, key) for key in ("length", "upstream", "downstream", "layout")
    ):
        raise InputError(
            "baseline malinois_published: the model reads 600 bp of the Gosai plasmid, centred (flanks "
            f"gosai_episomal), but the construct of this dataset has {construct.length} bp, layout "
            f"{construct.layout}"
        )
    path = Path(options["path"])
    content, sha256 = read_checkpoint(path, options.get("sha256"))
    settings = Settings.from_spec({"precision": options["precision"]})
    network = Malinois(CONSTRUCT.length, settings, len(OUTPUTS))
    load_weights(network, state_dict(unpickle(content, path), path), path)
    torch.save(network.state_dict(), Path(directory) / "weights.pt")
    write_network(
        directory, CONSTRUCT.length, settings, OUTPUTS, predicted, sha256=sha256, licence="MIT (boda2)",
        clean_chromosomes=CLEAN_CHROMOSOMES, clean_published=CLEAN_DESIGNED,
        provenance=f"published: {options.get('url', URL)}, sha256 {sha256}",
    )  # fmt: skip
    validation = {"metric": "pearson", "value": None, "epoch": 0}
    designed = (val["chrom"] == "") & val["published"].isin(CLEAN_DESIGNED)
    if not (val["chrom"].isin(CLEAN_CHROMOSOMES) | designed).all():
        return [], validation
    values = load(directory, {"construct": CONSTRUCT.spec()})(list(val["sequence"]))
    value = validation_score("regression", labels_of(val), values)
    by_cell = dict(zip(predicted, pearson_by_cell(labels_of(val), values), strict=True)) if cells_of(val) else None
    return [], validation | {"value": value} | ({"cells": by_cell} if by_cell else {})


def read_checkpoint(path: Path, expected: str | None = None) -> tuple[bytes, str]:
    """(bytes of torch_checkpoint.pt, SHA-256 of the file): from the file itself or from the archive around it.

    A member of an archive is read into memory; nothing is unpacked to disk. Raises `InputError` if the file is missing,
    if its checksum is not `expected`, or if it has no such member.
    """
    refuse_pointers([path])
    try:
        whole = path.read_bytes()
    except OSError as error:
        raise InputError(f"{path}: not readable ({error.strerror}); download it from {URL}") from None
    sha256 = hashlib.sha256(whole).hexdigest()
    if expected and sha256 != expected.lower():
        raise InputError(
            f"{path}: sha256 is {sha256}, expected {expected}: the file is damaged, or it is another "
            "file; download it again"
        )
    if not whole.startswith(b"\x1f\x8b"):
        return whole, sha256
    try:
        with tarfile.open(fileobj=io.BytesIO(whole), mode="r:gz") as archive:
            members = {member.name.removeprefix("./"): member for member in archive}
            member = members.get(MEMBER)
            if member is None or not member.isfile():
                raise InputError(f"{path}: has no file {MEMBER}; it holds: {', '.join(sorted(members)[:5])}")
            if member.size > LARGEST:
                raise InputError(f"{path}: {MEMBER} has {member.size} bytes, expected at most {LARGEST}")
            file = archive.extractfile(member)
            assert file is not None  # it is a regular file
            return file.read(), sha256
    except (tarfile.TarError, EOFError, OSError) as error:
        raise InputError(f"{path}: broken archive ({error})") from None


def unpickle(content: bytes, path: str | Path) -> dict[str, Any]:
    """The dictionary of a checkpoint, built by the restricted unpickler. Raises `InputError` for anything else."""
    try:
        with torch.serialization.safe_globals(SAFE):
            checkpoint = torch.load(io.BytesIO(content), map_location="cpu", weights_only=True)
    except pickle.UnpicklingError as error:
        named = re.search(r"GLOBAL (\S+)", str(error))  # the rest of the message explains how to load it unsafely
        what = f"it asks for {named[1]}" if named else "it is not a readable pickle of such data"
        raise InputError(
            f"{path}: is refused, because it holds more than weights and plain settings ({what})"
        ) from None
    except (RuntimeError, EOFError, ValueError, KeyError, IndexError, TypeError, AttributeError) as error:
        raise InputError(f"{path}: is not a PyTorch checkpoint ({error})") from None
    if not isinstance(checkpoint, dict):
        raise InputError(f"{path}: holds a {type(checkpoint).__name__}, expected a dictionary")
    return checkpoint


def state_dict(checkpoint: dict[str, Any], path: str | Path) -> dict[str, torch.Tensor]:
    """The float32 state dict of a checkpoint, after its settings have been compared with the published network.

    Raises `InputError` naming the key that is missing or has another value.
    """
    for key in ("model_module", "model_hparams", "model_state_dict"):
        if key not in checkpoint:
            raise InputError(f"{path}: key {key!r} is missing, so it is not a Malinois checkpoint")
    if checkpoint["model_module"] != "BassetBranched":
        raise InputError(f"{path}: model_module is {checkpoint['model_module']!r}, expected 'BassetBranched'")
    settings, state = checkpoint["model_hparams"], checkpoint["model_state_dict"]
    settings = vars(settings) if isinstance(settings, argparse.Namespace) else settings
    if not isinstance(settings, dict):
        raise InputError(f"{path}: model_hparams is a {type(settings).__name__}, expected a Namespace or dictionary")
    for key, value in EXPECTED.items():
        if settings.get(key, value) != value:
            raise InputError(f"{path}: model_hparams: {key} is {settings[key]!r}, expected {value!r} as in Malinois")
    if not isinstance(state, dict) or not all(isinstance(array, torch.Tensor) for array in state.values()):
        raise InputError(f"{path}: model_state_dict is not a dictionary of tensors")
    prefix = wrapper_of(list(map(str, state)))
    return {
        str(name).removeprefix(prefix): array.float() if array.is_floating_point() else array
        for name, array in state.items()
    }
