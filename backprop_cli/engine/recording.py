"""Record a computation once, as the NumPy calls that it makes, and replay these calls afterwards.

At batch size 10 a step of training is some two dozen NumPy calls of half a microsecond each, and Python's own work
between them (attribute look-ups, views, temporary arrays) would cost a fifth more. The mathematics is the same in every
step and only the numbers change, so it is run once on traced arrays, which note each call:

    recording = Recording()
    step(recording.watch(theta), recording.watch(x))     # notes the calls; theta and x stay as they are
    replay = recording.finish()
    replay()                                             # does to theta and x what step would do

What a call would allocate becomes a buffer that is used in every replay. Python numbers are fixed when recorded: what
changes from step to step must be a watched array, if need be one without dimensions. A traced array is no ndarray, so
that nothing can be computed from its numbers unnoticed: an `if`, a copy, a list or `np.asarray` of it is a TypeError.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
from numpy.lib.stride_tricks import sliding_window_view

from backprop_cli.engine.blas import FEW, order_of
from backprop_cli.engine.calls import Axpy, Call, Copy, Elementwise, Fill, Product, Reduce, Select, Take
from backprop_cli.engine.memory import owner
from backprop_cli.engine.optimize import optimize
from backprop_cli.engine.replay import Replay

NDArray = npt.NDArray[Any]


class Recording:
    """Notes the calls made on the arrays that it watches.

    With `threads`, several of its replays may run at once, each in a thread of its own; one with several `lanes` is
    itself shared among so many threads. The arrays of one that is `stacked` with others lie beside those of the others.
    """

    def __init__(self, threads: bool = False, lanes: int = 1, stacked: bool = False) -> None:
        self._threads, self._lanes, self._stacked = threads, lanes, stacked
        self._calls: list[Call] = []
        self._watched: dict[int, NDArray] = {}

    def watch(self, array: NDArray) -> Any:
        """Return a traced array that stands for this one, whose numbers may change from replay to replay."""
        self._watched[id(owner(array))] = owner(array)
        return Traced(array, self)

    def finish(self, *results: Any) -> Replay:
        """Return the replay of what has been recorded, as far as it changes watched arrays or the results."""
        arrays = tuple(result.array for result in results)
        kept = {**self._watched, **{id(owner(array)): owner(array) for array in arrays}}
        return Replay(optimize(self._calls, kept, self._lanes, self._stacked), arrays, tuple(self._watched.values()))

    def product(self, a: Any, b: Any, out: Any, alpha: float = 1.0, beta: Any = 0.0) -> None:
        """Note out <- beta out + alpha a b, in one pass over out; beta may be a traced array without dimensions."""
        one = isinstance(a, np.ndarray) and a.shape == (1,)  # so that it is the sum over one example
        a, b, out, beta = (self._plain(value) for value in (a, b, out, beta))
        number = beta if isinstance(beta, float) else None
        call = Product([a, b, beta], out, alpha=alpha, threads=self._threads and alpha == 1 and number == 0)
        self._calls.append(Axpy([b[0], np.asarray(alpha * a[0], out.dtype)], out) if one and number == 1 else call)

    def elementwise(self, ufunc: np.ufunc, inputs: Sequence[Any], out: Any = None) -> Traced:
        """Note out <- ufunc(*inputs), or a new buffer for it."""
        if ufunc is np.divide and np.ndim(inputs[0]) and np.shape(inputs[1]) == ():  # several times as fast
            ufunc, inputs = np.multiply, (inputs[0], np.true_divide(1, inputs[1]))
        values = self._one_precision([self._plain(value) for value in inputs], inputs)
        if out is None:
            with np.errstate(all="ignore"):  # the numbers mean nothing yet
                buffer = _like(np.asarray(ufunc(*values)), values)
        else:
            buffer = self._writable(out)
        floating = next((v.dtype for v in values if isinstance(v, np.ndarray)), buffer.dtype)
        values = [_as_array(value, floating) for value in values]
        if ufunc in _SLOW_WITH_A_NUMBER and (ufunc is not np.add or buffer.size <= FEW):
            like = next((value for value in values if np.ndim(value)), None)
            numbers = [type(value) in (int, float) for value in inputs]
            if like is not None:
                values = [np.full_like(like, v) if n else v for v, n in zip(values, numbers, strict=True)]
        self._calls.append(Elementwise(values, buffer, ufunc=ufunc, threads=self._threads))
        return Traced(buffer, self)

    def matmul(self, a: Any, b: Any) -> Traced:
        """Note the product a b."""
        a, b = self._plain(a), self._plain(b)
        buffer = np.empty(np.matmul(np.zeros_like(a), np.zeros_like(b)).shape, np.result_type(a, b))
        if buffer.ndim == 2 and not self._threads:  # what is computed from it gets the same order in memory
            buffer = np.empty(buffer.shape, buffer.dtype, order=order_of(*buffer.shape))
        self._calls.append(Product([a, b, 0.0], buffer, threads=self._threads))
        return Traced(buffer, self)

    def reduce(self, ufunc: np.ufunc, x: Any, **kwargs: Any) -> Traced:
        """Note ufunc.reduce(x)."""
        x = self._plain(x)
        with np.errstate(all="ignore"):
            buffer = np.array(ufunc.reduce(x, **kwargs))
        self._calls.append(Reduce([x], buffer, ufunc=ufunc, kwargs=kwargs))
        return Traced(buffer, self)

    def select(self, condition: Any, x: Any, y: Any) -> Traced:
        """Note np.where(condition, x, y); two numbers give an array of the precision of the recording."""
        inputs = (condition, x, y)
        values = self._one_precision([self._plain(value) for value in inputs], inputs)
        result = np.where(*values)
        if not any(isinstance(value, np.ndarray) for value in values[1:]):
            result = result.astype(self._dtype())
        buffer = _like(result, values)
        self._calls.append(Select([_as_array(value, buffer.dtype) for value in values], buffer))
        return Traced(buffer, self)

    def copy(self, x: Any, out: Any = None, dtype: Any = None) -> Traced:
        """Note out <- x, or a new buffer for it."""
        x = self._plain(x)
        buffer = np.empty_like(x, dtype) if out is None else self._writable(out)
        self._calls.append(Copy([x], buffer))
        return Traced(buffer, self)

    def take(self, x: Any, indices: Any, axis: int) -> Traced:
        """Note np.take(x, indices, axis); the indices are not checked in a replay."""
        x, indices = self._plain(x), self._plain(indices)
        buffer = np.take(x, indices, axis)
        self._calls.append(Take([x, np.asarray(indices)], buffer, axis=axis))
        return Traced(buffer, self)

    def full(self, like: Any, number: float, **shape_and_order: Any) -> Traced:
        """Note the filling of a new buffer, laid out like a traced array."""
        buffer = np.full_like(like.array, number, **shape_and_order)
        self._calls.append(Fill([number], buffer))
        return Traced(buffer, self)

    def _dtype(self) -> npt.DTypeLike:
        floating = [array.dtype for array in self._watched.values() if array.dtype.kind == "f" and array.ndim]
        return np.result_type(*floating)

    def _plain(self, value: Any) -> Any:
        """Return the array that a traced one stands for; anything else as it is."""
        if not isinstance(value, Traced):
            return value
        if value.recording is not self:
            raise TypeError("arrays of two recordings meet in one call")
        return value.array

    def _writable(self, out: Any) -> NDArray:
        if not isinstance(out, Traced):
            raise TypeError("only watched arrays, and what is computed from them, can be written")
        return out.array

    def _one_precision(self, values: list[Any], inputs: Sequence[Any]) -> list[Any]:
        """Give traced numbers without dimensions the precision of the arrays beside them, as Python numbers have it."""
        floating = [v.dtype for v in values if isinstance(v, np.ndarray) and v.ndim and v.dtype.kind == "f"]
        if not floating:
            return values
        dtype = np.result_type(*floating)
        return [
            self.copy(given, dtype=dtype).array
            if isinstance(given, Traced) and value.ndim == 0 and value.dtype.kind == "f" and value.dtype != dtype
            else value
            for value, given in zip(values, inputs, strict=True)
        ]


class Traced(np.lib.mixins.NDArrayOperatorsMixin):
    """Stands for an array while a computation is recorded; views of it do, too."""

    def __init__(self, array: NDArray, recording: Recording) -> None:
        self.array, self.recording = array, recording
        self.shape, self.dtype, self.ndim, self.size = array.shape, array.dtype, array.ndim, array.size

    @property
    def T(self) -> Traced:
        """The transpose, a view."""
        return Traced(self.array.T, self.recording)

    @property
    def mT(self) -> Traced:
        """The transpose of the last two axes, a view."""
        return Traced(self.array.mT, self.recording)

    def reshape(self, *shape: int) -> Traced:
        """Return a view of that shape, or of a copy where there is none, as NumPy does."""
        if np.may_share_memory(self.array.reshape(*shape), self.array):
            return self._view(self.array.reshape(*shape))
        rows = Traced(np.empty(self.shape, self.dtype), self.recording)
        return self.recording.copy(self, out=rows).reshape(*shape)

    def astype(self, dtype: npt.DTypeLike) -> Traced:
        """Note a copy of that dtype."""
        return self.recording.copy(self, dtype=dtype)

    def __len__(self) -> int:
        return len(self.array)

    def __getitem__(self, key: Any) -> Traced:
        return self._view(self.array[key])

    def __setitem__(self, key: Any, value: Any) -> None:
        part = self[key]
        if not (isinstance(value, Traced) and _same(value.array, part.array)):  # as after `x[key] += y`
            self.recording.copy(value, out=part)

    def _view(self, part: Any) -> Traced:
        if not isinstance(part, np.ndarray) or owner(part) is not owner(self.array):
            raise TypeError("only views of a traced array can be recorded")
        return self if _same(part, self.array) else Traced(part, self.recording)

    def _refuse(self, *_: Any, **__: Any) -> Any:
        raise TypeError("this would use numbers that are not yet known; write it with NumPy's functions")

    __array__ = __float__ = __int__ = __bool__ = __index__ = __iter__ = _refuse

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__"):
            raise AttributeError(name)
        raise TypeError(f"the method {name} cannot be recorded")

    def __array_ufunc__(
        self, ufunc: np.ufunc, method: str, *inputs: Any, out: tuple[Any, ...] | None = None, **kwargs: Any
    ) -> Any:
        if method == "reduce" and out is None:
            return self.recording.reduce(ufunc, *inputs, **kwargs)
        if method != "__call__" or ufunc.nout != 1 or kwargs:
            raise TypeError(f"numpy.{ufunc.__name__}.{method} with these arguments cannot be recorded")
        if ufunc is not np.matmul:
            return self.recording.elementwise(ufunc, inputs, None if out is None else out[0])
        if out is None:
            return self.recording.matmul(*inputs)
        a, b = inputs
        self.recording.product(a, b, out[0])
        return out[0]

    def __array_function__(self, function: Any, types: Any, args: Any, kwargs: Any) -> Any:
        if function not in _FUNCTIONS:
            raise TypeError(f"numpy.{function.__name__} cannot be recorded")
        return _FUNCTIONS[function](self.recording, *args, **kwargs)


def _reduction(ufunc: np.ufunc) -> Callable[..., Traced]:
    return lambda recording, x, axis=None, **kwargs: recording.reduce(ufunc, x, axis=axis, **kwargs)


def _mean(recording: Recording, x: Any, axis: Any = None, **kwargs: Any) -> Any:
    total = recording.reduce(np.add, x, axis=axis, **kwargs)
    return total * (total.size / x.size)  # a number of Python keeps the precision of total


def _clip(recording: Recording, x: Any, low: Any, high: Any) -> Any:
    return recording.elementwise(np.minimum, (recording.elementwise(np.maximum, (x, low)), high))


def _viewed(function: Callable[..., NDArray]) -> Callable[..., Traced]:
    return lambda recording, x, *args, **kwargs: x._view(function(x.array, *args, **kwargs))


_FUNCTIONS: dict[Any, Callable[..., Any]] = {
    **{f: _viewed(f) for f in (np.moveaxis, np.swapaxes, np.transpose, sliding_window_view)},
    np.take: lambda recording, x, indices, axis: recording.take(x, indices, axis),
    np.sum: _reduction(np.add),
    np.max: _reduction(np.maximum),
    np.min: _reduction(np.minimum),
    np.mean: _mean,
    np.clip: _clip,
    np.where: lambda recording, condition, x, y: recording.select(condition, x, y),
    np.ndim: lambda recording, x: x.ndim,
    np.shape: lambda recording, x: x.shape,
    np.zeros_like: lambda recording, x, **shape: recording.full(x, 0, **shape),
    np.ones_like: lambda recording, x, **shape: recording.full(x, 1, **shape),
    np.empty_like: lambda recording, x, **shape: Traced(np.empty_like(x.array, **shape), recording),
}
"""What can be recorded besides ufuncs and views."""

_SLOW_WITH_A_NUMBER = {np.maximum, np.minimum, np.add}
"""Comparing with an array full of a number takes a third of the time of comparing with the number; BLAS adds one."""


def _same(a: NDArray, b: NDArray) -> bool:
    return a.ctypes.data == b.ctypes.data and a.shape == b.shape and a.strides == b.strides


def _like(result: NDArray, values: Sequence[Any]) -> NDArray:
    """Return a buffer for the result, in the order in memory of the first input of its shape."""
    model = next((v for v in values if isinstance(v, np.ndarray) and v.shape == result.shape), result)
    return np.empty_like(model, result.dtype)


def _as_array(value: Any, dtype: np.dtype[Any]) -> Any:
    """Return a number as an array without dimensions: to read it takes a third of the time."""
    if isinstance(value, np.generic):
        return np.asarray(value)
    return np.asarray(value, dtype) if type(value) in (float, int) and dtype.kind == "f" else value
