"""Optimizers: each an `init`, which returns its state, and a `step`, which moves theta in place.

theta and g have shape (n_parameters,); eta is an array of no dimensions. A field is an option of the config.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, ClassVar, Protocol

import numpy as np
from annotated_types import Ge, Lt

from backprop_cli.nn.arrays import Array

State = dict[str, Array]
"""What an optimizer remembers between steps; a checkpoint holds each array under its name."""


class Optimizer(Protocol):
    """A rule for one step down the gradient."""

    name: ClassVar[str]
    plain: ClassVar[bool]
    full_batch: ClassVar[bool]

    def init(self, theta: Array) -> State:
        """Return the state before the first step."""

    def step(self, theta: Array, g: Array, state: State, eta: Array) -> None:
        """Change theta, and the arrays in state, in place by one step with gradient g."""


@dataclass(frozen=True)
class SGD:
    """theta <- theta - eta g (Nielsen, eq. 20-21)."""

    name: ClassVar[str] = "sgd"
    plain: ClassVar[bool] = True
    full_batch: ClassVar[bool] = False

    def init(self, theta: Array) -> State:
        """Return an empty state."""
        return {}

    def step(self, theta: Array, g: Array, state: State, eta: Array) -> None:
        """Move theta."""
        theta -= eta * g


@dataclass(frozen=True)
class Momentum:
    """v <- mu v - eta g; theta <- theta + v (Sutskever et al. 2013, eq. 1-2)."""

    name: ClassVar[str] = "momentum"
    plain: ClassVar[bool] = False
    full_batch: ClassVar[bool] = False
    mu: Annotated[float, Ge(0), Lt(1)] = 0.9

    def init(self, theta: Array) -> State:
        """Return a velocity of zero."""
        return {"v": np.zeros_like(theta)}

    def step(self, theta: Array, g: Array, state: State, eta: Array) -> None:
        """Move theta by its velocity."""
        v = state["v"]
        v *= self.mu
        v -= eta * g
        theta += v


OPTIMIZERS: dict[str, type[SGD] | type[Momentum]] = {rule.name: rule for rule in (SGD, Momentum)}
"""Every optimizer, by name."""
