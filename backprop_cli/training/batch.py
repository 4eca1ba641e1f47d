"""The examples of a step: gathered, augmented and encoded in buffers that are allocated once."""

from __future__ import annotations

from collections.abc import Callable
from copy import copy
from typing import Any, cast

import numpy as np
import numpy.typing as npt

from backprop_cli.data.augment import Augmenter
from backprop_cli.engine.blas import order_of
from backprop_cli.engine.recording import Recording
from backprop_cli.nn.arrays import Array, Noise, Shape
from backprop_cli.training.plan import Plan
from backprop_cli.training.streams import Streams

Rows = npt.NDArray[np.intp]


class Batch(Noise):
    """m examples of the training split as a recording sees them: `x` (m, n_0), `y` (m, n_L), `weights` (m,) or None.

    It is also the source of the recording's random numbers: what `random` returns is drawn anew for every batch.
    """

    def __init__(self, plan: Plan, m: int, streams: Streams, recording: Recording) -> None:
        data, dtype = plan.data, np.dtype(plan.dtype)
        split = data.train
        labels = split.targets.dtype.kind in "iu"
        self._inputs, self._targets = split.inputs, split.targets.astype(np.intp) if labels else split.targets
        self._batch_inputs = np.zeros((m, *split.inputs.shape[1:]), split.inputs.dtype)
        self._batch_targets = np.zeros((m, *split.targets.shape[1:]), self._targets.dtype)
        self._y = np.zeros((m, data.task.outputs), dtype, order=order_of(m, data.task.outputs))  # as outputs lie
        self._weights = split.weights
        self._batch_weights = np.zeros(m if split.weights is not None else 0, dtype)
        self._encode = data.task.encoder(dtype)
        self._recording, self._streams, self._uniform = recording, streams, list[Array]()
        self._augment = Augmenter(plan.augment, data.image) if plan.augment and data.image else None
        self._random = self._augment is not None

        self.x: Any = recording.watch(self._batch_inputs) * np.asarray(data.scale, dtype)
        self.y: Any = recording.watch(self._y)
        self.weights: Any = None if split.weights is None else recording.watch(self._batch_weights)

    def random(self, size: Shape) -> Any:
        """Return a traced array of that shape, float32, uniform in [0, 1)."""
        if len(size) == 2:
            uniform = memory = np.zeros(size, np.float32, order=order_of(*size))
        else:  # of images, which lie with the examples last
            memory = np.zeros((*size[1:], size[0]), np.float32)
            uniform = np.moveaxis(memory, -1, 0)
        self._uniform.append(memory)
        self._random = True
        return self._recording.watch(uniform)

    def fill(self, rows: Rows) -> None:
        """Fetch the examples in rows (m,), and draw new random numbers."""
        self._inputs.take(rows, 0, self._batch_inputs, "clip")
        self._targets.take(rows, 0, self._batch_targets, "clip")
        self._encode(self._batch_targets, self._y)
        if self._weights is not None:
            self._weights.take(rows, 0, self._batch_weights, "clip")
        if self._random:
            self.draw()

    @property
    def is_random(self) -> bool:
        """Whether random numbers are drawn for every batch."""
        return self._random

    @property
    def buffers(self) -> list[Array]:
        """The arrays that are filled, and watched by the recording."""
        weights = [] if self._weights is None else [self._batch_weights]
        return [self._batch_inputs, self._y, *weights, *self._uniform]

    def moved(self, to: Callable[[Array], Array | None]) -> Batch | None:
        """Return the same batch, or one of more examples, with what `to` returns for each of the buffers.

        None if there are none.
        """
        moved = {id(buffer): to(buffer) for buffer in self.buffers}
        if any(buffer is None for buffer in moved.values()):
            return None
        batch: Any = copy(self)
        batch._batch_inputs, batch._y = moved[id(self._batch_inputs)], moved[id(self._y)]
        batch._batch_weights = moved.get(id(self._batch_weights), self._batch_weights)
        batch._batch_targets = np.zeros_like(self._batch_targets, shape=(len(batch._y), *self._batch_targets.shape[1:]))
        batch._uniform = [moved[id(uniform)] for uniform in self._uniform]
        return cast(Batch, batch)

    def draw(self) -> None:
        """Draw the random numbers of a step, and augment the images."""
        for uniform in self._uniform:
            self._streams.dropout.random(out=uniform, dtype=np.float32)
        if self._augment:
            self._augment(self._batch_inputs, self._streams.augmentation)
