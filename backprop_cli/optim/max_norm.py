"""Max-norm regularization."""

from __future__ import annotations

import numpy as np

from backprop_cli.frozen import frozen
from backprop_cli.nn.arrays import Array


@frozen
class MaxNorm:
    """The incoming weights w of a unit are shortened to ‖w‖ = c where they are longer (Srivastava et al. 2014, 5.1)."""

    c: float

    def apply(self, W: Array) -> None:
        """Shorten the rows of W (..., n_out, n_in) in place."""
        norms = np.sqrt(np.sum(W * W, axis=-1, keepdims=True))
        W *= np.minimum(self.c / norms, 1)
