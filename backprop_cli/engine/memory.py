"""Where the arrays of a recording are in memory."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

if TYPE_CHECKING:
    from backprop_cli.engine.calls import Call

NDArray = npt.NDArray[Any]


def owner(array: NDArray) -> NDArray:
    """Return the array whose memory this one is a view of."""
    base: Any = array
    while base is not None:  # as_strided puts an object of its own between a view and its array
        array = base if isinstance(base, np.ndarray) else array
        base = getattr(base, "base", None)
    return array


def laid_out_alike(a: NDArray, b: NDArray) -> bool:
    """Whether two arrays have the same dtype, shape and order in memory."""
    return a.dtype == b.dtype and a.shape == b.shape and a.strides == b.strides


def touches(call: Call, array: NDArray) -> bool:
    """Whether a call reads or writes an array, or one with the same owner."""
    return any(owner(other) is owner(array) for other in (*call.arrays, call.out))


def substitute(call: Call, old: NDArray, new: NDArray) -> None:
    """Put views of `new` in the place of views of the owner `old`; both are laid out alike and have no gaps."""

    def moved(value: Any) -> Any:
        if not isinstance(value, np.ndarray) or owner(value) is not old:
            return value
        if value is old:
            return new
        offset = value.ctypes.data - old.ctypes.data
        return np.ndarray(value.shape, value.dtype, new.ravel(order="K"), offset, value.strides)

    call.inputs = [moved(value) for value in call.inputs]
    call.out = moved(call.out)
