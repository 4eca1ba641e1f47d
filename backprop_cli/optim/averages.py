"""Averages of the parameters over the steps of training, which are evaluated in their place."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, ClassVar

import numpy as np
from annotated_types import Gt, Lt

from backprop_cli.nn.arrays import Array
from backprop_cli.optim.optimizers import State


@dataclass(frozen=True)
class Ema:
    """average <- d average + (1 - d) theta after every step t, d being min(decay, (1 + t) / (10 + t)).

    So a short training is not averaged with where it began; that d is TensorFlow's, for its ExponentialMovingAverage.
    """

    name: ClassVar[str] = "ema"
    decay: Annotated[float, Gt(0), Lt(1)] = 0.999

    def init(self, theta: Array) -> State:
        """Return the average before the first step, `theta`, and the steps so far, `t`."""
        return {"theta": theta.copy(), "t": np.zeros((), theta.dtype)}

    def update(self, state: State, theta: Array) -> None:
        """Move the average towards theta, in place."""
        average, t = state["theta"], state["t"]
        t += 1
        share = np.maximum(9 / (10 + t), 1 - self.decay)  # 1 - d
        average += share * (theta - average)


AVERAGES: dict[str, type[Ema]] = {average.name: average for average in (Ema,)}
"""Every kind of average, by name."""
