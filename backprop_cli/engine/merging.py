"""Calls of one ufunc on several small arrays made as one, on arrays that lie side by side in memory.

Such are the slopes of all layers: after the last step forward, a (1 - a) can be computed for all of them. A call on a
few hundred numbers takes 0.25 us, whatever it computes.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Hashable, Mapping, Sequence
from dataclasses import replace
from itertools import chain
from typing import Any

import numpy as np
import numpy.typing as npt

from backprop_cli.engine.blas import FEW
from backprop_cli.engine.calls import Call, Elementwise
from backprop_cli.engine.memory import owner, substitute

NDArray = npt.NDArray[Any]
Blocks = dict[tuple[int, ...], tuple[NDArray, list[NDArray]]]
"""Blocks and their parts, by the ids of the parts."""


def merge_small(calls: list[Call], kept: Mapping[int, NDArray]) -> list[Call]:
    """Return calls that leave the same numbers in the arrays that are kept; a merged one is made in place of its first.

    They should not write over each other's arrays yet, as that leaves less to be merged.
    """
    writers = Counter([id(owner(call.out)) for call in calls])
    groups: dict[Hashable, list[Elementwise]] = defaultdict(list)
    for call in calls:
        if isinstance(call, Elementwise) and writers[id(call.out)] == 1 and _is_small(call, kept):
            groups[_form(call, {*kept, *writers})].append(call)
    blocks: Blocks = {}
    for group in groups.values():
        while group:
            place = calls.index(group[0])
            early = [call for call in group if _can_precede(call, calls[place : calls.index(call)])]
            if merged := _merged(early, calls, blocks):
                calls = [merged if call is early[0] else call for call in calls if call not in early[1:]]
            group = [call for call in group if call not in early]
    return calls


def _is_small(call: Elementwise, kept: Mapping[int, NDArray]) -> bool:
    """Whether a call is on few numbers, all in temporary arrays that lie alike, and changes none of its inputs."""
    out, inputs = call.out, [array for array in call.arrays if array.ndim]
    alike = any(all(array.flags[order] for array in (out, *inputs)) for order in ("C_CONTIGUOUS", "F_CONTIGUOUS"))
    own = (array.base is None and id(array) not in kept and array.shape == out.shape for array in (out, *inputs))
    return out.ndim > 0 and out.size < FEW and alike and all(own) and all(array is not out for array in inputs)


def _form(call: Elementwise, variable: set[int]) -> Hashable:
    """Return what calls have in common that can be merged."""

    def form(value: Any) -> Hashable:
        varies = isinstance(value, np.ndarray) and id(owner(value)) in variable
        return (value.dtype, varies) if np.ndim(value) else id(value) if varies else np.asarray(value).item()

    return call.ufunc, call.out.dtype, *map(form, call.inputs)


def _can_precede(call: Call, others: Sequence[Call]) -> bool:
    """Whether a call can be made before others that come before it now, but do not touch what it writes."""
    written = {id(owner(other.out)) for other in others}
    return not any(id(owner(array)) in written for array in call.arrays)


def _merged(calls: Sequence[Elementwise], among: Sequence[Call], blocks: Blocks) -> Elementwise | None:
    """Return a call that does what these do, with their arrays moved into blocks; None if they cannot be merged."""
    roles = list(zip(*([*call.inputs, call.out] for call in calls), strict=True))
    moved = {tuple(map(id, role)): role for role in roles if np.ndim(role[0])}
    once = len(set(chain(*moved))) == len(calls) * len(moved)
    free = all(key in blocks or all(array.base is None for array in role) for key, role in moved.items())
    if len(calls) == 1 or sum(call.out.size for call in calls) > FEW or not (once and free):
        return None
    wide = {key: blocks[key] if key in blocks else _side_by_side(role, among, blocks) for key, role in moved.items()}
    *inputs, out = (wide[key][0] if (key := tuple(map(id, role))) in wide else role[0] for role in roles)
    return replace(calls[0], inputs=inputs, out=out)


def _side_by_side(arrays: Sequence[NDArray], among: Sequence[Call], blocks: Blocks) -> tuple[NDArray, list[NDArray]]:
    """Return a new block that holds arrays one after the other, and its parts, which the calls use from now on."""
    block, parts = np.concatenate([array.ravel(order="K") for array in arrays]), list[NDArray]()
    for array in arrays:
        offset = sum(part.nbytes for part in parts)
        parts.append(np.ndarray(array.shape, array.dtype, block, offset, array.strides))
        for call in among:
            substitute(call, array, parts[-1])
    blocks[tuple(map(id, parts))] = block, parts
    return block, parts
