"""The examples of a step: gathered, augmented and encoded in buffers that are allocated once."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from copy import copy
from functools import cached_property
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


class Drawn(Noise):
    """Arrays of random numbers, float32, as a recording sees them: what is drawn last."""

    def __init__(self, recording: Recording, by_rows: bool = False) -> None:
        self._recording, self._by_rows, self._arrays = recording, by_rows, list[tuple[str, Array]]()

    def __bool__(self) -> bool:
        return bool(self._arrays)

    def random(self, size: Shape) -> Any:
        """Return a traced array of that shape, uniform in [0, 1)."""
        return self._array("random", size)

    def standard_normal(self, size: Shape) -> Any:
        """Return a traced array of that shape, of N(0, 1)."""
        return self._array("standard_normal", size)

    def _array(self, draw: str, size: Shape) -> Any:
        if len(size) == 2:
            seen = memory = np.zeros(size, np.float32, order="C" if self._by_rows else order_of(*size))
        else:  # of images, which lie with the examples last
            memory = np.zeros((*size[1:], size[0]), np.float32)
            seen = np.moveaxis(memory, -1, 0)
        self._arrays.append((draw, memory))
        return self._recording.watch(seen)

    @property
    def arrays(self) -> list[Array]:
        """What is drawn."""
        return [memory for _, memory in self._arrays]

    def moved(self, moved: Mapping[int, Array]) -> Drawn:
        """Return the same with other arrays in the places of these, by their id."""
        drawn = copy(self)
        drawn._arrays = [(name, moved[id(memory)]) for name, memory in self._arrays]
        return drawn

    def draw(self, generator: np.random.Generator) -> None:
        """Draw all arrays anew."""
        for name, memory in self._arrays:
            getattr(generator, name)(out=memory, dtype=np.float32)

    def draw_each(self, generators: Iterable[np.random.Generator]) -> None:
        """Draw row i of all arrays (m, n) anew from generator i."""
        for i, generator in enumerate(generators):
            for name, memory in self._arrays:
                memory[i] = getattr(generator, name)(memory.shape[1], dtype=np.float32)


class Batch:
    """m examples of the training split as a recording sees them: `x` (m, n_0), `y` (m, n_L), `weights` (m,) or None.

    `noise` is the source of the recording's random numbers, which are drawn anew for every batch.
    """

    def __init__(self, plan: Plan, m: int, streams: Streams, recording: Recording) -> None:
        data, dtype = plan.data, np.dtype(plan.dtype)
        split = data.train
        self._inputs = split.inputs
        self._batch_inputs = np.zeros((m, *split.inputs.shape[1:]), split.inputs.dtype)
        self._weights = split.weights
        self._batch_weights = np.zeros(m if split.weights is not None else 0, dtype)
        self.noise, self._corruption, self._streams = Drawn(recording), Drawn(recording, by_rows=True), streams
        self._corrupt = plan.corrupt
        self._augment = Augmenter(plan.augment, data.image) if plan.augment and data.image else None

        clean: Any = recording.watch(self._batch_inputs) * np.asarray(data.scale, dtype)
        self._targets = None if data.task.reconstructs else _Targets(plan, m)
        self.x: Any = self._corrupt.of(clean, self._corruption) if self._corrupt else clean
        self.y: Any = clean if self._targets is None else recording.watch(self._targets.y)
        self.weights: Any = None if split.weights is None else recording.watch(self._batch_weights)

    def fill(self, rows: Rows) -> None:
        """Fetch the examples in rows (m,), and draw new random numbers."""
        self._inputs.take(rows, 0, self._batch_inputs, "clip")
        if self._targets:
            self._targets.fill(rows)
        if self._weights is not None:
            self._weights.take(rows, 0, self._batch_weights, "clip")
        if self._corrupt and self._corrupt.fixed:
            self._corruption.draw_each(map(self._streams.of_example, rows.tolist()))
        if self.is_random:
            self.draw()

    @cached_property
    def is_random(self) -> bool:
        """Whether random numbers are drawn for every batch; it is asked for after the recording."""
        return bool(self._augment or self._corrupt or self.noise)

    @property
    def buffers(self) -> list[Array]:
        """The arrays that are filled, and watched by the recording."""
        targets = [] if self._targets is None else [self._targets.y]
        weights = [] if self._weights is None else [self._batch_weights]
        return [self._batch_inputs, *targets, *weights, *self.noise.arrays, *self._corruption.arrays]

    def moved(self, to: Callable[[Array], Array | None]) -> Batch | None:
        """Return the same batch, or one of more examples, with what `to` returns for each of the buffers.

        None if there are none.
        """
        moved = {id(buffer): array for buffer in self.buffers if (array := to(buffer)) is not None}
        if len(moved) < len(self.buffers):
            return None
        batch = copy(self)
        batch._batch_inputs = moved[id(self._batch_inputs)]
        batch._batch_weights = moved.get(id(self._batch_weights), self._batch_weights)
        batch._targets = self._targets and self._targets.moved(moved)
        batch.noise, batch._corruption = self.noise.moved(moved), self._corruption.moved(moved)
        return batch

    def draw(self) -> None:
        """Draw the random numbers of a step, and augment the images."""
        self.noise.draw(self._streams.dropout)
        if self._corrupt and not self._corrupt.fixed:
            self._corruption.draw(self._streams.corruption)
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

    def moved(self, moved: Mapping[int, Array]) -> _Targets:
        """Return the same with another array in the place of y, by its id, which may have more rows."""
        targets = copy(self)
        targets.y = moved[id(self.y)]
        targets._batch = np.zeros_like(self._batch, shape=(len(targets.y), *self._batch.shape[1:]))
        return targets
