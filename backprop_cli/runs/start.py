"""Starting from the parameters of another run: where they are, and which layers are taken."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import numpy as np

from backprop_cli.config.load import override_experiment
from backprop_cli.errors import CheckpointError, DataError, UsageError
from backprop_cli.experiment.keys import INPUTS
from backprop_cli.experiment.schema import Experiment
from backprop_cli.frozen import frozen
from backprop_cli.nn.arrays import Array
from backprop_cli.runs.checkpoint import Checkpoint, read_checkpoint
from backprop_cli.runs.folder import LAST, find_run
from backprop_cli.training.state import AVERAGE
from backprop_cli.training.transfer import fitting

Arrays = Mapping[str, Array]


@frozen
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
    decodes = checkpoint.meta.experiment.get("targets") == INPUTS and not e.reconstructs
    arrays, layers = fitting(_evaluated(checkpoint, path), e.network.layout, name, e.start.layers, decodes)
    if not all(np.isfinite(array).all() for array in arrays.values()):
        raise CheckpointError(f"{path}: its parameters are not finite")
    return Taken(path, hashlib.sha256(path.read_bytes()).hexdigest(), arrays, tuple(layers))


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
