"""Make a recording shorter and faster without changing its results beyond rounding.

Arrays are followed by their owner, the array whose memory they are views of. `kept` are the owners whose numbers count
after a replay: those of watched arrays and of results. All others are temporary.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping
from dataclasses import replace
from itertools import cycle
from typing import Any

import numpy as np
import numpy.typing as npt

from backprop_cli.engine.calls import Call, Copy, Fill
from backprop_cli.engine.fusion import after_reuse, before_reuse
from backprop_cli.engine.memory import laid_out_alike, owner, substitute, touches
from backprop_cli.engine.merging import merge_small

NDArray = npt.NDArray[Any]

LONG, SLICE = 80_000, 32_768
"""Vectors of more than LONG numbers are worked through in slices that stay in the processor's cache."""

SHARED = 16_384
"""Calls on arrays of at least so many numbers are shared among the threads of a replay, if it has several."""


def optimize(calls: list[Call], kept: Mapping[int, NDArray], lanes: int = 1, stacked: bool = False) -> list[Call]:
    """Return calls that leave the same numbers in the arrays that are kept, for so many threads that share them."""
    calls = _without_constants(_without_unused(list(calls), kept))
    calls = before_reuse(calls, kept)
    calls = _write_directly(calls, kept)
    if lanes == 1 and not stacked:
        calls = merge_small(calls, kept)
    calls = _reuse_buffers(calls, kept)
    calls = after_reuse(calls, kept)
    if lanes > 1:
        calls = _in_lanes(calls, kept, lanes)
    return list(_in_slices(calls, kept, lanes))


def _without_unused(calls: list[Call], kept: Mapping[int, NDArray]) -> list[Call]:
    """Drop the calls whose results nobody reads: the product that would lead back to the inputs of a network, say."""
    needed, found = set(kept), []
    for call in reversed(calls):
        if id(owner(call.out)) in needed:
            needed.update(id(owner(array)) for array in call.arrays)
            found.append(call)
    return found[::-1]


def _without_constants(calls: list[Call]) -> list[Call]:
    """Drop the filling of arrays that nobody else writes: they hold the number already."""
    writers = Counter(id(owner(call.out)) for call in calls)
    return [call for call in calls if not isinstance(call, Fill) or writers[id(owner(call.out))] > 1]


def _write_directly(calls: list[Call], kept: Mapping[int, NDArray]) -> list[Call]:
    """Where a temporary is only computed to be copied to an array, compute it there: `s.v = mu * s.v - eta * g`."""
    for index, copy in reversed(list(enumerate(calls))):
        if not isinstance(copy, Copy):
            continue
        (source,), out = copy.inputs, copy.out
        if id(source) in kept or not (_whole(source) and laid_out_alike(source, out)):
            continue
        users = [i for i, call in enumerate(calls) if touches(call, source) and i != index]
        if len(users) != 1 or calls[users[0]].out is not source or users[0] > index:
            continue
        writer = calls[users[0]]
        if any(touches(call, out) for call in calls[users[0] + 1 : index]):
            continue
        reads = [array for array in writer.arrays if owner(array) is owner(out)]
        if reads and not (writer.in_place and all(_same_place(array, out) for array in reads)):
            continue
        writer.out = out
        calls = calls[:index] + calls[index + 1 :]
    return calls


def _reuse_buffers(calls: list[Call], kept: Mapping[int, NDArray]) -> list[Call]:
    """Let a call write over an input that nobody reads afterwards: what is in the cache is faster to write."""
    uses: dict[int, list[int]] = {}
    written: dict[int, int] = {}
    for i, call in enumerate(calls):
        for array in (*call.arrays, call.out):
            uses.setdefault(id(owner(array)), []).append(i)
        written.setdefault(id(owner(call.out)), i)
    for i, call in enumerate(calls):
        old = call.out
        if not (call.in_place and _whole(old) and old.ndim) or id(old) in kept or uses[id(old)][0] < i:
            continue
        for new in call.arrays:
            if not (_whole(new) and laid_out_alike(new, old)):
                continue
            if id(new) in kept:
                free = _is_overwritten(new, calls, uses[id(new)], until=uses[id(old)][-1], after=i)
            else:
                free = written.get(id(new), i) < i and uses[id(new)][-1] == i
            if free and all(array is new or owner(array) is not new for array in call.arrays):
                for j in dict.fromkeys(uses[id(old)]):
                    substitute(calls[j], old, new)
                uses[id(new)] = sorted(uses[id(new)] + uses.pop(id(old)))
                break
    return calls


def _is_overwritten(array: NDArray, calls: list[Call], uses: list[int], until: int, after: int) -> bool:
    """Whether the first call to use the array after number `after` is number `until`, and overwrites it unread."""
    following = [j for j in uses if j > after]
    call = calls[until]
    overwrites = call.in_place and call.out is array and not any(owner(other) is array for other in call.arrays)
    return following[:1] == [until] and overwrites


