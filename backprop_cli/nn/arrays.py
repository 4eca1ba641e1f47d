"""The array types that the mathematics speaks of."""

from typing import Any, Protocol

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[np.floating[Any]]
"""An array of float32 or float64; its shape stands in the docstring of whoever takes it."""

Mask = npt.NDArray[np.bool_]
"""An array of true and false, which count as 1 and 0."""

Shape = tuple[int, ...]
"""The shape of one example, or of an array of parameters."""


class Noise(Protocol):
    """A source of random numbers, such as a `numpy.random.Generator`."""

    def random(self, size: Shape) -> Array:
        """Return numbers drawn uniformly from [0, 1)."""

    def standard_normal(self, size: Shape) -> Array:
        """Return numbers drawn from N(0, 1)."""
