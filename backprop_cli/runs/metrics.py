"""metrics.csv: a row per epoch, appended; the only file of a run that is not replaced as a whole."""

from __future__ import annotations

import csv
import os
import re
from pathlib import Path

from backprop_cli.files import atomic_write

COLUMNS = ("epoch", "train_cost", "train_accuracy", "val_cost", "val_accuracy", "eta", "seconds")

Row = dict[str, int | float | None]
"""The values of an epoch by column; None is written as nothing."""


def append_row(path: Path, row: Row) -> None:
    """Add the row of an epoch, and the header before the first."""
    new = not path.exists() or path.stat().st_size == 0
    with path.open("a", encoding="utf-8", newline="") as file:
        if new:
            file.write(",".join(COLUMNS) + "\n")
        file.write(",".join(_text(row.get(column)) for column in COLUMNS) + "\n")
        file.flush()
        os.fsync(file.fileno())


def cut_back(path: Path, epoch: int) -> None:
    """Keep the header and the rows up to an epoch: what stands beyond it, or was torn, belongs to no checkpoint."""
    try:
        lines = path.read_text(encoding="utf-8", errors="replace").splitlines(keepends=True)
    except FileNotFoundError:
        return
    header, rows = lines[:1], lines[1:]
    kept = "".join([*header, *(row for row in rows if _is_whole(row, header[0]) and int(row.split(",")[0]) <= epoch)])
    if kept != "".join(lines):
        atomic_write(path, kept.encode())


def read_rows(path: Path) -> list[dict[str, float | None]]:
    """Return the rows of a metrics file, as numbers; a torn line is left out."""
    with path.open(encoding="utf-8", newline="") as file:
        whole = [line for line in file if line.endswith("\n")]
    return [{column: float(text) if text else None for column, text in row.items()} for row in csv.DictReader(whole)]


def _is_whole(row: str, header: str) -> bool:
    return re.match(r"[0-9]{1,9},.*\n", row) is not None and row.count(",") == header.count(",")


def _text(value: int | float | None) -> str:
    """Return a number with six digits, enough for float32, and an epoch as it is."""
    return "" if value is None else str(value) if isinstance(value, int) else f"{value:.6g}"
