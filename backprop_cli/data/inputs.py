"""Files with examples that have no targets: images, arrays, rows of numbers; read as a network is fed them."""

from __future__ import annotations

import csv
import math
import sys
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from backprop_cli.data.dataset import Inputs, Source
from backprop_cli.data.images import PREPARE, read_image
from backprop_cli.errors import UnreadableError

STDIN = "-"


@dataclass(frozen=True)
class Reading:
    """What a file held: the examples x (n, n_in), a name for each, and (name, reason) for each row that is none."""

    x: Inputs
    names: list[str]
    problems: list[tuple[str, str]] = field(default_factory=list)


def read_inputs(name: str, source: Source, dtype: str) -> Reading:
    """Return the examples in a file, or, for `-`, in the rows of CSV on stdin, as inputs to a network for `source`.

    Raises UnreadableError if there are none in it, OSError if it cannot be read, BackpropError without Pillow.
    """
    path = Path(name)
    if name == STDIN:
        return _read_rows(sys.stdin, "stdin", source, dtype)
    if path.is_dir():
        raise UnreadableError(f"a folder; name the files in it: {path / '*'}")
    kind = path.suffix.lower()
    if kind == ".npy":
        x = _fed(_read_array(path, source), source, dtype)
        return Reading(x, [name] if len(x) == 1 else [f"{name}[{row}]" for row in range(len(x))])
    if kind == ".csv":
        with path.open(encoding="utf-8-sig", errors="replace", newline="") as file:
            return _read_rows(file, name, source, dtype)
    if kind == ".npz":
        raise UnreadableError("an archive of arrays; save the one that is meant with np.save, as .npy")
    path.stat()  # a missing file is missing, whatever it might have held
    if source.name not in PREPARE:
        raise UnreadableError(f"{source.name} is no set of images; put {_numbers(source)} into a .csv or .npy file")
    return Reading(_fed(read_image(path, PREPARE[source.name])[None], source, dtype), [name])


def _read_array(path: Path, source: Source) -> Inputs:
    """Return the array in a .npy file as (n, n_in)."""
    try:
        # mapped: a header that promises more than follows is found out before any memory is set aside for it
        array = np.lib.format.open_memmap(path, mode="r")
    except ValueError as error:
        reason = "it holds Python objects, not numbers" if "object" in str(error) else "not a whole .npy file"
        raise UnreadableError(f"{reason}; save a numeric array with np.save") from error
    if array.dtype.kind not in "buif":
        raise UnreadableError(f"an array of {array.dtype}; expected numbers")
    shapes = [(source.inputs,), *([source.image] if source.image else []), *([()] if source.inputs == 1 else [])]
    if array.shape in shapes or array.shape[1:] in shapes:
        return array.reshape(-1, source.inputs)
    one, several = (" or ".join(map(str, found)) for found in (shapes, [("n", *shape) for shape in shapes]))
    raise UnreadableError(
        f"an array of shape {array.shape}; expected {several}, or for one example {one}".replace("'n'", "n")
    )


def _read_rows(lines: Iterable[str], name: str, source: Source, dtype: str) -> Reading:
    """Return the rows of CSV, each named by its line; a first row without any number is a header."""
    rows, names, problems = [], [], []
    reader = csv.reader(lines)
    first = True
    try:
        for cells in reader:
            if not any(cell.strip() for cell in cells):
                continue
            numbers = [_number(cell) for cell in cells]
            place, header, first = f"{name}:{reader.line_num}", first, False
            if header and all(number is None for number in numbers):
                continue
            row = [number for number in numbers if number is not None and math.isfinite(number)]
            if len(row) == len(numbers) == source.inputs:
                rows.append(row)
                names.append(place)
            else:
                problems.append((place, _problem(cells, numbers, source)))
    except csv.Error as error:
        raise UnreadableError(f"not CSV: {error}") from error
    if not rows and not problems:
        raise UnreadableError(f"empty; expected rows of {_numbers(source)}")
    return Reading(_fed(np.array(rows).reshape(-1, source.inputs), source, dtype), names, problems)


def _number(cell: str) -> float | None:
    try:
        return float(cell)
    except ValueError:
        return None


def _problem(cells: list[str], numbers: list[float | None], source: Source) -> str:
    """Return why a row is no example."""
    for cell, number in zip(cells, numbers, strict=True):
        if number is None or not math.isfinite(number):
            return f"{cell.strip()[:20]!r} is not a finite number"
    label = "; if one of them is the label, leave that column out" if len(cells) == source.inputs + 1 else ""
    return f"a row of {len(cells)}, expected {_numbers(source)}{label}"


def _numbers(source: Source) -> str:
    pixels = f" ({source.image[0]} x {source.image[1]} pixels)" if source.image else ""
    return f"{source.inputs} number{'s' if source.inputs != 1 else ''}{pixels}"


def _fed(values: npt.NDArray[Any], source: Source, dtype: str) -> Inputs:
    """Return values (n, n_in) as a network is fed them: what are pixels is scaled, what is scaled already is not.

    Bytes are pixels. Other numbers are, if any of them is above 1: arrays and CSV files often hold pixels as floats.
    """
    low, high = (float(extreme(values)) if values.size else 0.0 for extreme in (np.min, np.max))
    if not math.isfinite(low) or not math.isfinite(high):
        raise UnreadableError("some of its numbers are not finite")
    most = 1 / source.scale
    if most == 1:
        return values.astype(dtype)
    if low < 0 or high > most:
        raise UnreadableError(
            f"numbers from {low:g} to {high:g}; {source.name} has pixels from 0 to {most:g}, or scaled, from 0 to 1"
        )
    scale = source.scale if values.dtype == np.uint8 or high > 1 else 1.0
    fed: Inputs = values.astype(dtype)
    fed *= scale
    return fed
