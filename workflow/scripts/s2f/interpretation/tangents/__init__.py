"""Models as functions of one-hot windows, with their gradient: `tangent(one_hot float32 (B, W, 4), strand) -> (values
(B,), gradient (B, W, 4))`, NumPy in and out. Positions may hold any four numbers: between one-hot and nothing, as
integrated gradients need. `strand` says which one the windows are, forward or reverse: some models are told.

A kind of model that has a gradient names the module of it as its fact `gradient`: an edit of a gradient makes no
embedding and trains no model again.
"""

from collections.abc import Callable

import numpy as np

Tangent = Callable[[np.ndarray, str], tuple[np.ndarray, np.ndarray]]
