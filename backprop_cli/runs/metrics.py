"""metrics.csv: a row per epoch, appended; the only file of a run that is not replaced as a whole."""

from __future__ import annotations

import math
import os
import re
from pathlib import Path

from backprop_cli.files import atomic_write, naming, sync_folder

COLUMNS = ("epoch", "train_cost", "train_accuracy", "val_cost", "val_accuracy", "eta", "seconds")

Row = dict[str, int | float | None]
"""The values of an epoch by column; None is written as nothing."""


def append_row(path: Path, row: Row) -> None:
    """Add the row of an epoch, and the header before the first. Raises OSError, a part of the row then written."""
    with naming(path):
        new = not path.exists() or path.stat().st_size == 0
        with path.open("a", encoding="utf-8", newline="") as file:
            if new:
                file.write(",".join(COLUMNS) + "\n")
            file.write(",".join(_text(row.get(column)) for column in COLUMNS) + "\n")
            file.flush()
            os.fsync(file.fileno())
    if new:
        sync_folder(path.parent)


def cut_back(path: Path, epoch: int) -> None:
    """Keep the header and the rows up to an epoch: what stands beyond it, or was torn, belongs to no checkpoint."""
    lines = _lines(path)
    if lines:
        kept = _kept(lines, epoch)
        if kept != lines:
            atomic_write(path, "".join(kept).encode())


def count_rows(path: Path, epoch: int) -> int:
    """Return how many rows `cut_back` would keep."""
    return max(0, len(_kept(_lines(path), epoch)) - 1)


def _lines(path: Path) -> list[str]:
    try:
        with naming(path):
            return path.read_text(encoding="utf-8", errors="replace").splitlines(keepends=True)
    except FileNotFoundError:
        return []


def _kept(lines: list[str], epoch: int) -> list[str]:
    whole = bool(lines) and re.fullmatch(r"epoch,.*\n", lines[0]) is not None
    header = lines[0] if whole else ",".join(COLUMNS) + "\n"
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
