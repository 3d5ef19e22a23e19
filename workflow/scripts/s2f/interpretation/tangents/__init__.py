"""Models as functions of one-hot windows, with their gradient: `tangent(one_hot float32 (B, W, 4)) -> (values (B,),
gradient (B, W, 4))`, NumPy in and out. Positions may hold any four numbers: between one-hot and nothing, as integrated
gradients need.

One module per kind of model that has a gradient, named by the fact `gradient` of the kind: an edit of a gradient makes
no embedding and trains no model again.
"""

from collections.abc import Callable

import numpy as np

Tangent = Callable[[np.ndarray], tuple[np.ndarray, np.ndarray]]
