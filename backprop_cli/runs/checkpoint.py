"""Checkpoints: a plain .npz of W1, b1, …, WL, bL, the arrays of the optimizer and the like, and one JSON text, `meta`.

Nothing in a file is trusted unchecked: no pickle, no compression, sizes are compared before anything is allocated, and
a SHA-256 covers the content. Files of format 1 are converted when they are read.
"""

from __future__ import annotations

import errno
import hashlib
import io
import json
import math
import os
import re
import zipfile
from dataclasses import field
from pathlib import Path
from typing import Annotated, Any, BinaryIO, Literal

import numpy as np
from pydantic import AfterValidator, BaseModel, ConfigDict, ValidationError

from backprop_cli.data.dataset import DataSpec
from backprop_cli.errors import CheckpointError
from backprop_cli.files import open_regular_file, with_path_in_error
from backprop_cli.frozen import frozen
from backprop_cli.nn.arrays import Array
from backprop_cli.runs.formats import upgrade
from backprop_cli.training.state import TrainingStatus

_NAME = re.compile(r"([A-Za-z]{1,10}[1-9][0-9]{0,3}|(optimizer|estimator|average|epoch|phase)\.[a-z0-9_]{1,40})\.npy")
_HEADER = re.compile(  # of an .npy file of version 1.0, exactly as NumPy writes it for the arrays of a checkpoint
    rb"\x93NUMPY\x01\x00(?P<length>..)\{'descr': '(?P<dtype><f4|<f8|<U[0-9]{1,7})', 'fortran_order': False, "
    rb"'shape': \((?P<shape>|[0-9]{1,12},|[0-9]{1,12}(, [0-9]{1,12}){1,3})\), \} *\n",
    re.DOTALL,
)
_MAX_META = 1 << 24
_MAX_ENTRIES = 1000
_MAX_DIRECTORY = 1 << 18  # bytes; an entry of a checkpoint takes less than 100


def _has_epoch(metrics: dict[str, Any]) -> dict[str, Any]:
    if not (isinstance(metrics.get("epoch"), int) and metrics["epoch"] >= 1):
        raise ValueError("no epoch")
    return metrics


Metrics = Annotated[dict[str, int | float | None], AfterValidator(_has_epoch)]
"""An `epoch` and its metrics, by the names of the columns of metrics.csv; None where there is no value."""


