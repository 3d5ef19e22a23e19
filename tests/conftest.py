"""Fixtures shared by all tests."""

import collections
import gc
import os
import tempfile
from pathlib import Path

import pytest

from helpers import forked_programs

pytest_plugins = ["helpers.on_gpu"]
ROOT = Path(__file__).resolve().parent.parent
THREADS = ("NPROC", "OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS")
# Loops by the older of XLA's two emitters for CPUs: programs of tests run only briefly, and compile in half the time
COMPILED_SOONER = "--xla_cpu_use_fusion_emitters=false"


def pytest_configure(config):
    """Before JAX, torch or numpy is imported: one thread per process, one compilation cache and one server that forks
    programs for all processes.

    The tests and the programs they start compile many XLA programs more than once; with this cache each is compiled
    once per run of pytest. The cache starts empty in every run, so nothing depends on an earlier run.
    """
    if "PYTEST_XDIST_WORKER" in os.environ:  # a worker has the environment of the process that started it
        return
    os.environ.update(dict.fromkeys(THREADS, "1"), OMP_WAIT_POLICY="PASSIVE")
    os.environ["XLA_FLAGS"] = f"{COMPILED_SOONER} {os.environ.get('XLA_FLAGS', '')}".strip()
    # a program that a test killed may still be writing its last entry
    folder = tempfile.TemporaryDirectory(prefix="s2f-tests-jax-", ignore_cleanup_errors=True)
    config.add_cleanup(folder.cleanup)
    os.environ["JAX_COMPILATION_CACHE_DIR"] = folder.name
    os.environ["JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS"] = "0"
    os.environ["JAX_PERSISTENT_CACHE_MIN_ENTRY_SIZE_BYTES"] = "-1"
    programs = tempfile.TemporaryDirectory(prefix="s2f-tests-python-")
    config.add_cleanup(programs.cleanup)
    os.environ[forked_programs.VARIABLE] = programs.name
    config.add_cleanup(forked_programs.begin(programs.name).communicate)
    os.environ.pop("PYTHONDONTWRITEBYTECODE", None)  # workers use each other's compiled files


@pytest.hookimpl(wrapper=True)
def pytest_collection():
    """What collecting loads stays to the end, so nothing of it is looked through for what could be freed, here (a tenth
    of the time) or later (half a second each time)."""
    gc.disable()
    try:
        return (yield)
    finally:
        gc.freeze()
        gc.enable()


@pytest.hookimpl(wrapper=True)
def pytest_make_collect_report(collector):
    """Each worker begins with different folders and finds the rest compiled by the others: compiling is half of
    collecting."""
    report = yield
    if "PYTEST_XDIST_WORKER" in os.environ and collector.path == ROOT / "tests":
        worker, count = int(os.environ["PYTEST_XDIST_WORKER"][2:]), int(os.environ["PYTEST_XDIST_WORKER_COUNT"])
        first = len(report.result) * worker // count
        report.result = [*report.result[first:], *report.result[:first]]
    return report


def pytest_collection_modifyitems(items):
    """With several workers the files with the most slow tests come first, so none of them is left for the end; then
    those that run Snakemake, such as the fault drill."""
    if "PYTEST_XDIST_WORKER" in os.environ:
        slow = collections.Counter(item.path for item in items if item.get_closest_marker("slow"))
        items.sort(key=lambda item: (-slow[item.path], item.path.parent.name != "workflow", item.path))


def pytest_make_parametrize_id(val, argname):
    """Bytes are not part of a test's name: compressed bytes contain the time, and workers must agree on names."""
    return argname if isinstance(val, bytes) else None


@pytest.fixture(scope="session")
def root():
    """The checkout."""
    return ROOT


@pytest.fixture(scope="session")
def shared():
    """Folder with real rows and golden numbers, beside the checkout; tests that need it skip if it is absent."""
    folder = ROOT.parent / "shared"
    if not (folder / "data").is_dir():
        pytest.skip(
            f"needs the reference data beside the checkout ({folder.name}/data), which is not part of the project"
        )
    return folder


@pytest.fixture
def compiled_quickly():
    """XLA without most of its optimisations: tiny programs run only briefly, and compile in half the time. On a GPU as
    in use, which is what is to be seen there."""
    import jax

    from helpers.on_gpu import by_device

    before = jax.config.read("jax_disable_most_optimizations")
    jax.config.update("jax_disable_most_optimizations", by_device(cpu=True, gpu=False))
    yield
    jax.config.update("jax_disable_most_optimizations", before)


@pytest.fixture
def one_torch_thread():
    """One thread of torch: for tiny networks more threads only wait for each other."""
    import torch

    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


@pytest.fixture
def texts(monkeypatch):
    """All texts in the last figure that was saved."""
    from matplotlib.figure import Figure

    found, savefig = [], Figure.savefig

    def spy(figure, *arguments, **keys):
        found[:] = [text.get_text() for text in figure.findobj(lambda a: hasattr(a, "get_text")) if text.get_text()]
        return savefig(figure, *arguments, **keys)

    monkeypatch.setattr(Figure, "savefig", spy)
    return found


@pytest.fixture
def toy_lamar(monkeypatch, one_torch_thread):
    """The size `toy` of LAMAR."""
    from helpers.toy_language_models import TOY
    from s2f.language_model import configuration

    monkeypatch.setitem(configuration.SIZES, "toy", TOY)


@pytest.fixture
def toy_dnabert2(monkeypatch, one_torch_thread):
    """The size `toy-pieces` of DNABERT-2."""
    from helpers.toy_language_models import TOY_DNABERT2
    from s2f.language_model import dnabert2

    monkeypatch.setitem(dnabert2.SIZES, "toy-pieces", TOY_DNABERT2)
