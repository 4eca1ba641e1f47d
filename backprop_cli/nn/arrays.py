"""The one array type that the mathematics speaks of."""

from typing import Any

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[np.floating[Any]]
"""An array of float32 or float64; its shape stands in the docstring of whoever takes it."""

Mask = npt.NDArray[np.bool_]
"""An array of true and false, which count as 1 and 0."""
