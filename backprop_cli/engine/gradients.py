"""Where recorded back-propagation puts what it finds: into a gradient, or straight into the parameters."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import cache, partial
from itertools import repeat
from typing import Any

import numpy as np

from backprop_cli.engine.recording import Recording
from backprop_cli.nn.parameters import Gradient, Layout, NoGradient, Params
from backprop_cli.objectives.objective import Objective


class Products(Gradient):
    """out <- beta out + alpha dC/dp for each parameter p of a layer, in one pass over out.

    `beta(name, out)` is asked once, before the first product; what comes after that is added.
    """

    def __init__(self, recording: Recording, arrays: Params, alpha: float, beta: Callable[[str, Any], Any]) -> None:
        self._recording, self._arrays, self._alpha, self._beta = recording, arrays, alpha, beta
        self._begun: set[str] = set()

    def add_product(self, name: str, a: Any, b: Any) -> None:
        """Add alpha a b."""
        out: Any = self._arrays[name]
        beta = self._factor(name)
        self._recording.product(a, b, out.reshape(*a.shape[:-1], *b.shape[1:]), self._alpha, beta)

    def add_sum(self, name: str, delta: Any) -> None:
        """Add alpha Σ delta, as a product with ones."""
        self.add_product(name, np.ones(delta.shape[-2], delta.dtype), delta)

    def add(self, name: str, g: Any) -> None:
        """Add alpha g."""
        out: Any = self._arrays[name]
        beta = self._factor(name)
        if isinstance(beta, float) and beta == 0:  # there may be anything in it
            out[...] = self._alpha * g
        else:
            out *= beta
            out += self._alpha * g

    def _factor(self, name: str) -> Any:
        """Return beta, which is 1 from the second time on."""
        beta = 1.0 if name in self._begun else self._beta(name, self._arrays[name])
        self._begun.add(name)
        return beta


def gradient_of(
    recording: Recording, layout: Layout, grad: Any, rates: Sequence[float] | None = None
) -> list[Gradient]:
    """Return, for each layer, what writes its gradient into its part of grad (n,), traced.

    A layer whose rate is 0 is frozen: its gradient is not written, and what only it needs is not recorded.
    """

    def begun(index: int, name: str, out: Any) -> float:
        """Return 1 if a later layer, which is earlier on the way back, has written the gradient of the parameter."""
        return float((index, name) in layout.shared)

    return [
        Products(recording, params, 1.0, partial(begun, index)) if rate else NoGradient()
        for index, (params, rate) in enumerate(zip(layout.split(grad), rates or repeat(1.0), strict=False))
    ]


def descent_of(
    recording: Recording, objective: Objective, theta: Any, eta: Any, rates: Sequence[float] | None = None
) -> list[Gradient]:
    """Return, for each layer, what takes the gradient of eta (C + Σ c Ω) off theta (n,), given that of eta C.

    So plain SGD takes a step without ever writing a gradient down: one pass over the weights in place of three or
    four. A penalty with a linear gradient only scales them, which the product does on its way. The eta of a layer is
    eta times its rate; one whose rate is 0 is frozen.
    """
    layout, penalties = objective.layout, objective.penalties
    decay = sum(c for penalty, c in penalties if penalty.linear)

    @cache
    def shrinking(rate: float) -> Callable[[Any], Any]:
        keep = 1 - eta * (rate * decay) if decay else 1.0
        others = [(penalty, eta * (rate * c)) for penalty, c in penalties if not penalty.linear]

        def shrink(w: Any) -> Any:
            steps = [c * penalty.gradient(w) for penalty, c in others]  # before anything is taken off w
            if not steps:
                return keep
            if decay:
                w *= keep
            for step in steps:
                w -= step
            return 1.0

        return shrink

    sinks: list[Gradient] = []
    for own, params, rate in zip(layout.layers, layout.split(theta), rates or repeat(1.0), strict=False):
        penalized = {parameter.name for parameter in own if parameter.penalized}
        beta = partial(_beta, penalized, shrinking(rate or 1.0))
        sinks.append(Products(recording, params, -rate, beta) if rate else NoGradient())
    return sinks


def _beta(penalized: set[str], shrink: Callable[[Any], Any], name: str, w: Any) -> Any:
    return shrink(w) if name in penalized else 1.0
