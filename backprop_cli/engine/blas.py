"""Matrix products as single BLAS calls, for the arrays of a recording.

SciPy hands BLAS's gemm on almost as it is: alpha, beta and the result's place included. A call costs 0.15 µs where
np.matmul takes 0.7, and out <- beta out + alpha a b is one pass over out, so that a weight matrix takes its gradient
step while the gradient is being computed.
"""

from __future__ import annotations

import ctypes
from collections.abc import Callable
from functools import partial
from typing import Any, Literal

import numpy as np
import numpy.typing as npt

from backprop_cli.scipy_parts import part_of_scipy

NDArray = npt.NDArray[Any]


_BLAS = part_of_scipy("scipy.linalg._fblas", public="scipy.linalg.blas")
GEMM = {np.dtype(np.float32): _BLAS.sgemm, np.dtype(np.float64): _BLAS.dgemm}
AXPY = {np.dtype(np.float32): _BLAS.saxpy, np.dtype(np.float64): _BLAS.daxpy}
SCAL = {np.dtype(np.float32): _BLAS.sscal, np.dtype(np.float64): _BLAS.dscal}


SMALL_PRODUCT, SMALL_RESULT = 1_000_000, 1_200
"""Up to so many multiplications, and numbers in the result, OpenBLAS (for AVX-512) takes a kernel for small matrices,
which does not copy the operands first and is up to three times as fast."""

LONG_ENOUGH = 190
"""Parts of the inner or the longer outer axis of a product gain from this length on."""

FEWEST, LARGE_PRODUCT = 10, 32_000_000
"""Blocks with fewer rows or columns, or of a product with more multiplications, gain nothing by being small."""

FOR_ONE_THREAD = 4_000_000
"""Products with fewer multiplications are made by one thread (see `backprop_cli.threads`)."""

QUICKER_WITH_NUMPY = 640
"""Products of two large matrices by rows, the second of up to so many columns, take np.matmul 0.85 of the time."""

LONGEST_SUM = 10_000
"""OpenBLAS adds longer vectors with all its threads, which takes milliseconds where other programs use the cores."""


def order_of(m: int, n: int) -> Literal["C", "F"]:
    """Return the order in memory that a result (m, n) is quickest in: by rows if it is small, by columns if large."""
    return "C" if m * n <= SMALL_RESULT else "F"


def products(
    a: NDArray,
    b: NDArray,
    out: NDArray,
    alpha: float = 1.0,
    beta: Any = 0.0,
    threads: bool = False,
    unlocked: bool = False,
) -> list[Callable[[], object]]:
    """Return calls that do out <- beta out + alpha a b: one, or one for each block of out that is small for BLAS.

    With `threads`, np.matmul makes the calls, which lets other threads run meanwhile; SciPy's gemm does not. The list
    is empty where BLAS cannot do it in place (see `gemm`, also for `unlocked`).
    """
    if not a.ndim == b.ndim == out.ndim == 2:
        call = gemm(a, b, out, alpha, beta, unlocked)
        return [call] if call else []
    (m, n), k = out.shape, a.shape[1]
    if threads:  # blocks of rows
        return [partial(np.matmul, a[rows], b, out[rows]) for rows in _blocks(m, n, k)]
    large = m * n * k > SMALL_PRODUCT
    if large and isinstance(beta, np.ndarray) and beta.dtype == out.dtype:
        # BLAS takes longer for beta than for all else: 155 us in place of 93 (100x2880, batch size 10)
        rest = products(a, b, out, alpha, 1.0, unlocked=unlocked)
        return [partial(np.multiply, out, beta, out), *rest] if rest else []
    if large and alpha == 1 and isinstance(beta, float) and beta == 0:
        if pieces := _in_pieces(a, b, out):
            return pieces
        if n <= QUICKER_WITH_NUMPY and a.flags.c_contiguous and b.flags.c_contiguous:
            return [partial(np.matmul, a, b, out)]
    if rows := _rows(a, b, out):
        a_and_out = [(a[block], out[block]) for block in rows]
        return [call for part, result in a_and_out if (call := gemm(part, b, result, alpha, beta))]
    columns = _blocks(n, m, k) if out.flags.f_contiguous and b.flags.f_contiguous else [slice(None)]
    calls = [gemm(a, b[:, block], out[:, block], alpha, beta, unlocked) for block in columns]
    return [call for call in calls if call is not None]


