"""Reading, writing and locking files: bounded reads, atomic writes, locks that end with their process."""

from __future__ import annotations

import contextlib
import errno
import json
import math
import os
import secrets
import stat
import time
from collections.abc import Callable, Iterable, Iterator
from io import BufferedReader
from pathlib import Path
from typing import Any

Identity = tuple[int, int]
"""Device and inode of a file: what stays the same when it is renamed."""

LOCK_PATIENCE = 0.25
"""Seconds to retry a lock: `is_locked` in another process may hold it for a moment."""

_LOCK_FLAGS = getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_NONBLOCK", 0)
"""Neither follow a link nor wait for a pipe."""


@contextlib.contextmanager
def open_regular_file(path: Path) -> Iterator[BufferedReader]:
    """Open a regular file for reading. Raises OSError, with EINVAL for a pipe, a device or a folder."""
    if not stat.S_ISREG(path.stat().st_mode):
        raise OSError(errno.EINVAL, "not a regular file", str(path))
    with path.open("rb") as file:
        yield file


def read_regular_file(path: Path, limit: int) -> bytes:
    """Return the content of a regular file of at most `limit` bytes.

    Raises OSError, also for a pipe or device, which could block or never end, and for a larger file.
    """
    with open_regular_file(path) as file:
        data = file.read(min(limit, os.fstat(file.fileno()).st_size) + 1)  # a buffer of the limit may be large
    if len(data) > limit:
        raise OSError(errno.EFBIG, f"larger than {limit:,} bytes", str(path))
    return data


def atomic_write(path: Path, data: bytes) -> None:
    """Write data to path; see `atomic_write_parts`."""
    atomic_write_parts(path, [data])


def atomic_write_parts(path: Path, parts: Iterable[bytes]) -> None:
    """Write parts one after another to path: a temporary file in the same folder, fsync, rename, fsync of the folder.

    Symbolic links are followed. A pipe, a device, stdout and stderr are opened and written to. The mode of a new file
    is set by the umask. Raises OSError; the file then has its old content, or the new one if only the folder could not
    be synced.
    """
    with with_path_in_error(path):
        if is_stream(path):
            # stdout itself: the offset of a second descriptor would leave the next line that is printed over the data
            descriptor = _standard_descriptor(path)
            with open(descriptor or path, "ab", closefd=descriptor is None) as file:
                file.writelines(parts)
            return
        target = Path(os.path.realpath(path))
        # a random name, as process ids are not unique across machines; short enough for a name of maximal length
        stem = os.fsencode(target.name)[:200].decode(errors="ignore")
        temporary = target.with_name(f".{stem}.{secrets.token_hex(4)}.tmp")
        try:
            with open(temporary, "xb") as file:  # the mode is set by the umask; tempfile would use 0600
                file.writelines(parts)
                file.flush()
                flush_to_disk(file.fileno())
            os.replace(temporary, target)
        except BaseException:
            with contextlib.suppress(OSError):
                temporary.unlink()
            raise
    sync_folder(target.parent)


def is_stream(path: Path) -> bool:
    """Whether path exists and must not be replaced by a new file: a pipe, a device, or where stdout or stderr goes."""
    try:
        found = path.stat()
    except FileNotFoundError:
        return False
    regular = stat.S_ISREG(found.st_mode) or stat.S_ISDIR(found.st_mode)
    return not regular or _standard_descriptor(path) is not None


def _standard_descriptor(path: Path) -> int | None:
    """Return the descriptor of stdout or stderr, if path is where that goes."""
    for descriptor in (1, 2):
        with contextlib.suppress(OSError):
            if os.path.samestat(path.stat(), os.fstat(descriptor)):
                return descriptor
    return None


@contextlib.contextmanager
def with_path_in_error(path: Path) -> Iterator[None]:
    """Put path into an OSError: a failed write has none, and users do not know temporary files."""
    try:
        yield
    except OSError as error:
        raise OSError(error.errno, error.strerror or str(error), str(path)) from error


def to_json(data: Any, indent: int | None = None) -> str:
    """Return data as strictly valid JSON.

    Numbers that are not finite become null, and bytes of file names that are not UTF-8 become escapes.
    """
    text = json.dumps(_finite(data), indent=indent, ensure_ascii=False, allow_nan=False)
    return text.encode(errors="backslashreplace").decode()


