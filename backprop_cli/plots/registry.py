"""Which plots a run has, and how its numbers become one of them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial

import numpy as np

from backprop_cli.drawing.confusion import draw_confusion
from backprop_cli.drawing.function import draw_fit, draw_regions
from backprop_cli.drawing.images import MISTAKES, draw_mistakes
from backprop_cli.drawing.layers import PANELS, draw_layers
from backprop_cli.drawing.style import title
from backprop_cli.errors import RunError, UsageError
from backprop_cli.frozen import frozen
from backprop_cli.nn.arrays import Array
from backprop_cli.plots import FILM_FORMATS, FORMATS, KINDS, ON_REQUEST, PlotResult, View
from backprop_cli.plots.codes import (
    no_codes,
    no_manifold,
    no_reconstructions,
    plot_codes,
    plot_manifold,
    plot_reconstructions,
)
from backprop_cli.plots.comparisons import Comparison, no_heatmap, no_parallel, plot_heatmap, plot_parallel
from backprop_cli.plots.film import film_of_function, film_of_weights
from backprop_cli.plots.filters import no_maps, plot_filters, plot_maps, plot_maximal, plot_weights
from backprop_cli.plots.learning_curves import plot_learning_curves
from backprop_cli.plots.quality import (
    axis_names,
    class_names,
    gives_probabilities,
    has_few_columns,
    is_own,
    measure,
    named,
    no_classes,
    no_columns,
    no_values,
    plot_calibration,
    plot_importance,
    plot_precision_recall,
    plot_residuals,
    plot_roc,
)
from backprop_cli.plots.signals import as_images, no_images
from backprop_cli.results.evaluation import SPLITS
from backprop_cli.results.preparation import Units
from backprop_cli.results.run import Run

FEW = 3
"""Up to so many runs, each has plots of its own by default."""


@frozen
class PlotJob:
    """A plot to be drawn, of one run or of several in one chart."""

    kind: str
    runs: Sequence[Run]
    draw: Callable[[], PlotResult]
    formats: tuple[str, ...] = FORMATS


@frozen
class PlotKind:
    """A kind of plot of a single run: why a run does not have it, or None, and how it is drawn.

    `by_default` tells whether a run that has it gets it without being asked for.
    """

    unavailable_because: Callable[[Run], str | None]
    draw_available: Callable[[Run, View], PlotResult]
    formats: tuple[str, ...] = FORMATS
    by_default: Callable[[Run], bool] = lambda _: True

    def draw(self, run: Run, view: View) -> PlotResult:
        """Return the plot. Raises UsageError if the run does not have it, or another BackpropError."""
        if reason := self.unavailable_because(run):
            raise UsageError(f"{run.path}: {reason}")
        return self.draw_available(run, view)


@frozen
class JointPlot:
    """A kind of plot of all runs in one chart: why there is none without being asked for, or None; how it is drawn."""

    unavailable_because: Callable[[Comparison], str | None]
    draw: Callable[[Comparison], PlotResult]


def plan_plots(
    runs: Sequence[Run],
    kinds: Sequence[str] = (),
    each: bool = False,
    view: View = View(),  # noqa: B008 - it is frozen
    keys: tuple[str, ...] = (),
    metric: str | None = None,
) -> list[PlotJob]:
    """Return the plots of these kinds, by default of all that apply: first those of all runs, then those of each run.

    Of more than FEW runs, the default are only the plots of all runs.

    Runs that differ only by seed become their mean, unless `each`; they are compared by these keys and this metric, see
    `Comparison`. Drawing raises BackpropError if it fails.
    """
    jobs = []
    comparison = Comparison(runs, each, keys, metric)
    for name in [name for name in (*KINDS, *ON_REQUEST) if name in (kinds or KINDS)]:
        if joint := JOINT_PLOTS.get(name):
            if kinds or joint.unavailable_because(comparison) is None:
                jobs.append(PlotJob(name, runs, partial(joint.draw, comparison)))
            continue
        kind = RUN_PLOTS[name]
        if not kinds and len(runs) > FEW:
            continue
        wanted = [run for run in runs if kinds or (kind.unavailable_because(run) is None and kind.by_default(run))]
        jobs += [PlotJob(name, [run], partial(kind.draw, run, view), kind.formats) for run in wanted]
    return jobs


def _not_low_dimensional(run: Run) -> str | None:
    if run.config.data.is_scattered:
        return None
    return f"{run.config.dataset.name} is neither a 2-D classification nor a 1-D regression data set"


def _plot_function(run: Run, view: View) -> PlotResult:
    train, units, names = run.data.train, Units.of(run.config.data), axis_names(run)
    x = units.of_data(train.inputs)
    if not run.config.data.classes:
        figure = draw_fit(x, train.targets, lambda x: run.predict(units.of_network(x)), names)
        words = "The function computed by the network, and the training examples"
    else:
        figure = draw_regions(x, train.targets, lambda x: run.scores(units.of_network(x)), measure(run), names=names)
        words = "The predicted class at each point of the plane, darker where it is more certain, the training examples"
        words += " and the boundary between the classes; thin lines are at 0.1, 0.3, 0.5, 0.7 and 0.9"
    return PlotResult(title(figure, named(run)), words + ".", f"{words}: {run.config.dataset.name}.")


def _plot_confusion(run: Run, view: View) -> PlotResult:
    evaluation = run.evaluate(view.split)
    confusion, n = evaluation.confusion, len(evaluation.examples)
    wrong = confusion - np.diag(np.diag(confusion))
    t, p = np.unravel_index(wrong.argmax(), wrong.shape)
    names = class_names(run)
    most = f" Most often, class {names[t]} is predicted as {names[p]}: {wrong[t, p]} times." if wrong.any() else ""
    words = f"{np.trace(confusion):,} of {n:,} examples of the {SPLITS[view.split]} split are predicted correctly"
    return PlotResult(
        title(draw_confusion(confusion, run.config.data.class_names), named(run, f"{SPLITS[view.split]} split")),
        f"Confusion matrix of the {run.checkpoint} checkpoint: {words} ({evaluation.metrics['accuracy']:.2%}).",
        f"Confusion matrix, true classes by predicted classes: {words}.{most}",
    )


def worst_mistakes(scores: Array, labels: Array) -> Array:
    """Return the misclassified rows, most confident mistakes first.

    scores (n, classes), labels (n,); confidence is the score of the predicted class minus that of the true one.
    """
    rows = np.arange(len(labels))
    ahead = scores.max(axis=1) - scores[rows, labels]
    wrong = rows[scores.argmax(axis=1) != labels]
    worst: Array = wrong[np.argsort(-ahead[wrong], kind="stable")]
    return worst


def _plot_mistakes(run: Run, view: View) -> PlotResult:
    evaluation = run.evaluate(view.split)
    scores, examples = evaluation.scores, evaluation.examples
    wrong = worst_mistakes(scores, examples.targets)
    if not len(wrong):
        raise RunError(f"{run.path}: no example of the {SPLITS[view.split]} split is misclassified")
    rows = wrong[:MISTAKES]
    truth, predicted = examples.targets[rows], scores[rows].argmax(axis=1)
    given = np.stack([scores[rows, predicted], scores[rows, truth]], axis=1)
    images = as_images(run, examples.inputs[rows])
    count = f"the {len(rows)} most confident of {len(wrong)}" if len(rows) < len(wrong) else f"all {len(wrong)}"
    names = class_names(run)
    figure = draw_mistakes(images, truth, predicted, given, names)
    pairs = ", ".join(f"{names[t]} as {names[p]}" for t, p in zip(truth, predicted, strict=True))
    return PlotResult(
        title(figure, f"{named(run)}: {figure.get_suptitle()}"),
        f"Misclassified images of the {SPLITS[view.split]} split, {count}.",
        f"Misclassified images, {count}: {pairs}.",
    )


def _no_diagnostics(run: Run) -> str | None:
    recorded = any(_by_layer(run).values())
    return None if recorded else "no per-layer diagnostics were recorded; train with diagnostics=true"


def _by_layer(run: Run) -> dict[str, dict[int, Array]]:
    numbers = range(1, len(run.config.activations) + 1)
    return {
        name: {l: run.table[f"{name}_{l}"] for l in numbers if len(run.table.get(f"{name}_{l}", ()))} for name in PANELS
    }


def _plot_gradients(run: Run, view: View) -> PlotResult:
    quantities = _by_layer(run)
    norms = quantities["delta_norm"] or quantities["gradient_norm"]
    what = "the speed of learning ‖δ‖ = ‖dC/db‖" if quantities["delta_norm"] else "the norm of dC/dW"
    first, last = (", ".join(f"layer {l} {v[at]:.3g}" for l, v in norms.items()) for at in (0, -1))
    start = "before training" if run.table["epoch"][0] == 0 else "after the first epoch"
    return PlotResult(
        title(draw_layers(run.table["epoch"], quantities), run.name),
        f"For each layer: {what}, and the norm of the change of W in a step relative to the norm of W.",
        f"For each layer, {what} over the epochs; {start}: {first}; after the last: {last}.",
    )


def _no_film(run: Run) -> str | None:
    if _not_low_dimensional(run) and no_images(run):
        return f"{run.config.dataset.name} has neither two inputs and classes, nor one input and a value, nor images"
    remedy = f"train with keep_epochs.every={max(1, run.config.epochs // 30)}"
    return None if len(run.folder.kept_epochs()) > 1 else f"fewer than two epochs were kept; {remedy}"


def _plot_film(run: Run, view: View) -> PlotResult:
    if _not_low_dimensional(run):
        return film_of_weights(run)
    return film_of_function(run, measure(run))


JOINT_PLOTS: dict[str, JointPlot] = {
    "curves": JointPlot(lambda _: None, lambda comparison: plot_learning_curves(comparison.runs, comparison.each)),
    "heatmap": JointPlot(no_heatmap, plot_heatmap),
    "parallel": JointPlot(no_parallel, plot_parallel),
}
"""Every kind of plot of several runs; learning curves may also show a single one."""

RUN_PLOTS: dict[str, PlotKind] = {
    "function": PlotKind(_not_low_dimensional, _plot_function),
    "confusion": PlotKind(no_classes, _plot_confusion),
    "roc": PlotKind(no_classes, plot_roc, by_default=is_own),
    "precision-recall": PlotKind(no_classes, plot_precision_recall, by_default=is_own),
    "calibration": PlotKind(
        no_classes, plot_calibration, by_default=lambda run: is_own(run) and gives_probabilities(run)
    ),
    "residuals": PlotKind(no_values, plot_residuals, by_default=is_own),
    "importance": PlotKind(no_columns, plot_importance, by_default=lambda run: is_own(run) and has_few_columns(run)),
    "mistakes": PlotKind(lambda run: no_images(run) or no_classes(run), _plot_mistakes),
    "weights": PlotKind(no_images, plot_weights),
    "filters": PlotKind(no_images, plot_filters),
    "maps": PlotKind(lambda run: no_images(run) or no_maps(run), plot_maps),
    "maximal": PlotKind(no_images, plot_maximal, by_default=lambda run: no_maps(run) is None),
    "reconstructions": PlotKind(no_reconstructions, plot_reconstructions),
    "codes": PlotKind(no_codes, plot_codes, by_default=lambda run: run.config.task.reconstructs),
    "manifold": PlotKind(no_manifold, plot_manifold),
    "gradients": PlotKind(_no_diagnostics, _plot_gradients),
    "film": PlotKind(_no_film, _plot_film, FILM_FORMATS),
}
"""Every kind of plot of a single run."""
