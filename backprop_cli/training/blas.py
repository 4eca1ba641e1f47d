"""Matrix products as single BLAS calls, for the arrays of a recording.

SciPy hands BLAS's gemm on almost as it is: alpha, beta and the result's place included. A call costs 0.15 µs where
np.matmul takes 0.7, and out <- beta out + alpha a b is one pass over out, so that a weight matrix takes its gradient
step while the gradient is being computed.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np
import numpy.typing as npt
from scipy.linalg.blas import dgemm, sgemm

GEMM = {np.dtype(np.float32): sgemm, np.dtype(np.float64): dgemm}


SMALL_PRODUCT, SMALL_RESULT = 1_000_000, 1_200
"""Up to so many multiplications, and numbers in the result, OpenBLAS (for AVX-512) takes a kernel for small matrices,
which does not copy the operands first."""


def products(
    a: npt.NDArray[Any], b: npt.NDArray[Any], out: npt.NDArray[Any], threads: bool = False
) -> list[Callable[[], object]]:
    """Return calls that do out <- a b: one, or one for each block of rows where blocks are small in BLAS's sense.

    The rows of a tall and thin product are worked out half again as fast that way. With `threads`, np.matmul makes the
    calls, which lets other threads run meanwhile; SciPy's gemm does not. The list is empty where BLAS cannot do it in
    place (see `product`).
    """
    rows = len(out)
    if a.ndim == out.ndim == b.ndim == 2 and a.flags.c_contiguous:
        small = min(SMALL_PRODUCT // b.size, SMALL_RESULT // out.shape[1])
        rows = small if 8 <= small < rows else rows
    blocks = [slice(start, start + rows) for start in range(0, len(out), rows)] if out.ndim == 2 else [slice(None)]
    if threads:
        return [partial(np.matmul, a[block], b, out[block]) for block in blocks]
    calls = [product(a[block], b, out[block]) for block in blocks]
    return [call for call in calls if call is not None]


def product(
    a: npt.NDArray[Any], b: npt.NDArray[Any], out: npt.NDArray[Any], alpha: float = 1.0, beta: Any = 0.0
) -> Callable[[], object] | None:
    """Return a call that does out <- alpha a b + beta out, or None where BLAS cannot do it in place.

    a (m, k), b (k, n) and out (m, n), or a (k,) and out (n,), are of one dtype; out is contiguous by rows, a and b by
    rows or by columns.
    beta may be an array of no dimensions, which is then read at every call.
    """
    gemm = GEMM.get(out.dtype)
    if a.ndim == out.ndim == 1:
        a, out = a[np.newaxis], out[np.newaxis]
    in_place = out.flags.c_contiguous and a.dtype == b.dtype == out.dtype and a.ndim == b.ndim == out.ndim == 2
    if gemm is None or not in_place:
        return None
    # BLAS counts by columns, so it is asked for out^T = b^T a^T: the transpose of rows is columns, uncopied
    left, transpose_left = _by_columns(b)
    right, transpose_right = _by_columns(a)
    if left is None or right is None:
        return None
    return partial(gemm, alpha, left, right, beta, out.T, transpose_left, transpose_right, 1)


def _by_columns(array: npt.NDArray[Any]) -> tuple[npt.NDArray[Any] | None, int]:
    """Return the transpose of array as columns in memory, and whether BLAS must transpose that once more."""
    if array.flags.c_contiguous:
        return array.T, 0
    if array.flags.f_contiguous:
        return array, 1
    return None, 0
