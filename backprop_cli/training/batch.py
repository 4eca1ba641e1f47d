"""The examples of a step: gathered, augmented and encoded in buffers that are allocated once."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from copy import copy
from functools import cached_property
from math import prod
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


FETCHED = 32_768
"""Batches are fetched several at a time, up to so many numbers: ten examples of 784 numbers take 1.2 µs in place of
1.7, a single one 0.2 in place of 0.8. More would leave the fastest cache."""


def fetched_at_once(plan: Plan, m: int) -> int:
    """Return for how many steps the examples, m each, are fetched at once."""
    size, by_rows = m * prod(plan.data.train.inputs.shape[1:]), order_of(m, plan.data.task.outputs) == "C"
    return max(1, FETCHED // size) if by_rows else 1


class Batches:
    """The rows of the examples of an epoch, in their order, in batches of m; the last one may be smaller."""

    def __init__(self, order: Rows, m: int) -> None:
        self._order, self._m = order, m

    def __len__(self) -> int:
        return -(-len(self._order) // self._m)

    def __getitem__(self, number: int) -> Rows:
        return self._order[number * self._m : (number + 1) * self._m]

    def __iter__(self) -> Iterator[Rows]:
        return map(self.__getitem__, range(len(self)))

    def alike(self, first: int, last: int) -> Rows:
        """Return the rows of batches first (from 0) to last - 1, as far as they are of the size of the first."""
        rows = self._order[first * self._m : last * self._m]
        return rows[: len(rows) // self._m * self._m] if len(rows) > self._m else rows


class Drawn(Noise):
    """Arrays of random numbers, float32, as a recording sees them: what is drawn last.

    They are in memory for each of `steps` steps; the recording sees the first.
    """

    def __init__(self, recording: Recording, steps: int, by_rows: bool = False) -> None:
        self._recording, self._steps, self._by_rows = recording, steps, by_rows
        self._arrays = list[tuple[str, Array]]()

    def __bool__(self) -> bool:
        return bool(self._arrays)

    def random(self, size: Shape) -> Any:
        """Return a traced array of that shape, uniform in [0, 1)."""
        return self._array("random", size)

    def standard_normal(self, size: Shape) -> Any:
        """Return a traced array of that shape, of N(0, 1)."""
        return self._array("standard_normal", size)

    def _array(self, draw: str, size: Shape) -> Any:
        if len(size) > 2 or not (self._by_rows or order_of(*size) == "C"):  # images lie with the examples last
            memory = np.zeros((self._steps, *size[1:], size[0]), np.float32)
            seen = np.moveaxis(memory[0], -1, 0)
        else:
            memory = np.zeros((self._steps, *size), np.float32)
            seen = memory[0]
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

    def draw(self, generator: np.random.Generator, step: int = 0) -> None:
        """Draw all arrays of a step anew."""
        for name, memory in self._arrays:
            getattr(generator, name)(out=memory[step], dtype=np.float32)

    def draw_each(self, generators: Iterable[np.random.Generator]) -> None:
        """Draw row i of all arrays, counted through the steps, anew from generator i."""
        for i, generator in enumerate(generators):
            for name, memory in self._arrays:
                memory.reshape(-1, memory.shape[-1])[i] = getattr(generator, name)(memory.shape[-1], dtype=np.float32)


class Batch:
    """m examples of the training split as a recording sees them: `x` (m, n_0), `y` (m, n_L), `weights` (m,) or None.

    `noise` is the source of the recording's random numbers, which are drawn anew for every batch. The buffers have room
    for the batches of several `steps`, one after the other, of which the recording sees the first.
    """

    def __init__(self, plan: Plan, m: int, streams: Streams, recording: Recording, steps: int = 1) -> None:
        data, dtype = plan.data, np.dtype(plan.dtype)
        self._m, self._split = m, data.train
        self._inputs = np.zeros((steps * m, *self._split.inputs.shape[1:]), dtype)
        self._raw = self._raw_of(self._inputs)
        self._weights = np.zeros(0 if self._split.weights is None else steps * m, dtype)
        self.noise, self._corruption = Drawn(recording, steps), Drawn(recording, steps, by_rows=True)
        self._streams, self._corrupt = streams, plan.corrupt
        self._augment = Augmenter(plan.augment, data.image) if plan.augment and data.image else None

        clean: Any = recording.watch(self._inputs[:m]) * np.asarray(data.scale, dtype)
        self._targets = None if data.task.reconstructs else _Targets(plan, m, steps)
        self.x: Any = self._corrupt.of(clean, self._corruption) if self._corrupt else clean
        self.y: Any = clean if self._targets is None else recording.watch(self._targets.y[:m])
        self.weights: Any = None if self._split.weights is None else recording.watch(self._weights[:m])

    def fill(self, rows: Rows) -> None:
        """Fetch the examples in rows, those of one step or more (k m,), and draw new random numbers."""
        n, split = len(rows), self._split
        raw = self._raw[:n]
        split.inputs.take(rows, 0, raw, "clip")
        if self._targets:
            self._targets.fill(rows)
        if split.weights is not None:
            split.weights.take(rows, 0, self._weights[:n], "clip")
        if self._corrupt and self._corrupt.fixed:
            self._corruption.draw_each(map(self._streams.of_example, rows.tolist()))
        if self.is_random:
            for step in range(n // self._m):
                self.draw(step)
        if self._raw is not self._inputs:
            np.copyto(self._inputs[:n], raw)

    @cached_property
    def is_random(self) -> bool:
        """Whether random numbers are drawn for every batch; it is asked for after the recording."""
        return bool(self._augment or self._corrupt or self.noise)

    @property
    def buffers(self) -> list[Array]:
        """The arrays that are filled, and watched by the recording."""
        targets = [] if self._targets is None else [self._targets.y]
        weights = [] if self._split.weights is None else [self._weights]
        return [self._inputs, *targets, *weights, *self.noise.arrays, *self._corruption.arrays]

    def moved(self, to: Callable[[Array], Array | None]) -> Batch | None:
        """Return the same batch, or one of more examples, with what `to` returns for each of the buffers.

        None if there are none.
        """
        moved = {id(buffer): array for buffer in self.buffers if (array := to(buffer)) is not None}
        if len(moved) < len(self.buffers):
            return None
        batch = copy(self)
        batch._inputs = moved[id(self._inputs)]
        batch._raw = self._raw_of(batch._inputs)
        batch._weights = moved.get(id(self._weights), self._weights)
        batch._targets = self._targets and self._targets.moved(moved)
        batch.noise, batch._corruption = self.noise.moved(moved), self._corruption.moved(moved)
        return batch

    def draw(self, step: int = 0) -> None:
        """Draw the random numbers of a step, and augment its images."""
        self.noise.draw(self._streams.dropout, step)
        if self._corrupt and not self._corrupt.fixed:
            self._corruption.draw(self._streams.corruption, step)
        if self._augment:
            self._augment(self._raw[step * self._m : (step + 1) * self._m], self._streams.augmentation)

    def _raw_of(self, inputs: Array) -> npt.NDArray[Any]:
        """Return where examples are put as they are in the data: in the inputs, unless these have another dtype."""
        dtype = self._split.inputs.dtype
        return inputs if dtype == inputs.dtype else np.zeros_like(inputs, dtype)


class _Targets:
    """What a network should output for m examples: `y` (m, n_L), encoded from the targets of the training split.

    There is room for those of several `steps`, unless y lies by columns.
    """

    def __init__(self, plan: Plan, m: int, steps: int) -> None:
        targets, task, dtype = plan.data.train.targets, plan.data.task, np.dtype(plan.dtype)
        self._targets = targets.astype(np.intp) if targets.dtype.kind in "iu" else targets
        self._batch = np.zeros((steps * m, *targets.shape[1:]), self._targets.dtype)
        self._encode = task.encoder(dtype)
        self.y = np.zeros((steps * m, task.outputs), dtype, order=order_of(m, task.outputs))  # as outputs lie

    def fill(self, rows: Rows) -> None:
        """Fetch and encode the targets of the examples in rows (n,)."""
        batch = self._batch[: len(rows)]
        self._targets.take(rows, 0, batch, "clip")
        self._encode(batch, self.y[: len(rows)])

    def moved(self, moved: Mapping[int, Array]) -> _Targets:
        """Return the same with another array in the place of y, by its id, which may have more rows."""
        targets = copy(self)
        targets.y = moved[id(self.y)]
        targets._batch = np.zeros_like(self._batch, shape=(len(targets.y), *self._batch.shape[1:]))
        return targets
