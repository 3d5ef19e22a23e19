"""Processes of a measurement: programs of the workflow as the rules run them, and parts with a time limit."""

import collections
import contextlib
import json
import os
import re
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

from bench.card import on_cpu

SCRIPTS = Path(__file__).resolve().parent.parent


class Job:
    """A finished program of the workflow, run as the rules run it: its wall time `seconds` and its lines, each with the
    time at which it came, which are also in the file `log`. JAX logs what it compiles. Raises
    `RuntimeError` with the last line if the program failed."""

    def __init__(self, log, program, options, environment=None):
        command = [sys.executable, "-P", "-m", program, *texts_of(options)]
        command += ["--threads", "2", "--gpus", str(int(not on_cpu()))]
        own = {name: value for name, value in os.environ.items() if name != "JAX_PLATFORMS"}
        own |= {"JAX_LOG_COMPILES": "1", "PYTHONUNBUFFERED": "1", **(environment or {})}
        self._lines, began = [], time.perf_counter()
        with (
            Path(log).open("w", buffering=1) as file,
            subprocess.Popen(
                command, env=own, text=True, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, errors="replace"
            ) as process,
        ):
            for line in process.stdout:
                self._lines.append((time.perf_counter() - began, line.rstrip()))
                file.write("{:8.2f}  {}\n".format(*self._lines[-1]))
        self.seconds, last = time.perf_counter() - began, self._lines[-1][1] if self._lines else ""
        if process.returncode:
            raise RuntimeError(f"{program} ended with {process.returncode}: {last}")

    def lines(self, pattern):
        """[(time, match)] of the lines that begin with a pattern."""
        found = [(when, re.match(pattern, line)) for when, line in self._lines]
        return [(when, match) for when, match in found if match]

    def at(self, pattern):
        """When the first such line came. Raises `LookupError` if none did."""
        found = self.lines(pattern)
        if not found:
            raise LookupError(f"no line of the job begins with {pattern}: has its log changed?")
        return found[0][0]

    def compiling(self):
        """Seconds that JAX spent on compilation, or on reading what it compiled before."""
        pattern = r".*Finished XLA compilation of .* in ([\d.]+) sec"
        return sum(float(match[1]) for _, match in self.lines(pattern))


def texts_of(options):
    """Options as they stand on a command line; sections of a study are JSON."""
    return [json.dumps(option) if isinstance(option, dict) else str(option) for option in options]


def ended(command, seconds):
    """Run a command, show its lines, and end it and all that it started after some seconds: (why it failed, or empty;
    wall time in seconds)."""
    own = {k: v for k, v in os.environ.items() if k not in ("S2F_COMPILED", "JAX_COMPILATION_CACHE_DIR")}
    own["PYTHONPATH"] = os.pathsep.join([str(SCRIPTS), os.environ.get("PYTHONPATH", "")])
    last, late, began = collections.deque(maxlen=50), threading.Event(), time.perf_counter()
    with subprocess.Popen(
        command, env=own, text=True, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, errors="replace",
        start_new_session=True,
    ) as process:  # fmt: skip

        def end():
            late.set()
            with contextlib.suppress(ProcessLookupError):  # it has just ended by itself
                os.killpg(process.pid, signal.SIGKILL)

        timer = threading.Timer(seconds, end)
        timer.start()
        try:
            for line in process.stdout:
                print(line, end="", flush=True)
                last.append(line.strip())
            process.wait()
        except BaseException:  # an interrupted measurement leaves nothing on the card
            end()
            raise
        finally:
            timer.cancel()
    took = time.perf_counter() - began
    if late.is_set():
        return f"not done after {seconds} s", took
    return _reason(last, process.returncode) if process.returncode else "", took


def _reason(lines, code):
    """Why a process failed: its last line that names an error, or its last line, or the signal that ended it."""
    named = [line for line in lines if re.match(r"(\w+\.)*\w*(Error|Exception|error|Interrupt)\b", line)]
    said = (named or [line for line in lines if line] or [""])[-1]
    return f"{signal.Signals(-code).name}; {said}" if code < 0 else said or f"status {code}"
