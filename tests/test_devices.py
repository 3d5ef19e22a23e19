import json
import os
import subprocess
import sys

import pytest

from s2f import devices

COUNT = """
import json, os, sys
from pathlib import Path
from s2f import devices
devices.use_threads(int(sys.argv[1]))
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
        devices.use_threads(2)
    monkeypatch.delitem(sys.modules, "jax")
    monkeypatch.delitem(sys.modules, "torch", raising=False)
    with pytest.raises(ValueError, match="threads is 0, expected 1 or more"):
        devices.use_threads(0)
