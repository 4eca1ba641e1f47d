"""How far to go along a direction: a line search that ends, and never ends higher than it began."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from backprop_cli.nn.arrays import Array

CostAndGradient = Callable[[Array], tuple[float, Array]]
"""Takes theta (n,); returns the cost and its gradient (n,), which the next call may overwrite."""

MAX_EVALUATIONS = 20
SUFFICIENT_DECREASE = 1e-4
"""c1 of Nocedal & Wright, section 3.1: the share of the decrease that the first slope promises which must come true."""


@dataclass(frozen=True)
class Point:
    """What is known at theta + alpha direction: the cost, its slope along the direction, its gradient g (n,)."""

    alpha: float
    cost: float
    slope: float
    g: Array

    @property
    def finite(self) -> bool:
        """Whether there is a cost here at all."""
        return math.isfinite(self.cost) and math.isfinite(self.slope)


def search(
    cost_and_gradient: CostAndGradient, theta: Array, direction: Array, start: Point, alpha: float, flatness: float
) -> Point | None:
    """Return a point down the direction from start (alpha 0, finite, slope < 0), or None if none was found.

    alpha is the step to try first. A point is good enough if its cost is not above start's and its slope no steeper
    than `flatness` times start's: the strong Wolfe conditions (Nocedal & Wright, eq. 3.7), but that any decrease
    suffices where it ends the search. That is how Hager & Zhang (2005, section 4) go on at the bottom of a valley,
    where costs differ by no more than their rounding, and only slopes still tell where down is.

    The search keeps an interval from `low`, the lowest point so far that decreased the cost sufficiently, to `high`,
    beyond which it does not pay to go (Nocedal & Wright, alg. 3.5-3.6, in one loop): since the slope at low leads
    into the interval, there is a good point in it. While nothing is known to be too far, high is None and the steps
    grow. A trial without a finite cost is too far. If MAX_EVALUATIONS do not find a good point, the lowest one found
    has to do, if it is lower than start. NumPy's overflow warnings should be off.
    """
    low, previous, best, high = start, start, start, None
    for _ in range(MAX_EVALUATIONS):
        trial = _evaluate(cost_and_gradient, theta, direction, alpha)
        if trial.finite and trial.cost <= start.cost and abs(trial.slope) <= -flatness * start.slope:
            return trial
        if trial.finite and trial.cost < best.cost:
            best = trial
        promised = start.cost + SUFFICIENT_DECREASE * alpha * start.slope
        if not trial.finite or trial.cost > promised or trial.cost >= low.cost:
            high = trial
        else:
            onwards = math.inf if high is None else high.alpha - low.alpha
            if trial.slope * onwards > 0:  # from the trial on it goes up to high, so what we want lies before it
                high = low
            low, previous = trial, low
        alpha = _beyond(low, previous) if high is None else _between(low, high)
        if alpha == low.alpha or (high is not None and alpha == high.alpha):  # there are no numbers left between them
            break
    return best if best.cost < start.cost else None


def dot(a: Array, b: Array) -> float:
    """Return a . b in double precision."""
    return float(np.dot(a.astype(np.float64, copy=False), b.astype(np.float64, copy=False)))


def go(theta: Array, direction: Array, alpha: float) -> Array:
    """Return theta + alpha direction: always the same bits, so that a point found can be gone to."""
    return theta + alpha * direction


def _evaluate(cost_and_gradient: CostAndGradient, theta: Array, direction: Array, alpha: float) -> Point:
    cost, g = cost_and_gradient(go(theta, direction, alpha))
    return Point(alpha, cost, dot(g, direction), g.copy())


def _beyond(low: Point, previous: Point) -> float:
    """Return a step beyond low: where a cubic through both has its minimum, but a tenth to ten times as far again."""
    alpha = _cubic_minimum(previous, low)
    farthest = 10 * low.alpha
    return min(max(alpha, 1.1 * low.alpha), farthest) if math.isfinite(alpha) else farthest


def _between(low: Point, high: Point) -> float:
    """Return a step between the two: the minimum of a cubic through both, but a tenth of the way from either."""
    if not high.finite:
        share = 0.1  # there may be many orders of magnitude to go back
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
