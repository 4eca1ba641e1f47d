"""Averages of the parameters over the steps of training, which are evaluated in place of the parameters."""

from __future__ import annotations

from typing import Annotated, ClassVar

import numpy as np
from annotated_types import Gt, Lt

from backprop_cli.frozen import frozen
from backprop_cli.nn.arrays import Array
from backprop_cli.optim.state import State, is_count


@frozen
class Ema:
    """average <- d average + (1 - d) theta after every step t, with d = min(decay, (1 + t) / (10 + t)).

    With a smaller d at first, the initial parameters are soon forgotten; this d is that of TensorFlow's
    ExponentialMovingAverage.
    """

    name: ClassVar[str] = "ema"
    decay: Annotated[float, Gt(0), Lt(1)] = 0.999

    def init(self, theta: Array) -> State:
        """Return the average before the first step, `theta`, and the number of steps so far, `t`."""
        return State(theta=theta.copy(), t=np.zeros(()))

    def update(self, s: State, theta: Array) -> None:
        """Move the average towards theta, in place."""
        s.t += 1
        d = np.minimum(self.decay, (1 + s.t) / (10 + s.t))
        s.theta = d * s.theta + (1 - d) * theta

    def is_state(self, s: State, steps: int) -> bool:
        """Whether the arrays in s, which come from a file, can be a state after so many steps."""
        return not s.has_nan() and is_count(s.t, steps)


AVERAGES: dict[str, type[Ema]] = {average.name: average for average in (Ema,)}
"""Every kind of average, by name."""
