"""Matrix products as single BLAS calls, for the arrays of a recording.

SciPy hands BLAS's gemm on almost as it is: alpha, beta and the result's place included. A call costs 0.15 µs where
np.matmul takes 0.7, and out <- beta out + alpha a b is one pass over out, so that a weight matrix takes its gradient
step while the gradient is being computed.
"""

from __future__ import annotations

import ctypes
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any, Literal

import numpy as np
import numpy.typing as npt

from backprop_cli.scipy_parts import part_of_scipy
from backprop_cli.threads import prefers_small_products

NDArray = npt.NDArray[Any]

_BLAS = part_of_scipy("scipy.linalg._fblas", public="scipy.linalg.blas")
GEMM = {np.dtype(np.float32): _BLAS.sgemm, np.dtype(np.float64): _BLAS.dgemm}
GEMV = {np.dtype(np.float32): _BLAS.sgemv, np.dtype(np.float64): _BLAS.dgemv}
AXPY = {np.dtype(np.float32): _BLAS.saxpy, np.dtype(np.float64): _BLAS.daxpy}
SCAL = {np.dtype(np.float32): _BLAS.sscal, np.dtype(np.float64): _BLAS.dscal}

SMALL_PRODUCT, SMALL_RESULT = 1_000_000, 1_200
"""Up to so many multiplications, and numbers in the result if only the first factor lies across it in memory, OpenBLAS
for AVX-512 takes kernels for small matrices, which do not copy the factors first and are up to three times as fast."""

LONG_SUM = 400
"""These kernels are faster from sums of so many terms on where the first factor lies across the result."""

THIN = 32
"""Blocks of a result by columns that has no more rows are made of whole columns."""

LARGE_PRODUCT = 60_000_000
"""Products of so many multiplications gain nothing from blocks."""

QUICKER_WITH_NUMPY = 640
"""Whole products of two matrices by rows, the second of up to so many columns, take np.matmul 0.85 of the time."""

