"""The machine a program runs on: keep to a share of it, say what it has. Imports neither JAX nor torch by itself."""

import json
import os
import platform
import sys
from typing import Any

from s2f.common.compiled import keep_compiled
from s2f.common.errors import InputError


def keep_to_share(threads: int, gpus: int) -> None:
    """Limit this process to `threads` computing threads, to the CPU if it has no GPU of its own (`gpus` 0), and else to
    the GPU memory that it needs where the card may be another's too; let it reuse what other jobs of the study compiled
    (see `compiled`). Call it before JAX or torch is imported.

    What each library listens to, measured with jaxlib 0.10.2, torch 2.13 and numpy 2.4: the thread pool of XLA on CPU
    has NPROC threads (OMP_NUM_THREADS and --xla_cpu_multi_thread_eigen change nothing; with NPROC=1 one thread
    computes); torch, and the OpenBLAS of numpy if numpy comes later, have OMP_NUM_THREADS, which Snakemake too sets for
    its jobs. Binding to cores would work too, but then all jobs of a machine would crowd its first cores.
    JAX takes three quarters of a card when it starts, unless XLA_PYTHON_CLIENT_PREALLOCATE says otherwise: right for a
    card that a scheduler gave to this job alone; on a workstation it would keep every other program from the card.
    Raises `RuntimeError` when it comes too late to count, `ValueError` for less than one thread.
    """
    late = [name for name in ("jax", "torch") if name in sys.modules]
    if late:
        raise RuntimeError(f"keep_to_share must be called before {late[0]} is imported")
    if threads < 1:
        raise ValueError(f"threads is {threads}, expected 1 or more")
    for name in ("NPROC", "OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
        os.environ[name] = str(threads)
    # torch's threads wait at barriers by spinning: beside another busy process that was seen to slow training 35-fold
    os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
    if not gpus:
        os.environ["JAX_PLATFORMS"] = "cpu"
    elif not has_own_gpu():
        os.environ.setdefault("XLA_PYTHON_CLIENT_PREALLOCATE", "false")
    keep_compiled(threads)


def has_own_gpu() -> bool:
    """Whether SLURM gave this job whole GPUs, not shards of one nor a share through MPS (`man sbatch`, `man srun`)."""
    given = {"SLURM_JOB_GPUS", "SLURM_STEP_GPUS"} & set(os.environ)
    shared = {"SLURM_SHARDS_ON_NODE", "CUDA_MPS_ACTIVE_THREAD_PERCENTAGE"} & set(os.environ)
    return bool(given) and not shared


def torch_device() -> Any:
    """The GPU where this process may use one, else the CPU: JAX_PLATFORMS=cpu speaks for torch, too."""
    torch = sys.modules["torch"]
    return torch.device("cuda" if os.environ.get("JAX_PLATFORMS") != "cpu" and torch.cuda.is_available() else "cpu")


def print_report() -> None:
    """Print `report()`, the second line of a log; at once, as a job that is killed does not empty its buffer.

    Raises `InputError` for a job that SLURM gave a GPU which the installed libraries cannot use: it would compute on
    the CPU for hours, and hold the card.
    """
    found = report()
    print(json.dumps(found), flush=True)
    computes = {"jax", "torch"} & set(sys.modules) and os.environ.get("JAX_PLATFORMS") != "cpu"
    if found["own_gpu"] and found["device"] == "cpu" and computes:
        raise InputError(
            "SLURM gave this job a GPU, but the JAX or torch that is installed sees none: write `accelerator: cuda` "
            "into the study for --sdm conda, or install the builds for GPUs (README, On a cluster); to compute on the "
            "CPU of such a node on purpose, export JAX_PLATFORMS=cpu"
        )


def report() -> dict[str, Any]:
    """What this process computes with: device, memory in bytes, versions; fit for JSON.

    Looks only at libraries that are imported already: JAX before torch, else plain CPU. Reads CUDA_VISIBLE_DEVICES, as
    the scheduler set it, and never sets it.
    """
    out: dict[str, Any] = {
        "python": platform.python_version(),
        "cores": len(os.sched_getaffinity(0)),
        "threads": os.environ.get("NPROC"),
        "cuda_visible_devices": os.environ.get("CUDA_VISIBLE_DEVICES"),
        "own_gpu": has_own_gpu(),
        "device": "cpu",
        "memory": machine_memory(),
    }
    if "jax" in sys.modules:
        jax = sys.modules["jax"]
        device = jax.devices()[0]
        out["jax"], out["jaxlib"] = jax.__version__, jax.lib.__version__
        if device.platform != "cpu":
            out["device"], out["memory"] = device.device_kind, (device.memory_stats() or {}).get("bytes_limit")
    elif "torch" in sys.modules:
        torch = sys.modules["torch"]
        out["torch"] = torch.__version__
        if torch_device().type == "cuda":
            properties = torch.cuda.get_device_properties(0)
            out["device"], out["memory"] = properties.name, properties.total_memory
    return out


def memory_for_data(job_mb: float) -> float:
    """Bytes that tables of a JAX program may take on its device: four fifths of what the device or the job has.

    On a GPU that is the memory that JAX may use (`bytes_limit`), on a CPU the `job_mb` MB that the scheduler gave, or
    the machine's where that is less.
    """
    device = sys.modules["jax"].devices()[0]
    if device.platform == "cpu":
        return 0.8 * min(job_mb * 1e6, machine_memory())
    return 0.8 * device.memory_stats()["bytes_limit"]


def machine_memory() -> int:
    """Bytes of the machine's memory."""
    return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
