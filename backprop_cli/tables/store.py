"""Tables that have been read, kept on disk: arrays to be mapped into memory, and what is known about them as JSON.

An entry is used only if it is whole: its checksums are compared when it is opened.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import secrets
import shutil
import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
import numpy.typing as npt

from backprop_cli.files import hold_lock, read_regular_file
from backprop_cli.frozen import frozen

PARTS: Mapping[str, Any] = {"numbers": np.float64, "codes": np.int32, "lines": np.int64}
"""The arrays of a table, by the names of their files."""

MAX_META = 1 << 28

UNUSED = 90 * 86_400
"""Seconds after which an entry that was not used is removed, when another is stored."""

Array = npt.NDArray[Any]
Table = tuple[dict[str, Any], dict[str, Array]]
"""What is known about a table, and its arrays, flat."""


class InMemory:
    """Parts of an array, kept in memory until the array is made."""

    def __init__(self, dtype: Any) -> None:
        self._parts: list[Array] = [np.empty(0, dtype)]

    def append(self, part: Array) -> None:
        """Add a part."""
        self._parts.append(part.ravel())

    def array(self) -> Array:
        """Return the whole, flat."""
        return np.concatenate(self._parts)


class InFile:
    """Parts of an array, written to a file, which is mapped into memory when the array is made."""

    def __init__(self, file: BinaryIO, dtype: Any) -> None:
        self._file, self._dtype = file, dtype
        self.checksum = [0, 0]

    def append(self, part: Array) -> None:
        """Add a part. Raises OSError if there is no space for it."""
        self._file.write(np.ascontiguousarray(part).data)
        size, total = checksum(part)
        self.checksum = [self.checksum[0] + size, (self.checksum[1] + total) % 2**64]

    def array(self) -> Array:
        """Return the whole, flat."""
        self._file.close()
        return _map(Path(self._file.name), self._dtype)


Sink = InMemory | InFile


def in_memory() -> dict[str, InMemory]:
    """Return where the arrays of a table are collected in memory."""
    return {name: InMemory(dtype) for name, dtype in PARTS.items()}


def checksum(array: Array) -> list[int]:
    """Return the number of items, and their sum as whole numbers modulo 2^64: fast, and changed by every bit."""
    return [array.size, int(array.view(f"u{array.itemsize}").sum(dtype=np.uint64))]


@frozen
class Entry:
    """The place of a table in a cache. `name` stands for its path; `state`, a digest, also for its size and times."""

    cache: Path
    name: str
    state: str

    @property
    def folder(self) -> Path:
        """The folder of its files."""
        return self.cache / f"{self.name}-{self.state}"

    def load(self) -> Table | None:
        """Return the table, None if it is not there or not whole."""
        try:
            digest, _, text = read_regular_file(self.folder / "table.json", MAX_META).partition(b"\n")
            if hashlib.sha256(text).hexdigest().encode() != digest:
                return None
            meta = json.loads(text)
            arrays = {name: _map(self.folder / name, dtype) for name, dtype in PARTS.items()}
            if meta.pop("checksums") != {name: checksum(array) for name, array in arrays.items()}:
                return None
        except (OSError, ValueError, KeyError):
            return None
        with contextlib.suppress(OSError):
            os.utime(self.folder)
        return meta, arrays

    @contextlib.contextmanager
    def lock(self) -> Iterator[None]:
        """Wait until no other process stores this table; raises OSError if the cache cannot be written."""
        self.cache.mkdir(parents=True, exist_ok=True)
        with hold_lock(self.cache / f".{self.name}.lock", wait=lambda: None):
            yield

    @contextlib.contextmanager
    def storing(self) -> Iterator[Storing]:
        """Yield where the arrays are written; nothing of it is left unless it is committed. Raises OSError."""
        temporary = self.cache / f".{self.name}.{secrets.token_hex(4)}.tmp"
        temporary.mkdir()
        try:
            with contextlib.ExitStack() as stack:
                files = {name: stack.enter_context((temporary / name).open("wb")) for name in PARTS}
                yield Storing(self, temporary, {name: InFile(file, PARTS[name]) for name, file in files.items()})
        finally:
            shutil.rmtree(temporary, ignore_errors=True)

    def remove_others(self) -> None:
        """Remove what the file was before, what killed processes left, and entries that nobody uses any more."""
        for path in self.cache.iterdir():
            older = path.name.startswith(f"{self.name}-") and path != self.folder
            left = path.name.startswith(f".{self.name}.") and path.suffix == ".tmp"
            with contextlib.suppress(OSError):
                if older or left or (path.is_dir() and time.time() - path.stat().st_mtime > UNUSED):
                    shutil.rmtree(path)


@frozen
class Storing:
    """An entry that is being written, in a folder of its own."""

    entry: Entry
    temporary: Path
    sinks: dict[str, InFile]

    def commit(self, meta: Mapping[str, Any]) -> None:
        """Put the table in place, once its arrays are complete. Raises OSError."""
        text = json.dumps({**meta, "checksums": {name: sink.checksum for name, sink in self.sinks.items()}}).encode()
        digest = hashlib.sha256(text).hexdigest().encode()
        (self.temporary / "table.json").write_bytes(digest + b"\n" + text)
        shutil.rmtree(self.entry.folder, ignore_errors=True)  # a damaged one
        os.replace(self.temporary, self.entry.folder)
        self.entry.remove_others()


def _map(path: Path, dtype: Any) -> Array:
    return np.memmap(path, dtype, "r") if path.stat().st_size else np.empty(0, dtype)
