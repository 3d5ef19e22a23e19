"""Compiled programs are shared by jobs: whole entries only, safe side by side and after a kill, within a bound."""

import os
import random
import signal
import subprocess
import sys
import time
import zlib

import pytest

from s2f.common import compiled

# a job that compiles two programs; says how many it took from the cache, and may wait to be killed
JOB = """
import sys, time
from s2f.common.devices import limit_to_job_resources
limit_to_job_resources(int(sys.argv[1]), gpus=0)
import jax, jax.numpy as jnp
taken = []
jax.monitoring.register_event_listener(lambda name, **k: taken.append(name))
x = jnp.arange(float(sys.argv[2]))
print(float(jax.jit(lambda x: (x * 2 + 1).sum())(x)))
print(taken.count("/jax/compilation_cache/cache_hits"), taken.count("/jax/compilation_cache/cache_misses"), flush=True)
if "wait" in sys.argv:
    time.sleep(600)
"""

# a job that trains a head: its programs are compiled in threads, from shapes, while embeddings are loaded
TRAINING = """
import sys
from s2f.common.devices import limit_to_job_resources
limit_to_job_resources(int(sys.argv[1]), gpus=0)
import jax, numpy as np
from s2f.heads.examples import Examples
from s2f.heads.training import Trainer, TrainingSettings
taken = []
jax.monitoring.register_event_listener(lambda name, **k: taken.append(name))
random = np.random.default_rng(0)
tables = tuple(random.normal(size=(40, 2, 4)).astype(np.float32) for _ in range(2))
labels = tables[0].mean((1, 2))
rows = [Examples(own, np.arange(40, dtype=np.int32), labels) for own in (tables, tables[:1])]
settings = TrainingSettings.from_spec({"batch_size": 8, "epochs": 2})
lanes = [("boda-mean-4", 1), ("boda-mean-4", 2)]
trained = Trainer(lanes, {"kind": "no_shift"}, *rows, report=lambda line: None).train(settings)
print(sum(float(leaf.sum()) for one in trained for leaf in jax.tree.leaves(one.variables)))
print(taken.count("/jax/compilation_cache/cache_hits"), taken.count("/jax/compilation_cache/cache_misses"), flush=True)
"""


def start(root, folder, *arguments, threads=1, size=5, script=JOB):
    environment = {**os.environ, "PYTHONPATH": str(root / "workflow" / "scripts"), compiled.VARIABLE: str(folder)}
    environment.pop("JAX_COMPILATION_CACHE_DIR", None)
    return subprocess.Popen(
        [sys.executable, "-c", script, str(threads), str(size), *arguments],
        env=environment, text=True, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
    )  # fmt: skip


def job(root, folder, **keys):
    """(result, programs taken, programs compiled)"""
    out, err = (process := start(root, folder, **keys)).communicate(timeout=120)
    assert process.returncode == 0 and not err, err
    return float((lines := out.split())[0]), int(lines[1]), int(lines[2])


def entries(folder):
    return sorted(path for path in folder.rglob("*-cache"))


@pytest.mark.slow
def test_the_second_job_compiles_nothing_and_computes_the_same(root, tmp_path):
    """Nor what training compiles while it loads."""
    first, second = (job(root, tmp_path, script=TRAINING) for _ in range(2))
    assert first[0] == second[0] and {"jit__all_steps", "jit__predict"} <= {
        path.name.rpartition("-")[0].rpartition("-")[0] for path in entries(tmp_path)
    }
    assert first[2] > 0 and second[1:] == (first[1] + first[2], 0)
    assert not list(tmp_path.rglob(f"{compiled.JOB}*"))  # folders of jobs that ended are gone


