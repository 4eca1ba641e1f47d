"""When to stop before the last epoch."""

from __future__ import annotations

from typing import Annotated, Literal

from annotated_types import Ge

from backprop_cli.frozen import frozen


@frozen
class EarlyStopping:
    """Stop when validation has not improved, by more than min_delta, for `patience` epochs.

    `monitor` is an alias of the key of that name, which is what counts.
    """

    patience: Annotated[int, Ge(1)] = 10
    monitor: Literal["accuracy", "cost"] | None = None
    min_delta: Annotated[float, Ge(0)] = 0.0

    def ends(self, waited: int) -> bool:
        """Whether so many epochs without improvement end the training."""
        return waited >= self.patience
