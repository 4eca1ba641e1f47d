"""Which pictures there are of a run, and how its numbers become one of them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING

import numpy as np

from backprop_cli.errors import RunError, UsageError
from backprop_cli.nn.arrays import Array
from backprop_cli.plots import KINDS
from backprop_cli.plots.confusion import draw_confusion
from backprop_cli.plots.curves import Curves, draw_curves
from backprop_cli.plots.function import draw_fit, draw_regions
from backprop_cli.plots.images import MISTAKES, TILES, draw_mistakes, draw_weights
from backprop_cli.plots.layers import PANELS, draw_layers
from backprop_cli.results import Result, alike, differences
from backprop_cli.training.evaluation import judge

if TYPE_CHECKING:
    from matplotlib.figure import Figure

SPLITS = {"train": "training", "val": "validation", "test": "test"}
LABEL = 44
"""The longest label that tells of settings beside the name of a run."""


@dataclass(frozen=True)
class Picture:
    """A drawing, and in words what it shows to those who cannot see it."""

    figure: Figure
    caption: str
    alt: str


@dataclass(frozen=True)
class Job:
    """A picture to be drawn of one run, or of several in one chart."""

    kind: str
    results: Sequence[Result]
    draw: Callable[[], Picture]


@dataclass(frozen=True)
class Kind:
    """A kind of picture of a single run: why a run has none, or None, and how it is drawn."""

    why_not: Callable[[Result], str | None]
    draw: Callable[[Result], Picture]

    def attempt(self, result: Result) -> Picture:
        """Return the picture. Raises UsageError where there can be none, or whatever is in the way."""
        if reason := self.why_not(result):
            raise UsageError(f"{result.folder.path}: {reason}")
        return self.draw(result)


def plan(results: Sequence[Result], kinds: Sequence[str] = (), each: bool = False) -> list[Job]:
    """Return what there is to draw of these kinds, or else of all that apply: one chart of curves, the rest by run.

    Runs that differ by seed alone become their mean, unless `each` asks for every one of them. Drawing raises a
    BackpropError where something is in the way.
    """
    jobs = []
    for name in KINDS:
        if kinds and name not in kinds:
            continue
        if name == "curves":
            jobs.append(Job(name, results, partial(_curves, results, each)))
            continue
        kind = OF_A_RUN[name]
        jobs += [Job(name, [r], partial(kind.attempt, r)) for r in results if kinds or kind.why_not(r) is None]
    return jobs


def _curves(results: Sequence[Result], each: bool) -> Picture:
    begun = [result for result in results if len(result.epochs)]
    if not begun:
        raise RunError(f"{results[0].folder.path}: no epoch has been finished, so there are no curves")
    groups = [[result] for result in begun] if each else alike(begun)
    settings = [
        " ".join(f"{key}={value}" for key, value in differing.items() if key != "seed" or len(groups) == len(begun))
        for differing in differences(begun)
    ]
    named = dict(zip(map(id, begun), settings, strict=True))
    curves = [_gathered(group, named[id(group[0])], alone=len(groups) == 1) for group in groups]
    caption = "Learning curves" + (", with a ring around the best epoch." if any(one.best for one in curves) else ".")
    if len(begun) > len(groups):
        caption += " A line with a band is the mean of runs that differ by seed, and a standard deviation on each side."
    return Picture(draw_curves(curves), caption, "Learning curves. " + " ".join(map(_course, begun)))


def _gathered(group: Sequence[Result], settings: str, alone: bool) -> Curves:
    """Return the curves of a run, or of runs that differ by seed, over the epochs that all of them have."""
    shortest = min(group, key=lambda result: len(result.epochs))
    n = len(shortest.epochs)
    names = [name for name in shortest.table if name.startswith(("train_", "val_"))]
    columns = {name: np.stack([result.table[name][:n] for result in group]) for name in names}
    first, last = group[0].name, group[-1].name
    if len(group) > 1:
        which = settings if len(settings) <= LABEL else f"{first} … {last}"
        return Curves(f"{which} (mean of {len(group)} seeds)".strip(), shortest.epochs, columns)
    label = f"{first}  {settings}".strip()
    return Curves(first if alone or len(label) > LABEL else label, shortest.epochs, columns, group[0].best_epoch)


def _course(result: Result) -> str:
    """Return in a sentence how a run went."""
    parts: list[str] = []
    for name, noun in (("accuracy", "accuracy"), ("rmse", "RMSE"), ("cost", "cost")):
        for split in ("val", "train"):
            values = result.table.get(f"{split}_{name}")
            if values is not None and np.isfinite(values).all() and not any(noun in part for part in parts):
                first, last = (f"{v:.2%}" if name == "accuracy" else f"{v:.4g}" for v in (values[0], values[-1]))
                parts.append(f"{SPLITS[split]} {noun} goes from {first} to {last}")
    best = f"; the best epoch is {result.best_epoch}" if result.best_epoch else ""
    return f"{result.name}: in {len(result.epochs)} epochs, {', '.join(parts)}{best}."


def _is_seen_whole(result: Result) -> str | None:
    source = result.experiment.dataset
    if (source.inputs, source.classes > 0) in ((2, True), (1, False)):
        return None
    return f"{source.name} is no data of two inputs and classes, or of one input and a value"


def _function(result: Result) -> Picture:
    train = result.data.train
    if not result.experiment.dataset.classes:
        figure = draw_fit(train.inputs, train.targets, result.answer)
        words = "The function that the network has become, over the examples it was trained on"
        return Picture(figure, words + ".", f"{words}: {result.experiment.dataset.name}.")
    figure = draw_regions(train.inputs, train.targets, lambda x: result.scores(result.answer(x)))
    words = "The plane as the network divides it, and the training examples of each class"
    return Picture(figure, words + ".", f"{words}: {result.experiment.dataset.name}.")


def _has_classes(result: Result) -> str | None:
    name = result.experiment.dataset.name
    return None if result.experiment.dataset.classes else f"{name} asks for values, which are not confused"


def _confusion(result: Result) -> Picture:
    predicted = result.scores(result.outputs).argmax(axis=1)
    judgement = judge(predicted, result.examples.targets, result.experiment.dataset.classes)
    wrong = judgement.confusion - np.diag(np.diag(judgement.confusion))
    t, p = np.unravel_index(wrong.argmax(), wrong.shape)
    most = f" Most often, class {t} is taken for {p}: {wrong[t, p]} times." if wrong.any() else ""
    words = f"{judgement.right:,} of {judgement.n:,} examples of the {SPLITS[result.split]} split are predicted rightly"
    return Picture(
        draw_confusion(judgement.confusion),
        f"Confusion matrix of the {result.which} checkpoint: {words} ({judgement.accuracy:.2%}).",
        f"Confusion matrix, true classes by predicted ones: {words}.{most}",
    )


def _has_images_of_classes(result: Result) -> str | None:
    return _has_images(result) or _has_classes(result)


def worst_mistakes(scores: Array, labels: Array) -> Array:
    """Return the rows that are mistaken, first those where the wrong class is furthest ahead of the true one.

    scores (n, classes) and labels (n,).
    """
    rows = np.arange(len(labels))
    ahead = scores.max(axis=1) - scores[rows, labels]
    wrong = rows[scores.argmax(axis=1) != labels]
    worst: Array = wrong[np.argsort(-ahead[wrong], kind="stable")]
    return worst


def _mistakes(result: Result) -> Picture:
    scores, examples = result.scores(result.outputs), result.examples
    wrong = worst_mistakes(scores, examples.targets)
    if not len(wrong):
        raise RunError(f"{result.folder.path}: there are no mistakes on the {SPLITS[result.split]} split")
    rows = wrong[:MISTAKES]
    truth, predicted = examples.targets[rows], scores[rows].argmax(axis=1)
    given = np.stack([scores[rows, predicted], scores[rows, truth]], axis=1)
    images = examples.inputs[rows].reshape(-1, *_shape(result))
    count = f"the {len(rows)} worst of {len(wrong)}" if len(rows) < len(wrong) else f"all {len(wrong)}"
    pairs = ", ".join(f"{t} as {p}" for t, p in zip(truth, predicted, strict=True))
    return Picture(
        draw_mistakes(images, truth, predicted, given),
        f"Mistakes on the {SPLITS[result.split]} split, {count}: those where the network is surest of a wrong class.",
        f"Images that were mistaken, {count}: {pairs}.",
    )


def _has_images(result: Result) -> str | None:
    source = result.experiment.dataset
    return None if source.image else f"the inputs of {source.name} are no images"


def _weights(result: Result) -> Picture:
    first = result.layers[0]
    drawn = first.W[:TILES].reshape(-1, *_shape(result))
    units_are_classes = len(result.layers) == 1 and len(first.W) == result.experiment.task.classes
    names = [f"class {j}" if units_are_classes else f"unit {j + 1}" for j in range(len(drawn))]
    some = "" if len(drawn) == len(first.W) else f" (the first {len(drawn)} of {len(first.W)} units)"
    words = f"Weights of the first layer as images, one for each unit{some}"
    return Picture(
        draw_weights(drawn, names), words + ": light where ink speaks for the unit, dark where against.", words + "."
    )


def _shape(result: Result) -> tuple[int, int]:
    shape = result.experiment.dataset.image
    assert shape is not None, "asked before"
    return shape


def _has_diagnostics(result: Result) -> str | None:
    if any(_by_layer(result).values()):
        return None
    return "metrics.csv knows nothing of layers; train with diagnostics=true"


def _by_layer(result: Result) -> dict[str, dict[int, Array]]:
    numbers = range(1, len(result.experiment.sizes))
    return {
        name: {l: result.table[f"{name}_{l}"] for l in numbers if len(result.table.get(f"{name}_{l}", ()))}
        for name in PANELS
    }


def _gradients(result: Result) -> Picture:
    quantities = _by_layer(result)
    last = ", ".join(f"layer {l} {values[-1]:.3g}" for l, values in quantities["gradient_norm"].items())
    return Picture(
        draw_layers(result.epochs, quantities),
        "Layer by layer: the norm of dC/dW, and by how much of its own size W changes in a step.",
        f"Norm of the gradient of each layer over the epochs; after the last: {last}.",
    )


OF_A_RUN: dict[str, Kind] = {
    "function": Kind(_is_seen_whole, _function),
    "confusion": Kind(_has_classes, _confusion),
    "mistakes": Kind(_has_images_of_classes, _mistakes),
    "weights": Kind(_has_images, _weights),
    "gradients": Kind(_has_diagnostics, _gradients),
}
"""Every kind but the curves, which may be of several runs."""
