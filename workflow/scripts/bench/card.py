"""What a measurement on a GPU was made with: the card, the machine, versions and the commit."""

import contextlib
import importlib.metadata
import json
import os
import subprocess
import sys
from pathlib import Path

from s2f.common import devices
from s2f.common.errors import InputError

SEEN_WITHIN = 90  # seconds, with the first import on a slow disk
SEEN_BY = """
import json, sys
found = {}
try:
    import jax
    device = jax.devices()[0]
    found["jax"] = "" if device.platform == "cpu" else device.device_kind
except Exception as error:
    found["error"] = f"JAX: {error}"
try:
    import torch
    found["torch"] = torch.cuda.get_device_name() if torch.cuda.is_available() else ""
    found["cuda"] = torch.version.cuda
except Exception as error:
    found["error"] = f"torch: {error}"
print(json.dumps(found))
"""


def on_cpu():
    """Whether there is no card that the driver knows."""
    return devices.free_on_card(0) is None


def cores():
    """How many cores this process may use."""
    return len(os.sched_getaffinity(0))


def card():
    """(head of the table about the card, {library: name of the card that it sees}, memory in bytes)."""
    if on_cpu():
        return ["card: none, the CPU"], {}, devices.machine_memory()
    environment = {**os.environ, "XLA_PYTHON_CLIENT_PREALLOCATE": "false"}
    command = [sys.executable, "-c", SEEN_BY]
    try:
        done = subprocess.run(command, env=environment, text=True, capture_output=True, timeout=SEEN_WITHIN)
    except subprocess.TimeoutExpired:
        raise InputError(f"JAX and torch did not find a GPU within {SEEN_WITHIN} s; does nvidia-smi answer?") from None
    found = json.loads((done.stdout.splitlines() or ["{}"])[-1])
    for name in ("jax", "torch"):
        if not found.get(name):
            print(f"note: {name} sees no GPU {found.get('error', '')} {done.stderr.strip()[-200:]}", file=sys.stderr)
    query = ["nvidia-smi", "--query-gpu=name,memory.total,driver_version", "--format=csv,noheader"]
    try:
        told = subprocess.run(query, text=True, capture_output=True, check=True).stdout.splitlines()[0]
    except (OSError, subprocess.CalledProcessError, IndexError):
        told = f"{found.get('jax') or found.get('torch')}, driver unknown"
    return [f"card: {told}", f"CUDA of torch: {found.get('cuda')}"], found, devices.free_on_card(0)


def head(about):
    """Lines on what was measured with: card, machine, versions, commit."""
    git = ["git", "-C", str(Path(__file__).parent), "describe", "--always", "--dirty", "--abbrev=10"]
    try:
        commit = subprocess.run(git, text=True, capture_output=True, check=True).stdout.strip()
    except (OSError, subprocess.CalledProcessError):
        commit = "unknown"
    versions = []
    for package in ("jax", "jaxlib", "torch", "transformers", "numpy"):
        with contextlib.suppress(importlib.metadata.PackageNotFoundError):
            versions.append(f"{package} {importlib.metadata.version(package)}")
    version = ".".join(map(str, sys.version_info[:3]))
    return [
        *about, f"machine: {cores()} cores, {devices.machine_memory() / 1e9:.0f} GB",
        f"versions: Python {version}, {', '.join(versions)}", f"commit: {commit}",
    ]  # fmt: skip
