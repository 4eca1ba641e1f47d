"""Rows of an array that may be larger than memory."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any, Literal

import numpy as np
import numpy.typing as npt


@dataclass(frozen=True, eq=False)
class Selection:
    """Rows (m,) of an array (n, ...), which are copied only where they are used.

    It stands for `array[rows].astype(dtype)`; a slice of it is a selection again. The array may be a mapped file that
    is larger than memory.
    """

    array: npt.NDArray[Any]
    rows: npt.NDArray[np.intp]
    dtype: np.dtype[Any]

    @property
    def shape(self) -> tuple[int, ...]:
        """The shape of the array that it stands for."""
        return (len(self.rows), *self.array.shape[1:])

    def __len__(self) -> int:
        return len(self.rows)

    def __getitem__(self, key: Any) -> Any:
        rows = self.rows[key]
        return replace(self, rows=rows) if isinstance(key, slice) else self.array[rows].astype(self.dtype, copy=False)

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> npt.NDArray[Any]:
        return self.array[self.rows].astype(dtype or self.dtype, copy=False)

    def __mul__(self, factor: Any) -> Any:
        return np.asarray(self) * factor

    def astype(self, dtype: Any, copy: bool = False) -> Selection:
        """Return the same rows, of another dtype where they are used."""
        return replace(self, dtype=np.dtype(dtype))

    def take(self, rows: npt.NDArray[np.intp], axis: int, out: npt.NDArray[Any], mode: Literal["clip"]) -> None:
        """Copy rows (k,) of these rows into `out` (k, ...)."""
        out[...] = self.array.take(self.rows[rows], axis, mode=mode)
