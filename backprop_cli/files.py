"""Writing files so that a crash leaves the old one or the new one, never a part; and what goes into them."""

from __future__ import annotations

import contextlib
import json
import math
import os
from pathlib import Path
from typing import Any


def atomic_write(path: Path, data: bytes) -> None:
    """Write data to path: a temporary in the same folder, fsync, rename, fsync of the folder.

    The file gets the mode that the user's umask gives. Raises OSError, the old file then untouched.
    """
    temporary = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    try:
        with open(temporary, "wb") as file:  # the umask decides, where tempfile would say 0600
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        os.replace(temporary, path)
    except BaseException as error:
        with contextlib.suppress(OSError):
            temporary.unlink()
        if isinstance(error, OSError):
            error.filename, error.filename2 = str(path), None  # not the temporary, of which nobody has heard
        raise
    sync_folder(path.parent)


def to_json(data: Any, indent: int | None = None) -> str:
    """Return data as JSON that every reader takes: numbers that are not finite become null."""
    return json.dumps(_finite(data), indent=indent, ensure_ascii=False, allow_nan=False)


def _finite(data: Any) -> Any:
    if isinstance(data, dict):
        return {key: _finite(value) for key, value in data.items()}
    if isinstance(data, list | tuple):
        return [_finite(value) for value in data]
    return None if isinstance(data, float) and not math.isfinite(data) else data


def remove_leftovers(folder: Path) -> None:
    """Remove the temporaries that killed processes left in a folder that is nobody else's."""
    for path in folder.glob(".*.tmp"):
        with contextlib.suppress(OSError):
            path.unlink()


def sync_folder(folder: Path) -> None:
    """Make a rename in the folder last, where the platform lets a folder be opened."""
    try:
        handle = os.open(folder, os.O_RDONLY)
    except OSError:  # Windows
        return
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