FEW = 4_096
"""Up to so many numbers, BLAS adds and scales in half of the time of NumPy."""

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

    With `threads`, np.matmul makes the calls, which lets other threads run meanwhile; SciPy's gemm does not. Those that
    are `unlocked` (see `gemm`) do so, too, and are never small: each waits for its turn with the interpreter. The list
    is empty where BLAS cannot do it in place.
    """
    if not a.ndim == b.ndim == out.ndim == 2:
        call = gemm(a, b, out, alpha, beta, unlocked)
        return [call] if call else []
    blocks = [(slice(None), slice(None))] if unlocked else _blocks(a, b, out, threads)
    if threads:
        return _matmul(a, b, out, blocks) if blocks else []
    first: list[Callable[[], object]] = []
    if len(blocks) == 1 and out.size * a.shape[1] > SMALL_PRODUCT:
        by_rows, plain = a.flags.c_contiguous and b.flags.c_contiguous, alpha == 1 and isinstance(beta, float)
        if isinstance(beta, np.ndarray) and beta.dtype == out.dtype:
            # BLAS takes longer for beta than for all else: 155 us in place of 93 (100x2880, batch size 10)
            first, beta = [partial(np.multiply, out, beta, out)], 1.0
        elif plain and beta == 0 and by_rows and out.shape[1] <= QUICKER_WITH_NUMPY:
            return [partial(np.matmul, a, b, out)]
    calls = [gemm(a[rows], b[:, columns], out[rows, columns], alpha, beta, unlocked) for rows, columns in blocks]
    return first + [call for call in calls if call] if all(calls) else []


def _matmul(a: NDArray, b: NDArray, out: NDArray, blocks: Sequence[tuple[slice, slice]]) -> list[Callable[[], object]]:
    """Return calls of np.matmul for blocks of a result: one for all blocks of rows, during which other threads run."""
    rows, columns = out[blocks[0]].shape
    if columns < out.shape[1]:
        return [partial(np.matmul, a[rows], b[:, columns], out[rows, columns]) for rows, columns in blocks]
    whole = len(out) // rows * rows
    stacked = a[:whole].reshape(-1, rows, a.shape[1]), out[:whole].reshape(-1, rows, columns)
    return [partial(np.matmul, x, b, y) for x, y in (stacked, (a[whole:], out[whole:])) if y.size]


def _blocks(a: NDArray, b: NDArray, out: NDArray, threads: bool) -> list[tuple[slice, slice]]:
    """Return rows and columns of the blocks in which BLAS makes a product fastest: small ones, or one that is whole.

    A layer of 100 units on 2,880 inputs takes 61 us in place of 157 at batch size 10, its gradient 63 in place of 76;
    one of 100x784 takes 46 in place of 73 at batch size 32, and its gradient 47 in place of 56. What counts is how the
    factors lie beside the result.
    """
    if _distance(out) is None:
        turned = _blocks(b.T, a.T, out.T, threads) if _distance(out.T) is not None else []
        return [(rows, columns) for columns, rows in turned]
    (m, n), k = out.shape, a.shape[1]
    small = _size_of_blocks(m, n, k, _distance(a) is None, _distance(b) is None)
    rows, columns = small if small and prefers_small_products(m * n * k, threads) else (m, n)
    return [
        (slice(row, row + rows), slice(column, column + columns))
        for row in range(0, m, rows)
        for column in range(0, n, columns)
    ]


def _size_of_blocks(m: int, n: int, k: int, a_across: bool, b_across: bool) -> tuple[int, int] | None:
    """Return the rows and columns of small blocks of a result (m, n) by columns; None if it should be whole.

    The two flags say whether a (m, k) and b (k, n) lie by rows, unlike the result.
    """
    most, thin = SMALL_PRODUCT // k, m <= THIN
    if a_across and not b_across:
        most = min(most, SMALL_RESULT)
    if m * n <= most or m * n * k >= LARGE_PRODUCT:
        return None
    if a_across and k < LONG_SUM and not (thin and b_across):
        return None
    if b_across and not thin:
        fitting = most // n // 16 * 16
        rows, columns = (fitting, n) if fitting >= THIN else (32, most // 32 // 16 * 16)
    else:
        fitting = most // m // 4 * 4
        rows, columns = (m, fitting) if fitting else (64, most // 64 // 4 * 4)
    return (rows, columns) if columns else None


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
    elif len(a) == 1 and not unlocked and (call := _gemv(a, b, out, alpha, beta)):
        return call
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


def _gemv(a: NDArray, b: NDArray, out: NDArray, alpha: Any, beta: Any) -> Callable[[], object] | None:
    """Return a call that does what `gemm` does for one example: a (1, k), b (k, n) and out (1, n)."""
    if not all(x.ndim == 2 and x.dtype == out.dtype in GEMV and x.flags.forc for x in (a, b, out)):
        return None
    turned = int(b.flags.f_contiguous)
    return partial(GEMV[out.dtype], alpha, b if turned else b.T, a[0], beta, out[0], 0, 1, 0, 1, turned, 1)


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


def by_blas(ufunc: np.ufunc, inputs: Sequence[Any], out: NDArray) -> Callable[[], object] | None:
    """Return a call that does out <- ufunc(*inputs) to the bit, if there is one that takes less time than the ufunc.

    It adds or scales a few numbers in place, adds a row to every row of a matrix, or multiplies the rows.
    """
    if ufunc not in (np.add, np.subtract, np.multiply) or out.dtype not in GEMM:
        return None
    x, y = inputs if inputs[0] is out or ufunc is np.subtract else inputs[::-1]
    sign, few, shape = -1.0 if ufunc is np.subtract else 1.0, out.size <= FEW, np.shape(y)
    if x is not out:
        return None
    if ufunc is np.multiply:
        if few and shape == () and out.flags.forc:
            return partial(SCAL[out.dtype], y, out.ravel(order="K"))
        return _rows_multiplied(out, y) if not few and out.ndim == 2 and shape == (len(out), 1) else None
    if few and shape == out.shape:
        return axpy(y, out, sign)
    if out.ndim == 2 and shape == (1, out.shape[1]):
        return gemm(np.ones((len(out), 1), out.dtype), y, out, sign, beta=1.0)
    return None


def _rows_multiplied(x: NDArray, factors: NDArray) -> Callable[[], object]:
    """Return a call that multiplies the rows of x (n, k) by factors (n, 1), in place: only those that this changes.

    Of the factors of max-norm, most are 1.
    """
    rows, scal, flat, ones = list(x), SCAL[x.dtype], factors[:, 0], np.ones_like(factors).tobytes()

    def call() -> None:
        if factors.tobytes() == ones:
            return
        (changed,) = (flat != 1).nonzero()  # methods: NumPy's functions take three times as long
        values = flat[changed].tolist()
        if 3 * len(values) <= len(x) and min(values) > 0:  # 0 times what is not finite has to be NaN
            for row, factor in zip(changed.tolist(), values, strict=True):
                scal(factor, rows[row])
        else:
            np.multiply(x, factors, x)

    return call


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
