"""Line search: how far to move along a direction. It always ends, and never with a higher cost."""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np

from backprop_cli.frozen import frozen
from backprop_cli.nn.arrays import Array

CostAndGradient = Callable[[Array], tuple[float, Array]]
"""Takes theta (n,); returns the cost and its gradient (n,), which the next call may overwrite."""

MAX_EVALUATIONS = 20
C1 = 1e-4
"""Of Nocedal & Wright, section 3.1: the least decrease, as a share of the one that the first slope predicts."""


@frozen
class Point:
    """The point theta + alpha direction: the cost there, its slope along the direction, its gradient g (n,)."""

    alpha: float
    cost: float
    slope: float
    g: Array

    @property
    def finite(self) -> bool:
        """Whether cost and slope are numbers."""
        return math.isfinite(self.cost) and math.isfinite(self.slope)


def search(
    cost_and_gradient: CostAndGradient, theta: Array, direction: Array, start: Point, alpha: float, c2: float
) -> Point | None:
    """Return a point down the direction from start (alpha 0, finite, slope < 0), or None if none was found.

    alpha is the step to try first. A point is accepted if its cost is not above that of start and its slope no
    steeper than c2 times that of start: the strong Wolfe conditions (Nocedal & Wright, eq. 3.7), except that any
    decrease suffices where it ends the search. So do Hager & Zhang (2005, section 4) close to a minimum, where costs
    differ by no more than their rounding, and only slopes still show the direction of descent.

    The search keeps an interval from `low`, the lowest point so far with a sufficient decrease, to `high`, which is
    too far (Nocedal & Wright, alg. 3.5-3.6, in one loop): since the slope at low leads into the interval, it contains
    an acceptable point. While nothing is known to be too far, high is None and the steps grow. A trial without a
    finite cost is too far. If MAX_EVALUATIONS find no acceptable point, the lowest one is returned, if it is lower
    than start. NumPy's overflow warnings should be off.
    """
    low, previous, best, high = start, start, start, None
    for _ in range(MAX_EVALUATIONS):
        trial = _evaluate(cost_and_gradient, theta, direction, alpha)
        if trial.finite and trial.cost <= start.cost and abs(trial.slope) <= -c2 * start.slope:
            return trial
        if trial.finite and trial.cost < best.cost:
            best = trial
        sufficient = start.cost + C1 * alpha * start.slope
        if not trial.finite or trial.cost > sufficient or trial.cost >= low.cost:
            high = trial
        else:
            onwards = math.inf if high is None else high.alpha - low.alpha
            if trial.slope * onwards > 0:  # the cost rises from the trial to high, so the minimum is before it
                high = low
            low, previous = trial, low
        alpha = _extrapolate(low, previous) if high is None else _interpolate(low, high)
        if alpha == low.alpha or (high is not None and alpha == high.alpha):  # no number lies between them
            break
    return best if best.cost < start.cost else None


def dot(a: Array, b: Array) -> float:
    """Return a . b in double precision."""
    return float(np.dot(a.astype(np.float64, copy=False), b.astype(np.float64, copy=False)))


def move(theta: Array, direction: Array, alpha: float) -> Array:
    """Return theta + alpha direction, by one formula, so that an accepted point has the bits of its trial."""
    return theta + alpha * direction


def _evaluate(cost_and_gradient: CostAndGradient, theta: Array, direction: Array, alpha: float) -> Point:
    cost, g = cost_and_gradient(move(theta, direction, alpha))
    return Point(alpha, cost, dot(g, direction), g.copy())


def _extrapolate(low: Point, previous: Point) -> float:
    """Return a step beyond low: the minimum of a cubic through both, between 1.1 and 10 times as far as low."""
    alpha = _cubic_minimum(previous, low)
    farthest = 10 * low.alpha
    return min(max(alpha, 1.1 * low.alpha), farthest) if math.isfinite(alpha) else farthest


def _interpolate(low: Point, high: Point) -> float:
    """Return a step between the two: the minimum of a cubic through both, at least a tenth of the way from either."""
    if not high.finite:
        share = 0.1  # it may be too far by many orders of magnitude
    else:
        share = (_cubic_minimum(low, high) - low.alpha) / (high.alpha - low.alpha)
        share = min(max(share, 0.1), 0.9) if math.isfinite(share) else 0.5
    return low.alpha + share * (high.alpha - low.alpha)


def _cubic_minimum(p: Point, q: Point) -> float:
    """Return where the cubic with the costs and slopes of both points has its minimum (Nocedal & Wright, eq. 3.59).

    NaN if it has none.
    """
    d1 = p.slope + q.slope - 3 * (p.cost - q.cost) / (p.alpha - q.alpha)
    radicand = d1 * d1 - p.slope * q.slope
    if not radicand >= 0:
        return math.nan
    d2 = math.copysign(math.sqrt(radicand), q.alpha - p.alpha)
    bottom = q.slope - p.slope + 2 * d2
    return q.alpha - (q.alpha - p.alpha) * (q.slope + d2 - d1) / bottom if bottom else math.nan
