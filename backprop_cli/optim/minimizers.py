"""Batch methods: each iteration looks at the cost and the gradient over all training examples as often as it likes."""

from __future__ import annotations

from collections.abc import Callable
from typing import ClassVar, Protocol

from backprop_cli.nn.arrays import Array
from backprop_cli.optim.optimizers import State


class Minimizer(Protocol):
    """A rule for one iteration down the cost."""

    name: ClassVar[str]
    full_batch: ClassVar[bool]

    def init(self, theta: Array) -> State:
        """Return the state before the first iteration."""

    def iterate(self, cost_and_gradient: Callable[[Array], tuple[float, Array]], theta: Array, state: State) -> None:
        """Change theta, and the arrays in state, in place by one iteration."""


MINIMIZERS: dict[str, type[Minimizer]] = {}
"""Every batch method, by name."""
