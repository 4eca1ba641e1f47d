"""From the cells of a table to the inputs of a network, with statistics of the training rows alone.

Missing numbers are filled, then numbers are centred and scaled; a category becomes one input per word (one-hot).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import field
from typing import Any, ClassVar

import numpy as np
import numpy.typing as npt

from backprop_cli.errors import DataError
from backprop_cli.frozen import frozen
from backprop_cli.tables.columns import Columns
from backprop_cli.tables.kinds import Cells, cells_of

Numbers = npt.NDArray[np.float64]
Rows = npt.NDArray[np.intp]
Mask = npt.NDArray[np.bool_]

BLOCK = 1 << 16
"""Rows that are encoded at a time."""


def _standard(values: Numbers) -> tuple[float, float]:
    return float(values.mean()), float(values.std())


def _minmax(values: Numbers) -> tuple[float, float]:
    return float(values.min()), float(np.ptp(values))


def _robust(values: Numbers) -> tuple[float, float]:
    low, middle, high = np.percentile(values, (25, 50, 75))
    return float(middle), float(high - low)


SCALINGS: Mapping[str, Callable[[Numbers], tuple[float, float]]] = {
    "standard": _standard,
    "minmax": _minmax,
    "robust": _robust,
    "none": lambda values: (0.0, 1.0),
}
"""(center, scale) of the values of a column, which become (value - center) / scale."""

FILLS: Mapping[str, Callable[[Numbers], Any]] = {"median": np.median, "mean": np.mean}
"""What stands for a missing number, given the numbers that are known."""


@frozen
class NumberColumn:
    """A column of numbers: x = (value - center) / scale. A missing value counts as `fill`; if that is None, it is bad.

    A word is bad, and so is a number too large for x. `low` and `high` are the extremes of the training values, None
    for runs that did not store them.
    """

    kind: ClassVar[str] = "number"
    name: str
    fill: float | None
    center: float
    scale: float
    low: float | None = None
    high: float | None = None

    @property
    def inputs(self) -> tuple[str, ...]:
        """The name of its input."""
        return (self.name,)

    @property
    def values(self) -> str:
        """The range of its training values, in words."""
        return "" if self.low is None else f"{self.low:.6g} to {self.high:.6g}"

    @property
    def extremes(self) -> tuple[float, float]:
        """The smallest and the largest input of the training values, as far as they are known."""
        known = (self.center if value is None else value for value in (self.low, self.high))
        low, high = ((value - self.center) / self.scale for value in known)
        return low, high

    @property
    def filling(self) -> str:
        """What becomes of a missing value, in words."""
        return "an error" if self.fill is None else f"filled with {self.fill:.5g}"

    @property
    def becomes(self) -> str:
        """How its values become inputs, in words."""
        scaled = "x" if (self.center, self.scale) == (0, 1) else f"(x - {self.center:.5g}) / {self.scale:.5g}"
        return scaled.replace("- -", "+ ")

    @property
    def constants(self) -> tuple[tuple[float, float, float], ...]:
        """What a missing value counts as, NaN if it is bad, the center and the scale of its input."""
        return ((np.nan if self.fill is None else self.fill, self.center, self.scale),)

    @property
    def raw(self) -> NumberColumn:
        """The same column, neither filled nor scaled: a missing value is NaN."""
        return NumberColumn(self.name, None, 0.0, 1.0)

    def encode(self, cells: Cells, x: npt.NDArray[Any]) -> tuple[Mask, int]:
        """Write the inputs of cells (m,) into x (m, 1); return which are bad, and how many words are unknown."""
        values = np.where(cells.missing, np.nan if self.fill is None else self.fill, cells.numbers)
        with np.errstate(over="ignore"):
            x[:, 0] = (values - self.center) / self.scale
        return ~np.isfinite(x[:, 0]), 0


@frozen
class CategoryColumn:
    """A column of words: x is 1 at the word of the cell and 0 elsewhere. "" is a missing word.

    An unknown word, or a missing one where none was missing in training, gives zeros.
    """

    kind: ClassVar[str] = "category"
    extremes: ClassVar[tuple[float, float]] = (0.0, 1.0)
    name: str
    categories: tuple[str, ...]

    @property
    def inputs(self) -> tuple[str, ...]:
        """The names of its inputs."""
        return tuple(f"{self.name}={word or '(missing)'}" for word in self.categories)

    @property
    def values(self) -> str:
        """Its training values, in words."""
        return ", ".join(word for word in self.categories if word)

    @property
    def filling(self) -> str:
        """What becomes of a missing word, in words."""
        return "a category of their own" if "" in self.categories else "none of the categories"

    @property
    def becomes(self) -> str:
        """How its words become inputs, in words."""
        return f"one input per category ({len(self.categories)})" if len(self.categories) > 1 else "constant"

    @property
    def constants(self) -> tuple[tuple[float, float, float], ...]:
        """The same as for numbers, for each of its inputs, which are not changed."""
        return ((0.0, 0.0, 1.0),) * len(self.categories)

    @property
    def raw(self) -> CategoryColumn:
        """The same column."""
        return self

    def encode(self, cells: Cells, x: npt.NDArray[Any]) -> tuple[Mask, int]:
        """Write the inputs of cells (m,) into x (m, categories); return that none is bad, and the unknown words."""
        chosen = cells.indices(self.categories)
        known = np.flatnonzero(chosen >= 0)
        x[known, chosen[known]] = 1
        return np.zeros(len(chosen), bool), len(chosen) - len(known)


InputColumn = NumberColumn | CategoryColumn


def fit_number(name: str, values: Numbers, fill: str, scaling: str) -> NumberColumn:
    """Return the column whose training values are these (m,), NaN where missing; `fill` is in FILLS, or `error`.

    Raises DataError if they are too large to be scaled.
    """
    known = values[~np.isnan(values)]
    with np.errstate(all="ignore"):
        filling = None if fill == "error" else float(FILLS[fill](known)) if len(known) else 0.0
        filled = known if filling is None else np.where(np.isnan(values), filling, values)
        center, scale = SCALINGS[scaling](filled) if len(filled) else (0.0, 1.0)
    if not np.isfinite([center, scale]).all():
        raise DataError(f"column '{name}': its numbers, up to {np.abs(known).max():.0e}, are too large; ignore it")
    constant = scale <= 1e-14 * abs(center) or scale == 0  # rounding makes no two values
    low, high = (float(known.min()), float(known.max())) if len(known) else (None, None)
    return NumberColumn(name, filling, center, 1.0 if constant else scale, low, high)


@frozen
class BadCells:
    """Cells of a column that cannot be read: their rows in the table (from 0), and whether their values are missing."""

    name: str
    rows: Rows
    missing: bool


@frozen
class Encoded:
    """Inputs x (m, n_0), how many cells of a column have an unknown word, and the cells that are bad."""

    x: npt.NDArray[Any]
    unknown: Mapping[str, int] = field(default_factory=dict)
    bad: tuple[BadCells, ...] = ()


@frozen
class Preprocessing:
    """The columns that a network is fed, in order. The words in `missing` stand for no value, as an empty cell does."""

    columns: tuple[InputColumn, ...]
    missing: tuple[str, ...] = ()

    @property
    def inputs(self) -> tuple[str, ...]:
        """The names of the network's inputs."""
        return tuple(name for column in self.columns for name in column.inputs)

    @property
    def raw(self) -> Preprocessing:
        """The same columns, neither filled nor scaled: a missing number is NaN."""
        return Preprocessing(tuple(column.raw for column in self.columns), self.missing)

    def encode(self, table: Columns, rows: Rows, dtype: Any) -> Encoded:
        """Return rows (m,) of a table as inputs; its columns are found by name. Raises ValueError if one is missing."""
        x = np.zeros((len(rows), len(self.inputs)), dtype)
        unknown: dict[str, int] = {}
        bad: dict[tuple[str, bool], list[Rows]] = {}
        places = [table.names.index(column.name) for column in self.columns]
        for start in range(0, len(rows), BLOCK):
            part, left = rows[start : start + BLOCK], 0
            for column, place in zip(self.columns, places, strict=True):
                cells = cells_of(table, place, part, self.missing)
                right = left + len(column.inputs)
                wrong, strange = column.encode(cells, x[start : start + BLOCK, left:right])
                left = right
                if strange:
                    unknown[column.name] = unknown.get(column.name, 0) + strange
                for missing, mask in ((True, wrong & cells.missing), (False, wrong & ~cells.missing)):
                    if mask.any():
                        bad.setdefault((column.name, missing), []).append(part[mask])
        found = (BadCells(name, np.concatenate(parts), missing) for (name, missing), parts in bad.items())
        return Encoded(x, unknown, tuple(found))
