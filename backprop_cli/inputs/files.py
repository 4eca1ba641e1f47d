"""Read files with examples to predict (images, arrays, rows of numbers) as inputs of a network."""

from __future__ import annotations

import csv
import math
import re
import stat
import sys
from array import array
from collections.abc import Callable, Iterable, Iterator
from dataclasses import field, replace
from functools import partial
from itertools import chain
from pathlib import Path
from typing import Any, ClassVar, TextIO

import numpy as np
import numpy.typing as npt

from backprop_cli.data.dataset import DataSpec, Inputs, Source
from backprop_cli.data.tasks import Targets
from backprop_cli.errors import UnreadableError
from backprop_cli.formats.images import PREPROCESSORS, read_image
from backprop_cli.formats.npy import check_size, read_npy
from backprop_cli.frozen import frozen
from backprop_cli.inputs.rows import TableRows, read_stream

STDIN = "-"

MAX_LINE = 1 << 24
"""Characters in a line of CSV."""

ROWS = 1 << 14
"""Examples that become inputs at a time."""

_NUMBER = re.compile(r"\s*[-+]?(([0-9]+\.?[0-9]*|\.[0-9]+)(e[-+]?[0-9]+)?|inf|infinity|nan)\s*", re.IGNORECASE)


@frozen
class Numbered:
    """The names of n examples of an array: x.npy[0], x.npy[1], …."""

    name: str
    n: int

    def __iter__(self) -> Iterator[str]:
        return (f"{self.name}[{row}]" for row in range(self.n))


@frozen
class InputBatch:
    """The examples of a file: an iterable of their inputs (m, n_in), some rows at a time; see `TableRows`.

    `values` (n, n_in), which may be in the file, become inputs when they are cast and `fed`.
    """

    values: npt.NDArray[Any]
    names: Iterable[str]
    problems: list[tuple[str, str]] = field(default_factory=list)
    dtype: str = "float32"
    fed: Callable[[Inputs], Inputs] = lambda x: x
    columns: ClassVar[tuple[str, ...]] = ("input",)
    notes: ClassVar[tuple[str, ...]] = ()
    targets: ClassVar[Targets | None] = None

    def __iter__(self) -> Iterator[Inputs]:
        yield from map(self.fed, self._cast())

    def _cast(self) -> Iterator[Inputs]:
        """Yield the values in the type of the inputs; a number that is too large becomes infinite."""
        for start in range(0, max(len(self.values), 1), ROWS):
            with np.errstate(over="ignore"):
                yield self.values[start : start + ROWS].astype(self.dtype)

    def extremes(self) -> tuple[float, float]:
        """Return the smallest and the largest of the cast values, NaN if one is; 0 without any."""
        found = np.array([(x.min(), x.max()) for x in self._cast() if x.size] or [(0.0, 0.0)])
        return float(found[:, 0].min()), float(found[:, 1].max())

    def cells(self) -> Iterator[tuple[list[str], bool]]:
        """Yield what a row of a table of predictions begins with: the name; and that there is a prediction for it."""
        return (([name], True) for name in self.names)


def read_inputs(name: str, source: Source, dtype: str, spec: DataSpec | None = None) -> InputBatch | TableRows:
    """Return the examples in a file, or, for `-`, in the CSV rows on stdin, as inputs of a network for `source`.

    `spec` is what was known about the data when the network was trained, by default what the source says now.

    Raises UnreadableError if it has none, OSError if it cannot be read, BackpropError without Pillow.
    """
    spec = spec or source.spec
    if spec.preprocessing:
        if name == STDIN:
            return read_stream(sys.stdin.buffer, "stdin", spec, dtype)
        return TableRows(Path(name), name, spec, dtype)
    batch = _read_csv(sys.stdin, "stdin", spec) if name == STDIN else _read_file(name, source, spec)
    batch = replace(batch, dtype=dtype)
    return replace(batch, fed=partial(spec.fed, scale=_scale_of(batch, source.name, spec)))


