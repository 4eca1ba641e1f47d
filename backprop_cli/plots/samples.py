"""A picture of samples of a Boltzmann machine."""

from __future__ import annotations

from backprop_cli.drawing.style import to_bytes
from backprop_cli.drawing.tiles import Scale, tiles
from backprop_cli.nn.arrays import Array


def samples_picture(samples: Array, image: tuple[int, int] | None, steps: int, format: str) -> bytes:
    """Return a file with samples (rows, chains, visible) as images (height, width); as lines of pixels without a shape.

    The first row is data, and each of the others `steps` steps of Gibbs sampling after the one above.
    """
    rows, chains, visible = samples.shape
    names = ["data", *(f"{row * steps:,}" for row in range(1, rows))]
    images = samples.reshape(rows, chains, *(image or (1, visible)))
    return to_bytes(tiles(images, Scale(0, 1), rows=names), format)
