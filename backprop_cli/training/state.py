"""Where training stands."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Annotated

from annotated_types import Ge, Le

from backprop_cli.nn.arrays import Array
from backprop_cli.optim.state import State

EpochValue = tuple[int, float]
"""An epoch, and a metric of it, greater being better."""

AVERAGE, MISTAKES, CONVERGED = "average.theta", "epoch.mistakes", "epoch.converged"
"""Names of arrays of a state: the averaged parameters, the wrong predictions in this epoch so far, and whether a
minimizer has found no lower cost."""


@dataclass
class TrainingStatus:
    """The numbers of a state.

    `epoch` counts finished epochs, `step` the batches done of the next one, `seconds` the time they took. `best` is the
    best epoch so far, `improved` the last one that was better by more than min_delta; η has been lowered `halvings`
    times, last after the epoch `halved_at`. `stopped` says why training is over before its last epoch, if it is.
    `best_cost` is the validation cost of the best epoch, which decides between epochs of the same value; None in
    checkpoints of version 0.2 and earlier.
    """

    epoch: Annotated[int, Ge(0)] = 0
    step: Annotated[int, Ge(0)] = 0
    seconds: Annotated[float, Ge(0)] = 0.0
    best: EpochValue | None = None
    improved: EpochValue | None = None
    halvings: Annotated[int, Ge(0), Le(1000)] = 0
    halved_at: Annotated[int, Ge(0)] = 0
    stopped: str | None = None
    best_cost: float | None = None

    def begin_phase(self) -> None:
        """Forget the best epoch, and what was decided by it: epochs of different phases cannot be compared."""
        self.best = self.improved = self.best_cost = self.stopped = None
        self.halvings, self.halved_at = 0, 0


def shapes_of(arrays: Mapping[str, Array]) -> dict[str, object]:
    """Return shape and dtype of each array."""
    return {name: (array.shape, array.dtype) for name, array in arrays.items()}


@dataclass
class TrainingState:
    """The parameters theta (n,), and all that is needed to continue from here to the bit.

    `arrays` has what is kept from step to step: `optimizer.…`, `estimator.…`, `average.…`, `epoch.…`. Random streams
    are functions of the seed, the epoch and the step, and have no state.
    """

    theta: Array
    arrays: dict[str, Array] = field(default_factory=dict)
    status: TrainingStatus = field(default_factory=TrainingStatus)

    @property
    def evaluated_theta(self) -> Array:
        """The parameters that are evaluated: the average, if there is one."""
        return self.arrays.get(AVERAGE, self.theta)

    def group(self, name: str) -> State:
        """Return the arrays of the `optimizer`, `estimator` or `average` by their own names; nothing is copied."""
        start = f"{name}."
        return State((key.removeprefix(start), array) for key, array in self.arrays.items() if key.startswith(start))
