"""Recordings of one form as a stack: the steps of K networks that differ in nothing but numbers.

A call on a small array takes the same time whatever it computes. So each array of the recordings becomes one of K in a
block of memory, and one call works on the whole block (K, ...). Matrix products, and calls on long arrays, are made
network by network.

All numbers have the bits that each recording gives alone: a product is the same call of BLAS, an elementwise call
computes each number from those at its place, and a sum over the last axis adds in the same order.
"""

from __future__ import annotations

from collections.abc import Hashable, Iterator, Mapping, Sequence
from enum import Enum
from functools import partial
from itertools import chain, groupby
from typing import Any

import numpy as np
import numpy.typing as npt

from backprop_cli.engine.calls import Call, Replays
from backprop_cli.engine.memory import owner
from backprop_cli.engine.replay import Replay

NDArray = npt.NDArray[Any]
Recordings = Mapping[int, Replay]
"""The recordings of one network, steps on batches of m examples by m."""

SHARED = 65_536
"""Calls on blocks of up to so many numbers are made once for all networks. Longer ones gain nothing, and go network by
network, whose numbers then stay in the cache."""

LINE = 64
"""Bytes of a line of the cache, where each of the long arrays in a block begins."""


def form_of(recordings: Recordings) -> Hashable:
    """Return everything about the recordings of a network but the numbers in its arrays. Equal forms can be stacked."""
    numbers: dict[int, int] = {}

    def form(value: Any) -> Hashable:
        if not isinstance(value, np.ndarray):
            return value
        whole = owner(value)
        number = numbers.setdefault(id(whole), len(numbers))
        return number, whole.shape, _offset(value), value.shape, value.strides, value.dtype.str

    return tuple(
        (m, call.form, *map(form, (*call.inputs, call.out)))
        for m, replay in sorted(recordings.items())
        for call in replay.recorded
    )


class Stack:
    """K networks, given the recordings of each, whose arrays are from now on where `moved` says.

    `equal` are watched arrays of the first network that hold the same numbers for all of them: they, and what is
    computed from them alone, are in memory once.
    """

    def __init__(self, networks: Sequence[Recordings], equal: Sequence[NDArray] = ()) -> None:
        self._k = len(networks)
        self._calls = {m: replay.recorded for m, replay in networks[0].items()}
        owners = [list(_owners(network)) for network in networks]
        self._first = [{id(own): first for own, first in zip(owned, owners[0], strict=True)} for owned in owners]
        alike = {id(arrays[0]): arrays for arrays in zip(*owners, strict=True)}
        watched = {id(array) for replay in networks[0].values() for array in replay.watched}
        self._once = self._computed_once(alike, watched, {id(array) for array in equal})
        self._blocks = {key: _Block(arrays) for key, arrays in alike.items() if key not in self._once}

    def moved(self, k: int, array: NDArray) -> NDArray:
        """Return where an array of network k is now, with its numbers; the recording that it is from still exists."""
        first = self._first[k].get(id(owner(array)))
        if first is None:
            return array
        block = self._blocks.get(id(first))
        return first if block is None else block.view(array, k)

    def rows(self, array: NDArray) -> NDArray | None:
        """Return what a watched array (m, ...) of the first network is for all networks, as one array (K m, ...).

        None where the rows are not one after the other in memory.
        """
        block = self._blocks.get(id(array))
        wide = None if block is None else block.wide(array, range(self._k), array.ndim)
        return wide.reshape(-1, *array.shape[1:]) if wide is not None and wide.flags.c_contiguous else None

    def calls(self, m: int, networks: Sequence[int]) -> Replays:
        """Return what makes the calls of a recording for some of the networks; the others stay as they are."""
        return [replay for call in self._of(self._calls[m], networks) for replay in call.replays()]

    def _of(self, recorded: list[Call], networks: Sequence[int]) -> Iterator[Call]:
        for how, calls in groupby(recorded, self._how):
            if how is _Made.ONCE:
                yield from calls
            elif how is _Made.TOGETHER:
                yield from (self._wide(call, part) for call in calls for part in _ranges(networks))
            else:
                own = list(calls)
                yield from (call.part(partial(self._own, k=k)) for k in networks for call in own)

    def _how(self, call: Call) -> _Made:
        if id(owner(call.out)) in self._once:
            return _Made.ONCE
        small = self._k * max(array.size for array in (*call.arrays, call.out)) <= SHARED
        return _Made.TOGETHER if call.stacks and small else _Made.BY_EACH

    def _own(self, array: NDArray, k: int) -> NDArray:
        block = self._blocks.get(id(owner(array)))
        return array if block is None else block.view(array, k)

    def _wide(self, call: Call, part: range) -> Call:
        """Return a call on the arrays of all networks in a range.

        Those by columns are transposed, so that the whole is without gaps, which takes a third of the time.
        """
        transposed = call.by_element and call.out.flags.f_contiguous
        ndim = call.out.ndim if call.by_element else 0

        def wide(array: NDArray) -> NDArray:
            block = self._blocks.get(id(owner(array)))
            array = array.T if transposed else array
            return array if block is None else block.wide(array, part, max(ndim, array.ndim))

        return call.part(wide)

    def _computed_once(self, alike: Mapping[int, Sequence[NDArray]], watched: set[int], equal: set[int]) -> set[int]:
        """Return the keys of the arrays that hold the same numbers for all networks."""
        calls = list(chain.from_iterable(self._calls.values()))
        written = {id(owner(call.out)) for call in calls}
        constant = set(alike) - written - watched
        once = equal | {key for key in constant if len({array.tobytes() for array in alike[key]}) == 1}
        while True:
            own = {
                id(owner(call.out))
                for call in calls
                if not call.arrays or any(id(owner(array)) not in once for array in call.arrays)
            }
            found = written - own - watched - once
            if not found:
                return once
            once |= found


