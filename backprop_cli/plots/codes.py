"""What an autoencoder makes of its inputs: reconstructions, codes, and the manifold of a code of two units."""

from __future__ import annotations

from math import prod
from typing import Any

import numpy as np

from backprop_cli.data.splits import Rows
from backprop_cli.drawing.function import Names, draw_points
from backprop_cli.drawing.images import draw_manifold
from backprop_cli.drawing.style import title
from backprop_cli.drawing.tiles import Scale, Tiles, draw_tiles
from backprop_cli.errors import UsageError
from backprop_cli.nn.arrays import Array
from backprop_cli.plots import PlotResult, View
from backprop_cli.plots.filters import EXAMPLES
from backprop_cli.plots.quality import known_class_names, named
from backprop_cli.plots.signals import (
    Stage,
    as_images,
    chosen_image,
    fed,
    no_images,
    outputs_from,
    signals_of,
    stages_of,
    with_noise,
)
from backprop_cli.results.evaluation import SPLITS
from backprop_cli.results.run import Run

COLUMNS = 10
"""So many reconstructions are drawn of the first, the best and the worst examples."""

WALKS, STEPS = 6, 9
"""So many walks are drawn, with so many images on each."""

SIDE = 16
"""The manifold has SIDE x SIDE images."""

TAILS = 0.02
"""The manifold leaves out this share of the codes at each end of an axis."""


def no_reconstructions(run: Run) -> str | None:
    """Return why a run has no reconstructed images, or None."""
    return no_images(run) if run.config.task.reconstructs else "it is no autoencoder; train with targets=inputs"


def code_of(run: Run) -> Stage | None:
    """Return the code, the narrowest hidden layer, None if there is none."""
    return min(stages_of(run)[:-1], key=lambda stage: prod(stage.shape), default=None)


def no_codes(run: Run) -> str | None:
    """Return why the codes of a run cannot be drawn in the plane, or None."""
    code = code_of(run)
    if code is None:
        return "its network has no hidden layer"
    return "its code is a single number" if prod(code.shape) == 1 else None


def no_manifold(run: Run) -> str | None:
    """Return why a run has no manifold, or None."""
    code = code_of(run)
    two = code is not None and code.shape == (2,)
    return no_reconstructions(run) or (None if two else "its code does not have two units")


def plot_reconstructions(run: Run, view: View) -> PlotResult:
    """Draw images, what noise makes of them if there is any, and their reconstructions: some, the best, the worst."""
    examples = chosen_image(run, view)[:EXAMPLES]
    x = fed(run, examples.inputs)
    noisy = with_noise(run, x)
    found = np.concatenate([signals[-1] for signals in signals_of(run, noisy)]).reshape(x.shape)
    errors = np.square(found - x).sum(axis=1)
    order = np.argsort(errors, kind="stable")
    kinds = {"original": x, **({} if noisy is x else {"noisy": noisy}), "reconstruction": found}
    scale = Scale.of(x)

    def block(words: str, rows: Rows) -> Tiles:
        images = np.stack([as_images(run, one[rows]) for one in kinds.values()])
        return Tiles(images, scale, words, tuple(kinds), [f"{error:.3g}" for error in errors[rows]])

    start, n = view.image, len(x)
    which = f"images {start:,} to {start + n - 1:,} of the {SPLITS[view.split]} split"
    figure = draw_tiles(
        [
            block(f"from image {start:,} on, with their squared errors", np.arange(n)[:COLUMNS]),
            block("the smallest errors", order[:COLUMNS]),
            block("the largest errors", order[::-1][:COLUMNS]),
        ]
    )
    words = f"Images, {'the same with noise, ' * (noisy is not x)}and their reconstructions, of {which}"
    mean = f"mean squared error of an image {errors.mean():.4g}, from {errors.min():.3g} to {errors.max():.3g}"
    return PlotResult(
        title(figure, named(run, f"reconstructions, {SPLITS[view.split]} split")),
        f"{words}; {mean}.",
        f"{words}: {mean}.",
    )


