"""The IDX format of the MNIST files: magic number, sizes, data."""

from __future__ import annotations

import math
import struct
from typing import Any

import numpy as np
import numpy.typing as npt

from backprop_cli.errors import DataError

UNSIGNED_BYTES = 0x08


def parse_idx(data: bytes | memoryview, name: str) -> npt.NDArray[Any]:
    """Return the uint8 array in an IDX file, read-only and without a copy.

    Raises DataError, which begins with `name`, for anything but a complete file of unsigned bytes.
    """
    if len(data) < 4 or data[:2] != b"\0\0":
        raise DataError(f"{name}: not an IDX file")
    kind, n_axes = data[2], data[3]
    if kind != UNSIGNED_BYTES or not 1 <= n_axes <= 4:
        raise DataError(f"{name}: an IDX file of type {kind:#04x} with {n_axes} axes; expected unsigned bytes")
    start = 4 + 4 * n_axes
    if len(data) < start:
        raise DataError(f"{name}: the IDX file ends inside its header")
    shape = struct.unpack(f">{n_axes}I", data[4:start])
    if len(data) - start != math.prod(shape):
        raise DataError(f"{name}: the IDX header declares {math.prod(shape):,} bytes, but {len(data) - start:,} follow")
    return np.frombuffer(data, np.uint8, offset=start).reshape(shape)
