"""The cache of downloaded files: verified copies on disk, or downloads from the first mirror that has the file."""

from __future__ import annotations

import contextlib
import gzip
import hashlib
import mmap
import os
from collections.abc import Callable, Iterator, Sequence
from functools import cached_property
from pathlib import Path

from backprop_cli.errors import DataError, without_password
from backprop_cli.files import atomic_write, hold_lock, remove_temporaries
from backprop_cli.frozen import frozen

Content = bytes | memoryview
"""What a file contains, or the file itself, mapped into memory: then processes share it."""

Log = Callable[[str], None]
"""Receives a line about what takes time, and about damaged files."""


def _ignore(line: str) -> None:
    """The default of `Log`; unlike a lambda, it can be sent to another process."""


def tables_folder() -> Path | None:
    """Return the folder where tables are kept once they have been read, None if there is no place for one."""
    if chosen := os.environ.get("BACKPROP_DATA_DIR"):
        return Path(chosen) / "tables"
    from platformdirs import user_cache_path

    try:
        return user_cache_path("backprop") / "tables"
    except RuntimeError:
        return None


@frozen
class RemoteFile:
    """A gzipped file on mirrors: its size and SHA-256 as published, and those of its content."""

    name: str
    size: int
    sha256: str
    unpacked_size: int
    unpacked_sha256: str

    @property
    def unpacked_name(self) -> str:
        """The name without .gz."""
        return self.name.removesuffix(".gz")


@frozen
class Cache:
    """Where downloads are stored, and how to get them.

    `root` is the platform's cache folder by default. `mirror`, if given, is tried before a data set's own mirrors;
    `offline` forbids the network.
    """

    root: Path | None = None
    mirror: str | None = None
    offline: bool = False
    log: Log = _ignore

    @cached_property
    def folder(self) -> Path:
        """The root folder. Raises DataError if none is given and the user has no home directory."""
        if self.root is not None:
            return self.root
        from platformdirs import user_cache_path

        try:
            return user_cache_path("backprop")
        except RuntimeError as error:
            raise DataError("no home directory for downloads; choose a folder with --data-dir") from error

    def fetch_all(self, files: Sequence[RemoteFile], dataset: str, mirrors: tuple[str, ...]) -> list[Content]:
        """Return the content of all files of a data set (see `fetch`). Raises DataError, which names all of them."""
        names = f"{dataset} has {len(files)} files in {self.folder / dataset}: {', '.join(file.name for file in files)}"
        try:
            return [self.fetch(file, dataset, mirrors) for file in files]
        except DataError as error:
            raise DataError(f"{error}\n{names}") from error

    def fetch(self, file: RemoteFile, dataset: str, mirrors: tuple[str, ...]) -> Content:
        """Return the verified, unpacked content of a file; download it only if there is no valid copy.

        Copies, packed or not, are searched in the data set's folder and in the root folder. Raises DataError.
        """
        folder = self.folder / dataset
        rejected: list[str] = []
        if data := self._cached_copy(file, folder, rejected):
            return data
        if self.offline:
            raise DataError(self._advice(file, dataset, ["offline mode, no download attempted"], rejected))
        with self._download_lock(file, folder):
            rejected = []
            if data := self._cached_copy(file, folder, rejected):  # downloaded by another process meanwhile
                return data
            mirrors = ((self.mirror,) if self.mirror else ()) + mirrors
            return self._unpack(self._download(file, dataset, mirrors, rejected), file, folder)

    @contextlib.contextmanager
    def _download_lock(self, file: RemoteFile, folder: Path) -> Iterator[None]:
        """Wait until no other process downloads the file.

        In a folder without locks nobody waits; a file may be downloaded twice, but is always put in place complete.
        """
        waiting = f"waiting for another process that downloads {file.name}"
        with contextlib.ExitStack() as stack:
            with contextlib.suppress(OSError):
                folder.mkdir(parents=True, exist_ok=True)
                stack.enter_context(hold_lock(folder / f".{file.name}.lock", lambda: self.log(waiting)))
                remove_temporaries(folder, f"{file.unpacked_name}*")
            yield

    def _cached_copy(self, file: RemoteFile, folder: Path, rejected: list[str]) -> Content | None:
        """Return the content of the first valid copy on disk; add damaged copies to `rejected`."""
        for place in (folder, self.folder):
            if data := self._read(place / file.unpacked_name, file.unpacked_size, file.unpacked_sha256, rejected):
                return data
        for place in (folder, self.folder):
            if packed := self._read(place / file.name, file.size, file.sha256, rejected):
                return self._unpack(packed, file, folder)
        return None

    def _read(self, path: Path, size: int, sha256: str, rejected: list[str]) -> Content | None:
        """Return the content of a file if it exists and is valid; add it to `rejected` if it is not valid."""
        try:
            data = _mapped(path) if path.stat().st_size == size else b""
        except FileNotFoundError:
            return None
        except OSError as error:
            rejected.append(f"{path}: {error.strerror}")
            return None
        if hashlib.sha256(data).hexdigest() == sha256:
            return data
        rejected.append(f"{path}: not the original (wrong size or SHA-256)")
        self.log(rejected[-1])
        return None

    def _unpack(self, packed: Content, file: RemoteFile, folder: Path) -> bytes:
        data = gzip.decompress(packed)  # verified, so this is the published file
        with contextlib.suppress(OSError):  # a read-only cache is unpacked each time
            folder.mkdir(parents=True, exist_ok=True)
            atomic_write(folder / file.unpacked_name, data)
        return data

    def _download(self, file: RemoteFile, dataset: str, mirrors: tuple[str, ...], rejected: list[str]) -> bytes:
        from backprop_cli.data.download import DownloadError, download  # requests takes 0.1 s

        folder, failures = self.folder / dataset, []
        for mirror in mirrors:
            url = f"{mirror.rstrip('/')}/{file.name}"
            shown = without_password(url)
            self.log(f"downloading {shown} ({file.size:,} bytes)")
            try:
                data = download(url, file.size, file.sha256)
            except DownloadError as error:
                failures.append(f"{shown}: {error}")
                self.log(failures[-1])
                continue
            try:
                folder.mkdir(parents=True, exist_ok=True)
                atomic_write(folder / file.name, data)
            except OSError as error:
                self.log(f"{folder}: {error.strerror}; the download is used but not stored")
            return data
        raise DataError(self._advice(file, dataset, failures, rejected))

    def _advice(self, file: RemoteFile, dataset: str, failures: list[str], rejected: list[str]) -> str:
        return "\n".join(
            [
                f"dataset '{dataset}' is not available: no valid copy of {file.name}",
                *(f"  {line}" for line in (*rejected, *failures)),
                f"Copy the file ({file.size:,} bytes, SHA-256 {file.sha256}) into {self.folder / dataset},",
                "or set BACKPROP_MIRROR to the URL of a server that has it.",
                "The digits are included in the program: backprop train configs/digits.yaml needs no download.",
            ]
        )


def _mapped(path: Path) -> Content:
    """Return a file that is mapped into memory; the workers of a sweep share it. Raises OSError."""
    with path.open("rb") as file:
        return memoryview(mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ))