def _read_file(name: str, source: Source, spec: DataSpec) -> InputBatch:
    path = Path(name)
    mode = path.stat().st_mode
    if stat.S_ISDIR(mode):
        raise UnreadableError(f"a folder; give the files in it: {path / '*'}")
    if not stat.S_ISREG(mode):
        raise UnreadableError("not a regular file; CSV rows can be piped to -")
    kind = path.suffix.lower()
    if kind == ".npy":
        x = _read_npy(path, spec)
        return InputBatch(x, [name] if len(x) == 1 else Numbered(name, len(x)))
    if kind == ".csv":
        with path.open(encoding="utf-8-sig", errors="replace", newline="") as file:
            return _read_csv(file, name, spec)
    if kind == ".npz":
        raise UnreadableError("an archive of several arrays; save a single array as .npy with np.save")
    if source.name not in PREPROCESSORS:
        raise UnreadableError(f"{source.name} has no images; save {_numbers(spec)} as .csv or .npy")
    return InputBatch(read_image(path, PREPROCESSORS[source.name])[None], [name])


def _read_npy(path: Path, spec: DataSpec) -> Inputs:
    """Return the array in a .npy file as (n, n_in)."""
    values = read_npy(path, mapped=True)
    shapes = [(spec.inputs,), *([spec.image] if spec.image else []), *([()] if spec.inputs == 1 else [])]
    if values.shape in shapes or values.shape[1:] in shapes:
        return values.reshape(-1, spec.inputs)
    one, several = (" or ".join(map(str, found)) for found in (shapes, [("n", *shape) for shape in shapes]))
    raise UnreadableError(
        f"an array of shape {values.shape}; expected {several}, or for one example {one}".replace("'n'", "n")
    )


def _read_csv(file: TextIO, name: str, spec: DataSpec) -> InputBatch:
    """Return the rows of CSV, each named by its line; a first row without any number is a header.

    Semicolons, tabs or spaces between the numbers of the first row are between those of the others too.
    """
    values, names, problems = array("d"), [], []
    lines, head = _lines(file), []
    for line in lines:
        head.append(line)
        if line.strip():
            break
    delimiter = next((mark for mark in ";\t, " if head and mark in head[-1].strip()), ",")
    reader = csv.reader(chain(head, lines), delimiter=delimiter, skipinitialspace=True)
    rows = (cells for cells in reader if any(cell.strip() for cell in cells))
    try:
        for k, cells in enumerate(rows):
            numbers = [float(cell) if _NUMBER.fullmatch(cell) else math.nan for cell in cells]
            if k == 0 and not any(_NUMBER.fullmatch(cell) for cell in cells):
                continue
            place = f"{name}:{reader.line_num}"
            if len(cells) == spec.inputs and all(map(math.isfinite, numbers)):
                values.extend(numbers)
                names.append(place)
                check_size(len(values) * values.itemsize)
            else:
                problems.append((place, _problem(cells, numbers, spec)))
    except csv.Error as error:
        raise UnreadableError(f"not CSV: {error}") from error
    if not names and not problems:
        raise UnreadableError(f"empty; expected rows of {_numbers(spec)}")
    return InputBatch(np.array(values).reshape(-1, spec.inputs), names, problems)


def _lines(file: TextIO) -> Iterator[str]:
    while line := file.readline(MAX_LINE):
        if len(line) == MAX_LINE:
            raise UnreadableError(f"not CSV: a line of more than {MAX_LINE:,} characters")
        yield line


def _problem(cells: list[str], numbers: list[float], spec: DataSpec) -> str:
    """Return why a row is not an example."""
    for cell, number in zip(cells, numbers, strict=True):
        if not math.isfinite(number):
            return f"{cell.strip()[:20]!r} is not a finite number"
    label = "; if one of them is the label, leave that column out" if len(cells) == spec.inputs + 1 else ""
    return f"a row of {len(cells)}, expected {_numbers(spec)}{label}"


def _numbers(spec: DataSpec) -> str:
    pixels = f" ({spec.image[0]} x {spec.image[1]} pixels)" if spec.image else ""
    return f"{spec.inputs} number{'s' if spec.inputs != 1 else ''}{pixels}"


def _scale_of(batch: InputBatch, name: str, spec: DataSpec) -> float:
    """Return what values are multiplied by to become inputs: pixels are scaled, values that are scaled already are not.

    Bytes are pixels. Other numbers are pixels if any of them is above 1, as arrays and CSV files often have them as
    floats.
    """
    low, high = batch.extremes()
    if not math.isfinite(low) or not math.isfinite(high):
        raise UnreadableError(f"some of its numbers are not finite in {batch.dtype}")
    most = 1 / spec.scale
    if most == 1:
        return 1.0
    if low < 0 or high > most:
        raise UnreadableError(
            f"numbers from {low:g} to {high:g}; {name} has pixels from 0 to {most:g}, or scaled, from 0 to 1"
        )
    return spec.scale if batch.values.dtype == np.uint8 or high > 1 else 1.0
