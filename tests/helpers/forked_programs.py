"""Programs in processes that have the large libraries loaded, which takes longer than most jobs of small studies do.

`begin` makes a folder with a command `python` and starts a server. ``python -P -m PROGRAM`` with that folder first on
the PATH runs in a process forked by the server, with numpy, JAX, torch and others loaded but not yet used, so no
threads are running. Everything else is as in a separate process: folder, environment, arguments, streams, exit status;
if the command is killed, so is the program. JAX and torch are hidden until a program imports them, because programs set
their number of threads before that.

`make`, which CI runs too, and the tests of program starts run programs without a server.
"""

import atexit
import contextlib
import gc
import importlib
import importlib.abc
import importlib.machinery
import io
import marshal
import os
import runpy
import selectors
import signal
import socket
import subprocess
import sys
import threading
from pathlib import Path

LIBRARIES = (
    "numpy", "pandas", "pyarrow.parquet", "pyarrow.csv", "pyarrow.compute", "pyarrow.dataset", "h5py", "ml_dtypes",
    "yaml", "tqdm", "jsonschema", "numba", "numba.extending", "scipy.special", "scipy.stats", "scipy.linalg",
    "scipy.optimize", "scipy.ndimage", "scipy.sparse.csgraph", "sklearn.metrics", "sklearn.linear_model",
    "matplotlib.figure", "matplotlib.backends.backend_agg", "torch", "safetensors.torch",
    "transformers.models.esm.modeling_esm", "jax", "jax.numpy", "haiku", "optax",
)  # fmt: skip
VARIABLE = "S2F_TESTS_PROGRAMS"  # names the command's folder, for all processes of a run of pytest
HIDDEN = ("jax", "torch")
# variables that are read when a library is loaded: if a value differs from the server's, a program starts by itself
READ_EARLY = ("JAX_", "NUMBA_", "MPL")
COMMAND = """#!/bin/sh
exec {python} -IS {script} "$@"
"""
CLIENT = """
import _signal, _socket, marshal, os, sys
if sys.argv[1:3] != ["-P", "-m"]:
    os.execv({python!r}, [{python!r}, *sys.argv[1:]])
message = marshal.dumps((os.getcwd(), sys.argv[3:], dict(os.environ)))
server = _socket.socket(_socket.AF_UNIX, _socket.SOCK_STREAM)
server.connect({address!r})
streams = b"".join(number.to_bytes(4, sys.byteorder) for number in range(3))
server.sendmsg([len(message).to_bytes(8, "big")], [(_socket.SOL_SOCKET, _socket.SCM_RIGHTS, streams)])
server.sendall(message)
status = int.from_bytes(server.recv(4), "big", signed=True)
if status < 0:
    if -status != _signal.SIGKILL:
        _signal.signal(-status, _signal.SIG_DFL)
    os.kill(os.getpid(), -status)
os._exit(status)
"""


def begin(folder):
    """Make the command `python` in a folder and start the server, which ends with this process or on request.

    Returns the server. This takes a few milliseconds: the server loads the libraries when the first program is
    requested.
    """
    folder = Path(folder)
    address, script = str(folder / "server"), folder / "client.py"
    script.write_text(CLIENT.format(python=sys.executable, address=address))
    (folder / "python").write_text(COMMAND.format(python=sys.executable, script=script))
    (folder / "python").chmod(0o755)
    ready = socket.socket(socket.AF_UNIX)
    ready.bind(address)
    ready.listen(100)
    with ready:
        return subprocess.Popen(
            [sys.executable, "-I", __file__, str(ready.fileno())], pass_fds=[ready.fileno()], stdin=subprocess.PIPE,
            start_new_session=True, cwd="/",
            # pyarrow's allocator would otherwise have a background thread
            env={**os.environ, "JAX_PLATFORMS": "cpu", "JE_ARROW_MALLOC_CONF": "background_thread:false"},
        )  # fmt: skip


def command():
    """Path of the command `python` of this run of pytest, whose programs compute on the CPU; a test on a GPU that asks
    for it is skipped."""
    from helpers import on_gpu

    on_gpu.skip_program()
    return Path(os.environ[VARIABLE]) / "python"


