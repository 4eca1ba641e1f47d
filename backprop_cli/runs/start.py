"""Starting from the parameters of another run: where they are, and which layers are taken."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from backprop_cli.config.load import override_experiment
from backprop_cli.errors import CheckpointError, DataError, UsageError
from backprop_cli.experiment.schema import Experiment
from backprop_cli.nn.arrays import Array, Shape
from backprop_cli.runs.checkpoint import Checkpoint, read_checkpoint
from backprop_cli.runs.folder import LAST, find_run
from backprop_cli.training.state import AVERAGE

Arrays = Mapping[str, Array]


@dataclass(frozen=True)
class Taken:
    """What an experiment takes from the checkpoint `path`: arrays by name, and in words what becomes of each layer."""

    path: Path
    sha256: str
    arrays: Arrays
    layers: tuple[str, ...]


def find_start(e: Experiment, runs: Path) -> Experiment:
    """Return the experiment with the path of the checkpoint that it starts from, once the layers are known to fit.

    Raises UsageError if there is no such run or if a layer does not fit, and DataError if the file is missing.
    """
    if e.start is None:
        return e
    e = e.model_copy(update={"start": replace(e.start, run=str(_find(e.start.run, runs).absolute()))})
    take_start(e)
    return e


def take_start(e: Experiment) -> Taken | None:
    """Return what an experiment starts from, if it starts from another run. Raises as `find_start`."""
    if e.start is None:
        return None
    path = _find(e.start.run, Path("runs"))
    checkpoint, name = read_checkpoint(path), _name_of(path)
    given, wanted = _by_layer(_evaluated(checkpoint, path)), dict[int, dict[str, Shape]]()
    for entry in e.network.layout.entries:
        wanted.setdefault(_number(entry.name), {})[entry.name] = entry.parameter.shape
    n_taken = _count_fitting(given, wanted, name, e.start.layers)
    arrays = {key: given[number][key] for number in range(1, n_taken + 1) for key in wanted[number]}
    if not all(np.isfinite(array).all() for array in arrays.values()):
        raise CheckpointError(f"{path}: its parameters are not finite")
    layers = tuple(_fates(given, wanted, n_taken, name))
    return Taken(path, hashlib.sha256(path.read_bytes()).hexdigest(), arrays, layers)


def _find(text: str, runs: Path) -> Path:
    """Return the checkpoint file that a user names."""
    path = Path(text).expanduser()
    if path.is_file():
        return path
    if path.is_absolute() and not path.exists():
        raise DataError(f"start: {path} does not exist; restore the run that this experiment starts from")
    folder = find_run(LAST if text == "last" else text, runs)
    if not folder.checkpoint("best").is_file():
        raise UsageError(f"{folder.path} has no best checkpoint; train it for an epoch at least, or give a .npz file")
    return folder.checkpoint("best")


def _name_of(path: Path) -> str:
    """Return the name of the run that a checkpoint belongs to, or of the file."""
    return path.absolute().parents[1].name if path.parent.name == "checkpoints" else path.name


def _evaluated(checkpoint: Checkpoint, path: Path) -> Arrays:
    """Return the parameters that are evaluated, by name."""
    average = checkpoint.arrays.get(AVERAGE)
    if average is None:
        return checkpoint.parameters
    source = override_experiment(checkpoint.meta.experiment, [], str(path), known=checkpoint.meta.data)
    if average.shape != (source.network.layout.size,):
        raise CheckpointError(f"{path}: its {AVERAGE} is not that of its network")
    return source.network.layout.named(average)


def _number(name: str) -> int:
    return int(re.sub("[^0-9]", "", name))


def _by_layer(arrays: Arrays) -> dict[int, dict[str, Array]]:
    found: dict[int, dict[str, Array]] = {}
    for name, array in arrays.items():
        found.setdefault(_number(name), {})[name] = array
    return found


def _count_fitting(
    given: Mapping[int, Arrays], wanted: Mapping[int, Mapping[str, Shape]], name: str, layers: int | None
) -> int:
    """Return how many layers are taken: `layers`, or from the first on all whose shapes agree.

    Raises UsageError for the first that has to fit and does not: without `layers`, each one below the outputs of both.
    """
    most = min(len(given), len(wanted))
    if layers and layers > most:
        which = f"{name} has" if len(given) == most else "this network has"
        raise UsageError(f"{which} {most} layer{'s' * (most > 1)} with weights, so {layers} cannot be taken")
    needed = layers or max(1, most - 1)
    for number in range(1, (layers or most) + 1):
        shapes = {key: array.shape for key, array in given.get(number, {}).items()}
        for key, shape in wanted[number].items():
            if shapes.get(key) != shape and number > needed:
                return number - 1
            if shapes.get(key) != shape:
                has = f"is {_size(shapes[key])}" if key in shapes else "is missing"
                fewer = (
                    f"; to take only what is below, write {{run: {name}, layers: {number - 1}}}" if number > 1 else ""
                )
                raise UsageError(f"{key} of {name} {has}, but that of this network is {_size(shape)}{fewer}")
    return layers or most


def _fates(
    given: Mapping[int, Arrays], wanted: Mapping[int, Mapping[str, Shape]], n_taken: int, name: str
) -> Iterator[str]:
    """Yield a line for each layer of the network, and for what the checkpoint has besides."""
    for number, shapes in wanted.items():
        origin = f"from {name} ({_size(next(iter(shapes.values())))})" if number <= n_taken else "new"
        yield f"{', '.join(shapes)} {origin}"
    for number, arrays in given.items():
        if rest := [key for key in arrays if number > n_taken or key not in wanted[number]]:
            yield f"{', '.join(rest)} of {name} not used ({_size(arrays[rest[0]].shape)})"


def _size(shape: Shape) -> str:
    return "x".join(map(str, shape))
