"""Models as functions of one-hot windows, with their gradient; NumPy in and out. A position may have any four numbers,
from all zero to one-hot, as integrated gradients need.

A kind of model with a gradient names the gradient's module as its fact `gradient`: editing a gradient thus repeats no
embedding and no training.
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True)
class Tangent:
    """A model as a function of windows float32 (B, W, 4). `strand` says whether the windows are forward or reverse,
    which some models take as input.

    `outputs(windows, strand)` returns the outputs (B, C). `gradient(windows, strand, weights)` returns the outputs and
    the gradient (B, W, 4) of each row's sum of outputs times `weights`, float32 (B, C); if `weights` is None, of the
    first output.
    """

    outputs: Callable[[np.ndarray, str], np.ndarray]
    gradient: Callable[[np.ndarray, str, np.ndarray | None], tuple[np.ndarray, np.ndarray]]
