"""The registry of formats, writing a network in one of them, and comparing the file with the program."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from importlib import import_module
from pathlib import Path
from typing import Any, Protocol

import numpy as np

from backprop_cli.data.dataset import Dataset
from backprop_cli.errors import UsageError
from backprop_cli.experiment.schema import Experiment
from backprop_cli.exporting.description import RESHAPES, Description, describe
from backprop_cli.files import atomic_write
from backprop_cli.frozen import frozen
from backprop_cli.nn.arrays import Array
from backprop_cli.results.evaluation import evaluate_model
from backprop_cli.results.preparation import raw_inputs
from backprop_cli.runs.model import Model

FORMATS = {".onnx": "onnx", ".safetensors": "safetensors", ".html": "html", ".h": "c"}
"""The suffix of each format, and the module of this room that has it."""

TOLERANCE = 1e-4
"""The largest difference of outputs that `check_export` accepts, relative to the largest output if that exceeds 1."""


class Format(Protocol):
    """What the module of a format offers."""

    OPERATIONS: Mapping[str, Any]
    """Each operation that the format can express, in its language."""

    @staticmethod
    def to_bytes(network: Description) -> bytes:
        """Return the content of the file. Raises UsageError if a package is missing."""

    @staticmethod
    def run(path: Path, network: Description, x: Array) -> Array:
        """Return the outputs (n, n_L) that another program computes from the file for the inputs x (n, n_0), float32.

        Raises UsageError if that program is not installed.
        """


@frozen
class Check:
    """How the outputs computed from an exported file compare with those of the program, on a split of the data.

    `difference` is the largest of their absolute differences, `limit` what is accepted, and `differing` the number of
    examples with another prediction.
    """

    split: str
    examples: int
    difference: float
    limit: float
    differing: int

    @property
    def passed(self) -> bool:
        """Whether the file computes the same predictions and outputs, up to rounding."""
        return self.differing == 0 and self.difference <= self.limit

    def to_text(self) -> str:
        """Return the result in a line."""
        same = "same predictions" if not self.differing else f"{self.differing:,} predictions differ"
        return f"{self.split} split, {self.examples:,} examples: {same}, largest difference {self.difference:.2g}"

    def to_dict(self) -> dict[str, Any]:
        """Return the result as plain data."""
        return {**vars(self), "passed": self.passed}


def format_of(path: Path) -> Format:
    """Return the format of a file by its suffix. Raises UsageError if there is none."""
    suffix = path.suffix.lower()
    if suffix not in FORMATS:
        raise UsageError(f"{path}: unknown format {suffix!r}; use {', '.join(FORMATS)}")
    module: Any = import_module(f"backprop_cli.exporting.{FORMATS[suffix]}")
    return module


def export_bytes(network: Description, path: Path) -> bytes:
    """Return the content of the file `path` for a network; equal networks give equal bytes.

    Raises UsageError if the format is unknown, cannot express a layer, or needs a package that is not installed.
    """
    format = format_of(path)
    for name in (step.operation for step in network.steps if step.operation not in RESHAPES):
        if name not in format.OPERATIONS:
            others = [suffix for suffix in FORMATS if name in format_of(Path(f"net{suffix}")).OPERATIONS]
            remedy = f"; use {', '.join(others)}" if others else ""
            raise UsageError(f"{path.suffix} files cannot express the layer or activation '{name}'{remedy}")
    return format.to_bytes(network)


def export_model(model: Model, path: Path) -> None:
    """Write a trained network to a file, in the format of its suffix. Raises UsageError (see `export_bytes`)."""
    data = export_bytes(describe(model), path)
    path.parent.mkdir(parents=True, exist_ok=True)
    atomic_write(path, data)


def check_export(model: Model, path: Path, load: Callable[[Experiment], Dataset], split: str = "test") -> Check:
    """Compare the outputs computed from an exported file with those of the program, on a split; `load` returns data.

    Raises UsageError if what computes them is not installed, or the split is empty.
    """
    program = evaluate_model(model, load, split)
    examples, task = program.examples, program.task
    machine = model.experiment.cost.unsupervised  # whose evaluation has no outputs
    expected = model.outputs(np.asarray(examples.inputs)) if machine else program.outputs
    x, network = raw_inputs(model.experiment, load, split), describe(model)
    found = format_of(path).run(path, network, np.asarray(x, np.float32)).astype(np.float64)
    if network.rescale:  # values are compared in the units of the outputs
        found = (found - network.rescale.arrays["center"]) / network.rescale.arrays["scale"]
    differing = np.count_nonzero(task.predict(found) != program.predictions) if task.classes else 0
    limit = TOLERANCE * max(1.0, float(np.abs(expected).max()))
    difference = np.abs(found - expected).max()
    return Check(split, len(examples), float(difference), limit, int(differing))
