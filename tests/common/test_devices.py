import ctypes
import json
import os
import subprocess
import sys
from types import SimpleNamespace

import pytest

from s2f.common import devices

COUNT = """
import json, os, sys
from pathlib import Path
from s2f.common import devices
devices.limit_to_job_resources(int(sys.argv[1]), gpus=1)
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
        devices.limit_to_job_resources(2, gpus=1)
    monkeypatch.delitem(sys.modules, "jax")
    monkeypatch.delitem(sys.modules, "torch", raising=False)
    with pytest.raises(ValueError, match="threads is 0, expected 1 or more"):
        devices.limit_to_job_resources(0, gpus=1)


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
    devices.limit_to_job_resources(1, gpus=1)
    assert os.environ.get("XLA_PYTHON_CLIENT_PREALLOCATE") == preallocate
    assert os.environ.get("CUDA_VISIBLE_DEVICES") == environment.get("CUDA_VISIBLE_DEVICES")  # read, never set


def test_report_is_out_before_a_job_can_be_killed():
    code = "import os; from s2f.common import devices; devices.log_device(); os.kill(os.getpid(), 9)"
    environment = dict(os.environ, PYTHONPATH=":".join(sys.path))
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, env=environment)
    assert done.returncode == -9
    assert json.loads(done.stdout)["device"] == "cpu"


def test_a_job_without_a_gpu_leaves_those_of_others_alone(monkeypatch):
    code = (
        "from s2f.common import devices; devices.limit_to_job_resources(1, gpus=0); import jax, torch; "
        "torch.cuda.is_available = lambda: True; print(jax.default_backend(), devices.torch_device())"
    )
    environment = {name: value for name, value in os.environ.items() if name != "JAX_PLATFORMS"}
    environment["PYTHONPATH"] = ":".join(sys.path)
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, env=environment, check=True)
    assert done.stdout.split() == ["cpu", "cpu"]


@pytest.mark.parametrize("step", ["SLURM_STEP_GPUS", "SLURM_JOB_GPUS"])
def test_a_gpu_that_the_libraries_cannot_use_is_an_error_and_not_hours_on_the_cpu(step, monkeypatch):
    pytest.importorskip("jax")
    monkeypatch.delenv("JAX_PLATFORMS", raising=False)
    monkeypatch.setattr(devices, "report", lambda: {"own_gpu": devices.has_own_gpu(), "device": "cpu"})
    devices.log_device()  # a workstation without a GPU
    monkeypatch.setenv(step, "0")
    with pytest.raises(devices.InputError, match=r"SLURM gave this job a GPU, but .* `accelerator: cuda`"):
        devices.log_device()
    monkeypatch.setenv("JAX_PLATFORMS", "cpu")
    devices.log_device()  # on purpose


# the same bits in every run


@pytest.mark.parametrize(
    ("gpus", "given", "flags"),
    [
        (1, None, "--xla_gpu_deterministic_ops=true"),
        (1, "--xla_dump_to=x", "--xla_dump_to=x --xla_gpu_deterministic_ops=true"),
        (1, "--xla_gpu_deterministic_ops=false", "--xla_gpu_deterministic_ops=false"),  # what the user says counts
        (1, "--xla_gpu_exclude_nondeterministic_ops=true", "--xla_gpu_exclude_nondeterministic_ops=true"),
        (0, None, None),
    ],
)
def test_xla_and_cublas_are_told_to_compute_alike_on_a_gpu(gpus, given, flags, monkeypatch):
    monkeypatch.setattr(os, "environ", {"XLA_FLAGS": given} if given else {})
    monkeypatch.setattr(sys, "modules", {name: m for name, m in sys.modules.items() if name not in ("jax", "torch")})
    devices.limit_to_job_resources(1, gpus)
    assert os.environ.get("XLA_FLAGS") == flags
    assert os.environ.get("CUBLAS_WORKSPACE_CONFIG") == (":4096:8" if gpus else None)


def test_the_flags_are_known_to_the_pinned_xla_and_change_no_bit_on_a_cpu():
    code = (
        "from s2f.common import devices; devices.limit_to_job_resources(1, gpus={}); "
        "import jax, jax.numpy as jnp, hashlib; "
        "x = jax.random.normal(jax.random.key(0), (64, 64)); "
        "y = jax.jit(jax.grad(lambda x: (jnp.tanh(x @ x) ** 2).sum()))(x); "
        "print(hashlib.sha256(y.tobytes()).hexdigest())"
    )
    environment = {name: value for name, value in os.environ.items() if name != "XLA_FLAGS"}
    environment |= {"PYTHONPATH": ":".join(sys.path), "CUDA_VISIBLE_DEVICES": ""}
    runs = [
        subprocess.run([sys.executable, "-c", code.format(n)], capture_output=True, text=True, env=environment)
        for n in (0, 1)
    ]
    assert [run.returncode for run in runs] == [0, 0], runs[1].stderr
    assert runs[0].stdout == runs[1].stdout != ""


@pytest.fixture
def torch_on_a_gpu(monkeypatch):
    """torch that believes to have a GPU; what it is told about numerics is undone afterwards."""
    import torch

    before = (
        torch.get_float32_matmul_precision(), torch.backends.cudnn.allow_tf32, torch.backends.cudnn.benchmark,
        torch.backends.cudnn.deterministic, torch.utils.deterministic.fill_uninitialized_memory,
    )  # fmt: skip
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.delenv("JAX_PLATFORMS", raising=False)
    yield torch
    torch.set_float32_matmul_precision(before[0])
    torch.backends.cudnn.allow_tf32, torch.backends.cudnn.benchmark, torch.backends.cudnn.deterministic = before[1:4]
    torch.utils.deterministic.fill_uninitialized_memory = before[4]
    torch.use_deterministic_algorithms(False)


def test_torch_computes_in_float32_and_alike_on_a_gpu_and_the_report_says_so(torch_on_a_gpu, monkeypatch):
    torch = torch_on_a_gpu
    torch.backends.cudnn.allow_tf32 = True  # what torch comes with
    torch.set_float32_matmul_precision("high")
    assert devices.torch_device().type == "cuda"
    assert not torch.backends.cudnn.allow_tf32 and not torch.backends.cuda.matmul.allow_tf32
    assert torch.get_float32_matmul_precision() == "highest"
    assert torch.are_deterministic_algorithms_enabled() and torch.is_deterministic_algorithms_warn_only_enabled()
    monkeypatch.setattr(sys, "modules", {name: m for name, m in sys.modules.items() if name != "jax"})
    monkeypatch.setattr(torch.cuda, "get_device_properties", lambda _: SimpleNamespace(name="X1", total_memory=7))
    monkeypatch.setenv("CUBLAS_WORKSPACE_CONFIG", ":16:8")
    assert devices.report()["numerics"] == {
        "deterministic_algorithms": "or a warning", "cudnn.deterministic": True, "tf32": False,
        "CUBLAS_WORKSPACE_CONFIG": ":16:8",
    }  # fmt: skip


def test_torch_on_a_cpu_is_left_as_it_is(monkeypatch):
    import torch

    monkeypatch.setenv("JAX_PLATFORMS", "cpu")
    assert devices.torch_device().type == "cpu"
    assert not torch.are_deterministic_algorithms_enabled()
    assert "numerics" not in devices.report()


# memory for tables

GB = 1_000_000_000


@pytest.fixture
def gpu(monkeypatch):
    """Function that lets JAX have a GPU with these `memory_stats`, of which the driver says `free` bytes are free."""

    def pretend(stats, free, environment=()):
        device = SimpleNamespace(platform="gpu", device_kind="X1", local_hardware_id=1, memory_stats=lambda: stats)
        jax = SimpleNamespace(devices=lambda: [device], __version__="0", lib=SimpleNamespace(__version__="0"))
        monkeypatch.setattr(sys, "modules", {**sys.modules, "jax": jax})
        monkeypatch.setattr(devices, "free_on_card", lambda ordinal: free if ordinal == 1 else 0)
        for name in ("XLA_PYTHON_CLIENT_PREALLOCATE", "XLA_PYTHON_CLIENT_ALLOCATOR"):
            monkeypatch.delenv(name, raising=False)
        for name, value in dict(environment).items():
            monkeypatch.setenv(name, value)

    return pretend


@pytest.mark.parametrize(
    ("stats", "free", "environment", "left"),
    [
        # JAX took its share at the start: what the driver calls free is the rest of the card
        ({"bytes_limit": 60 * GB, "bytes_in_use": 10 * GB}, 20 * GB, {}, 50 * GB),
        ({"bytes_limit": 60 * GB}, None, {}, 60 * GB),
        # a share of the card that others use too
        ({"bytes_limit": 60 * GB, "bytes_in_use": 0}, 8 * GB, {"XLA_PYTHON_CLIENT_PREALLOCATE": "false"}, 8 * GB),
        ({"bytes_limit": 60 * GB, "bytes_in_use": 0}, 70 * GB, {"XLA_PYTHON_CLIENT_PREALLOCATE": "false"}, 60 * GB),
        ({"bytes_limit": 60 * GB, "bytes_in_use": 0}, None, {"XLA_PYTHON_CLIENT_PREALLOCATE": "false"}, 60 * GB),
        ({"bytes_limit": 6 * GB, "bytes_in_use": 7 * GB}, None, {}, 0),
        # no statistics: XLA_PYTHON_CLIENT_ALLOCATOR=platform
        (None, 30 * GB, {"XLA_PYTHON_CLIENT_ALLOCATOR": "platform"}, 30 * GB),
        ({"peak_bytes_in_use": 5}, 30 * GB, {}, 30 * GB),
        (None, None, {}, 0),
    ],
)  # fmt: skip
def test_tables_take_no_more_than_the_card_has_left(gpu, stats, free, environment, left, capsys):
    gpu(stats, free, environment)
    assert devices.memory_for_data(8000) == pytest.approx(0.8 * left)
    assert ("note: neither JAX nor the driver" in capsys.readouterr().out) == (stats is None and free is None)
    assert devices.report()["numerics"].keys() == {"XLA_FLAGS", "CUBLAS_WORKSPACE_CONFIG"}


class Driver:
    """CUDA's driver with 5 GB free on its device 1; `fails`, name of the call that returns an error."""

    def __init__(self, fails):
        self.fails, self.calls = fails, []

    def __getattr__(self, name):
        def call(*arguments):
            self.calls.append(name)
            if name == "cuMemGetInfo_v2":
                arguments[0]._obj.value, arguments[1]._obj.value = 5 * GB, 9 * GB
            return int(name == self.fails)

        return call


@pytest.mark.parametrize("fails", [None, "cuInit", "cuDeviceGet", "cuCtxPushCurrent_v2", "cuMemGetInfo_v2"])
def test_the_driver_is_asked_for_what_is_free(fails, monkeypatch):
    driver = Driver(fails)
    monkeypatch.setattr(ctypes, "CDLL", lambda _: driver)
    assert devices.free_on_card(1) == (None if fails else 5 * GB)
    assert driver.calls.count("cuDevicePrimaryCtxRetain") == driver.calls.count("cuDevicePrimaryCtxRelease_v2")
    pushed = driver.calls.count("cuCtxPushCurrent_v2") - (fails == "cuCtxPushCurrent_v2")
    assert pushed == driver.calls.count("cuCtxPopCurrent_v2")


def test_without_a_driver_nothing_is_known_of_the_card(monkeypatch):
    def missing(name):
        raise OSError(name)

    monkeypatch.setattr(ctypes, "CDLL", missing)
    assert devices.free_on_card(0) is None
