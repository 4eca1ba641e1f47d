"""Averages of the parameters over the steps of training, which are evaluated in their place."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, ClassVar

from annotated_types import Gt, Lt

from backprop_cli.nn.arrays import Array


@dataclass(frozen=True)
class Ema:
    """average <- decay average + (1 - decay) theta after every step (after Polyak and Juditsky 1992)."""

    name: ClassVar[str] = "ema"
    decay: Annotated[float, Gt(0), Lt(1)] = 0.999

    def update(self, average: Array, theta: Array) -> None:
        """Move the average towards theta, in place."""
        average += (1 - self.decay) * (theta - average)


AVERAGES: dict[str, type[Ema]] = {average.name: average for average in (Ema,)}
"""Every kind of average, by name."""
