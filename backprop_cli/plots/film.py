"""A film of learning: one frame for each epoch whose checkpoint was kept."""

from __future__ import annotations

import io
from collections.abc import Callable, Iterator
from functools import partial
from typing import Any

import numpy as np
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from backprop_cli.data.images import pillow
from backprop_cli.drawing.function import draw_fit, draw_regions
from backprop_cli.drawing.images import draw_weights
from backprop_cli.drawing.style import Array, draw_with_style, title
from backprop_cli.drawing.tiles import Scale
from backprop_cli.frozen import frozen
from backprop_cli.plots import PlotResult
from backprop_cli.plots.filters import first_weights, weight_names
from backprop_cli.plots.quality import axis_names
from backprop_cli.results.preparation import Units
from backprop_cli.results.run import Run
from backprop_cli.text import metric

MAX_FRAMES, UNITS, GRID = 60, 20, 150
"""At most so many frames; so many units whose weights are drawn; so many points along each side of the plane. A frame
takes about a quarter of a second."""

FRAME, LAST = 200, 2000
"""Milliseconds for which a frame, and the last one, is shown."""

DPI, COLOURS = 100, 128
"""Pixels per inch, and colours of a frame."""

Draw = Callable[[Run], Figure]


@frozen
class FilmResult(PlotResult):
    """A film; `figure` is its last frame, `draw_frames` draws all of them."""

    draw_frames: Callable[[], Iterator[Figure]] = lambda: iter(())

    def to_bytes(self, format: str) -> bytes:
        """Return the film as the bytes of an animated GIF, which repeats."""
        first, *others = [_image(figure) for figure in self.draw_frames()]
        durations = [FRAME] * len(others) + [LAST]
        file = io.BytesIO()
        first.save(file, format, save_all=True, append_images=others, duration=durations, loop=0)
        return file.getvalue()


def plot_film(run: Run, draw: Draw) -> FilmResult:
    """Return the film of a run with kept epochs, evenly chosen if they are too many. `draw` draws one of them."""
    kept = run.folder.kept_epochs()
    chosen = sorted({kept[i] for i in np.linspace(0, len(kept) - 1, MAX_FRAMES).round().astype(int)})
    notes = (f"{len(chosen)} of the {len(kept)} kept epochs are shown",) if len(chosen) < len(kept) else ()

    def frame(epoch: int) -> Figure:
        return title(draw(run.at(epoch)), f"{run.name}, epoch {epoch}{_metric(run, epoch)}")

    words = f"The network after {len(chosen)} epochs from {chosen[0]} to {chosen[-1]}, one after the other"
    return FilmResult(frame(chosen[-1]), words + ".", words + ".", notes, partial(map, frame, chosen))


def film_of_function(run: Run, measure: str) -> FilmResult:
    """Return the film of the decision regions, or of the fitted curve."""
    units, names = Units.of(run.config.data), axis_names(run)
    x, y = units.of_data(run.data.train.inputs), run.data.train.targets
    if run.config.data.classes:
        return plot_film(
            run, lambda at: draw_regions(x, y, lambda x: at.scores(units.of_network(x)), measure, GRID, names)
        )
    return plot_film(run, lambda at: draw_fit(x, y, lambda x: at.predict(units.of_network(x)), names))


def film_of_weights(run: Run) -> FilmResult:
    """Return the film of the weights of the first units, all frames on the scale of the last."""

    def weights(at: Run) -> Array:
        W = first_weights(at)
        return W.reshape(-1, *W.shape[2:])[:UNITS]

    scale = Scale.around_zero(weights(run.at(run.folder.kept_epochs()[-1])), "weight")
    names = weight_names(run, first_weights(run))[:UNITS]
    return plot_film(run, lambda at: draw_weights(weights(at), names, scale))


def _metric(run: Run, epoch: int) -> str:
    """Return the main metric of an epoch as the title contains it."""
    row = {name: column[run.table["epoch"] == epoch] for name, column in run.table.items()}
    for split, word in (("val", "validation"), ("train", "training")):
        for name in ("accuracy", "cost"):
            for value in row.get(f"{split}_{name}", ()):
                if np.isfinite(value):
                    return f": {word} {name} {metric(name, value)}"
    return ""


def _image(figure: Figure) -> Any:
    """Return a figure as an image of Pillow with few colours."""
    opener = pillow()
    figure.set_dpi(DPI)
    canvas = FigureCanvasAgg(figure)
    draw_with_style(canvas.draw)
    pixels = np.asarray(canvas.buffer_rgba())  # type: ignore[no-untyped-call]  # of matplotlib
    image = opener.fromarray(pixels).convert("RGB")
    return image.quantize(COLOURS, opener.Quantize.MAXCOVERAGE, dither=opener.Dither.NONE)
