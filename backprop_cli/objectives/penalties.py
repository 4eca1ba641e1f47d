"""Penalties on large weights, Ω(w), each beside its gradient. Biases have none.

The strength c = λ/n, n the number of training examples, is left to the caller. w are the weights (n,), or (K, n) for a
stack of K networks.
"""

from __future__ import annotations

from typing import ClassVar, Protocol

import numpy as np

from backprop_cli.nn.arrays import Array


class Penalty(Protocol):
    """Ω, to be added to the cost as c Ω(w).

    `kinks` are the weights at which Ω has no derivative; `linear` says that the gradient is w itself, so that a step
    down the gradient only scales w.
    """

    name: ClassVar[str]
    kinks: ClassVar[tuple[float, ...]] = ()
    linear: ClassVar[bool] = False

    def value(self, w: Array) -> Array:
        """Return Ω(w), for each network."""

    def gradient(self, w: Array) -> Array:
        """Return dΩ/dw, of the shape of w."""


class L2(Penalty):
    """Ω = ½ Σ w² (Nielsen, eq. 87).

    A step scales each weight by 1 - eta c, which is why this is also called weight decay (Nielsen, eq. 93).
    """

    name = "l2"
    linear = True

    def value(self, w: Array) -> Array:
        """Return ½ Σ w²."""
        return 0.5 * np.sum(w * w, axis=-1)

    def gradient(self, w: Array) -> Array:
        """Return w."""
        return w


class L1(Penalty):
    """Ω = Σ |w| (Nielsen, eq. 95): a step moves every weight towards zero by the same amount."""

    name = "l1"
    kinks = (0.0,)

    def value(self, w: Array) -> Array:
        """Return Σ |w|."""
        return np.sum(np.abs(w), axis=-1)

    def gradient(self, w: Array) -> Array:
        """Return sign(w), taken as 0 where w is 0."""
        return np.sign(w)


PENALTIES: dict[str, Penalty] = {penalty.name: penalty for penalty in (L2(), L1())}
"""Every penalty, by name."""
