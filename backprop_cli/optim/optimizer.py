"""What every optimizer offers: an `init`, which returns its state, and a `step`, which moves theta in place.

theta and g have shape (n,), or (K, n) for K networks at once; eta is an array without dimensions.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Annotated, ClassVar

from annotated_types import Ge, Lt

from backprop_cli.nn.arrays import Array
from backprop_cli.optim.state import State

Decay = Annotated[float, Ge(0), Lt(1)]
"""The share of the past that is left after a step."""

Epsilon = Annotated[float, Ge(1e-30)]
"""More than zero in single precision as well."""


class Rule:
    """What optimizers and minimizers share. The arrays of the state keep their shapes and dtypes.

    `plain` says that a step is theta <- theta - eta g and nothing else, so that it can be taken while g is computed;
    `full_batch` that g should be the gradient over all training examples, `line_search` that a step is a line search.
    """

    name: ClassVar[str]
    plain: ClassVar[bool] = False
    full_batch: ClassVar[bool] = False
    line_search: ClassVar[bool] = False

    def problems(self) -> Iterator[tuple[str, str]]:
        """Yield (option, sentence) for options that contradict each other."""
        yield from ()

    def usual_eta(self, descent: float, fan_in: int) -> float:
        """Return a usual learning rate, given that of plain gradient descent and the most inputs of a unit."""
        return descent

    def init(self, theta: Array) -> State:
        """Return the state before the first step."""
        raise NotImplementedError

    def begin_epoch(self, s: State, epoch: int) -> None:
        """Write what an epoch (from 1) decides about its steps into s."""

    def negligible(self, tiny: float) -> Mapping[str, float]:
        """Return, for arrays of the state that decay, below which size their numbers change no step beyond rounding.

        Smaller ones are set to 0 now and then: what decays stays forever at numbers so small that processors take many
        times as long for them. `tiny` is a size far above those, which no limit exceeds.
        """
        return {}

    def is_state(self, s: State, steps: int) -> bool:
        """Whether the arrays in s, which come from a file, can be a state after so many steps."""
        return not s.has_nan()


class Optimizer(Rule):
    """A rule for one step down the gradient."""

    def step(self, theta: Array, g: Array, s: State, eta: Array) -> Mapping[str, Array] | None:
        """Change theta, and the arrays in s, in place by one step with gradient g.

        Returns the quantities of the rule that have a name and are not kept, if there are any.
        """
        raise NotImplementedError