@pytest.mark.slow
def test_jobs_side_by_side_and_a_killed_one_leave_whole_entries(root, tmp_path):
    killed = start(root, tmp_path, "wait", size=9)
    running = [start(root, tmp_path) for _ in range(2)]
    for process in running:
        assert process.communicate(timeout=120)[1] == "" and process.returncode == 0
    assert len(killed.stdout.readline()) and len(killed.stdout.readline())  # has compiled, was not to end
    unfinished = next(tmp_path.glob(f"*/{compiled.JOB}*"))
    half = unfinished / "jit_half-0123-cache"
    half.write_bytes(b"cut")  # as if it had been killed while JAX wrote
    os.kill(killed.pid, signal.SIGKILL)
    killed.communicate()
    kept = unfinished.parent
    assert not (kept / half.name).exists() and all(path.stat().st_size > 100 for path in kept.glob("*-cache"))
    result, taken, compiled_again = job(root, tmp_path)
    assert result == 25 and taken > 0 and compiled_again == 0
    old = time.time() - compiled.STALE - 60
    os.utime(unfinished, (old, old))
    job(root, tmp_path)
    assert not unfinished.exists()
    assert job(root, tmp_path, threads=2)[1] == 0  # compiled for another number of threads


def test_the_oldest_are_removed_to_keep_to_the_bound(tmp_path, monkeypatch):
    monkeypatch.setattr(compiled, "MOST_BYTES", 250)
    kept = tmp_path / "processor"
    own = kept / f"{compiled.JOB}x"
    own.mkdir(parents=True)
    for age, name in enumerate(("c", "b", "a")):
        path = kept / f"{name}-cache"
        path.write_bytes(bytes(100))
        os.utime(path, (time.time() - 1000 + age, time.time() - 1000 + age))
    for name in ("new-cache", "cut-cache"):
        (own / name).write_bytes(zlib.compress(random.randbytes(85))[: 96 if name == "new-cache" else 60])
    (own / "old-cache").write_bytes(bytes(100))
    compiled._give(own, kept, {"old-cache"})  # it was given that one: another job has removed it since
    assert [path.name for path in entries(kept)] == ["a-cache", "new-cache"] and not own.exists()
    monkeypatch.setattr(compiled, "MOST_ENTRIES", 1)
    compiled._keep_to_bounds(tmp_path)
    assert [path.name for path in entries(kept)] == ["new-cache"]


def test_a_job_compiles_for_itself_where_the_folder_cannot_be_used(tmp_path, monkeypatch, capsys):
    (tmp_path / "file").touch()
    monkeypatch.setenv(compiled.VARIABLE, str(tmp_path / "file"))
    monkeypatch.delenv("JAX_COMPILATION_CACHE_DIR", raising=False)
    compiled.keep_compiled(1)
    assert "JAX_COMPILATION_CACHE_DIR" not in os.environ
    assert "cannot be used" in capsys.readouterr().err


def test_an_entry_is_copied_where_there_are_no_links(tmp_path, monkeypatch):
    def refused(*_):
        raise OSError("no hard links here")

    monkeypatch.setattr(os, "link", refused)
    (tmp_path / "a").write_bytes(b"whole")
    compiled._link(tmp_path / "a", tmp_path / "b-cache")
    assert (tmp_path / "b-cache").read_bytes() == b"whole" and len(list(tmp_path.iterdir())) == 2


def test_nothing_is_kept_unless_asked_for_or_where_the_user_has_a_cache(tmp_path, monkeypatch):
    monkeypatch.delenv(compiled.VARIABLE, raising=False)
    monkeypatch.delenv("JAX_COMPILATION_CACHE_DIR", raising=False)
    compiled.keep_compiled(1)
    assert "JAX_COMPILATION_CACHE_DIR" not in os.environ
    monkeypatch.setenv(compiled.VARIABLE, str(tmp_path / "shared"))
    monkeypatch.setenv("JAX_COMPILATION_CACHE_DIR", "mine")
    compiled.keep_compiled(1)
    assert os.environ["JAX_COMPILATION_CACHE_DIR"] == "mine" and not (tmp_path / "shared").exists()