def plot_codes(run: Run, view: View) -> PlotResult:
    """Draw the codes of examples in the plane, coloured by class: the two units, or the first principal components."""
    code, examples = _code(run), run.examples(view.split)[:EXAMPLES]
    codes = _codes(run, code, examples.inputs)
    axes = tuple(f"unit {unit} of the code" for unit in (1, 2))
    words = f"The outputs of {code.name}"
    if codes.shape[1] > 2:
        codes, shares = principal_components(codes)
        axes = tuple(
            f"principal component {k} ({share:.1%} of the variance)" for k, share in enumerate(shares, start=1)
        )
        words += ", their first two principal components"
    labels = np.zeros(len(codes), int) if examples.labels is None else examples.labels
    names = ["example"] if examples.labels is None else known_class_names(run)
    figure = draw_points(codes, labels, Names(names, axes))
    words += f", for {len(codes):,} examples of the {SPLITS[view.split]} split"
    return PlotResult(title(figure, named(run, f"codes, {code.name}")), f"{words}.", f"{words}: {' and '.join(axes)}.")


def plot_manifold(run: Run, view: View) -> PlotResult:
    """Draw the outputs for codes on a grid, of a code of two units."""
    code = _code(run)
    codes = _codes(run, code, run.examples(view.split).inputs[:EXAMPLES])
    low, high = np.quantile(codes, (TAILS, 1 - TAILS), axis=0)
    x, y = np.linspace(low, high, SIDE).T
    grid = np.stack(np.meshgrid(x, y), axis=-1).reshape(-1, 2).astype(run.theta.dtype)
    images = as_images(run, outputs_from(run, code, grid))
    figure = draw_manifold(images.reshape(SIDE, SIDE, *images.shape[1:]), x, y)
    words = f"The outputs for {SIDE} x {SIDE} codes, two units of {code.name}"
    span = f"{low[0]:.3g} to {high[0]:.3g} and {low[1]:.3g} to {high[1]:.3g}"
    caption = f"{words}, over the range of the codes of the {SPLITS[view.split]} split."
    return PlotResult(title(figure, named(run, f"outputs for codes, {code.name}")), caption, f"{words}: from {span}.")


def no_walk(run: Run) -> str | None:
    """Return why a run has no walk between images, or None."""
    return no_reconstructions(run) or (None if code_of(run) else "its network has no hidden layer")


def plot_walk(run: Run, view: View) -> PlotResult:
    """Draw the outputs for codes on the straight line from the code of an image to that of the next, of some pairs."""
    code, examples = _code(run), chosen_image(run, view)[: 2 * WALKS]
    if len(examples) < 2:
        raise UsageError(f"image {view.image:,} is the last one of the {SPLITS[view.split]} split; choose another")
    pairs = len(examples) // 2 * 2
    x, codes = fed(run, examples.inputs)[:pairs], _codes(run, code, examples.inputs)[:pairs]
    t = np.linspace(0, 1, STEPS, dtype=codes.dtype)[:, None]
    line = (1 - t) * codes[::2, None] + t * codes[1::2, None]  # (pairs, STEPS, units)
    found = outputs_from(run, code, line.reshape(-1, codes.shape[1])).reshape(pairs // 2, STEPS, -1)
    rows = np.concatenate([x[::2, None], found, x[1::2, None]], axis=1)
    images = as_images(run, rows.reshape(-1, x.shape[1]))
    names = [f"{view.image + i:,} to {view.image + i + 1:,}" for i in range(0, pairs, 2)]
    columns = ["image", *(f"{share:.3g}" for share in t.ravel()), "image"]
    grid = images.reshape(len(names), STEPS + 2, *images.shape[1:])
    figure = draw_tiles([Tiles(grid, Scale.of(x), rows=names, columns=columns)])
    which = f"images {view.image:,} to {view.image + pairs - 1:,} of the {SPLITS[view.split]} split"
    words = f"The outputs for {STEPS} codes on the line between the codes of two images, of {code.name}; {which}."
    return PlotResult(title(figure, named(run, f"from image to image, {code.name}")), words, words)


def principal_components(codes: Array) -> tuple[Array, Array]:
    """Return the first two principal components of codes (n, k) as (n, 2), and their shares of the variance."""
    centered = codes.astype(float) - codes.mean(axis=0, dtype=float)
    _, s, directions = np.linalg.svd(centered, full_matrices=False)
    signs = np.sign(directions[np.arange(2), np.abs(directions[:2]).argmax(axis=1)])  # the largest weight is positive
    return centered @ (directions[:2] * signs[:, None]).T, s[:2] ** 2 / max(float(s @ s), 1e-300)


def _code(run: Run) -> Stage:
    code = code_of(run)
    assert code is not None, "these plots are available only for networks with a hidden layer"
    return code


def _codes(run: Run, code: Stage, inputs: Any) -> Array:
    return np.concatenate(
        [signals[code.place].reshape(-1, prod(code.shape)) for signals in signals_of(run, fed(run, inputs))]
    )
