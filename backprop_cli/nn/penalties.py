"""Penalties on large weights, Ω(w), each beside its gradient. Biases are left alone.

The strength c = λ/n, n the number of training examples, is the caller's business; w is any array of weights.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

import numpy as np

from backprop_cli.nn.arrays import Array


class Penalty(Protocol):
    """Ω, to be added to the cost as c Ω(w)."""

    @property
    def name(self) -> str:
        """The word for it in a config."""

    @property
    def kinks(self) -> tuple[float, ...]:
        """The weights at which Ω has no derivative."""

    def value(self, w: Array) -> float:
        """Return Ω(w)."""

    def gradient(self, w: Array) -> Array:
        """Return dΩ/dw, of the shape of w."""

    def shrink(self, w: Array, c: Array) -> None:
        """Take a gradient step on the penalty alone: w <- w - c dΩ/dw, in place."""


@dataclass(frozen=True)
class L2:
    """Ω = ½ Σ w²: pulls each weight to zero by a share of itself (Nielsen, eq. 87)."""

    name: str = "l2"
    kinks: tuple[float, ...] = ()

    def value(self, w: Array) -> float:
        """Return ½ Σ w²."""
        return 0.5 * float(np.vdot(w, w))

    def gradient(self, w: Array) -> Array:
        """Return w."""
        return w

    def shrink(self, w: Array, c: Array) -> None:
        """Scale w by 1 - c, which is why this is also called weight decay (Nielsen, eq. 93)."""
        w *= 1 - c


@dataclass(frozen=True)
class L1:
    """Ω = Σ |w|: pulls each weight to zero by the same amount (Nielsen, eq. 95)."""

    name: str = "l1"
    kinks: tuple[float, ...] = (0.0,)

    def value(self, w: Array) -> float:
        """Return Σ |w|."""
        return float(np.sum(np.abs(w)))

    def gradient(self, w: Array) -> Array:
        """Return sign(w), taken as 0 where w is 0."""
        return np.sign(w)

    def shrink(self, w: Array, c: Array) -> None:
        """Move each w towards zero by c (Nielsen, eq. 97)."""
        w -= c * np.sign(w)


PENALTIES: dict[str, Penalty] = {penalty.name: penalty for penalty in (L2(), L1())}
"""Every penalty, by name."""
