"""Arrays of numbers in .npy and .npz files; headers are checked before anything is made of them.

NumPy evaluates a header as Python, and a dtype of no size ends the process.
"""

from __future__ import annotations

import math
import os
import re
import zipfile
import zlib
from pathlib import Path
from typing import IO, Any

import numpy as np
import numpy.typing as npt

from backprop_cli.errors import UnreadableError
from backprop_cli.files import open_regular_file
from backprop_cli.frozen import frozen

MAX_BYTES = 2 << 30
"""Memory that the numbers of one file may take, unless the file is mapped into memory."""

MAX_ARRAYS = 1000

_SIZE = "(0|[1-9][0-9]{0,17})"
_HEADER = re.compile(  # with the keys in the order that the specification recommends
    r"\{\s*'descr':\s*(?P<descr>'[<>|=]?[A-Za-z][0-9]{0,9}'|\[[^\]]{0,9000}\])\s*,"
    r"\s*'fortran_order':\s*(?P<fortran>True|False)\s*,"
    rf"\s*'shape':\s*\((?P<shape>|{_SIZE},|{_SIZE}(\s*,\s*{_SIZE}){{1,31}},?)\)\s*,?\s*\}}\s*",
    re.ASCII,
)
_REMEDY = "save a numeric array with np.save"
_SPLIT = "split it into several files"
_MAPPING = "a file that stays on disk must have uint8 or float32 in C order: np.ascontiguousarray(x, np.float32)"


@frozen
class _Header:
    dtype: np.dtype[Any]
    shape: tuple[int, ...]
    order: str

    @property
    def size(self) -> int:
        return math.prod(self.shape) * self.dtype.itemsize

    @property
    def can_be_mapped(self) -> bool:
        """Whether rows of the file can be used as they are."""
        return self.order == "C" and self.dtype in (np.uint8, np.float32) and self.size > 0


def read_npy(path: Path, mapped: bool = False) -> npt.NDArray[Any]:
    """Return the array in a .npy file.

    With `mapped`, an array of uint8 or float32 in C order is a read-only view of the file, of whatever size.

    Raises UnreadableError if it is not an array of numbers, OSError if it cannot be read.
    """
    with open_regular_file(path) as file:
        header = _read_header(file)
        rest = os.fstat(file.fileno()).st_size - file.tell()
        if header.size != rest:
            raise UnreadableError(f"its header announces {header.size:,} bytes, but {rest:,} follow; {_REMEDY}")
        if mapped and header.can_be_mapped:
            return np.memmap(file, header.dtype, "r", file.tell(), header.shape)
        check_size(header.size, _MAPPING if mapped else _SPLIT)
        return _array(header, file.read(header.size))


def read_npz(path: Path) -> dict[str, npt.NDArray[Any]]:
    """Return the arrays in a .npz file by name. Raises as `read_npy`."""
    found = {}
    with open_regular_file(path) as opened:
        try:
            with zipfile.ZipFile(opened) as archive:
                entries = archive.infolist()
                if len(entries) > MAX_ARRAYS or sum(entry.file_size for entry in entries) > MAX_BYTES:
                    check_size(MAX_BYTES + 1)
                for entry in entries:
                    name = entry.filename.removesuffix(".npy")
                    try:
                        with archive.open(entry) as file:
                            header = _read_header(file)
                            check_size(header.size)
                            found[name] = _array(header, file.read(header.size + 1))
                    except UnreadableError as error:
                        raise UnreadableError(f"{name[:60]}: {error}") from error
        except (zipfile.BadZipFile, zlib.error, EOFError, NotImplementedError, RuntimeError, ValueError) as error:
            raise UnreadableError("not a complete .npz file; save arrays with np.savez") from error
    return found


def check_size(size: int, remedy: str = _SPLIT) -> None:
    """Raise UnreadableError if so many bytes are too many."""
    if size > MAX_BYTES:
        raise UnreadableError(f"more than {MAX_BYTES >> 30} GB of numbers; {remedy}")


def _read_header(file: IO[bytes]) -> _Header:
    """Return the header of an array; the file is then at its data."""
    start = file.read(8)
    if not re.match(rb"\x93NUMPY[\1-\3]\0", start):
        raise UnreadableError(f"not a complete .npy file; {_REMEDY}")
    length = int.from_bytes(file.read(2 if start[6] == 1 else 4), "little")
    header = _HEADER.fullmatch(file.read(min(length, 10_001)).decode("utf-8", errors="replace"))  # NumPy's own limit
    if header is None:
        raise UnreadableError(f"not a complete .npy file; {_REMEDY}")
    descr = header["descr"].strip("'")
    kind = descr.lstrip("<>|=")[0]
    if kind == "O":
        raise UnreadableError(f"it contains Python objects instead of numbers; {_REMEDY}")
    try:
        dtype = np.dtype(descr) if kind in "buif" else None
    except TypeError:
        dtype = None
    if dtype is None:
        raise UnreadableError(f"an array of type {descr[:40]}; expected numbers")
    shape = tuple(map(int, re.findall("[0-9]+", header["shape"])))
    return _Header(dtype, shape, "F" if header["fortran"] == "True" else "C")


def _array(header: _Header, data: bytes) -> npt.NDArray[Any]:
    if len(data) != header.size:
        raise UnreadableError(f"its header announces {header.size:,} bytes, but {len(data):,} follow; {_REMEDY}")
    return np.frombuffer(data, header.dtype).reshape(header.shape, order="F" if header.order == "F" else "C")
