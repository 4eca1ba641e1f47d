"""A picture of samples of a Boltzmann machine."""

from __future__ import annotations

from backprop_cli.drawing.style import to_bytes
from backprop_cli.drawing.tiles import Scale, tiles
from backprop_cli.nn.arrays import Array, Shape
from backprop_cli.plots.signals import seen


def samples_picture(samples: Array, image: Shape | None, steps: int, format: str) -> bytes:
    """Return a file with samples (rows, chains, visible) as images (height, width), without these as lines of pixels.

    The first row is data, and each of the others `steps` steps of Gibbs sampling after the one above.
    """
    rows, chains, visible = samples.shape
    names = ["data", *(f"{row * steps:,}" for row in range(1, rows))]
    images = seen(samples.reshape(rows * chains, -1, *(image or (1, visible))))
    return to_bytes(tiles(images.reshape(rows, chains, *images.shape[1:]), Scale(0, 1), rows=names), format)