def _in_lanes(calls: list[Call], kept: Mapping[int, NDArray], lanes: int) -> list[Call]:
    """Give each thread whole parts of a computation, if it is done in parts; other calls are left to be split.

    Parts use memory that is written over anew for each, of which there is some for every thread. What is computed from
    one thread's results alone, or for one thread alone, is its own, too.
    """
    anew = Counter(id(owner(call.out)) for call in calls if _overwrites(call) and call.out.size >= SHARED)
    free, lane_of = cycle(range(lanes)), dict[int, int]()
    writers: dict[int, set[int | None]] = defaultdict(set)
    readers: dict[int, set[int | None]] = defaultdict(set)
    for call in calls:
        memory = [key for array in (*call.arrays, call.out) if (key := id(owner(array))) not in kept]
        before = set().union(*(writers[key] for key in memory))
        if parts := [key for key in memory if anew[key] > 1]:
            known = [lane_of[key] for key in parts if key in lane_of]
            call.lane = known[0] if known else next(free)
            lane_of = {**dict.fromkeys(parts, call.lane), **lane_of}
        elif len(before) == 1:
            (call.lane,) = before
        writers[id(owner(call.out))].add(call.lane)
    for call in reversed(calls):
        after = readers[id(owner(call.out))]
        if call.lane is None and len(after) == 1 and id(owner(call.out)) not in kept:
            (call.lane,) = after
        for array in call.arrays:
            readers[id(owner(array))].add(call.lane)
    if len(set(lane_of.values())) < lanes:
        for call in calls:
            call.lane = None
    return calls


def _overwrites(call: Call) -> bool:
    """Whether a call writes all numbers of an array without a look at them."""
    memory = owner(call.out)
    return call.out.size == memory.size and not call.keeps and all(owner(array) is not memory for array in call.arrays)


def _in_slices(calls: list[Call], kept: Mapping[int, NDArray], lanes: int) -> Iterator[Call]:
    """Make runs of calls on long vectors slice by slice, all calls of one slice before the next."""
    run: list[Call] = []
    for call in calls:
        if _is_long(call) and (not run or call.out.size == run[0].out.size):
            run.append(call)
        elif call.out.ndim == 0 and not any(touches(other, a) for other in run for a in (call.out, *call.arrays)):
            yield from _shared(call, lanes)  # before the run, as it has nothing to do with it
        else:
            yield from _sliced(run, calls, kept, lanes)
            run = [call] if _is_long(call) else []
            if not run:
                yield from _shared(call, lanes)
    yield from _sliced(run, calls, kept, lanes)


def _sliced(run: list[Call], calls: list[Call], kept: Mapping[int, NDArray], lanes: int) -> Iterator[Call]:
    """Yield the calls of a run, slice by slice; the run's own temporaries need no more than a slice of memory."""
    if not run:
        return
    outside = [call for call in calls if call not in run]
    own = [
        array
        for array in {id(array): array for call in run for array in (*call.arrays, call.out)}.values()
        if array.ndim and id(array) not in kept and _whole(array) and _is_written(array, run)
        if not any(touches(call, array) for call in outside)
    ]
    size, longest = run[0].out.size, SLICE * lanes  # fewer calls, between which threads wait for each other
    buffers = [{id(array): np.empty(longest, array.dtype) for array in own} for _ in range(lanes)]
    count = lanes * -(-size // (lanes * longest))
    for number in range(count):
        piece, lane = slice(size * number // count, size * (number + 1) // count), number * lanes // count

        def cut(array: NDArray, piece: slice = piece, lane: int = lane) -> NDArray:
            if id(array) in buffers[lane]:
                return buffers[lane][id(array)][: piece.stop - piece.start]
            return array[piece] if array.ndim else array

        yield from (replace(call.part(cut), lane=lane if lanes > 1 else None) for call in run)


def _shared(call: Call, lanes: int) -> list[Call]:
    """Return what the threads do of a call: parts of a large one, or all of it in the first."""
    large = max(array.size for array in (*call.arrays, call.out)) >= SHARED
    return [call] if lanes == 1 or call.lane is not None else call.split(lanes if large else 1)


def _is_long(call: Call) -> bool:
    size = call.out.size
    return (
        call.by_element
        and call.out.ndim == 1
        and size > LONG
        and all(array.ndim == 0 or array.shape == (size,) for array in call.arrays)
    )


def _whole(array: NDArray) -> bool:
    return array.base is None


def _is_written(array: NDArray, calls: list[Call]) -> bool:
    return any(owner(call.out) is array for call in calls)


def _same_place(a: NDArray, b: NDArray) -> bool:
    return laid_out_alike(a, b) and a.ctypes.data == b.ctypes.data
