"""How good the predictions of a run are, beyond one number: plots of its scores, its errors and its columns."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence

import numpy as np
from matplotlib.figure import Figure

from backprop_cli.drawing.function import Names
from backprop_cli.drawing.scores import (
    BARS,
    ClassCurve,
    draw_calibration,
    draw_importance,
    draw_precision_recall,
    draw_residuals,
    draw_roc,
)
from backprop_cli.drawing.style import FIRST, title
from backprop_cli.errors import RunError, UsageError
from backprop_cli.nn.activations import ACTIVATIONS
from backprop_cli.nn.arrays import Array
from backprop_cli.plots import PlotResult, View
from backprop_cli.results.evaluation import SPLITS, Evaluation
from backprop_cli.results.importance import input_columns, no_importance
from backprop_cli.results.predicting import predict_array
from backprop_cli.results.run import Run
from backprop_cli.text import some_of
from backprop_cli.training.evaluation import higher_is_better
from backprop_cli.training.ranking import ThresholdCurve, calibration, precision_recall_curve, roc_curve

MAX_COLUMNS = 100
"""The importance of more columns is drawn only if it is asked for."""


def named(run: Run, words: str = "") -> str:
    """Return the title of a plot: the run, the epoch of its network, and further words."""
    return f"{run.name}, epoch {run.model.epoch}" + (f": {words}" if words else "")


def measure(run: Run) -> str:
    """Return what the scores of a run's classes are: a probability or just a score."""
    found = predict_array(run.model, run.data.train.inputs[:1]).measure
    return found if found == "probability" else "score"


def class_names(run: Run) -> tuple[str, ...]:
    """Return the names of the classes, their numbers if they have none."""
    return run.config.data.class_names or tuple(map(str, range(run.config.task.classes)))


def known_class_names(run: Run) -> tuple[str, ...]:
    """Return the names of the classes of the data, their numbers if they have none, also of an autoencoder."""
    e = run.config
    data = e.dataset.describe(e.validation, e.train_size, e.fold)
    return data.class_names or tuple(map(str, range(data.classes)))


def axis_names(run: Run) -> Names:
    """Return the names of classes, and of the axes of a plot over the inputs of a table."""
    data = run.config.data
    axes = () if data.preprocessing is None else (*data.preprocessing.inputs, *data.targets)[:2]
    return Names(data.class_names, axes)


def is_own(run: Run) -> bool:
    """Whether the data are the user's, whose quality is not known from books."""
    return run.config.dataset.origin == "files"


def gives_probabilities(run: Run) -> bool:
    """Whether the outputs are probabilities of classes, as far as the config tells."""
    output = ACTIVATIONS[run.config.activations[-1]]
    return output.sums_to_one or run.config.sizes[-1] == 1


def has_few_columns(run: Run) -> bool:
    """Whether the importance of all columns is soon measured."""
    return len(input_columns(run.config.data)) <= MAX_COLUMNS


def no_classes(run: Run) -> str | None:
    """Return why a run has no classes, or None."""
    return None if run.config.data.classes else f"{run.config.task.kind} task: there are no classes"


def no_values(run: Run) -> str | None:
    """Return why a run has no values, or None."""
    task = run.config.task
    return f"{task.kind} task: there are no residuals" if task.classes or task.reconstructs else None


def no_columns(run: Run) -> str | None:
    """Return why the columns of a run have no importance, or None."""
    return no_importance(run.config.data)


def _class_curves(
    run: Run, evaluation: Evaluation, curve_of: Callable[[Array, Array], ThresholdCurve]
) -> Iterator[ClassCurve]:
    """Yield the curve of each class against the others; of two classes only that of the second."""
    scores, labels, names = evaluation.scores, evaluation.examples.targets, class_names(run)
    for label in [1] if len(names) == 2 else range(len(names)):
        positive = labels == label
        if 0 < positive.sum() < len(positive):
            yield ClassCurve(names[label], curve_of(positive, scores[:, label]), float(positive.mean()))


