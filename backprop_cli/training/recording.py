"""Record a computation once, as the list of NumPy calls it makes, and run that list ever after.

At batch size 10 a step of training is some two dozen NumPy calls of half a microsecond each, and Python's own
work between them (attribute look-ups, views, temporary arrays) would cost a fifth more. The mathematics of
`nn` and `optim` is the same at every step, only the numbers in the buffers change; so it is run once on
arrays that note each call, with the buffers it read and wrote, and training replays the notes:

    recording = Recording()
    step(recording.watch(theta), recording.watch(x))     # runs it once, and notes it
    for call in recording.calls:
        call()                                           # the same again, and nothing else

What a call allocated becomes its buffer for good: `z = x @ W.mT` writes the same z each time. Whatever
is not a NumPy call on a watched array (a Python number) is fixed at what it was when recorded; what would look at the
numbers without such a call (an `if`, a copy, an item) is refused.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

import numpy as np
import numpy.typing as npt

from backprop_cli.training.blas import order_of, product, products


class Recording:
    """The calls made on the arrays that it watches, in order.

    With `threads`, they are such that several recordings can be replayed at once, each by a thread of its own.
    """

    def __init__(self, threads: bool = False) -> None:
        self._threads = threads
        self.calls: list[Callable[[], object]] = []

    def watch(self, array: npt.NDArray[Any]) -> npt.NDArray[Any]:
        """Return a view of array that notes here every NumPy call it takes part in."""
        view = array.view(_Watched)
        view.recording = self
        return view

    def note(self, ufunc: np.ufunc, method: str, inputs: Sequence[Any], out: Any, kwargs: Any) -> Any:
        """Make the call, note it for replay, and return its result, watched."""
        if method not in ("__call__", "reduce"):
            raise TypeError(f"numpy.{ufunc.__name__}.{method} cannot be recorded")
        function: Any = ufunc if method == "__call__" else ufunc.reduce
        kwargs = {name: _plain(value) for name, value in kwargs.items()}
        in_place = out is not None and inputs[0] is out[0]
        inputs = [_plain(value, like=inputs) for value in inputs]
        if ufunc in _SLOW_WITH_A_NUMBER and any(np.ndim(value) for value in inputs):
            like = next(value for value in inputs if np.ndim(value))
            inputs = [value if np.ndim(value) else np.full_like(like, value) for value in inputs]
        if out is None:
            buffer = np.asarray(function(*inputs, **kwargs))
            if ufunc is np.matmul and buffer.ndim == 2 and not self._threads:  # what is made of it has its order, too
                buffer = np.asarray(buffer, order=order_of(*buffer.shape))
        else:
            buffer = _plain(out[0])
            function(*inputs, **kwargs, out=buffer)
        if calls := self._by_blas(ufunc, inputs, buffer, in_place):
            self.calls += calls
        elif kwargs or method != "__call__" or ufunc in _OUT_BY_NAME:
            self.calls.append(partial(function, *inputs, **kwargs, out=buffer))
        else:  # positional arguments are quicker
            self.calls.append(partial(function, *inputs, buffer))
        return self.watch(buffer)

    def _by_blas(
        self, ufunc: np.ufunc, inputs: Sequence[Any], out: npt.NDArray[Any], in_place: bool
    ) -> list[Callable[[], object]]:
        """Return the same as calls of BLAS, if it is a product, or a row added in place to every row of a matrix."""
        if ufunc is np.matmul:
            return products(inputs[0], inputs[1], out, self._threads)
        if ufunc is np.add and in_place and out.ndim == 2 and np.shape(inputs[1]) == (1, out.shape[1]):
            call = product(np.ones((len(out), 1), out.dtype), inputs[1], out, beta=1.0)
            return [call] if call and not self._threads else []
        return []

    def product(self, a: npt.NDArray[Any], b: npt.NDArray[Any], out: npt.NDArray[Any], keep: Any = 1.0) -> None:
        """Note out <- keep out - a b, in one pass over out (see `blas.product`)."""
        call = product(_plain(a), _plain(b), _plain(out), alpha=-1.0, beta=_plain(keep))
        assert call is not None, "the arrays of a step are such that BLAS takes them"
        self.calls.append(call)


class _Watched(np.ndarray[Any, np.dtype[Any]]):
    """An array that reports the calls made on it; its views report to the same recording."""

    recording: Recording

    def __array_finalize__(self, source: object) -> None:
        if isinstance(source, _Watched):
            if self.flags.owndata:
                raise TypeError("a copy of a watched array cannot be recorded; write it with ufuncs")
            self.recording = source.recording

    def __getitem__(self, key: Any) -> Any:
        part = super().__getitem__(key)
        if not isinstance(part, np.ndarray) or not np.may_share_memory(_plain(part), _plain(self)):
            raise TypeError("only slices of a watched array can be recorded")
        return part

    def __setitem__(self, key: Any, value: Any) -> None:
        # `x[key] += y` ends by assigning the part, changed already, to its own place
        part = super().__getitem__(key)
        if not (isinstance(value, _Watched) and value.ctypes.data == part.ctypes.data and value.shape == part.shape):
            self._refuse()

    def _refuse(self, *_: Any) -> Any:
        raise TypeError("this would read or write numbers behind the recording's back; write it with ufuncs")

    # the signatures differ from ndarray's, since none of them is ever to return
    __float__ = __int__ = __bool__ = __index__ = item = tolist = fill = _refuse  # type: ignore[assignment]

    def __array_ufunc__(
        self, ufunc: np.ufunc, method: str, *inputs: Any, out: tuple[Any, ...] | None = None, **kwargs: Any
    ) -> Any:
        return self.recording.note(ufunc, method, inputs, out, kwargs)

    def __array_function__(self, function: Any, types: Any, args: Any, kwargs: Any) -> Any:
        if function not in _MADE_OF_UFUNCS:
            raise TypeError(f"numpy.{function.__name__} cannot be recorded; write it with ufuncs")
        return super().__array_function__(function, types, args, kwargs)


_OUT_BY_NAME = {np.maximum, np.minimum}
"""NumPy does not want these called with `out` by position (deprecated since 2.4)."""

_SLOW_WITH_A_NUMBER = {np.maximum, np.minimum}
"""Comparing with an array full of the number takes a third of the time of comparing with the number."""

_MADE_OF_UFUNCS = {np.sum, np.max, np.min}
"""What may be called on a watched array besides ufuncs: each of these is the reduction of one."""


def _plain(value: Any, like: Sequence[Any] = ()) -> Any:
    """Return an unwatched view of an array; a Python number becomes an array of the dtype beside it.

    Reading a number from an array of no dimensions takes a third of the time of reading a Python number.
    """
    if isinstance(value, np.ndarray):
        return value.view(np.ndarray)
    if type(value) in (float, int) and like:
        dtype = next(v.dtype for v in like if isinstance(v, np.ndarray))
        return np.asarray(value, dtype) if dtype.kind == "f" else value
    return value
