"""What update rules remember between steps."""

from __future__ import annotations

import numpy as np

from backprop_cli.nn.arrays import Array


class State(dict[str, Array]):
    """Arrays by name, also as attributes; to assign to one is to write into its array: `s.v = mu * s.v - eta * g`."""

    def __getattr__(self, name: str) -> Array:
        """Return the array of that name."""
        try:
            return self[name]
        except KeyError:
            raise AttributeError(name) from None

    def __setattr__(self, name: str, value: Array) -> None:
        """Write value into the array of that name; after `s.v += g` it is there already."""
        if value is not self[name]:
            self[name][...] = value

    def has_nan(self) -> bool:
        """Whether any number is NaN."""
        return any(bool(np.isnan(array).any()) for array in self.values())


def is_count(value: Array, largest: int) -> bool:
    """Whether an array without dimensions is a whole number from 0 to `largest`."""
    return bool(0 <= value <= min(largest, 2**53) and value == np.floor(value))
