"""Runs side by side and runs that are stopped, through Snakemake itself: what docs/cluster.md says of one machine."""

import os
import signal
import time
from contextlib import contextmanager
from pathlib import Path

import pytest
import yaml

from helpers.forked_snakemake import ENVIRONMENT, snakemake, start
from helpers.tiny_study import TINY

pytestmark = pytest.mark.slow
CACHE = "results/simulated_k562/embeddings/kmer5/+00.forward.h5"
LOG = "logs/simulated_k562/embeddings/kmer5/+00.log"
PRINTED = "printed.txt"


@pytest.fixture(scope="module")
def study(tmp_path_factory):
    """Path of a study with an encoder that compiles nothing: to start takes long enough to be stopped meanwhile."""
    path = tmp_path_factory.mktemp("study") / "tiny.yaml"
    models = [{"encoders": ["kmer5"], "heads": ["boda-sum-512-512"]}, {"baselines": ["kmer-ridge"]}]
    path.write_text(yaml.safe_dump(TINY | {"encoders": {"kmer5": {"kind": "kmer", "k": 5}}, "models": models}))
    return path


@contextmanager
def running(root, folder, study):
    """A run in `folder` that is embedding, in a process group of its own; killed at the end, with what it started,
    where it still lives."""
    arguments = ["--snakefile", root / "workflow" / "Snakefile", CACHE]
    arguments += ["--directory", folder, "--configfile", study, "--cores", "2"]
    run = start(arguments, folder, ENVIRONMENT, folder / PRINTED, apart=True)
    try:
        end = time.monotonic() + 300
        while not (folder / LOG).exists():
            assert run.is_alive() and time.monotonic() < end, (folder / PRINTED).read_text()
            time.sleep(0.05)
        yield run
    finally:
        if run.is_alive():
            os.killpg(run.pid, signal.SIGKILL)
            run.join()


def finish(run, folder):
    """(exit code, output) of a run that ends by itself."""
    run.join(300)
    return run.exitcode, (folder / PRINTED).read_text()


def again(root, folder, study, check=True):
    return snakemake(root, folder, CACHE, "--configfile", str(study), "--rerun-incomplete", check=check)


def test_a_second_run_in_one_folder_is_refused_and_the_first_goes_on(root, study, tmp_path):
    shared, own = tmp_path / "shared", tmp_path / "own"
    shared.mkdir()
    own.mkdir()
    with running(root, shared, study) as first:
        os.killpg(first.pid, signal.SIGSTOP)  # else it could be over before the second has started
        assert "LockException" in again(root, shared, study, check=False)
        os.killpg(first.pid, signal.SIGCONT)
        again(root, own, study)  # another folder, the same checkout, at the same time
        code, output = finish(first, shared)
    assert code == 0, output
    assert (shared / CACHE).read_bytes() == (own / CACHE).read_bytes()


@pytest.mark.parametrize("stop", [signal.SIGINT, signal.SIGTERM])
def test_a_run_that_is_stopped_leaves_no_lock_and_goes_on(root, study, tmp_path, stop):
    with running(root, tmp_path, study) as run:
        os.kill(run.pid, stop)
        code, output = finish(run, tmp_path)
    # SIGTERM waits for the job that runs: it may have been the last one
    assert code != 0 or (stop == signal.SIGTERM and (tmp_path / CACHE).exists()), output
    again(root, tmp_path, study)
    assert (tmp_path / CACHE).exists()


def test_after_a_crash_of_snakemake_the_lock_stays_until_it_is_lifted(root, study, tmp_path):
    with running(root, tmp_path, study) as run:
        os.killpg(run.pid, signal.SIGKILL)  # as a machine that goes down: programs too
        run.join()
    assert "LockException" in again(root, tmp_path, study, check=False)
    snakemake(root, tmp_path, "--unlock", "--configfile", str(study))
    again(root, tmp_path, study)
    assert (tmp_path / CACHE).exists()
    assert not [path for path in Path(tmp_path / "results").rglob(".*") if path.name != ".snakemake_timestamp"]
