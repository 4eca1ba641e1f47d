"""Examples of a data set as images, a table or CSV."""

from __future__ import annotations

import csv
import io
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from backprop_cli.data.cache import Cache
from backprop_cli.data.dataset import Source, Split
from backprop_cli.errors import UsageError
from backprop_cli.plots.terminal.images import Images, as_png, as_text
from backprop_cli.text import table


@dataclass(frozen=True)
class Examples:
    """The examples in these rows of a split."""

    source: Source
    split: Split
    rows: npt.NDArray[np.intp]

    @property
    def header(self) -> list[str]:
        """The columns of the table without the first: x1, x2, … and label, or y1, y2, …."""
        targets = ["label"] if self.source.classes else _names("y", self.split.targets)
        return [*_names("x", self.split.inputs), *targets]

    def to_list(self) -> list[dict[str, Any]]:
        """Return the examples as plain data: their number in the split, inputs, and label or values."""
        name = "label" if self.source.classes else "values"
        inputs, targets = (part[self.rows].tolist() for part in (self.split.inputs, self.split.targets))
        return [
            {"example": int(row), "inputs": x, name: y} for row, x, y in zip(self.rows, inputs, targets, strict=True)
        ]

    def table(self) -> list[list[float]]:
        """Return the inputs, as the data set has them, and the targets of each example."""
        return [[*x["inputs"], *([x["label"]] if self.source.classes else x["values"])] for x in self.to_list()]

    def to_csv(self) -> str:
        """Return the header and the table as CSV."""
        lines = io.StringIO()
        csv.writer(lines, lineterminator="\n").writerows([self.header, *self.table()])
        return lines.getvalue()

    def to_png(self) -> bytes:
        """Return a sheet of the images. Raises BackpropError if Pillow is missing."""
        return as_png(self._images(), self._captions())

    def to_text(self, width: int, shades: bool) -> str:
        """Return the images as text of at most `width` columns, with or without shades of grey; others as a table."""
        if self.source.image:
            return as_text(self._images(), self._captions(), width, shades)
        rows = [(k, *(f"{number:.4g}" for number in row)) for k, row in zip(self.rows, self.table(), strict=True)]
        return table(("example", *self.header), rows, left=0)

    def _images(self) -> Images:
        assert self.source.image is not None
        return np.multiply(self.split.inputs[self.rows].reshape(-1, *self.source.image), self.source.scale)

    def _captions(self) -> list[str]:
        return [f"{row}: {label}" for row, label in zip(self.rows, self.split.targets[self.rows], strict=True)]


def choose_examples(source: Source, split: str, cache: Cache, label: int | None, start: int, count: int) -> Examples:
    """Return up to `count` examples of a split, divided as by default, from number `start` on.

    With `label`, only examples of that class. Raises UsageError if there are none.
    """
    if label is not None and label >= source.classes:
        classes = f"has classes 0 to {source.classes - 1}" if source.classes else "is a regression data set"
        raise UsageError(f"--class {label}: {source.name} {classes}")
    pool, test = source.load(cache)
    n_train = len(pool) - source.validation
    examples = {"train": pool[:n_train], "val": pool[n_train:], "test": test}[split]
    rows = np.arange(len(examples)) if label is None else np.flatnonzero(examples.targets == label)
    rows = rows[rows >= start][:count]
    if not len(rows):
        what = "examples" if label is None else f"examples of class {label}"
        raise UsageError(f"the {split} split of {source.name} has no {what} from {start} on ({len(examples):,} in all)")
    return Examples(source, examples, rows)


def _names(letter: str, array: npt.NDArray[Any]) -> list[str]:
    """Return x1, x2, … for the columns of an array, or x if there is only one."""
    count = array.shape[1]
    return [letter] if count == 1 else [f"{letter}{k}" for k in range(1, count + 1)]
