"""Predicting examples in arrays, data frames and files with a trained network."""

from __future__ import annotations

import io
import re
from collections.abc import Iterable
from typing import Any, Protocol

import numpy as np

from backprop_cli.errors import BackpropError, UnreadableError, UsageError
from backprop_cli.inputs.files import InputBatch, Numbered, read_inputs
from backprop_cli.inputs.rows import TableRows, read_stream
from backprop_cli.nn.arrays import Array
from backprop_cli.results.prediction import Predictions, Unreadable
from backprop_cli.runs.model import Model
from backprop_cli.text import one_line

MAX_PROBLEMS = 10
"""How many unreadable rows of a file are reported; the others are counted."""


class Frame(Protocol):
    """A data frame, as those of pandas and polars."""

    def to_numpy(self) -> Any:
        """Return the cells."""


def predict_array(model: Model, x: Array, threshold: float | str | None = None) -> Predictions:
    """Return predictions for inputs x (n, n_0) in the units of the data set; images may have the shape (n, h, w)."""
    model.task.at(threshold)
    x = np.asarray(x)
    data = model.experiment.data
    if x.shape in ((data.inputs,), data.image):  # a single example
        x = x[None]
    if x.shape[1:] not in ((data.inputs,), data.image):
        raise UsageError(f"an array of shape {x.shape}; expected (n, {data.inputs})")
    x = x.reshape(len(x), data.inputs)
    return Predictions(model, [InputBatch(x, Numbered("", len(x)))], model.outputs(x), threshold=threshold)


def predict_frame(model: Model, frame: Frame, threshold: float | str | None = None) -> Predictions:
    """Return predictions for the rows of a data frame of pandas or polars; columns of a table are found by name."""
    data = model.experiment.data
    if data.preprocessing is None:
        return predict_array(model, frame.to_numpy(), threshold)
    model.task.at(threshold)
    any_frame: Any = frame
    text = any_frame.to_csv(index=False) if hasattr(frame, "to_csv") else any_frame.write_csv()
    found = read_stream(io.BytesIO(text.encode()), "the data frame", data, model.experiment.dtype)
    found.place = "[{row}]"
    outputs = model.apply_in_parts(found)
    failed = [Unreadable(place, reason) for place, reason in found.problems]
    messages = [f"{one.input}: {one.reason}" for one in failed[:MAX_PROBLEMS]]
    targets = None if model.layer else found.targets
    return Predictions(model, [found], outputs, failed, messages, found.notes, targets, threshold)


def predict_files(model: Model, files: Iterable[str], threshold: float | str | None = None) -> Predictions:
    """Return predictions for the examples in files, in order: images, .npy arrays, .csv tables, `-` for stdin.

    Whatever cannot be read is in `failed`, and the rest is predicted. Raises UsageError if there can be no threshold.
    """
    e = model.experiment
    model.task.at(threshold)
    outputs: list[Array] = []
    failed: list[Unreadable] = []
    messages: list[str] = []
    notes: list[str] = []
    batches: list[InputBatch | TableRows] = []
    for name in files:
        try:
            batch = read_inputs(name, e.dataset, e.dtype, e.data)
            outputs.append(model.apply_in_parts(batch))
        except (BackpropError, OSError) as error:
            reason = (error.strerror or str(error)) if isinstance(error, OSError) else str(error)
            if isinstance(error, FileNotFoundError) and re.fullmatch(r"[-+0-9.e, ]+", name):
                reason += f"; to predict numbers, write them to stdin: echo {name} | backprop predict RUN -"
            line = f"{one_line(name)}: {reason}" if isinstance(error, UnreadableError | OSError) else reason
            if line not in messages:  # a missing library is reported once, not for every image
                messages.append(line)
            failed.append(Unreadable(name, reason))
            continue
        notes += [f"{one_line(name)}: {note}" for note in batch.notes]
        messages += [f"{one_line(place)}: {reason}" for place, reason in batch.problems[:MAX_PROBLEMS]]
        if (more := len(batch.problems) - MAX_PROBLEMS) > 0:
            messages.append(f"{one_line(name)}: {more:,} more rows cannot be read")
        failed += map(Unreadable._make, batch.problems)
        batches.append(batch)
    targets = [found for batch in batches if (found := batch.targets) is not None]
    known = np.concatenate(targets) if targets and len(targets) == len(batches) and not model.layer else None
    found = np.concatenate(outputs or [np.empty((0, model.task.outputs), model.theta.dtype)])
    return Predictions(model, batches, found, failed, messages, notes, known, threshold)
