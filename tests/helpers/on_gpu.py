"""Tests on a GPU: `pytest --gpu`, as `make test-gpu` runs them; without it every test computes on the CPU.

With it, tests compute as a job does that has a GPU, with the same settings for equal bits in two runs. What holds on a
CPU only is skipped with its reason: tests that are marked `cpu("reason")`, and programs that tests start. A comparison
that must be wider on a GPU states both tolerances by `by_device`.
"""

import json
import os

import pytest

from s2f.common import devices

VARIABLE = "S2F_TESTS_ON_GPU"


def seen():
    """{library: what it computes on}."""
    import jax
    import torch  # noqa: F401 (`torch_device` asks the module that is loaded)

    return {"JAX": jax.default_backend(), "torch": devices.torch_device().type}


def by_device(cpu, gpu):
    """A tolerance or a setting: `cpu`, or `gpu` where tests compute on a GPU."""
    return gpu if VARIABLE in os.environ else cpu


def skip_program():
    """Skip a test that starts a program."""
    if VARIABLE in os.environ:
        pytest.skip("on a CPU only: the programs that tests start compute there")


def pytest_addoption(parser):
    parser.addoption("--gpu", action="store_true", help="compute on a GPU, and skip what holds on a CPU only")


@pytest.hookimpl(tryfirst=True)
def pytest_configure(config):
    """Before JAX and torch are imported. Refuses to run if one of them has no GPU: its tests would pass on the CPU."""
    if not config.getoption("gpu"):
        os.environ["JAX_PLATFORMS"] = "cpu"
        return
    os.environ[VARIABLE] = "1"
    os.environ["XLA_PYTHON_CLIENT_PREALLOCATE"] = "false"  # JAX and torch share the card
    devices.limit_to_job_resources(threads=1, gpus=1)
    if "cpu" in (found := seen()).values():
        on = " and ".join(f"{library} on {device}" for library, device in found.items())
        raise pytest.UsageError(
            f"--gpu: nothing was tested, because here {on} would compute; both need a GPU: install their builds for "
            "CUDA (docs/cluster.md, One environment for each family of rules), and unset JAX_PLATFORMS if it is set"
        )


def pytest_report_header(config):
    return f"on a GPU: {json.dumps(devices.report())}" if config.getoption("gpu") else None


@pytest.fixture(scope="session", autouse=True)
def device_in_results(request):
    """Card, versions and settings in the file that `--junitxml` names."""
    if request.config.getoption("gpu"):
        request.getfixturevalue("record_testsuite_property")("device", json.dumps(devices.report()))


def pytest_collection_modifyitems(config, items):
    for item in items if config.getoption("gpu") else ():
        if marker := item.get_closest_marker("cpu"):
            item.add_marker(pytest.mark.skip(reason=f"on a CPU only: {marker.args[0]}"))
