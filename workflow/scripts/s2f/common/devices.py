"""The machine that a program runs on: keep to a share of it, compute the same each time, and report what it has. Does
not itself import JAX or torch.

Settings that a GPU needs to compute float32 in full precision and to give the same bits in two runs, with their costs:

* XLA: DETERMINISTIC_XLA fixes the order of sums, and chooses kernels by rule, not by which was faster when compiling.
* cuBLAS: CUBLAS_WORKSPACE_CONFIG fixes its workspaces, which decide the order of sums; 24 MiB per stream.
* torch: `use_deterministic_algorithms` and the cuDNN flags. An operation without a deterministic form is still
  computed, with a warning in the log. So is the gradient of attention, which has such a form, but not with this
  leniency (`warn_only`; attention_backward.cu): two trainings of a language model may differ in the last digits.
* TF32, to which torch by default rounds the factors of convolutions on a GPU, is off. JAX is asked for the highest
  precision wherever it multiplies in float32 (see encoders and heads).

None of this was measured on a GPU, neither its effect nor its cost. The settings made are included in the report of the
device, and so in `model.json`; a user's own XLA_FLAGS or CUBLAS_WORKSPACE_CONFIG are kept. On a CPU nothing is set.
"""

import ctypes
import json
import os
import platform
import sys
from typing import Any

from s2f.common.compiled import keep_compiled
from s2f.common.errors import InputError

DETERMINISTIC_XLA = "--xla_gpu_deterministic_ops=true"


