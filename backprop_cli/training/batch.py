"""The examples of a step: gathered, moved and masked in buffers that are made once."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import numpy.typing as npt

from backprop_cli.data.augment import Augmenter
from backprop_cli.nn.activations import Activation, Dropout
from backprop_cli.nn.arrays import Array
from backprop_cli.nn.objective import Objective
from backprop_cli.training.blas import order_of
from backprop_cli.training.plan import Plan
from backprop_cli.training.recording import Recording
from backprop_cli.training.streams import Noise

Rows = npt.NDArray[np.intp]


class Batch:
    """m examples of the training split, as a recording sees them: `x` (m, n_0), `y` (m, n_L), and the objective.

    To call it with the rows of other examples is to do again with them what has been recorded since. The targets of
    all examples are `y` (n, n_L). With dropout, the activations in the objective carry masks that are made of random
    numbers in the recording; those numbers are what `draw` draws.
    """

    def __init__(self, plan: Plan, y: Array, m: int, noise: Noise, recording: Recording) -> None:
        self._all_inputs = plan.data.train.inputs
        self._inputs = np.zeros((m, *self._all_inputs.shape[1:]), self._all_inputs.dtype)
        batch_y = np.zeros((m, y.shape[1]), y.dtype, order=order_of(m, y.shape[1]))  # as the outputs lie in memory
        by_rows = batch_y.flags.c_contiguous
        self._all_y, self._y, self._y_axis = (y, batch_y, 0) if by_rows else (np.ascontiguousarray(y.T), batch_y.T, 1)
        self._noise, self._uniform, self._calls = noise, list[Array](), recording.calls
        self._augment = None
        if plan.augment and plan.data.image:
            self._augment = Augmenter(plan.augment, plan.data.image)
        self._draws = bool(any(plan.dropout) or self._augment)

        dtype = np.dtype(plan.dtype)
        self.y = recording.watch(batch_y)
        self.x = recording.watch(self._inputs) * np.asarray(plan.data.scale, dtype)
        masks = [
            self._mask(m, units, p, dtype, recording) if p else None
            for units, p in zip(plan.objective.network.sizes[:-1], plan.dropout, strict=False)
        ]
        if masks and masks[0] is not None:
            self.x *= masks[0]
        self.objective = _with_masks(plan.objective, masks[1:], plan.dropout[1:])

    def __call__(self, rows: Rows) -> None:
        """Fill the buffers with the examples in rows (m,), and replay. NumPy's overflow warnings should be off."""
        self._all_inputs.take(rows, 0, self._inputs, "clip")
        self._all_y.take(rows, self._y_axis, self._y, "clip")
        if self._draws:
            self.draw()
        for call in self._calls:
            call()

    def draw(self) -> None:
        """Draw the random numbers of a step, and move the images."""
        for uniform in self._uniform:
            self._noise.dropout.random(out=uniform, dtype=np.float32)
        if self._augment:
            self._augment(self._inputs, self._noise.augmentation)

    def _mask(self, m: int, units: int, p: float, dtype: np.dtype[np.floating], recording: Recording) -> Array:
        """Record a mask (m, units): 0 with probability p, else 1/(1 - p)."""
        uniform = np.zeros((m, units), np.float32, order=order_of(m, units))
        self._uniform.append(uniform)
        kept = recording.watch(uniform) >= np.float32(p)
        return np.multiply(kept, np.asarray(1 / (1 - p), dtype))


def _with_masks(objective: Objective, masks: list[Array | None], dropout: tuple[float, ...]) -> Objective:
    """Return the objective of a network whose hidden layers have these masks."""
    if not any(mask is not None for mask in masks):
        return objective
    *hidden, output = objective.network.activations
    masked: list[Activation] = [
        f if mask is None else Dropout(f, mask, 1 - p) for f, mask, p in zip(hidden, masks, dropout, strict=True)
    ]
    return replace(objective, network=replace(objective.network, activations=(*masked, output)))