def _in_pieces(a: NDArray, b: NDArray, out: NDArray) -> list[Callable[[], object]]:
    """Return calls that do out <- a b where one axis is long: in parts that are small for BLAS; else none.

    A layer of 100 units on 2,880 inputs takes 86 us in place of 161 at batch size 10, and 64 in place of 176 backward.
    """
    (m, n), k = out.shape, a.shape[1]
    if n > k and out.flags.f_contiguous and b.flags.c_contiguous:
        return [partial(np.matmul, a, b[:, part], out[:, part]) for part in _parts(n, m * k)]
    if k > n and m * n <= SMALL_RESULT and (parts := _parts(k, m * n)):
        terms = np.empty((len(parts), m, n), out.dtype)
        calls = [partial(np.matmul, a[:, part], b[part], term) for part, term in zip(parts, terms, strict=True)]
        return [*calls, partial(np.add.reduce, terms, 0, None, out)]
    return []


def _blocks(length: int, other: int, k: int) -> list[slice]:
    """Return the parts of an axis of the result, `other` being the length of its other axis."""
    size = min(SMALL_RESULT // other, SMALL_PRODUCT // (other * k))
    if not FEWEST <= size < length or length * other * k > LARGE_PRODUCT:
        return [slice(None)]
    return [slice(start, start + size) for start in range(0, length, size)]


def _rows(a: NDArray, b: NDArray, out: NDArray) -> list[slice]:
    """Return the blocks of rows in which a gradient of weights is small for BLAS; none where it is, or is too large.

    One of 100x784 takes 46 us in place of 59 at batch size 32. BLAS works on four units at a time.
    """
    (m, n), k = out.shape, a.shape[1]
    size = SMALL_PRODUCT // (n * k) // 4 * 4
    if not (all(array.flags.c_contiguous for array in (a, b, out)) and 0 < size < m and m * n * k < FOR_ONE_THREAD):
        return []
    return [slice(start, start + size) for start in range(0, m, size)]


def _parts(length: int, others: int) -> list[slice]:
    """Return equal parts of a long axis, given the product of the others; none where they would be too short."""
    count = -(-length * others // SMALL_PRODUCT)
    size = -(-length // count)
    return [slice(start, start + size) for start in range(0, length, size)] if size >= LONG_ENOUGH else []


def gemm(
    a: NDArray, b: NDArray, out: NDArray, alpha: Any = 1.0, beta: Any = 0.0, unlocked: bool = False
) -> Callable[[], object] | None:
    """Return a call that does out <- beta out + alpha a b, or None where BLAS cannot do it in place.

    a (m, k), b (k, n) and out (m, n), or a (k,) and out (n,), are of one dtype; the numbers of their rows, or of their
    columns, lie side by side. beta may be an array without dimensions, which is then read at every call. A call that
    is `unlocked` lets other threads run meanwhile, and takes 0.7 us more.
    """
    function = GEMM.get(out.dtype)
    if a.ndim == out.ndim == 1:
        a, out = a[np.newaxis], out[np.newaxis]
    if function is None or not a.dtype == b.dtype == out.dtype or not a.ndim == b.ndim == out.ndim == 2:
        return None
    if _distance(out) is None:  # BLAS counts by columns, so it is asked for out^T = b^T a^T
        a, b, out = b.T, a.T, out.T
    left, right = _by_columns(a), _by_columns(b)
    if left is None or right is None or _distance(out) is None:
        return None
    if not unlocked and all(array.flags.f_contiguous for array in (left[0], right[0], out)):
        return partial(function, alpha, left[0], right[0], beta, out, left[1], right[1], 1)
    (a, a_turned), (b, b_turned) = left, right
    m, n, k, *apart = (
        np.asarray(number, np.intc) for number in (*out.shape, a.shape[1 - a_turned], *map(_distance, (a, b, out)))
    )
    alpha, beta = (np.asarray(number, out.dtype) for number in (alpha, beta))
    turned = (np.asarray(b"NT"[t : t + 1]) for t in (a_turned, b_turned))
    return _unlocked(function, *turned, m, n, k, alpha, a, apart[0], b, apart[1], beta, out, apart[2])


def axpy(x: NDArray, out: NDArray, c: Any, unlocked: bool = False) -> Callable[[], object] | None:
    """Return a call that does out <- out + c x, or None where BLAS cannot do it in place.

    x and out have one dtype, shape and order in memory, without gaps. c may be an array without dimensions, which is
    then read at every call.
    """
    function = AXPY.get(out.dtype)
    if function is None or x.dtype != out.dtype or x.strides != out.strides or not (x.flags.forc and out.flags.forc):
        return None
    x, out = x.ravel(order="K"), out.ravel(order="K")
    if unlocked:
        size, one = (np.asarray(number, np.intc) for number in (out.size, 1))
        return _unlocked(function, size, np.asarray(c, out.dtype), x, one, out, one)
    return partial(function, x, out, out.size, c)


def rows_multiplied(x: NDArray, factors: NDArray) -> Callable[[], object]:
    """Return a call that multiplies the rows of x (n, k) by factors (n, 1), in place: only those that this changes.

    Of the factors of max-norm, most are 1.
    """
    rows, scal, ones, few = list(x), SCAL[x.dtype], np.ones_like(factors).tobytes(), len(x) // 3

    def call() -> None:
        if factors.tobytes() == ones:
            return
        changed = np.flatnonzero(factors != 1)
        if len(changed) <= few and np.min(factors) > 0:  # 0 times what is not finite has to be NaN
            for row, factor in zip(changed.tolist(), factors[changed, 0].tolist(), strict=True):
                scal(factor, rows[row])
        else:
            np.multiply(x, factors, x)

    return call


def scalable(a: NDArray, b: NDArray, out: NDArray) -> bool:
    """Whether a product, which `products` makes, takes no longer with another alpha."""
    if gemm(a, b, out) is None:
        return False
    return a.ndim == 1 or out.size * a.shape[1] <= SMALL_PRODUCT or not _in_pieces(a, b, out)


def _by_columns(array: NDArray) -> tuple[NDArray, int] | None:
    """Return an array as it lies in memory by columns, and whether that is its transpose."""
    if _distance(array) is not None:
        return array, 0
    return (array.T, 1) if _distance(array.T) is not None else None


def _distance(array: NDArray) -> int | None:
    """Return how many numbers the columns of a matrix are apart, None if those of a column are not side by side."""
    if array.flags.f_contiguous:
        return max(1, len(array))
    distance = array.strides[1] // array.itemsize
    return distance if array.strides[0] == array.itemsize and distance >= len(array) else None


def _unlocked(function: Any, *arguments: NDArray) -> Callable[[], object]:
    """Return a call of a function of BLAS by its address, given where its arguments are in memory."""
    address = ctypes.pythonapi.PyCapsule_GetPointer(function._cpointer, None)
    return partial(ctypes.CFUNCTYPE(None)(address), *(array.ctypes.data_as(ctypes.c_void_p) for array in arguments))


ctypes.pythonapi.PyCapsule_GetPointer.restype = ctypes.c_void_p
ctypes.pythonapi.PyCapsule_GetPointer.argtypes = [ctypes.py_object, ctypes.c_char_p]