def _finite(data: Any) -> Any:
    if isinstance(data, dict):
        return {key: _finite(value) for key, value in data.items()}
    if isinstance(data, list | tuple):
        return [_finite(value) for value in data]
    return None if isinstance(data, float) and not math.isfinite(data) else data


def remove_temporaries(folder: Path, name: str = "*") -> None:
    """Remove the temporary files that killed processes left of files of this name, which nobody else is writing."""
    for path in folder.glob(f".{name}.*.tmp"):
        with contextlib.suppress(OSError):
            path.unlink()


_flush_from = 0.0
"""When flushing begins, by the monotonic clock."""


@contextlib.contextmanager
def flush_later(seconds: float) -> Iterator[None]:
    """Do not flush files to disk within this context for so many seconds, in which what is lost can be repeated.

    The caller flushes what is to stay (see `flush_all`). Files are whole all the same, unless the machine fails.
    """
    global _flush_from
    _flush_from = time.monotonic() + seconds
    try:
        yield
    finally:
        _flush_from = 0.0


def flush_to_disk(descriptor: int) -> None:
    """Wait until the data of an open file are on disk. Raises OSError."""
    if time.monotonic() >= _flush_from:
        os.fsync(descriptor)


def flush_all(folder: Path) -> None:
    """Wait until a folder and everything in it are on disk. Raises OSError."""
    for path in folder.rglob("*"):
        if path.is_dir():
            sync_folder(path)
        else:
            with with_path_in_error(path), path.open("rb") as file:
                flush_to_disk(file.fileno())
    sync_folder(folder)


def sync_folder(folder: Path) -> None:
    """Flush the names in a folder to disk. Raises OSError."""
    if os.name == "nt":  # cannot open a folder
        return
    with with_path_in_error(folder):
        handle = os.open(folder, os.O_RDONLY)
        try:
            flush_to_disk(handle)
        except OSError as error:
            if error.errno not in (errno.EINVAL, errno.ENOTSUP):  # a file system that does not sync folders
                raise
        finally:
            os.close(handle)


def identity(path: Path | int) -> Identity | None:
    """Return the identity of a file or descriptor, None if the file does not exist."""
    try:
        found = os.stat(path)
    except FileNotFoundError:
        return None
    return found.st_dev, found.st_ino


@contextlib.contextmanager
def hold_lock(path: Path, wait: Callable[[], None] | None = None) -> Iterator[Identity]:
    """Hold the lock file `path` while in this context, and remove it afterwards; yield its identity.

    The end of a process, however it comes, releases its locks. If another process has the lock, wait() is called once
    and the lock is waited for; without `wait` BlockingIOError is raised. On a file system without locks, nothing is
    locked. Raises OSError if the file cannot be created.
    """
    while True:
        handle = os.open(path, os.O_RDWR | os.O_CREAT | _LOCK_FLAGS, 0o666)
        try:
            locked = _lock(handle, path, wait)
            held = identity(handle)
            assert held is not None
            if not locked or held == identity(path):
                break
        except BaseException:
            os.close(handle)
            raise
        os.close(handle)  # its previous holder removed the file after it was opened here
    try:
        yield held
    finally:
        try:
            if locked and identity(path) == held:
                with contextlib.suppress(OSError):  # Windows cannot remove an open file; it remains, unlocked
                    path.unlink()
        finally:
            os.close(handle)


def _lock(handle: int, path: Path, wait: Callable[[], None] | None) -> bool:
    """Lock an open file (see `hold_lock`); return False if the file system has no locks."""
    from filelock import lock_descriptor

    deadline = time.monotonic() + LOCK_PATIENCE
    while True:
        try:
            if lock_descriptor(handle, blocking=False):
                return True
        except OSError:
            return False
        if time.monotonic() > deadline:
            if wait is None:
                raise BlockingIOError(errno.EWOULDBLOCK, "locked by another process", str(path))
            wait()
            deadline = math.inf
        time.sleep(0.01)


def is_locked(path: Path) -> bool:
    """Whether a process holds the lock file; True if the file system has no locks. Creates no file."""
    from filelock import lock_descriptor

    try:
        handle = os.open(path, os.O_RDONLY | _LOCK_FLAGS)
    except FileNotFoundError:
        return False
    except OSError:
        return True
    try:
        if lock_descriptor(handle, blocking=False):
            return False
        time.sleep(0.002)  # another process may be asking
        return not lock_descriptor(handle, blocking=False)
    except OSError:
        return True
    finally:
        os.close(handle)
