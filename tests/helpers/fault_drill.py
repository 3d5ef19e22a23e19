"""Faults tried through the real commands: a case makes its input in a folder, runs commands there, and reports the
result.

A program runs in a child of a process that has already loaded pandas and the library, because starting it would take
longer than most cases. So does Snakemake. A case with another environment starts a new process.
"""

import atexit
import multiprocessing
import os
import re
import resource
import runpy
import subprocess
import sys
import tempfile
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from helpers import forked_snakemake

ROOT = Path(__file__).resolve().parents[2]
SCRIPTS = ROOT / "workflow" / "scripts"
_SERVER = multiprocessing.get_context("forkserver")
LONGEST = 120  # s that a case may take


@dataclass(frozen=True)
class Case:
    """A fault.

    `make` writes the input into the working folder, which is empty, and returns the commands to run there, or functions
    to call between them; the first command that fails is the last. If all succeed, `value` gives the result. `expected`
    is a pattern that the result must match. CI runs the `quick` cases. `environment` has environment variables, for
    which a new process is started.
    """

    row: str
    name: str
    make: Callable[[], Sequence[Any]]
    expected: str
    value: Callable[[], object] = lambda: "done"
    quick: bool = True
    environment: Callable[[], Mapping[str, str]] = dict


def found(case: Case) -> tuple[str, str, float]:
    """(What was found, the output of the commands, seconds of CPU): `ok:` and the value, or the message."""
    with tempfile.TemporaryDirectory(prefix="fault-") as name, tempfile.NamedTemporaryFile() as file:
        folder = Path(name).resolve()
        process = _SERVER.Process(target=_run, args=(case.row, case.name, str(folder), file.name))
        process.start()
        process.join(LONGEST)
        if process.is_alive():
            process.kill()
            process.join()
            result = f"0 error: not over after {LONGEST} s"
        else:
            result = (
                (folder / ".found").read_text() if (folder / ".found").exists() else "0 error: ended without a word"
            )
        output = Path(file.name).read_text(errors="replace")
        seconds, _, result = result.replace(str(folder), ".").partition(" ")
        return result, output.replace(str(folder), "."), float(seconds)


def fits(case: Case, result: str) -> bool:
    """Whether the result is as expected; a traceback never is."""
    return "TRACEBACK" not in result and re.search(case.expected, result, re.DOTALL) is not None


def _run(row: str, name: str, folder: str, output: str) -> None:
    """Run a case in a separate process and in its folder."""
    from programs.faults import CASES

    case = next(case for case in CASES if (case.row, case.name) == (row, name))
    os.chdir(folder)
    with Path(output).open("wb", buffering=0) as file:
        for stream in (1, 2):
            os.dup2(file.fileno(), stream)
    outcome = "".join(letter if letter.isprintable() else "?" for letter in _outcome(case, Path(output)))
    used = [resource.getrusage(of) for of in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    Path(".found").write_text(f"{sum(of.ru_utime + of.ru_stime for of in used):.2f} {outcome}")


def _outcome(case: Case, output: Path) -> str:
    try:
        commands, environment = case.make(), case.environment()
        for command in commands:
            if callable(command):
                command()
                continue
            code = _call(list(map(str, command)), environment)
            if code:
                return _message(output.read_text(errors="replace"), code)
        return f"ok: {case.value()}"
    except Exception as error:  # of the case itself
        return f"TRACEBACK of the case: {type(error).__name__}: {error}"


def _message(text: str, code: int) -> str:
    """What a failed command says: its last message, or that it ended in a traceback."""
    lines = [line for line in text.splitlines() if line.strip()]
    if "Traceback (most recent call last)" in text:
        return f"TRACEBACK: {lines[-1]}"
    for sign in ("error: ", "BROKEN ", "the study is not valid: ", "WorkflowError"):
        said = [number for number, line in enumerate(lines) if sign in line]
        if said:
            more = lines[said[-1] + 1 : said[-1] + 2] if sign == "WorkflowError" else []
            return "error: " + " ".join(
                [lines[said[-1]].partition(sign)[2] if sign in ("error: ", "BROKEN ") else lines[said[-1]], *more]
            )
    return f"error: exit code {code}: {lines[-1] if lines else 'nothing said'}"


def _call(words: list[str], environment: Mapping[str, str]) -> int:
    """Exit code of one command: `snakemake` or a program."""
    program, *arguments = words
    if environment:
        changed = {**os.environ, **environment, "PYTHONPATH": str(SCRIPTS)}
        return subprocess.run([sys.executable, "-P", "-m", program, *arguments], env=changed).returncode
    child = os.fork()
    if not child:
        code = 1
        try:
            if program == "snakemake":
                forked_snakemake.main(arguments, Path.cwd(), forked_snakemake.ENVIRONMENT)
            else:
                sys.argv = [program, *arguments]
                runpy.run_module(program, run_name="__main__", alter_sys=True)
            code = 0
        except SystemExit as error:
            if isinstance(error.code, str):
                print(error.code, file=sys.stderr)
            code = error.code if isinstance(error.code, int) else int(error.code is not None)
        except BaseException:
            import traceback

            traceback.print_exc()
        finally:
            atexit._run_exitfuncs()  # semaphores of Snakemake
            sys.stdout.flush()
            sys.stderr.flush()
            os._exit(code)
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])


PRELOADED = [  # Snakemake, the programs that most cases call, and the modules that they load by name
        *forked_snakemake.PRELOADED, "programs.faults", "make_rows", "make_split", "make_units", "embed",
        "s2f.embeddings.build", "s2f.embeddings.encoders.kmer", "s2f.rows.sources.table",
        "s2f.rows.sources.encode_eclip", "s2f.rows.sources.simulated", "s2f.splits.kinds.random",
]  # fmt: skip


def preload():
    """Load what children need in the process from which they are forked; once, before the first case."""
    _SERVER.set_forkserver_preload(PRELOADED)
