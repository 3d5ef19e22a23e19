"""The file from which a killed training continues, with the result of one that was not killed.

It holds what an epoch starts from (parameters, state, moments, random key) and what was found so far (history, best
epoch). On a CPU with the same number of threads, the bits of the result are the same.
"""

import json
import time
import zipfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from s2f.common.errors import InputError
from s2f.common.files import atomic

SECONDS = (
    300.0  # between two files: a file with a whole encoder has 1.4 GB and may take longer to write than a short epoch
)


class Resume:
    """The file `path` of the training with this `identity`, a text that names everything its result depends on.

    The caller deletes the file once the result is safe.
    """

    def __init__(self, path: str | Path, identity: str) -> None:
        self.path, self.identity, self.saved = Path(path), identity, time.monotonic()

    def keep(self, epoch: int, keys: jax.Array, state: Any, runs: Sequence[Any]) -> None:
        """Write the state after `epoch`, unless a file was written less than `SECONDS` ago. `runs` are
        `training._Run`s."""
        if time.monotonic() - self.saved < SECONDS:
            return
        arrays: dict[str, Any] = {"keys": jax.random.key_data(keys)}
        arrays |= {f"state {number}": leaf for number, leaf in enumerate(jax.tree.leaves(state))}
        for lane, run in enumerate(runs):
            best = [] if run.best is None else jax.tree.leaves(run.best.variables)
            arrays |= {f"best {lane} {number}": leaf for number, leaf in enumerate(best)}
        notes = {"identity": self.identity, "epoch": epoch, "runs": [run.notes() for run in runs]}
        arrays["notes"] = np.array(json.dumps(notes))
        with atomic(self.path) as temporary, temporary.open("wb") as file:
            np.savez(file, allow_pickle=False, **arrays)
        self.saved = time.monotonic()

    def load(self, keys: jax.Array, state: Any, runs: Sequence[Any]) -> tuple[int, jax.Array, Any]:
        """(epochs done, key, state) from the file, whose history and best epochs go into the `runs`; 0 and the
        arguments if there is no file, or one of another training. Raises `InputError` for a broken file."""
        if not self.path.is_file():
            return 0, keys, state
        try:
            with np.load(self.path, allow_pickle=False) as file:
                notes = json.loads(str(file["notes"]))
                if notes["identity"] != self.identity:
                    return 0, keys, state
                arrays = {name: file[name] for name in file.files}
        except (zipfile.BadZipFile, ValueError, KeyError, OSError, EOFError) as error:
            raise InputError(f"{self.path}: broken checkpoint ({error}); delete it and run again") from None

        def filled(tree: Any, name: str, place: Any) -> Any:
            leaves, shape = jax.tree.flatten(tree)
            return shape.unflatten([place(arrays[f"{name} {number}"]) for number in range(len(leaves))])

        for lane, (run, of_run) in enumerate(zip(runs, notes["runs"], strict=True)):
            found = f"best {lane} 0" in arrays
            run.continued(of_run, filled(state[:2], f"best {lane}", np.asarray) if found else None)
        return notes["epoch"], jax.random.wrap_key_data(arrays["keys"]), filled(state, "state", jnp.array)