def _plot_curves(
    run: Run,
    view: View,
    curve_of: Callable[[Array, Array], ThresholdCurve],
    draw: Callable[[Sequence[ClassCurve]], Figure],
    words: str,
    area: str,
) -> PlotResult:
    curves = list(_class_curves(run, run.evaluate(view.split), curve_of))
    if not curves:
        raise RunError(f"{run.path}: all examples of the {SPLITS[view.split]} split are of one class")
    if len(curves) > FIRST:  # the worst have a name
        curves.sort(key=lambda one: one.curve.area)
    names = class_names(run)
    whose = f"class {names[1]}" if len(names) == 2 else "each class against the others"
    caption = f"{words} of {whose}, {SPLITS[view.split]} split."
    if absent := [n for n in names if n not in {one.name for one in curves}][: None if len(names) > 2 else 0]:
        caption += f" Classes without examples, or without others: {some_of(absent)}."
    areas = ", ".join(f"{one.name} {one.curve.area:.3f}" for one in curves[:FIRST])
    return PlotResult(
        title(draw(curves), named(run, f"{SPLITS[view.split]} split")), caption, f"{caption} {area}: {areas}."
    )


def plot_roc(run: Run, view: View) -> PlotResult:
    """Draw the ROC curves of a run."""
    return _plot_curves(run, view, roc_curve, draw_roc, "ROC curve", "Area under the curve")


def plot_precision_recall(run: Run, view: View) -> PlotResult:
    """Draw the precision over the recall."""
    words = "Precision over recall"
    return _plot_curves(run, view, precision_recall_curve, draw_precision_recall, words, "Average precision")


def plot_calibration(run: Run, view: View) -> PlotResult:
    """Draw how often predictions came true over their probability: of the second of two classes, or the predicted."""
    evaluation, names = run.evaluate(view.split), class_names(run)
    if measure(run) != "probability":
        raise UsageError(f"{run.path}: its outputs are not probabilities; train with output=softmax")
    scores, labels = evaluation.scores.astype(np.float64), evaluation.examples.targets
    binary = len(names) == 2
    probabilities = scores[:, 1] if binary else scores.max(axis=1)
    found = calibration(labels == 1 if binary else evaluation.predictions == labels, probabilities)
    whose = f"class {names[1]}" if binary else "the predicted class"
    words = f"How often an example belongs to {whose}, over the probability that the network gives it"
    pairs = ", ".join(f"{p:.2f} {o:.2f}" for p, o in zip(found.predicted, found.observed, strict=True))
    return PlotResult(
        title(draw_calibration(found, f"probability of {whose}"), named(run, f"{SPLITS[view.split]} split")),
        f"{words}, {SPLITS[view.split]} split. Expected calibration error {found.error:.3f}.",
        f"{words}: {pairs}. Expected calibration error {found.error:.3f}.",
    )


def plot_residuals(run: Run, view: View) -> PlotResult:
    """Draw the predicted over the true values, and the residuals over the predicted ones, in the units of the data."""
    evaluation = run.evaluate(view.split)
    true, predicted = evaluation.examples.targets, evaluation.predictions
    names = run.config.data.targets or [f"value {k + 1}" if true.shape[1] > 1 else "value" for k in range(len(true[0]))]
    metrics = ", ".join(f"{name.upper()} {value:.4g}" for name, value in evaluation.metrics.items())
    words = f"Predicted and true values of the {SPLITS[view.split]} split, and the residuals, predicted - true"
    return PlotResult(
        title(draw_residuals(true, predicted, names), named(run, f"{SPLITS[view.split]} split")),
        f"{words}. {metrics}.",
        f"{words}: {', '.join(names)}. {metrics}.",
    )


def plot_importance(run: Run, view: View) -> PlotResult:
    """Draw the permutation importance of the columns."""
    found = run.importance(view.split)
    n, name = min(len(found.columns), BARS), found.metric.replace("_", " ")
    change = "decrease" if higher_is_better(found.metric) else "increase"
    figure = draw_importance(found.columns[:n], found.mean[:n], found.sd[:n], f"{change} of the {name}")
    of = f"the first {n} of {len(found.columns)} columns" if n < len(found.columns) else "all columns"
    rows = ", ".join(f"{c} {m:.4g}" for c, m in zip(found.columns[:n], found.mean, strict=False))
    return PlotResult(
        title(figure, named(run, f"importance of {of}")),
        f"Permutation importance: {found.title()}; bars are means, lines standard deviations.",
        f"Permutation importance, {found.title()}: {rows}.",
    )
