"""Minimizers: batch methods with a line search, which need no eta.

Each is an `init`, which returns its state, and a `step`, which moves theta (n,) in place along one direction. The cost
must be the same function of theta in every call. A field is an option of the config.

The state holds the cost and the gradient of the theta they belong to, `at`, so that a step that finds theta where the
last one left it does not compute them again, also after a resume. If theta has changed, the minimizer starts anew. Dot
products are summed in double precision, whatever the dtype of theta.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from typing import Annotated, ClassVar

import numpy as np
from annotated_types import Ge, Gt, Le, Lt

from backprop_cli.frozen import frozen
from backprop_cli.nn.arrays import Array
from backprop_cli.optim.line_search import CostAndGradient, Point, dot, move, search
from backprop_cli.optim.state import State, is_count


class Minimizer:
    """A rule for one line search down to a lower cost. The arrays of the state keep their shapes and dtypes.

    `aliases` are former names of options.
    """

    name: ClassVar[str]
    plain: ClassVar[bool] = False
    full_batch: ClassVar[bool] = True
    line_search: ClassVar[bool] = True
    aliases: ClassVar[Mapping[str, str]] = {"flatness": "c2"}

    def problems(self) -> Iterator[tuple[str, str]]:
        """Yield (option, sentence) for options that contradict each other."""
        yield from ()

    def usual_eta(self, descent: float, fan_in: int) -> float:
        """Return the learning rate of gradient descent, which has no effect here."""
        return descent

    def init(self, theta: Array) -> State:
        """Return the state before the first iteration."""
        raise NotImplementedError

    def begin_epoch(self, s: State, epoch: int) -> None:
        """Do nothing: all iterations are alike."""

    def negligible(self, tiny: float) -> Mapping[str, float]:
        """Return nothing: no array of the state decays."""
        return {}

    def step(self, cost_and_gradient: CostAndGradient, theta: Array, s: State) -> None:
        """Change theta, and the arrays in s, in place by one iteration, which never raises the cost.

        Where no lower theta is found, theta stays as it is, and the next iteration goes straight down the gradient.
        """
        raise NotImplementedError

    def is_state(self, s: State, iterations: int) -> bool:
        """Whether the arrays in s, which come from a file, can be a state after so many iterations."""
        raise NotImplementedError


@frozen
class ConjugateGradient(Minimizer):
    """d <- -g + max(β, 0) d, β = g·(g - g_old) / g_old·g_old; then a line search (Nocedal & Wright, eq. 5.44).

    This is the β of Polak & Ribière, with a restart (d = -g) where it is negative, and where d is no descent
    direction. c2 is small, as gradients are conjugate only if the line search is nearly exact.
    """

    name: ClassVar[str] = "cg"
    c2: Annotated[float, Gt(1e-4), Lt(0.5)] = 0.1

    def init(self, theta: Array) -> State:
        """Return the state before the first iteration; `decrease` is the last step times its first slope."""
        return State(**_initial(theta), direction=np.zeros_like(theta), decrease=np.zeros(()))

    @np.errstate(all="ignore")  # overflow shows as a cost or a slope that is not finite
    def step(self, cost_and_gradient: CostAndGradient, theta: Array, s: State) -> None:
        """Minimize along d, and choose the next d there."""
        g, d = s.g, s.direction
        if _refresh(cost_and_gradient, theta, s):
            d[...] = -g
            s.decrease[...] = 0
        if not dot(g, d) < 0:
            d[...] = -g
        start, square = Point(0.0, float(s.cost), dot(g, d), g), dot(g, g)
        if not (start.finite and start.slope < 0 < square):  # no direction, or a minimum
            return
        # the first step expects as large a decrease as the last one had (section 3.5); down -g it has length 1
        first = float(s.decrease) / start.slope if s.decrease < 0 else 1 / math.sqrt(-start.slope)
        found = search(cost_and_gradient, theta, d, start, first, self.c2)
        if found is None:
            d[...] = -g
            s.decrease[...] = 0
            return
        beta = max(dot(found.g, found.g - g) / square, 0.0)
        s.decrease[...] = found.alpha * start.slope
        _accept(found, theta, d, s)
        d *= beta
        d -= g

    def is_state(self, s: State, iterations: int) -> bool:
        """Whether the last step lowered the cost."""
        return -math.inf < float(s.decrease) <= 0


@frozen
class LBFGS(Minimizer):
    """d = -H g, H approximating the inverse Hessian; then a line search (Nocedal & Wright, alg. 7.4-7.5)."""

    name: ClassVar[str] = "lbfgs"
    history: Annotated[int, Ge(1), Le(100)] = 10
    c2: Annotated[float, Gt(1e-4), Lt(1)] = 0.9

    def init(self, theta: Array) -> State:
        """Return the state before the first iteration.

        The steps s (history, n) and the changes y (history, n) of g over them are ring buffers, which have been
        written `count` times since the last start.
        """
        rings = {name: np.zeros((self.history, theta.size), theta.dtype) for name in ("s", "y")}
        return State(**_initial(theta), **rings, count=np.zeros(()))

    @np.errstate(all="ignore")  # overflow shows as a cost or a slope that is not finite
    def step(self, cost_and_gradient: CostAndGradient, theta: Array, s: State) -> None:
        """Move along -H g, and store the step and the change of g over it."""
        g = s.g
        if _refresh(cost_and_gradient, theta, s):
            s.count[...] = 0
        d = self._direction(s)
        if not dot(g, d) < 0:  # rounding has spoilt H
            s.count[...] = 0
            d = -g
        start = Point(0.0, float(s.cost), dot(g, d), g)
        if not (start.finite and start.slope < 0):  # no direction, or a minimum
            return
        first = 1.0 if s.count else 1 / math.sqrt(-start.slope)  # H knows the length; down -g the step has length 1
        found = search(cost_and_gradient, theta, d, start, first, self.c2)
        if found is None:
            s.count[...] = 0
            return
        change, y = move(theta, d, found.alpha) - theta, found.g - g
        if dot(change, y) > 1e-8 * math.sqrt(dot(change, change) * dot(y, y)) > 0:  # else the curvature is not positive
            slot = int(s.count) % self.history
            s.s[slot], s.y[slot] = change, y
            s.count += 1
        _accept(found, theta, d, s)

    def _direction(self, state: State) -> Array:
        """Return -H g by the two-loop recursion (alg. 7.4), the initial H being γ = s·y / y·y (eq. 7.20)."""
        d, count = -state.g, int(state.count)
        slots = [i % self.history for i in range(max(count - self.history, 0), count)]  # oldest first
        pairs = [(s, y, dot(s, y)) for s, y in ((state.s[slot], state.y[slot]) for slot in slots)]
        alphas = []
        for s, y, curvature in reversed(pairs):
            alphas.append(dot(s, d) / curvature)
            d -= alphas[-1] * y
        if pairs:
            _, y, curvature = pairs[-1]
            d *= curvature / dot(y, y)
        for s, y, curvature in pairs:
            d += (alphas.pop() - dot(y, d) / curvature) * s
        return d

    def is_state(self, s: State, iterations: int) -> bool:
        """Whether the curvature is positive along all steps that are kept."""
        if not is_count(s.count, iterations):
            return False
        slots = range(min(int(s.count), self.history))
        return all(dot(s.s[slot], s.y[slot]) > 0 and dot(s.y[slot], s.y[slot]) < math.inf for slot in slots)


def _initial(theta: Array) -> State:
    """Return the state of a minimizer that has not computed anything; NaN is equal to no theta."""
    return State(at=np.full_like(theta, np.nan), g=np.zeros_like(theta), cost=np.zeros(()))


def _refresh(cost_and_gradient: CostAndGradient, theta: Array, s: State) -> bool:
    """Compute cost and gradient if theta is not where the state was; return whether it is not."""
    if np.array_equal(theta, s.at):
        return False
    s.cost[...], s.g[...] = cost_and_gradient(theta)
    s.at[...] = theta
    return True


def _accept(found: Point, theta: Array, direction: Array, s: State) -> None:
    theta[...] = move(theta, direction, found.alpha)
    s.at[...], s.g[...], s.cost[...] = theta, found.g, found.cost


MINIMIZERS: dict[str, type[Minimizer]] = {rule.name: rule for rule in (ConjugateGradient, LBFGS)}
"""Every minimizer, by name."""
