"""Learning rates of single layers, and layers that keep their parameters."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, Any

import numpy as np
from annotated_types import Ge, MinLen

from backprop_cli.frozen import frozen
from backprop_cli.nn.arrays import Array
from backprop_cli.nn.parameters import Layout


@frozen
class Freeze:
    """Layers that keep their parameters in the first `epochs` epochs, or in all; numbered as in W1, W2, ….

    Their gradients count as 0: no optimizer, penalty, average or max-norm changes them.
    """

    layers: Annotated[tuple[Annotated[int, Ge(1)], ...], MinLen(1)]
    epochs: Annotated[int, Ge(1)] | None = None

    def holds(self, epoch: int) -> bool:
        """Whether the layers are frozen in an epoch (from 1)."""
        return self.epochs is None or epoch <= self.epochs


@frozen
class LayerRates:
    """η of each layer of a layout in units of the η of a step, `rates`; 0 for a layer that keeps its parameters."""

    layout: Layout
    rates: tuple[float, ...]

    @classmethod
    def of(cls, layout: Layout, rates: Sequence[float], frozen: Sequence[int]) -> LayerRates:
        """Return the rates, given those of the layers with parameters (1 … L), and the numbers of frozen ones."""
        of_layers = [0.0 if number in frozen else rate for number, rate in enumerate(rates, start=1)]
        following = iter(of_layers)
        return cls(layout, tuple(next(following, 1.0) if own else 1.0 for own in layout.layers))

    @property
    def uniform(self) -> bool:
        """Whether all layers have the η of the step."""
        return all(rate == 1 for rate in self.rates)

    def eta(self, eta: Any) -> Any:
        """Return η of each parameter (n,), given that of the step; the latter itself where all are the same."""
        if self.uniform:
            return eta
        rates = np.ones(self.layout.size, eta.dtype)
        for entry in self.layout.entries:
            rates[entry.place.start : entry.place.stop] = self.rates[entry.layer]
        return eta * rates

    def hold(self, array: Array, value: Array | None = None) -> None:
        """Set the frozen part of an array (..., n), such as the gradient, to that of value (..., n), or to 0."""
        for entry in self.layout.entries:
            if not self.rates[entry.layer]:
                part = np.s_[..., entry.place.start : entry.place.stop]
                array[part] = np.zeros(len(entry.place), array.dtype) if value is None else value[part]

    def trains(self, layer: int) -> bool:
        """Whether the layer of this index is not frozen."""
        return self.rates[layer] != 0
