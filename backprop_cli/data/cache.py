"""The cache of downloaded files: found, verified, unpacked, or fetched from the first mirror that has them."""

from __future__ import annotations

import contextlib
import gzip
import hashlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from backprop_cli.errors import DataError
from backprop_cli.files import atomic_write, remove_temporaries

Report = Callable[[str], None]
"""Told, in a line, what takes time: a download, a file that is not what it should be."""


@dataclass(frozen=True)
class RemoteFile:
    """A gzipped file on mirrors: its size and SHA-256 as published, and those of what it unpacks to."""

    name: str
    size: int
    sha256: str
    unpacked_size: int
    unpacked_sha256: str

    @property
    def unpacked_name(self) -> str:
        """The name without .gz."""
        return self.name.removesuffix(".gz")


@dataclass(frozen=True)
class Cache:
    """Where downloads are kept, and how to come by them.

    `mirror`, if there is one, is tried before a data set's own mirrors; `offline` forbids the network.
    """

    folder: Path
    mirror: str | None = None
    offline: bool = False
    report: Report = lambda line: None

    def obtain(self, file: RemoteFile, dataset: str, mirrors: tuple[str, ...]) -> bytes:
        """Return the unpacked, verified bytes of a file, fetching it only if there is no good copy.

        A copy, packed or not, may lie in the data set's folder or in the cache's. Raises DataError.
        """
        folder = self.folder / dataset
        bad: list[str] = []
        if data := self._find(file, folder, bad):
            return data
        if self.offline:
            raise DataError(self._advice(file, dataset, folder, ["the network was not asked"], bad))
        with self._turn(file, folder):
            bad = []
            if data := self._find(file, folder, bad):  # somebody else's turn brought it
                return data
            mirrors = ((self.mirror,) if self.mirror else ()) + mirrors
            return self._unpack(self._fetch(file, dataset, folder, mirrors, bad), file, folder)

    @contextlib.contextmanager
    def _turn(self, file: RemoteFile, folder: Path) -> Iterator[None]:
        """Wait until nobody else fetches the file; the death of a process ends its turn.

        Where a file cannot be locked nobody waits: one may then be fetched twice, but is put in place whole.
        """
        from filelock import FileLock, Timeout

        path = folder / f".{file.name}.lock"
        lock = FileLock(path, fallback_to_soft=False)  # a soft lock would outlive its process
        with contextlib.suppress(OSError, NotImplementedError):
            folder.mkdir(parents=True, exist_ok=True)
            try:
                lock.acquire(timeout=0)
            except Timeout:
                self.report(f"waiting for another process that fetches {file.name}")
                lock.acquire()
            remove_temporaries(folder, f"{file.unpacked_name}*")
        try:
            yield
        finally:
            if lock.is_locked:
                with contextlib.suppress(OSError):
                    path.unlink()  # while it is locked: who waits for it sees that it is gone, and makes another
                lock.release()

    def _find(self, file: RemoteFile, folder: Path, bad: list[str]) -> bytes | None:
        """Return the unpacked bytes of the first good copy on disk; note in bad what was no good."""
        for place in (folder, self.folder):
            if data := self._read(place / file.unpacked_name, file.unpacked_size, file.unpacked_sha256, bad):
                return data
        for place in (folder, self.folder):
            if packed := self._read(place / file.name, file.size, file.sha256, bad):
                return self._unpack(packed, file, folder)
        return None

    def _read(self, path: Path, size: int, sha256: str, bad: list[str]) -> bytes | None:
        """Return the bytes of a file if it is there and right; note it in bad if it is there and wrong."""
        try:
            data = path.read_bytes() if path.stat().st_size == size else b""
        except FileNotFoundError:
            return None
        except OSError as error:
            bad.append(f"{path}: {error.strerror}")
            return None
        if hashlib.sha256(data).hexdigest() == sha256:
            return data
        bad.append(f"{path}: not the original (wrong size or SHA-256)")
        self.report(bad[-1])
        return None

    def _unpack(self, packed: bytes, file: RemoteFile, folder: Path) -> bytes:
        data = gzip.decompress(packed)  # the SHA-256 of packed was right, so this is what was published
        with contextlib.suppress(OSError):  # a cache that cannot be written to is unpacked each time
            folder.mkdir(parents=True, exist_ok=True)
            atomic_write(folder / file.unpacked_name, data)
        return data

    def _fetch(self, file: RemoteFile, dataset: str, folder: Path, mirrors: tuple[str, ...], bad: list[str]) -> bytes:
        from backprop_cli.data.download import DownloadError, download  # requests takes 0.1 s to import

        failures = []
        for mirror in mirrors:
            url = f"{mirror.rstrip('/')}/{file.name}"
            self.report(f"downloading {url} ({file.size:,} bytes)")
            try:
                data = download(url, file.size, file.sha256)
            except DownloadError as error:
                failures.append(f"{url}: {error}")
                self.report(failures[-1])
                continue
            try:
                folder.mkdir(parents=True, exist_ok=True)
                atomic_write(folder / file.name, data)
            except OSError as error:
                self.report(f"{folder}: {error.strerror}; the download is used but not kept")
            return data
        raise DataError(self._advice(file, dataset, folder, failures, bad))

    def _advice(self, file: RemoteFile, dataset: str, folder: Path, tried: list[str], bad: list[str]) -> str:
        return "\n".join(
            [
                f"{dataset} is not to be had: no good copy of {file.name}",
                *(f"  {line}" for line in (*bad, *tried)),
                f"Put the file ({file.size:,} bytes, SHA-256 {file.sha256}) into {folder} by hand,",
                "or name a server that has it: BACKPROP_MIRROR=URL.",
                "The digits come with the program: backprop train configs/digits.yaml needs no download.",
            ]
        )
