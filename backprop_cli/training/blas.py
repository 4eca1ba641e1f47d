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