def limit_to_job_resources(threads: int, gpus: int) -> None:
    """Limit this process to `threads` computing threads, to the CPU if it has no GPU (`gpus` 0), and otherwise to the
    GPU memory that it needs if others may be using the card too; let it reuse what other jobs of the study compiled
    (see `compiled`). Call it before JAX or torch is imported.

    What each library obeys, measured with jaxlib 0.10.2, torch 2.13 and numpy 2.4: XLA's thread pool on the CPU has
    NPROC threads (OMP_NUM_THREADS and --xla_cpu_multi_thread_eigen change nothing; with NPROC=1 one thread computes);
    torch uses OMP_NUM_THREADS, as does numpy's OpenBLAS if numpy is imported later; Snakemake sets it for its jobs too.
    Binding to cores would also work, but then all jobs on a machine would crowd onto its first cores. JAX takes three
    quarters of a card when it starts, unless XLA_PYTHON_CLIENT_PREALLOCATE says otherwise. That is right for a card
    that a scheduler gave to this job only; on a workstation it would keep all other programs off the card. Raises
    `RuntimeError` if called too late to have an effect, and `ValueError` for less than one thread.
    """
    late = [name for name in ("jax", "torch") if name in sys.modules]
    if late:
        raise RuntimeError(f"limit_to_job_resources must be called before {late[0]} is imported")
    if threads < 1:
        raise ValueError(f"threads is {threads}, expected 1 or more")
    for name in ("NPROC", "OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
        os.environ[name] = str(threads)
    # torch's threads spin while they wait at barriers: beside another busy process that slowed training 35-fold
    os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
    if not gpus:
        os.environ["JAX_PLATFORMS"] = "cpu"
    else:
        if not has_own_gpu():
            os.environ.setdefault("XLA_PYTHON_CLIENT_PREALLOCATE", "false")
        flags = os.environ.get("XLA_FLAGS", "")
        if "xla_gpu_deterministic_ops" not in flags and "xla_gpu_exclude_nondeterministic_ops" not in flags:
            os.environ["XLA_FLAGS"] = f"{flags} {DETERMINISTIC_XLA}".strip()
        os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")
    keep_compiled(threads)


def has_own_gpu() -> bool:
    """Whether SLURM gave this job whole GPUs, not shards of one or a share through MPS (`man sbatch`, `man srun`)."""
    given = {"SLURM_JOB_GPUS", "SLURM_STEP_GPUS"} & set(os.environ)
    shared = {"SLURM_SHARDS_ON_NODE", "CUDA_MPS_ACTIVE_THREAD_PERCENTAGE"} & set(os.environ)
    return bool(given) and not shared


def torch_device() -> Any:
    """The GPU if this process may use one, else the CPU: JAX_PLATFORMS=cpu applies to torch too.

    From here on, torch on a GPU computes float32 in full precision, and the same each time.
    """
    torch = sys.modules["torch"]
    if os.environ.get("JAX_PLATFORMS") == "cpu" or not torch.cuda.is_available():
        return torch.device("cpu")
    torch.set_float32_matmul_precision("highest")
    torch.backends.cuda.matmul.allow_tf32 = torch.backends.cudnn.allow_tf32 = False
    torch.backends.cudnn.benchmark, torch.backends.cudnn.deterministic = False, True
    torch.use_deterministic_algorithms(True, warn_only=True)
    torch.utils.deterministic.fill_uninitialized_memory = False  # for debugging: it would write every new array twice
    return torch.device("cuda")


def log_device() -> None:
    """Print `report()`, the second line of a log, immediately, because a killed job does not flush its buffer.

    Raises `InputError` if SLURM gave the job a GPU that the installed libraries cannot use: the job would compute on
    the CPU for hours while occupying the card.
    """
    found = report()
    print(json.dumps(found), flush=True)
    computes = {"jax", "torch"} & set(sys.modules) and os.environ.get("JAX_PLATFORMS") != "cpu"
    if found["own_gpu"] and found["device"] == "cpu" and computes:
        raise InputError(
            "SLURM gave this job a GPU, but the installed JAX or torch sees none: write `accelerator: cuda` "
            "in the study for --sdm conda, or install the builds for GPUs (README, On a cluster); to compute "
            "deliberately on the CPU of such a node, export JAX_PLATFORMS=cpu"
        )


def report() -> dict[str, Any]:
    """What this process computes with, ready for JSON: device, memory in bytes and versions; on a GPU also `numerics`,
    the settings that make runs reproducible.

    Considers only libraries that are already imported: JAX before torch, otherwise the plain CPU. Reads
    CUDA_VISIBLE_DEVICES as the scheduler set it, and never sets it.
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
            out["numerics"] = {"XLA_FLAGS": os.environ.get("XLA_FLAGS", "")}
    elif "torch" in sys.modules:
        torch = sys.modules["torch"]
        out["torch"] = torch.__version__
        if torch_device().type == "cuda":
            properties = torch.cuda.get_device_properties(0)
            out["device"], out["memory"] = properties.name, properties.total_memory
            out["numerics"] = {
                "deterministic_algorithms": "or a warning" if torch.are_deterministic_algorithms_enabled() else "no",
                "cudnn.deterministic": torch.backends.cudnn.deterministic,
                "tf32": torch.backends.cudnn.allow_tf32 or torch.backends.cuda.matmul.allow_tf32,
            }
    if "numerics" in out:
        out["numerics"]["CUBLAS_WORKSPACE_CONFIG"] = os.environ.get("CUBLAS_WORKSPACE_CONFIG", "")
    return out


def memory_for_data(job_mb: float) -> float:
    """Bytes that a JAX program's tables may take on its device: four fifths of what the device or the job has left.

    On a CPU that is the `job_mb` MB that the scheduler gave, or the machine's memory if that is less; on a GPU it is
    what JAX may still take (`bytes_limit` less `bytes_in_use`). If JAX did not reserve its share of the card at the
    start (XLA_PYTHON_CLIENT_PREALLOCATE=false, or XLA_PYTHON_CLIENT_ALLOCATOR=platform, which has no limit), it is at
    most what is free on the card, since other programs may hold the rest. If neither is known, returns 0 and prints a
    note: the tables are then streamed.
    """
    device = sys.modules["jax"].devices()[0]
    if device.platform == "cpu":
        return memory_of_job(job_mb)
    stats = device.memory_stats() or {}
    left = [stats["bytes_limit"] - stats.get("bytes_in_use", 0)] if "bytes_limit" in stats else []
    if not left or os.environ.get("XLA_PYTHON_CLIENT_PREALLOCATE", "").lower() in ("false", "0"):
        free = free_on_card(device.local_hardware_id)
        left += [] if free is None else [free]
    if not left:
        print("note: neither JAX nor the driver says how much memory the GPU has left: tables are streamed", flush=True)
    return 0.8 * max(0, min(left, default=0))


def free_on_card(ordinal: int) -> int | None:
    """Bytes of unused memory on this process's CUDA device `ordinal`; None if there is no CUDA driver to ask.

    Asks the driver, which counts devices as JAX does (CUDA_VISIBLE_DEVICES, their order, MIG), in the same context that
    JAX uses.
    """
    try:
        cuda = ctypes.CDLL("libcuda.so.1")
    except OSError:
        return None
    device, context, free, total = ctypes.c_int(), ctypes.c_void_p(), ctypes.c_size_t(), ctypes.c_size_t()
    if (
        cuda.cuInit(0)
        or cuda.cuDeviceGet(ctypes.byref(device), ordinal)
        or cuda.cuDevicePrimaryCtxRetain(ctypes.byref(context), device)
    ):
        return None
    try:
        if cuda.cuCtxPushCurrent_v2(context):
            return None
        failed = cuda.cuMemGetInfo_v2(ctypes.byref(free), ctypes.byref(total))
        cuda.cuCtxPopCurrent_v2(ctypes.byref(context))
        return None if failed else free.value
    finally:
        cuda.cuDevicePrimaryCtxRelease_v2(device)


def memory_of_job(job_mb: float) -> float:
    """Bytes that a program's tables may take in main memory: four fifths of the `job_mb` MB that the scheduler gave, or
    of the machine's memory if that is less."""
    return 0.8 * min(job_mb * 1e6, machine_memory())


def machine_memory() -> int:
    """The machine's memory in bytes."""
    return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
