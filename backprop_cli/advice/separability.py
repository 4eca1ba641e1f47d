"""Whether a perceptron can answer a set of examples at all: a question of linear programming."""

from __future__ import annotations

import numpy as np

from backprop_cli.nn.arrays import Array

LARGEST = 1_000_000
"""Numbers in the examples up to which the question is worth its time."""


def separable(x: Array, y: Array) -> bool | None:
    """Return whether, for each column of y (n, n_L) of 0 and 1, a plane separates the x (n, n_0) of the two kinds.

    There is one if some w and b satisfy (2y - 1)(x w + b) >= 1 for every example. None where that is too much to ask.
    """
    from scipy.optimize import linprog

    if x.size > LARGEST:
        return None
    ones = np.ones((len(x), 1))
    for column in y.T:
        above = (2 * column - 1)[:, None] * np.hstack([x, ones])
        found = linprog(np.zeros(x.shape[1] + 1), A_ub=-above, b_ub=-np.ones(len(x)), bounds=(None, None))
        if found.status == 2:  # infeasible
            return False
        if not found.success:
            return None
    return True
