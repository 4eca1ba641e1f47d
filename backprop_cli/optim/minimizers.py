"""Minimizers: batch methods that ask for the cost and the gradient where they want them, and need no eta.

Each is an `init`, which returns its state, and an `iterate`, which moves theta (n,) in place along one direction, by a
line search. The cost must be the same function of theta in every call. A field is an option of the config.

The state holds the cost and the gradient of the theta they belong to, `at`, so that an iteration that finds theta
where the last one left it does not compute them again, also after both have been to a file and back. Where theta is
another, the minimizer starts anew. Products of vectors are summed in double precision, whatever theta's is.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Annotated, ClassVar, Protocol, runtime_checkable

import numpy as np
from annotated_types import Ge, Gt, Le, Lt

from backprop_cli.nn.arrays import Array
from backprop_cli.optim.line_search import CostAndGradient, Point, dot, go, search
from backprop_cli.optim.optimizers import State


@runtime_checkable
class Minimizer(Protocol):
    """A rule for one line search down to a lower cost. The arrays of the state keep their shapes and dtypes."""

    name: ClassVar[str]
    full_batch: ClassVar[bool] = True
    line_search: ClassVar[bool] = True

    def problems(self) -> Iterator[tuple[str, str]]:
        """Yield what is wrong with its options: the option, and what is wrong with it."""
        yield from ()

    def init(self, theta: Array) -> State:
        """Return the state before the first iteration."""

    def iterate(self, cost_and_gradient: CostAndGradient, theta: Array, state: State) -> None:
        """Change theta, and the arrays in state, in place by one iteration, which never raises the cost.

        Where no lower theta is found, theta stays as it is, and the next iteration goes straight down the gradient.
        """


@dataclass(frozen=True)
class ConjugateGradient(Minimizer):
    """d <- -g + max(β, 0) d, β = g·(g - g_old) / g_old·g_old; then a line search (Nocedal & Wright, eq. 5.44).

    That is Polak & Ribière's β, and a restart (d = -g) where it is negative, and where d does not lead down. The line
    search is told to be exact to `flatness`: gradients are conjugate only if it is.
    """

    name: ClassVar[str] = "cg"
    flatness: Annotated[float, Gt(1e-4), Lt(0.5)] = 0.1

    def init(self, theta: Array) -> State:
        """Return the state of a minimizer that has been nowhere; `promise` is the last step times its first slope."""
        return _nowhere(theta) | {"direction": np.zeros_like(theta), "promise": np.zeros(())}

    @np.errstate(all="ignore")  # what overflows is found out by a cost or a slope that is not finite
    def iterate(self, cost_and_gradient: CostAndGradient, theta: Array, state: State) -> None:
        """Go along d to the bottom, and choose the next d there."""
        g, d, promise = state["g"], state["direction"], state["promise"]
        if _arrive(cost_and_gradient, theta, state):
            d[...] = -g
            promise[...] = 0
        if not dot(g, d) < 0:
            d[...] = -g
        start, square = Point(0.0, float(state["cost"]), dot(g, d), g), dot(g, g)
        if not (start.finite and start.slope < 0 < square):  # nothing to go by, or a minimum
            return
        # the first step promises as large a decrease as the last one did (section 3.5); down -g it has length 1
        first = float(promise) / start.slope if promise < 0 else 1 / math.sqrt(-start.slope)
        found = search(cost_and_gradient, theta, d, start, first, self.flatness)
        if found is None:
            d[...] = -g
            promise[...] = 0
            return
        beta = max(dot(found.g, found.g - g) / square, 0.0)
        promise[...] = found.alpha * start.slope
        _go_to(found, theta, d, state)
        d *= beta
        d -= g


@dataclass(frozen=True)
class LBFGS(Minimizer):
    """d = -H g, H the inverse Hessian by the last steps; then a line search (Nocedal & Wright, alg. 7.4-7.5)."""

    name: ClassVar[str] = "lbfgs"
    history: Annotated[int, Ge(1), Le(100)] = 10
    flatness: Annotated[float, Gt(1e-4), Lt(1)] = 0.9

    def init(self, theta: Array) -> State:
        """Return the state of a minimizer that has been nowhere.

        The steps s (history, n) and the changes y (history, n) of g over them are rings, which have been written
        `count` times since the last start.
        """
        rings = {name: np.zeros((self.history, theta.size), theta.dtype) for name in ("s", "y")}
        return _nowhere(theta) | rings | {"count": np.zeros(())}

    @np.errstate(all="ignore")  # what overflows is found out by a cost or a slope that is not finite
    def iterate(self, cost_and_gradient: CostAndGradient, theta: Array, state: State) -> None:
        """Go along -H g, and remember the step and how g changed over it."""
        g, count = state["g"], state["count"]
        if _arrive(cost_and_gradient, theta, state):
            count[...] = 0
        d = self._direction(state)
        if not dot(g, d) < 0:  # rounding has spoilt H
            count[...] = 0
            d = -g
        start = Point(0.0, float(state["cost"]), dot(g, d), g)
        if not (start.finite and start.slope < 0):  # nothing to go by, or a minimum
            return
        first = 1.0 if count else 1 / math.sqrt(-start.slope)  # H knows how far to go; down -g the step has length 1
        found = search(cost_and_gradient, theta, d, start, first, self.flatness)
        if found is None:
            count[...] = 0
            return
        s, y = go(theta, d, found.alpha) - theta, found.g - g
        if dot(s, y) > 1e-8 * math.sqrt(dot(s, s) * dot(y, y)) > 0:  # else the cost does not curve upwards along s
            slot = int(count) % self.history
            state["s"][slot], state["y"][slot] = s, y
            count += 1
        _go_to(found, theta, d, state)

    def _direction(self, state: State) -> Array:
        """Return -H g by the two loops over the history (alg. 7.4), H being γ = s·y / y·y (eq. 7.20) before it."""
        d, count = -state["g"], int(state["count"])
        slots = [i % self.history for i in range(max(count - self.history, 0), count)]  # oldest first
        pairs = [(s, y, dot(s, y)) for s, y in ((state["s"][slot], state["y"][slot]) for slot in slots)]
        shares = []
        for s, y, curvature in reversed(pairs):
            shares.append(dot(s, d) / curvature)
            d -= shares[-1] * y
        if pairs:
            _, y, curvature = pairs[-1]
            d *= curvature / dot(y, y)
        for s, y, curvature in pairs:
            d += (shares.pop() - dot(y, d) / curvature) * s
        return d


def _nowhere(theta: Array) -> State:
    """Return what both minimizers know of where they stand; NaN is at no theta."""
    return {"at": np.full_like(theta, np.nan), "g": np.zeros_like(theta), "cost": np.zeros(())}


def _arrive(cost_and_gradient: CostAndGradient, theta: Array, state: State) -> bool:
    """Bring cost and gradient up to date; return whether theta is not where the state was."""
    if np.array_equal(theta, state["at"]):
        return False
    state["cost"][...], state["g"][...] = cost_and_gradient(theta)
    state["at"][...] = theta
    return True


def _go_to(found: Point, theta: Array, direction: Array, state: State) -> None:
    theta[...] = go(theta, direction, found.alpha)
    state["at"][...], state["g"][...], state["cost"][...] = theta, found.g, found.cost


MINIMIZERS: dict[str, type[Minimizer]] = {rule.name: rule for rule in (ConjugateGradient, LBFGS)}
"""Every minimizer, by name."""
