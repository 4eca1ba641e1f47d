"""metrics.csv: a row per epoch, appended; the only file of a run that is not replaced as a whole."""

from __future__ import annotations

import contextlib
import math
import os
import re
from collections.abc import Sequence
from pathlib import Path

from backprop_cli.errors import RunError
from backprop_cli.files import atomic_write, naming, sync_folder

Row = dict[str, int | float | None]
"""The values of an epoch by column; None is written as nothing."""

Table = dict[str, list[float]]
"""The values of every epoch by column; NaN where nothing is written."""


def append_row(path: Path, row: Row) -> None:
    """Add the row of an epoch, and before the first a header of its columns, which all rows share.

    Raises OSError, a part of the row then written.
    """
    with naming(path):
        new = not path.exists() or path.stat().st_size == 0
        with path.open("a", encoding="utf-8", newline="") as file:
            if new:
                file.write(",".join(row) + "\n")
            file.write(",".join(map(_text, row.values())) + "\n")


def sync(path: Path) -> None:
    """Make the rows so far last, if there are any. Raises OSError."""
    with naming(path), contextlib.suppress(FileNotFoundError), path.open("rb") as file:
        os.fsync(file.fileno())
    sync_folder(path.parent)


def cut_back(path: Path, epoch: int, columns: Sequence[str]) -> None:
    """Keep the rows up to an epoch, under a header that is put back if it was lost: of these columns.

    What stands beyond that epoch, or was torn, belongs to no checkpoint.
    """
    lines = _lines(path)
    if lines:
        kept = _kept(lines, epoch, columns)
        if kept != lines:
            atomic_write(path, "".join(kept).encode())


def read_table(path: Path) -> Table:
    """Return what the whole rows say, by column; NaN where there is no number. Raises RunError."""
    rows = read_rows(path)
    header = (_lines(path) or [""])[0].strip()
    columns = header.split(",") if header.startswith("epoch") else ["epoch"]
    return {name: [row.get(name, math.nan) for row in rows] for name in columns}


def count_rows(path: Path, epoch: int, columns: Sequence[str]) -> int:
    """Return how many rows `cut_back` would keep."""
    return max(0, len(_kept(_lines(path), epoch, columns)) - 1)


def read_rows(path: Path, epoch: int | None = None) -> list[dict[str, float]]:
    """Return the whole rows, up to an epoch if one is given, each with the numbers that it has by column.

    There are none if there is no such file. Raises RunError if it cannot be read, or has something else than numbers.
    """
    try:
        header, *rows = _lines(path) or [""]
        columns = header.strip().split(",")
        numbers = [_numbers(columns, row) for row in rows if _is_whole(row, header)]
    except (OSError, ValueError) as error:
        raise RunError(f"{path}: cannot be read: {error}") from error
    return numbers if epoch is None else [row for row in numbers if row["epoch"] <= epoch]


def _numbers(columns: Sequence[str], row: str) -> dict[str, float]:
    cells = zip(columns, row.strip().split(","), strict=True)
    return {column: int(text) if column == "epoch" else float(text) for column, text in cells if text}


def _lines(path: Path) -> list[str]:
    try:
        with naming(path):
            return path.read_text(encoding="utf-8", errors="replace").splitlines(keepends=True)
    except FileNotFoundError:
        return []


def _kept(lines: list[str], epoch: int, columns: Sequence[str]) -> list[str]:
    whole = bool(lines) and re.fullmatch(r"epoch,.*\n", lines[0]) is not None
    header = lines[0] if whole else ",".join(columns) + "\n"
    kept, before = [header], 0
    for row in lines:
        if _is_whole(row, header) and before < (number := int(row.split(",")[0])) <= epoch:
            kept.append(row)
            before = number
    return kept


def _is_whole(row: str, header: str) -> bool:
    return re.match(r"[0-9]{1,9},.*\n", row) is not None and row.count(",") == header.count(",")


def _text(value: int | float | None) -> str:
    """Return a number with six digits, enough for float32, and an epoch as it is; nothing for what is no number."""
    if value is None or not math.isfinite(value):
        return ""
    return str(value) if isinstance(value, int) else f"{value:.6g}"
