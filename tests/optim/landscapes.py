"""Two costs with known minima: theta (2,) -> the cost and its gradient (2,), in the dtype of theta."""

import numpy as np


def bowl(theta):
    """½ (x² + 100 y²): a hundred times as steep one way as the other, lowest at (0, 0)."""
    curvature = np.array([1, 100], theta.dtype)
    return float(theta @ (curvature * theta)) / 2, curvature * theta


def valley(theta):
    """Rosenbrock's (1 - x)² + 100 (y - x²)², lowest at (1, 1), at the end of a bent and almost level floor."""
    x, y = theta.tolist()
    g = [-400 * x * (y - x * x) - 2 * (1 - x), 200 * (y - x * x)]
    return (1 - x) ** 2 + 100 * (y - x * x) ** 2, np.array(g, theta.dtype)


START = {bowl: (1.0, 1.0), valley: (-1.2, 1.0)}
LOWEST = {bowl: (0.0, 0.0), valley: (1.0, 1.0)}
