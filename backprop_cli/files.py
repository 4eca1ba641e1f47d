"""Writing files so that a crash leaves the old one or the new one, never a part; and what goes into them."""

from __future__ import annotations

import contextlib
import errno
import json
import math
import os
import secrets
from collections.abc import Iterator
from pathlib import Path
from typing import Any


def atomic_write(path: Path, data: bytes) -> None:
    """Write data to path: a temporary in the same folder, fsync, rename, fsync of the folder.

    The file gets the mode that the user's umask gives. Raises OSError; the file then is the old one, or the new one
    if only the folder could not be synced.
    """
    # a random name: a process id is not unique where machines share a folder
    temporary = path.with_name(f".{path.name}.{secrets.token_hex(4)}.tmp")
    with naming(path):
        try:
            with open(temporary, "xb") as file:  # the umask decides, where tempfile would say 0600
                file.write(data)
                file.flush()
                os.fsync(file.fileno())
            os.replace(temporary, path)
        except BaseException:
            with contextlib.suppress(OSError):
                temporary.unlink()
            raise
    sync_folder(path.parent)


@contextlib.contextmanager
def naming(path: Path) -> Iterator[None]:
    """Let an OSError name this path: a failed write names none, and a temporary is nothing a user has heard of."""
    try:
        yield
    except OSError as error:
        error.filename, error.filename2 = str(path), None
        raise


def to_json(data: Any, indent: int | None = None) -> str:
    """Return data as JSON that every reader takes.

    Numbers that are not finite become null, and what is not UTF-8 in a file name becomes an escape.
    """
    text = json.dumps(_finite(data), indent=indent, ensure_ascii=False, allow_nan=False)
    return text.encode(errors="backslashreplace").decode()


def _finite(data: Any) -> Any:
    if isinstance(data, dict):
        return {key: _finite(value) for key, value in data.items()}
    if isinstance(data, list | tuple):
        return [_finite(value) for value in data]
    return None if isinstance(data, float) and not math.isfinite(data) else data


def remove_leftovers(folder: Path, name: str = "*") -> None:
    """Remove the temporaries that killed processes left of files of this name, which nobody else is writing."""
    for path in folder.glob(f".{name}.*.tmp"):
        with contextlib.suppress(OSError):
            path.unlink()


def sync_folder(folder: Path) -> None:
    """Make a new name in the folder last. Raises OSError."""
    if os.name == "nt":  # has no way to open a folder
        return
    with naming(folder):
        handle = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(handle)
        except OSError as error:
            if error.errno not in (errno.EINVAL, errno.ENOTSUP):  # a file system that syncs no folders
                raise
        finally:
            os.close(handle)