class _Hidden(importlib.abc.MetaPathFinder, importlib.abc.Loader):
    """Import finder that hands out modules that are loaded already."""

    def __init__(self, names):
        self.modules = {name: sys.modules.pop(name) for name in names}

    def find_spec(self, name, path=None, target=None):
        return importlib.machinery.ModuleSpec(name, self) if name in self.modules else None

    def create_module(self, spec):
        module = self.modules.pop(spec.name)
        self.own = module.__spec__, module.__loader__
        return module

    def exec_module(self, module):
        module.__spec__, module.__loader__ = self.own
        if module.__name__ == "torch":  # torch reads it when it is loaded
            module.set_num_threads(int(os.environ.get("OMP_NUM_THREADS", os.cpu_count())))


def _load():
    for name in LIBRARIES:
        importlib.import_module(name)
    threads = list(Path("/proc/self/task").iterdir())
    assert len(threads) == 1, "a process with threads cannot be forked"
    sys.meta_path.insert(0, _Hidden(HIDDEN))
    gc.collect()
    gc.freeze()  # otherwise each program would copy all pages with objects


def _serve(listening):
    """Fork a process for each program; returns in each with its (folder, arguments, environment, streams)."""
    selector = selectors.DefaultSelector()
    selector.register(listening, selectors.EVENT_READ, "asked")
    selector.register(sys.stdin, selectors.EVENT_READ, "end")
    running = {}
    while True:
        for key, _ in selector.select():
            if key.data == "end":
                for pid in running.values():
                    os.kill(pid, signal.SIGKILL)
                sys.exit()
            elif key.data == "asked":
                connection, _ = listening.accept()
                folder, arguments, variables, streams = _received(connection)
                if "numpy" not in sys.modules:
                    _load()
                pid = os.fork()
                if not pid:
                    selector.close()
                    listening.close()
                    connection.close()
                    return folder, arguments, variables, streams
                for stream in streams:
                    os.close(stream)
                end = os.pidfd_open(pid)
                running[end] = pid
                selector.register(end, selectors.EVENT_READ, connection)
                selector.register(connection, selectors.EVENT_READ, pid)
            elif isinstance(key.data, int):  # the client is gone
                selector.unregister(key.fileobj)
                with contextlib.suppress(ProcessLookupError):
                    os.kill(key.data, signal.SIGKILL)
            else:
                _, status = os.waitpid(running.pop(key.fileobj), 0)
                selector.unregister(key.fileobj)
                os.close(key.fileobj)
                with contextlib.suppress(KeyError):
                    selector.unregister(key.data)
                with contextlib.suppress(BrokenPipeError), key.data as connection:
                    connection.sendall(os.waitstatus_to_exitcode(status).to_bytes(4, "big", signed=True))


def _received(connection):
    length, streams, _, _ = socket.recv_fds(connection, 8, 3)
    message = connection.recv(int.from_bytes(length, "big"), socket.MSG_WAITALL)
    return *marshal.loads(message), streams


def _early(variables):
    return {name: value for name, value in variables.items() if name.startswith(READ_EARLY)}


def main():
    """Serve; in a forked process, run the program."""
    folder, (program, *arguments), variables, streams = _serve(socket.socket(fileno=int(sys.argv[1])))
    for number, stream in enumerate(streams):
        os.dup2(stream, number)
        os.close(stream)
    os.chdir(folder)
    if _early(variables) != _early(os.environ):
        os.execve(sys.executable, [sys.executable, "-P", "-m", program, *arguments], variables)
    os.environ.clear()
    os.environ.update(variables)
    Path("/proc/self/comm").write_text(program)
    sys.stdin = io.TextIOWrapper(os.fdopen(0, "rb"))
    # as with PYTHONUNBUFFERED, which the rules set
    sys.stdout, sys.stderr = (io.TextIOWrapper(os.fdopen(n, "wb", 0), "utf-8", write_through=True) for n in (1, 2))
    sys.path[:0] = filter(None, variables.get("PYTHONPATH", "").split(":"))
    sys.argv = [program, *arguments]
    status = 0
    try:
        runpy.run_module(program, run_name="__main__", alter_sys=True)
    except SystemExit as end:
        status = end.code if isinstance(end.code, int | None) else 1
        if status is not end.code:
            print(end.code, file=sys.stderr)
    except BaseException:
        sys.excepthook(*sys.exc_info())
        status = 1
    # as at the end of any process, but without clearing modules, which would copy what is shared with the server
    threading._shutdown()
    atexit._run_exitfuncs()
    os._exit(status or 0)


if __name__ == "__main__":
    main()
