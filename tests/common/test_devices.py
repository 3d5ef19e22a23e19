import json
import os
import subprocess
import sys

import pytest

from s2f.common import devices

COUNT = """
import json, os, sys
from pathlib import Path
from s2f.common import devices
devices.keep_to_share(int(sys.argv[1]), gpus=1)
os.environ["JAX_PLATFORMS"] = "cpu"
import jax, jax.numpy as jnp, torch
jnp.ones((300, 300)) @ jnp.ones((300, 300))
names = [thread.joinpath("comm").read_text().strip() for thread in Path("/proc/self/task").iterdir()]
print(json.dumps([names.count("tf_XLAEigen"), torch.get_num_threads(), devices.report()]))
"""


@pytest.mark.slow
@pytest.mark.parametrize("count", [1, 3])
def test_jax_and_torch_keep_to_the_threads(count, monkeypatch):
    monkeypatch.setenv("PYTHONPATH", ":".join(sys.path))
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "")
    done = subprocess.run([sys.executable, "-c", COUNT, str(count)], capture_output=True, text=True, check=True)
    xla, torch, report = json.loads(done.stdout)
    assert (xla, torch) == (count, min(count, os.cpu_count()))
    assert (report["threads"], report["device"], report["cuda_visible_devices"]) == (str(count), "cpu", "")
    assert report["jaxlib"]
    assert report["memory"] > 1e8


def test_too_late_is_an_error(monkeypatch):
    monkeypatch.setitem(sys.modules, "jax", None)
    with pytest.raises(RuntimeError, match="must be called before jax is imported"):
        devices.keep_to_share(2, gpus=1)
    monkeypatch.delitem(sys.modules, "jax")
    monkeypatch.delitem(sys.modules, "torch", raising=False)
    with pytest.raises(ValueError, match="threads is 0, expected 1 or more"):
        devices.keep_to_share(0, gpus=1)


@pytest.mark.parametrize(
    ("environment", "preallocate"),
    [
        ({}, "false"),  # a workstation: other programs may want the card
        ({"CUDA_VISIBLE_DEVICES": "0"}, "false"),
        ({"SLURM_JOB_GPUS": "1", "CUDA_VISIBLE_DEVICES": "1"}, None),  # JAX's own choice
        ({"SLURM_STEP_GPUS": "0"}, None),
        ({"SLURM_JOB_GPUS": "0", "SLURM_SHARDS_ON_NODE": "2"}, "false"),
        ({"SLURM_JOB_GPUS": "0", "CUDA_MPS_ACTIVE_THREAD_PERCENTAGE": "50"}, "false"),
        ({"XLA_PYTHON_CLIENT_PREALLOCATE": "true"}, "true"),  # what the user says counts
    ],
)
def test_a_card_that_may_be_shared_is_not_taken_whole(environment, preallocate, monkeypatch):
    monkeypatch.setattr(os, "environ", dict(environment))
    monkeypatch.setattr(sys, "modules", {name: m for name, m in sys.modules.items() if name not in ("jax", "torch")})
    devices.keep_to_share(1, gpus=1)
    assert os.environ.get("XLA_PYTHON_CLIENT_PREALLOCATE") == preallocate
    assert os.environ.get("CUDA_VISIBLE_DEVICES") == environment.get("CUDA_VISIBLE_DEVICES")  # read, never set


def test_report_is_out_before_a_job_can_be_killed():
    code = "import os; from s2f.common import devices; devices.print_report(); os.kill(os.getpid(), 9)"
    environment = dict(os.environ, PYTHONPATH=":".join(sys.path))
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, env=environment)
    assert done.returncode == -9
    assert json.loads(done.stdout)["device"] == "cpu"


def test_a_job_without_a_gpu_leaves_those_of_others_alone(monkeypatch):
    code = (
        "from s2f.common import devices; devices.keep_to_share(1, gpus=0); import jax, torch; "
        "torch.cuda.is_available = lambda: True; print(jax.default_backend(), devices.torch_device())"
    )
    environment = {name: value for name, value in os.environ.items() if name != "JAX_PLATFORMS"}
    environment["PYTHONPATH"] = ":".join(sys.path)
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, env=environment, check=True)
    assert done.stdout.split() == ["cpu", "cpu"]


def test_torch_takes_the_gpu_of_a_job_that_has_one(monkeypatch):
    import torch

    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.delenv("JAX_PLATFORMS", raising=False)
    assert devices.torch_device().type == "cuda"


@pytest.mark.parametrize("step", ["SLURM_STEP_GPUS", "SLURM_JOB_GPUS"])
def test_a_gpu_that_the_libraries_cannot_use_is_an_error_and_not_hours_on_the_cpu(step, monkeypatch):
    pytest.importorskip("jax")
    monkeypatch.delenv("JAX_PLATFORMS", raising=False)
    monkeypatch.setattr(devices, "report", lambda: {"own_gpu": devices.has_own_gpu(), "device": "cpu"})
    devices.print_report()  # a workstation without a GPU
    monkeypatch.setenv(step, "0")
    with pytest.raises(devices.InputError, match=r"SLURM gave this job a GPU, but .* `accelerator: cuda`"):
        devices.print_report()
    monkeypatch.setenv("JAX_PLATFORMS", "cpu")
    devices.print_report()  # on purpose
