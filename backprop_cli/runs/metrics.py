"""metrics.csv: a row per epoch, appended; the only file of a run that is not replaced as a whole.

With diagnostics, the first row is that of epoch 0, the network before training.
"""

from __future__ import annotations

import contextlib
import math
import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path

from backprop_cli.errors import RunError
from backprop_cli.files import atomic_write, flush_to_disk, read_regular_file, sync_folder, with_path_in_error

PHASE = "phase"
"""The column of a run with phases of pre-training, with the phase of an epoch, `rbm 1/3`, or nothing after the last.
It is read as the number of the phase."""

Row = dict[str, int | float | str | None]
"""The values of an epoch by column; None becomes an empty cell."""

Table = dict[str, list[float]]
"""The values of all epochs by column; NaN for an empty cell."""

MAX_BYTES = 256 << 20
"""Size of a file that is read: some millions of epochs."""

_NAME = re.compile(r"[a-z][a-z0-9_]*")
_EPOCH = re.compile(r"[0-9]{1,9}")
_NUMBER = re.compile(r"[-+]?([0-9]+\.?[0-9]*|\.[0-9]+)([eE][-+]?[0-9]{1,3})?|")

_PHASE = re.compile(r"([a-z_]{1,40} [0-9]{1,2}/[0-9]{1,2})?")


def append_row(path: Path, row: Row) -> None:
    """Append the row of an epoch under the columns of the header; before the first row, a header with its columns.

    Raises OSError; part of the row may then have been written.
    """
    with with_path_in_error(path), path.open("a+", encoding="utf-8", newline="") as file:
        file.seek(0)
        header = file.readline()
        if not header:
            file.write(",".join(row) + "\n")
        file.write(",".join(_text(row.get(name)) for name in _columns(header) or row) + "\n")


def sync(path: Path) -> None:
    """Flush the rows to disk, if there are any. Raises OSError."""
    with with_path_in_error(path), contextlib.suppress(FileNotFoundError), path.open("rb") as file:
        flush_to_disk(file.fileno())
    sync_folder(path.parent)


def cut_back(path: Path, epoch: int, columns: Sequence[str]) -> Sequence[str]:
    """Keep the header and the rows up to an epoch (-1: none); everything else does not belong to a checkpoint.

    Returns the columns of the rows to come. A header that lacks some of these columns gets them, with empty cells; a
    damaged one is replaced. Raises OSError.
    """
    lines = _lines(path)
    if not lines:
        return columns
    if (kept := _kept(lines, epoch, columns)) != lines:
        atomic_write(path, "".join(kept).encode())
    return _columns(kept[0])


def count_rows(path: Path, epoch: int, columns: Sequence[str]) -> int:
    """Return how many finished epochs `cut_back` would keep. Raises OSError."""
    return sum(not row.startswith("0,") for row in _kept(_lines(path), epoch, columns)[1:])


def read_table(path: Path) -> Table:
    """Return the complete rows by column; NaN for an empty cell. Raises RunError, as `read_rows`."""
    columns, rows = _read(path)
    return {name: [float(row.get(name, math.nan)) for row in rows] for name in columns}


def read_rows(path: Path, epoch: int | None = None) -> list[dict[str, float]]:
    """Return the complete rows, up to an epoch if one is given, each with its numbers by column.

    Without a file there are none. An incomplete row, and a second one of an epoch, is left out. Raises RunError if the
    file cannot be read, has no header, or a cell is not a finite number.
    """
    return [row for row in _read(path)[1] if epoch is None or row["epoch"] <= epoch]


def _read(path: Path) -> tuple[list[str], list[dict[str, float]]]:
    try:
        header, *lines = _lines(path) or ["epoch\n"]
    except OSError as error:
        raise RunError(f"{path}: cannot be read: {error.strerror}") from error
    columns = _columns(header)
    if not columns and header.endswith("\n"):
        raise RunError(f"{path}:1: cannot be read: not a header such as 'epoch,train_cost'")

    def reject(number: int, cell: str) -> None:
        raise RunError(f"{path}:{number + 1}: cannot be read: {cell[:40]!r} is not a number")

    rows = []
    for cells in _rows(lines, columns, reject):
        numbers = {name: _number(name, cell) for name, cell in zip(columns, cells, strict=True) if cell}
        rows.append({**numbers, "epoch": int(cells[0])})
    return columns or ["epoch"], rows


def _rows(lines: Iterable[str], columns: Sequence[str], reject: Callable[[int, str], None]) -> Iterator[list[str]]:
    """Yield the cells of the complete rows, in order of their epochs; reject(line, cell) is told what is no number."""
    before = -1
    for number, line in enumerate(lines, start=1):
        cells = _cells(line)
        if not (line.endswith("\n") and len(cells) == len(columns) and _EPOCH.fullmatch(cells[0])):
            continue
        wrong = [cell for name, cell in zip(columns, cells, strict=True) if not _is_valid(name, cell)]
        if wrong:
            reject(number, wrong[0])
        elif int(cells[0]) > before:
            before = int(cells[0])
            yield cells


def _number(column: str, cell: str) -> float:
    return float(cell.split()[1].partition("/")[0] if column == PHASE else cell)


def _is_valid(column: str, cell: str) -> bool:
    if column == PHASE:
        return bool(_PHASE.fullmatch(cell))
    return bool(_NUMBER.fullmatch(cell)) and math.isfinite(float(cell or 0))


def _lines(path: Path) -> list[str]:
    """Return the lines, each with its line feed; none if there is no file. Raises OSError."""
    try:
        with with_path_in_error(path):
            text = read_regular_file(path, MAX_BYTES).decode("utf-8-sig", errors="replace")
    except FileNotFoundError:
        return []
    return re.findall(r"[^\n]*\n|[^\n]+", text)


def _kept(lines: list[str], epoch: int, columns: Sequence[str]) -> list[str]:
    header = _columns(lines[0]) if lines else []
    n_same = sum(one == other for one, other in zip(header, columns, strict=False))
    rows = _rows_until(epoch, lines, header)
    if not rows or (len(header) == len(columns) and 2 * n_same > len(columns)):
        header, rows = [*columns], _rows_until(epoch, lines, columns)  # also where a name or two are damaged
    missing = [name for name in columns if name not in header]
    return [
        ",".join(line) + "\n" for line in ([*header, *missing], *([*cells, *("" for _ in missing)] for cells in rows))
    ]


def _rows_until(epoch: int, lines: list[str], columns: Sequence[str]) -> list[list[str]]:
    return [cells for cells in _rows(lines, columns, lambda line, cell: None) if int(cells[0]) <= epoch]


def _columns(header: str) -> list[str]:
    """Return the columns that a header names; none if it is not a complete header."""
    names = _cells(header)
    is_header = header.endswith("\n") and names[0] == "epoch" and len(set(names)) == len(names)
    return names if is_header and all(map(_NAME.fullmatch, names)) else []


def _cells(line: str) -> list[str]:
    return line.rstrip("\r\n").split(",")


def _text(value: int | float | str | None) -> str:
    """Return a number with six digits, enough for float32, and an epoch in full; nothing for what is not a number."""
    if isinstance(value, str):
        return value
    if value is None or not math.isfinite(value):
        return ""
    return str(value) if isinstance(value, int) else f"{value:.6g}"
