"""Predictions for examples without targets: images, arrays, rows of numbers."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator, Sequence
from dataclasses import field
from functools import cached_property
from itertools import chain, count
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from backprop_cli.data.tasks import Classification, Targets
from backprop_cli.errors import UsageError
from backprop_cli.experiment.schema import Experiment
from backprop_cli.frozen import frozen
from backprop_cli.inputs.rows import TableRows
from backprop_cli.nn.arrays import Array
from backprop_cli.runs.model import Model
from backprop_cli.text import metric, table

Labels = npt.NDArray[np.intp]


class Unreadable(NamedTuple):
    """An input that could not be read: its name, and the reason."""

    input: str
    reason: str


@frozen
class Predictions:
    """Predictions for n examples: their names, and the outputs of the network (n, n_L).

    `failed` are the inputs that could not be read; `messages` says so in lines for the user, and `notes` what else to
    know about the inputs. `targets` are what should have been predicted, where that is known: labels (n,), -1 for none,
    or values (n, k), NaN for none. `tables` are the tables that rows were read from. The second of two classes is
    predicted from a probability of `threshold` on.
    """

    model: Model = field(repr=False)
    names: list[str]
    outputs: Array
    failed: list[Unreadable] = field(default_factory=list)
    messages: list[str] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    targets: Targets | None = field(default=None, repr=False)
    tables: list[TableRows] = field(default_factory=list, repr=False)
    threshold: float | str | None = None

    def __len__(self) -> int:
        return len(self.names)

    def __str__(self) -> str:
        return self.to_text()

    @cached_property
    def labels(self) -> Labels:
        """The predicted classes (n,). Raises UsageError for a regression."""
        return self._classification().predict(self.outputs)

    @property
    def values(self) -> Array:
        """The predicted values (n, n_L) of a regression, in the units of the data; or the activations of a layer."""
        return np.asarray(self.model.task.predict(self.outputs))

    @property
    def scores(self) -> Array:
        """A score for each class, (n, classes); the highest is the prediction. Raises UsageError for a regression."""
        return self._classification().scores(self.outputs)

    @cached_property
    def measure(self) -> str:
        """What `confidences` contains: probability, output or distance; value for a regression.

        Softmax outputs are probabilities, as are a and 1 - a of one sigmoid unit for two classes. Other outputs, one
        for each class, need not sum to 1. For any other encoding it is the distance from the code of the class.
        """
        e = self.model.experiment
        if not self.model.task.classes:
            return "value"
        if e.activations[-1] == "softmax" or self._is_binary_sigmoid(e):
            return "probability"
        return "output" if e.encoding == "one_hot" else "distance"

    @cached_property
    def confidences(self) -> Array:
        """What the prediction is based on, (n, classes); see `measure`."""
        if self.measure == "distance":
            return np.asarray(1 - self.scores)
        if self._is_binary_sigmoid(self.model.experiment):
            return np.concatenate([1 - self.outputs, self.outputs], axis=1)
        return self.scores

    @cached_property
    def metrics(self) -> dict[str, float]:
        """The metrics of the predictions whose targets are known; empty if none is."""
        if self.targets is None or not (known := self._known).any():
            return {}
        task, outputs, targets = self.model.task, self.outputs[known], self.targets[known]
        return task.metrics(task.measure(outputs, targets), targets)

    @property
    def _known(self) -> npt.NDArray[np.bool_]:
        targets = np.asarray(self.targets)
        return targets >= 0 if targets.ndim == 1 else ~np.isnan(targets).any(axis=1)

    def summary(self) -> str:
        """Return the metrics as a line; empty if no target is known."""
        if not self.metrics:
            return ""
        names = ", ".join(self.model.experiment.data.targets)
        found = ", ".join(f"{name} {metric(name, value)}" for name, value in self.metrics.items())
        return f"{found} ({self._known.sum():,} rows with {names})"

    def ranked(self, top: int) -> tuple[Labels, Array]:
        """Return the most likely classes (n, top), the most likely first, and their confidences (n, top)."""
        sign = 1 if self.measure == "distance" else -1
        order = np.argsort(sign * self.confidences, axis=1, kind="stable")[:, :top]
        if self.threshold is not None:  # of two classes
            order = np.stack([self.labels, 1 - self.labels], axis=1)[:, :top]
        return order, np.take_along_axis(self.confidences, order, axis=1)

    def best(self) -> list[str]:
        """Return the predicted label, or the values, of each example as text."""
        if not self.model.task.classes:
            return [" ".join(f"{value:.6g}" for value in row) for row in self.values.tolist()]
        return [self._name(label) for label in self.labels.tolist()]

    def _name(self, label: int) -> str:
        """Return the name of a class, its number if it has none."""
        names = self.model.experiment.data.class_names
        return names[label] if names else str(label)

    def lines(self, top: int = 1, form: str | None = None) -> list[list[str]]:
        """Return the header and a row for each example, numbers in this format; empty without examples."""
        if not len(self):
            return []
        if self.model.task.classes:
            names = ["label", self.measure]
            pairs = zip(*(part.tolist() for part in self.ranked(top)), strict=True)
            rows = [
                [c for l, v in zip(*pair, strict=True) for c in (self._name(l), format(v, form or ".4f"))]
                for pair in pairs
            ]
        else:
            names = ["value"]
            rows = [[format(v, form or ".6g") for v in row] for row in self.values.tolist()]
        places = range(1, len(rows[0]) // len(names) + 1)
        header = ["input", *(f"{name}_{k}" if k > 1 else name for k in places for name in names)]
        return [header, *([name, *row] for name, row in zip(self.names, rows, strict=True))]

    def to_text(self, top: int = 1) -> str:
        """Return a table with the `top` most likely classes of each example, or its values."""
        header, *rows = self.lines(top) or [[]]
        found = [table([column.replace("_", " ") for column in header], rows)] if header else []
        return "\n\n".join([*found, *([self.summary()] if self.metrics else [])])

    def to_csv(self) -> str:
        """Return CSV: the columns of the table, or the name of each input, then predictions and confidences.

        All rows of a table are kept; the predictions of those that could not be read are empty. Raises UsageError for
        tables with different columns.
        """
        rest = [f"{self.measure}_{self._name(label)}" for label in range(self.model.task.classes)]
        columns = ["prediction", *rest] if rest else self.model.value_names
        found = self._answers()
        names = {rows.table.names for rows in self.tables}
        if len(names) > 1:
            raise UsageError("the files have different columns; write the predictions of each to a file of its own")
        before = list(*names) or ["input"]
        text = io.StringIO()
        write = csv.writer(text, lineterminator="\n").writerow
        write([*before, *(_unused(name, before) for name in columns)])
        for cells, predicted in self._kept():
            answer = next(found) if predicted else [""] * len(columns)
            write([*cells, *answer])
        return text.getvalue()

    def _kept(self) -> Iterator[tuple[list[str], bool]]:
        """Yield the cells of every row, and whether there is a prediction for it."""
        if not self.tables:
            yield from (([name], True) for name in self.names)
        for rows in self.tables:
            good = np.isin(np.arange(len(rows.table)), rows.rows, assume_unique=True)
            yield from zip(rows.cells(), good.tolist(), strict=True)

    def _answers(self) -> Iterator[list[str]]:
        """Yield the prediction for each example, and the confidence of each class."""
        if not self.model.task.classes:
            yield from ([format(value, ".9g") for value in row] for row in self.values.tolist())
            return
        for label, row in zip(self.labels.tolist(), self.confidences.tolist(), strict=True):
            yield [self._name(label), *(format(value, ".6g") for value in row)]

    def to_npy(self) -> bytes:
        """Return an .npy file of the values (n, k), or of the confidences of the classes."""
        file = io.BytesIO()
        np.save(file, self.confidences if self.model.task.classes else self.values)
        return file.getvalue()

    def to_dict(self, top: int = 1) -> list[dict[str, Any]]:
        """Return a dictionary for each example."""
        if not self.model.task.classes:
            rows = zip(self.names, self.values.tolist(), strict=True)
            return [{"input": name, "values": values} for name, values in rows]
        found = []
        for name, labels, values in zip(self.names, *(part.tolist() for part in self.ranked(top)), strict=True):
            classes = [self._name(label) for label in labels] if self.model.experiment.data.class_names else labels
            ranked = [{"label": label, self.measure: v} for label, v in zip(classes, values, strict=True)]
            found.append({"input": name, **ranked[0], "top": ranked})
        return found

    def _classification(self) -> Classification:
        task = self.model.task
        if not isinstance(task, Classification):
            raise UsageError(f"{self.model.path} predicts values, not classes")
        return task.at(self.threshold)

    @staticmethod
    def _is_binary_sigmoid(e: Experiment) -> bool:
        return e.activations[-1] == "sigmoid" and e.task.classes == 2 and e.outputs == 1


def _unused(name: str, names: Sequence[str]) -> str:
    """Return a name that is not among names: prediction, or prediction_2."""
    return next(n for n in chain([name], (f"{name}_{k}" for k in count(2))) if n not in names)