class Meta(BaseModel):
    """What a checkpoint says about itself.

    `status` has the numbers of the training state; `best` and `last` are the metrics of the best and of the last
    evaluated epoch. `data` is what is known about data from the user's files, so that predictions need not see them.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True, allow_inf_nan=False)

    format: Literal[2] = 2
    experiment: dict[str, Any]
    status: TrainingStatus
    best: Metrics | None
    last: Metrics | None
    versions: dict[str, str]
    data: DataSpec | None = None


@frozen
class Checkpoint:
    """A state of training: `parameters` are the arrays of the network by name, W1 (n_1, n_0), b1 (n_1,), ….

    `arrays` has the others by name: `optimizer.…`, `estimator.…`, `average.theta`, `epoch.mistakes`, `phase.theta`.
    """

    meta: Meta
    parameters: dict[str, Array]
    arrays: dict[str, Array] = field(default_factory=dict)

    def copied(self) -> Checkpoint:
        """Return the same with arrays of its own, which training does not change."""
        own = ({name: array.copy() for name, array in part.items()} for part in (self.parameters, self.arrays))
        return Checkpoint(self.meta, *own)


def to_bytes(checkpoint: Checkpoint) -> bytes:
    """Return the checkpoint as the bytes of an .npz file; equal checkpoints give equal bytes."""
    arrays = {**checkpoint.parameters, **checkpoint.arrays}
    meta = checkpoint.meta.model_dump(mode="json")
    text = json.dumps({**meta, "sha256": _digest(meta, arrays)}, ensure_ascii=True, allow_nan=False)
    file = io.BytesIO()
    entries: dict[str, Any] = {**arrays, "meta": np.array(text)}  # numbers and text: nothing to be pickled
    np.savez(file, **entries)
    return file.getvalue()


def read_checkpoint(path: Path) -> Checkpoint:
    """Read and verify a checkpoint.

    Raises CheckpointError for anything but a whole one of this program, and OSError if it is there and cannot be read.
    """
    try:
        with with_path_in_error(path), open_regular_file(path) as file:
            return _parse(file)
    except OSError as error:
        if error.errno in (errno.ENOENT, errno.EINVAL):  # missing, or not a regular file
            raise CheckpointError(f"{path}: cannot be read: {error.strerror}") from error
        raise
    except CheckpointError as error:
        raise CheckpointError(f"{path}: {error}") from error


def _parse(archive: BinaryIO) -> Checkpoint:
    size = _checked_size(archive)
    try:
        with zipfile.ZipFile(archive) as file:
            entries = file.infolist()
            declared = sum(max(info.file_size, info.compress_size) for info in entries)
            if declared > size or len(entries) > _MAX_ENTRIES:
                raise CheckpointError("not a checkpoint: its entries are larger than the file, or too many")
            arrays = {info.filename: _read_array(file, info) for info in entries}
            whole = len(arrays) == len(entries)
    except (zipfile.BadZipFile, ValueError, OSError, EOFError, NotImplementedError, RuntimeError) as error:
        if isinstance(error, OSError) and error.errno != errno.EINVAL:  # EINVAL: a place before the beginning
            raise
        raise CheckpointError(f"not a whole checkpoint ({error})") from error
    text = arrays.pop("meta.npy", None)
    if text is None or text.dtype.kind != "U" or not whole:
        raise CheckpointError("not a checkpoint: no meta, or an entry twice")
    try:
        content = json.loads(str(text))
        digest, version = content.pop("sha256"), content["format"]
    except (ValueError, KeyError, AttributeError, TypeError, RecursionError) as error:
        raise CheckpointError("not a checkpoint: its meta is not as expected") from error
    if isinstance(version, int) and version > 2:
        raise CheckpointError(f"made by a newer version of backprop (format {version}); upgrade to read it")
    named = {name.removesuffix(".npy"): array for name, array in arrays.items()}
    try:
        if _digest(content, named) != digest:
            raise CheckpointError("damaged: its SHA-256 is not that of its content")
        if version == 1:
            content, named = upgrade(content, named)
        meta = Meta.model_validate_json(json.dumps(content))  # in JSON a strict tuple may be a list
    except (ValueError, KeyError, AttributeError, TypeError, RecursionError, ValidationError) as error:
        raise CheckpointError("not a checkpoint of this version: its meta is not as expected") from error
    parameters = {name: array for name, array in named.items() if "." not in name}
    if not parameters:
        raise CheckpointError("not a checkpoint: it has no parameters")
    return Checkpoint(meta, parameters, {name: array for name, array in named.items() if "." in name})


def _checked_size(file: BinaryIO) -> int:
    """Return the size of a file, once its end says that it is a zip archive with a directory of moderate size.

    zipfile makes an object of every entry in the directory before it can be asked how many there are.
    """
    size = file.seek(0, os.SEEK_END)
    file.seek(max(0, size - 98))
    end = file.read().rjust(98, b"\0")
    record64, locator64, record = end[:56], end[56:76], end[76:]
    if not record.startswith(b"PK\5\6") or not record.endswith(b"\0\0"):  # zeros: no comment after it
        raise CheckpointError("not a whole checkpoint: the file is truncated or has another format")
    directory = int.from_bytes(record[12:16], "little")
    if locator64.startswith(b"PK\6\7"):  # of a file beyond 2 GB
        directory = max(directory, int.from_bytes(record64[40:48], "little"))
    if directory > _MAX_DIRECTORY:
        raise CheckpointError("not a checkpoint: it has too many entries")
    return size


def _read_array(file: zipfile.ZipFile, info: zipfile.ZipInfo) -> Any:
    """Return the array in an entry, after everything that its headers declare has been found plausible."""
    name = info.filename
    if name != "meta.npy" and not _NAME.fullmatch(name):
        raise CheckpointError(f"not a checkpoint: it has an entry {name[:60]!r}")
    if info.compress_type != zipfile.ZIP_STORED or info.flag_bits & 1:
        raise CheckpointError(f"not a checkpoint: {name} is compressed or encrypted")
    data = file.read(info)
    header = _HEADER.match(data)
    if header is None or int.from_bytes(header["length"], "little") != header.end() - 10:
        raise CheckpointError(f"not a checkpoint: {name} is no array as this program writes it")
    dtype = np.dtype(header["dtype"].decode())
    shape = tuple(int(size) for size in re.findall(rb"[0-9]+", header["shape"]))
    payload = memoryview(data)[header.end() :]
    expected = dtype.kind == "U" and shape == () if name == "meta.npy" else dtype.kind == "f"
    if not expected or math.prod(shape) * dtype.itemsize != len(payload):
        raise CheckpointError(f"not a checkpoint: {name} is no array of the expected type and size")
    if name == "meta.npy" and len(payload) > _MAX_META:
        raise CheckpointError("not a checkpoint: its meta is too long")
    return np.frombuffer(payload, dtype).reshape(shape)


def _digest(meta: dict[str, Any], arrays: dict[str, Array]) -> str:
    """Return the SHA-256 of the content: the meta without itself, and every array with its name and shape."""
    digest = hashlib.sha256(json.dumps(meta, sort_keys=True).encode())
    for name in sorted(arrays):
        array = np.ascontiguousarray(arrays[name])
        digest.update(f"\0{name} {array.dtype.str} {array.shape}\0".encode())
        digest.update(array.data)
    return digest.hexdigest()
