"""The examples of a step: gathered, augmented and encoded in buffers that are allocated once."""

from __future__ import annotations

from typing import Any

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
        self._inputs = split.inputs
        self._batch_inputs = np.zeros((m, *split.inputs.shape[1:]), split.inputs.dtype)
        self._weights = split.weights
        self._batch_weights = np.zeros(m if split.weights is not None else 0, dtype)
        self._recording, self._streams, self._uniform = recording, streams, list[Array]()
        self._augment = Augmenter(plan.augment, data.image) if plan.augment and data.image else None
        self._random = self._augment is not None

        self.x: Any = recording.watch(self._batch_inputs) * np.asarray(data.scale, dtype)
        self._targets = None if data.task.reconstructs else _Targets(plan, m)
        self.y: Any = self.x if self._targets is None else recording.watch(self._targets.y)
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
        if self._targets:
            self._targets.fill(rows)
        if self._weights is not None:
            self._weights.take(rows, 0, self._batch_weights, "clip")
        if self._random:
            self.draw()

    def draw(self) -> None:
        """Draw the random numbers of a step, and augment the images."""
        for uniform in self._uniform:
            self._streams.dropout.random(out=uniform, dtype=np.float32)
        if self._augment:
            self._augment(self._batch_inputs, self._streams.augmentation)


class _Targets:
    """What a network should output for m examples: `y` (m, n_L), encoded from the targets of the training split."""

    def __init__(self, plan: Plan, m: int) -> None:
        targets, task, dtype = plan.data.train.targets, plan.data.task, np.dtype(plan.dtype)
        self._targets = targets.astype(np.intp) if targets.dtype.kind in "iu" else targets
        self._batch = np.zeros((m, *targets.shape[1:]), self._targets.dtype)
        self._encode = task.encoder(dtype)
        self.y = np.zeros((m, task.outputs), dtype, order=order_of(m, task.outputs))  # as outputs lie

    def fill(self, rows: Rows) -> None:
        """Fetch and encode the targets of the examples in rows (m,)."""
        self._targets.take(rows, 0, self._batch, "clip")
        self._encode(self._batch, self.y)
