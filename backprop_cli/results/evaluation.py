"""Metrics of trained networks on a split of their data set, one by one or as an ensemble."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import field, replace
from functools import cached_property
from typing import Any

import numpy as np
import numpy.typing as npt

from backprop_cli.data.dataset import Dataset, Split
from backprop_cli.data.tasks import Classification, Regression, Task
from backprop_cli.errors import UsageError
from backprop_cli.experiment.schema import Experiment
from backprop_cli.frozen import frozen
from backprop_cli.nn.arrays import Array
from backprop_cli.results.classification import ClassificationReport, classification_report
from backprop_cli.runs.build import limit_blas
from backprop_cli.runs.model import Model
from backprop_cli.text import above_floor, further_metrics, table

SPLITS = {"train": "training", "val": "validation", "test": "test"}
"""The splits of a data set and their names in a sentence."""

ROWS = 10_000
"""Examples to whose inputs noise is added at a time."""

BEST_F1 = "best-f1"
"""In place of a threshold: the one with the highest F1 on the validation split."""


@frozen
class Evaluation:
    """The metrics of a network on a split, or of an ensemble of networks, whose outputs are the mean of theirs.

    `name` is the path of the checkpoint; `epoch` and `cost` are None for an ensemble, whose networks are `members`.
    `floor` is the lowest cost that reconstructions can have, None where that is 0.
    `names` are those of the classes or values; without names they are counted from 0. With `corrupt`, the inputs have
    the noise of training.
    """

    name: str
    split: str
    epoch: int | None
    cost: float | None
    outputs: Array = field(repr=False)
    examples: Split = field(repr=False)
    task: Task
    names: tuple[str, ...] = field(default=(), repr=False)
    members: tuple[Evaluation, ...] = field(default=(), repr=False)
    floor: float | None = None
    corrupt: bool = False

    def __str__(self) -> str:
        return self.to_text()

    @cached_property
    def predictions(self) -> npt.NDArray[Any]:
        """The predicted classes (n,), or the values (n, n_L)."""
        return self.task.predict(self.outputs)

    @cached_property
    def metrics(self) -> dict[str, float]:
        """The accuracy of a classification, rmse and r2 of a regression, and the task's further metrics.

        A metric that is undefined is left out.
        """
        task, targets = self.task, self.examples.targets
        main = task.metrics(task.measure(self.outputs, targets), targets)
        return main | task.further_metrics(self.outputs, targets, task.further)

    @property
    def of_values(self) -> dict[str, dict[str, float]]:
        """The metrics of each of several values, by name; empty for one value, and for classes."""
        if self.task.classes or self.task.outputs == 1 or self.task.unsupervised:
            return {}
        alone, names = Regression(), self.names or tuple(map(str, range(self.task.outputs)))
        pairs = [(a[:, None], y[:, None]) for a, y in zip(self.predictions.T, self.examples.targets.T, strict=True)]
        return {
            name: alone.metrics(alone.measure(a, y), y) | alone.further_metrics(a, y, alone.further)
            for name, (a, y) in zip(names, pairs, strict=True)
        }

    @cached_property
    def scores(self) -> Array:
        """The score of each class, (n, classes), the highest being the prediction. Only for classification."""
        return self._classification().scores(self.outputs)

    @property
    def confusion(self) -> npt.NDArray[Any]:
        """How many examples of class t were predicted as class p, in row t and column p. Only for classification."""
        return self._report.confusion

    @property
    def precision(self) -> npt.NDArray[Any]:
        """The share of correct predictions among those of each class; NaN without any. Only for classification."""
        return self._report.precision

    @property
    def recall(self) -> npt.NDArray[Any]:
        """The share of correct predictions among the examples of each class; NaN without any."""
        return self._report.recall

    @cached_property
    def _report(self) -> ClassificationReport:
        return classification_report(self.predictions, self.examples.targets, self._classification().classes)

    def _classification(self) -> Classification:
        if not isinstance(self.task, Classification):
            raise UsageError(f"{self.name}: {self.task.kind} task: there are no classes")
        return self.task

    @property
    def headline(self) -> float:
        """The accuracy, the rmse of a regression, or the squared error of a reconstruction."""
        return self.metrics[self.task.metric_names[0]]

    def summary(self) -> str:
        """Return the metrics in one line."""
        cost = "" if self.cost is None else f", cost {self.cost:.6g}{above_floor(self.cost, self.floor)}"
        n = len(self.examples)
        if self.task.classes:
            correct = round(self.metrics["accuracy"] * n)
            return f"{self.split} accuracy {self.metrics['accuracy']:.2%} ({correct:,} of {n:,}){cost}"
        r2 = f", r2 {self.metrics['r2']:.4f}" if "r2" in self.metrics else ""
        name = self.task.metric_names[0]
        return f"{self.split} {name.replace('_', ' ')} {self.headline:.4g}{r2} ({n:,} examples){cost}"

    def to_text(self) -> str:
        """Return the metrics as text; of a classification also those of each class and the confusion matrix."""
        title = self.name if self.epoch is None else f"{self.name}  (epoch {self.epoch})"
        title += "; inputs with noise" * self.corrupt
        lines = [title, self.summary(), *filter(None, [further_metrics(self.metrics)])]
        if self.task.threshold is not None:
            second = self.names[1] if self.names else 1
            lines.append(f"threshold {self.task.threshold:.6g}: class {second} is predicted from this probability on")
        if self.task.classes:
            counts, names = self.confusion.sum(axis=1), self.names or tuple(map(str, range(self.task.classes)))
            shares = [["nan" if np.isnan(v) else f"{v:.4f}" for v in row] for row in (self.precision, self.recall)]
            per_class = zip(names, *shares, counts, strict=True)
            matrix = [
                (name, *(n or "." for n in row)) for name, row in zip(names, self.confusion.tolist(), strict=True)
            ]
            left = len(self.names[:1])
            lines += ["", table(("class", "precision", "recall", "examples"), list(per_class), left=left)]
            lines += ["", "confusion matrix: rows are true classes, columns predicted classes"]
            lines += [table(("", *names), matrix, left=left)]
        elif self.of_values:
            columns = ("rmse", "r2", "mae")
            rows = [
                (name, *(format(found[c], ".4g") if c in found else "nan" for c in columns))
                for name, found in self.of_values.items()
            ]
            lines += ["", table(("value", *columns), rows)]
        return "\n".join(lines)

    def to_dict(self) -> dict[str, Any]:
        """Return the metrics as plain data; a further metric that is undefined is None."""
        noise: dict[str, Any] = {"corrupt": True} if self.corrupt else {}
        further: dict[str, Any] = noise | {name: self.metrics.get(name) for name in self.task.further}
        if self.task.classes:
            further |= {} if self.task.threshold is None else {"threshold": self.task.threshold}
            return self._report.to_dict() | further | ({"classes": list(self.names)} if self.names else {})
        values = self.of_values
        noise |= {} if self.floor is None else {"floor": self.floor}
        return {"examples": len(self.examples), **self.metrics, **noise, **({"values": values} if values else {})}


def evaluate_model(
    model: Model,
    load: Callable[[Experiment], Dataset],
    split: str,
    threshold: float | str | None = None,
    corrupt: bool = False,
) -> Evaluation:
    """Return the metrics of a network on the train, val or test split; `load` returns a data set.

    The second of two classes is predicted from a probability of `threshold` on; `best-f1` is the one with the highest
    F1 on the validation split. With `corrupt`, inputs have the noise of training, always the same. Raises UsageError if
    a split is empty, or if there can be no threshold or no noise.
    """
    data = load(model.experiment)
    examples, validation = data.split(split), data.validation
    for name in (split, *(("val",) if threshold == BEST_F1 else ())):
        if not len(data.split(name)):
            others = " or ".join(other for other in SPLITS if other != name)
            raise UsageError(f"{model.path}: the experiment has no {SPLITS[name]} split; use {others}")
    with limit_blas(model.experiment):
        evaluator = model.evaluator(data)
        if threshold == BEST_F1:
            threshold = data.task.best_threshold(evaluator.outputs(validation)[0], validation.targets)
        task = data.task.at(threshold)
        outputs, cost = evaluator.outputs(noisy(model, data, examples) if corrupt else examples)
        floor = evaluator.floor(examples)
    known = model.experiment.data
    names = known.class_names or known.targets * (not known.classes)
    path, epoch = str(model.path), model.epoch
    return Evaluation(path, split, epoch, cost, outputs, examples, task, names, floor=floor, corrupt=corrupt)


def noisy(model: Model, data: Dataset, examples: Split) -> Split:
    """Return examples whose inputs have the noise of the training of a network; their targets stay.

    Raises UsageError if it was trained without `corrupt`.
    """
    e, rng = model.experiment, np.random.default_rng(0)
    if e.corrupt is None:
        raise UsageError(f"{model.path}: trained without 'corrupt', so there is no noise to add")
    parts = (data.x(examples.inputs[start : start + ROWS], e.dtype) for start in range(0, len(examples), ROWS))
    x = np.concatenate([e.corrupt.of(part, rng).astype(e.dtype) for part in parts])
    return replace(examples, inputs=x / x.dtype.type(data.scale))


def evaluate_models(
    models: Sequence[Model],
    load: Callable[[Experiment], Dataset],
    split: str,
    threshold: float | str | None = None,
    corrupt: bool = False,
) -> list[Evaluation]:
    """Return the metrics of networks on the same split; see `evaluate_model`.

    Raises UsageError unless all are on the same examples, with the same encoding of targets.
    """
    first, *others = evaluations = [evaluate_model(model, load, split, threshold, corrupt) for model in models]
    for other in others:
        same_inputs = np.array_equal(first.examples.inputs, other.examples.inputs)
        if not (same_inputs and np.array_equal(first.examples.targets, other.examples.targets)):
            raise UsageError(f"{other.name} has another {split} split than {first.name}; evaluate it separately")
        if other.task.at(None) != first.task.at(None):
            raise UsageError(f"{other.name} encodes its targets differently than {first.name}; evaluate it separately")
    return evaluations


def ensemble_of(members: Sequence[Evaluation]) -> Evaluation:
    """Return the evaluation of the mean of the outputs of its members, which are those of `evaluate_models`.

    Raises UsageError for fewer than two members, and if they have different thresholds.
    """
    if len(members) < 2:
        raise UsageError("an ensemble needs at least two networks")
    first = members[0]
    if any(member.task != first.task for member in members):
        raise UsageError("the networks have different thresholds; give one number for the ensemble")
    mean = sum((member.outputs for member in members[1:]), start=first.outputs) / len(members)
    name = f"ensemble (mean of the {len(members)} outputs)"
    return Evaluation(name, first.split, None, None, mean, first.examples, first.task, first.names, tuple(members))


def report(members: Sequence[Evaluation], ensemble: Evaluation | None) -> tuple[str, dict[str, Any]]:
    """Return evaluations, and that of their ensemble if there is one, as text and as plain data."""
    shown = [*members, *([ensemble] if ensemble else [])]
    texts = [*([summary_table(shown)] if len(shown) > 1 else []), *(one.to_text() for one in shown)]
    results = [{"checkpoint": one.name, "epoch": one.epoch, "cost": one.cost, **one.to_dict()} for one in members]
    data: dict[str, Any] = {"split": members[0].split, "results": results}
    if ensemble:
        data |= {"ensemble": ensemble.to_dict(), "average": ensemble.to_dict()}  # `average`: the name before 0.2
    return "\n\n".join(texts), data


def summary_table(evaluations: Sequence[Evaluation]) -> str:
    """Return a table with one line for each evaluation."""
    names = [name for name in evaluations[0].task.metric_names if any(name in one.metrics for one in evaluations)]
    forms = {"accuracy": ".2%"}
    rows = []
    for one in evaluations:
        metrics = (format(one.metrics[n], forms.get(n, ".4g")) if n in one.metrics else "" for n in names)
        rows.append(
            (one.name, "" if one.epoch is None else one.epoch, *metrics, "" if one.cost is None else f"{one.cost:.6g}")
        )
    split = evaluations[0].split
    return table(("checkpoint", "epoch", *(f"{split} {name}" for name in names), f"{split} cost"), rows)