class _Made(Enum):
    """How a call is made: once, for arrays that all networks share, together on blocks, or by each network."""

    ONCE, TOGETHER, BY_EACH = range(3)


class _Block:
    """The arrays of K networks that have the same part in their recordings, one after the other in memory."""

    def __init__(self, arrays: Sequence[NDArray]) -> None:
        size = arrays[0].nbytes
        self._stride = size if len(arrays) * arrays[0].size <= SHARED else -(-size // LINE) * LINE
        memory = np.zeros(len(arrays) * self._stride + LINE, np.uint8)
        self._memory = memory[-memory.ctypes.data % LINE :].data
        for k, array in enumerate(arrays):
            self.view(arrays[0], k)[...] = array

    def view(self, array: NDArray, k: int) -> NDArray:
        """Return for network k what a view of the first array is for the first network."""
        return np.ndarray(array.shape, array.dtype, self._memory, k * self._stride + _offset(array), array.strides)

    def wide(self, array: NDArray, networks: range, ndim: int) -> NDArray:
        """Return this view for a range of networks, (K, ...), with ndim axes after the first."""
        ones = ndim - array.ndim
        shape = (len(networks), *(1,) * ones, *array.shape)
        strides = (self._stride, *(0,) * ones, *array.strides)
        return np.ndarray(shape, array.dtype, self._memory, networks.start * self._stride + _offset(array), strides)


def _owners(recordings: Recordings) -> Iterator[NDArray]:
    """Yield the arrays of a network, once each, in an order that its form decides."""
    seen = set()
    for _, replay in sorted(recordings.items()):
        used = (owner(array) for call in replay.recorded for array in (*call.arrays, call.out))
        for array in (*replay.watched, *used):
            if id(array) not in seen:
                seen.add(id(array))
                yield array


def _offset(array: NDArray) -> int:
    """Return the place of a view in the memory of its owner, in bytes."""
    return array.ctypes.data - owner(array).ctypes.data


def _ranges(numbers: Sequence[int]) -> Iterator[range]:
    """Yield the ranges that ascending numbers consist of."""
    for _, group in groupby(enumerate(numbers), lambda item: item[1] - item[0]):
        part = [number for _, number in group]
        yield range(part[0], part[-1] + 1)
