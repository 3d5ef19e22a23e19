"""Models as functions of one-hot windows, with their gradient: `tangent(one_hot float32 (B, W, 4), strand) -> (values
(B,), gradient (B, W, 4))`, NumPy in and out. A position may have any four numbers, from all zero to one-hot, as
integrated gradients need. `strand` says whether the windows are forward or reverse, which some models take as input.

A kind of model with a gradient names the gradient's module as its fact `gradient`: editing a gradient thus repeats no
embedding and no training.
"""

from collections.abc import Callable

import numpy as np

Tangent = Callable[[np.ndarray, str], tuple[np.ndarray, np.ndarray]]
