"""Grids of small images with captions: a PNG, half blocks in shades of grey, or plain characters.

Images are arrays (n, height, width) from 0 (white) to 1 (black).
"""

from __future__ import annotations

import io
import os
from collections.abc import Callable, Sequence
from typing import Any, TextIO

import numpy as np
import numpy.typing as npt

Images = npt.NDArray[np.floating[Any]]

RAMP = " .:-=+*#%@"
"""Characters from white to black."""

COLUMNS, TILE, GAP, CAPTION = 10, 56, 8, 14
"""Of a PNG: images in a row; in pixels, the least side of an image, the space between two, the height of a caption."""


def as_png(images: Images, captions: Sequence[str]) -> bytes:
    """Return a PNG of the images, black on white. Raises BackpropError if Pillow is missing."""
    from backprop_cli.data.images import pillow

    opener = pillow()
    from PIL import ImageDraw, ImageFont

    tiles = _enlarged(255 - np.rint(255 * images), TILE).astype(np.uint8)
    height, width = tiles.shape[1] + CAPTION + GAP, tiles.shape[2] + GAP
    columns = min(COLUMNS, len(tiles))
    sheet = opener.new("L", (columns * width + GAP, -(-len(tiles) // columns) * height + GAP), 255)
    pen, font = ImageDraw.Draw(sheet), ImageFont.load_default()
    for k, (tile, caption) in enumerate(zip(tiles, captions, strict=True)):
        x, y = GAP + k % columns * width, GAP + k // columns * height
        pen.text((x, y), caption, fill=0, font=font)
        sheet.paste(opener.fromarray(tile), (x, y + CAPTION))
    file = io.BytesIO()
    sheet.save(file, "PNG")
    return file.getvalue()


def as_text(images: Images, captions: Sequence[str], width: int, shades: bool) -> str:
    """Return the images as lines of at most `width` characters, or one image per line; with `shades`, in half blocks.

    A character is about twice as high as it is wide, so it shows two pixels, one above the other.
    """
    images = _enlarged(images, 16)
    images = np.pad(images, ((0, 0), (0, images.shape[1] % 2), (0, 0)))
    paint: Callable[[Images], str] = _half_blocks if shades else _characters
    columns = max(1, (width + 2) // (images.shape[2] + 2))
    lines = []
    for start in range(0, len(images), columns):
        row, names = images[start : start + columns], map(_printable, captions[start : start + columns])
        lines.append("  ".join(name[: images.shape[2]].ljust(images.shape[2]) for name in names))
        for y in range(0, images.shape[1], 2):
            lines.append("  ".join(paint(picture[y : y + 2]) for picture in row))
        lines.append("")
    return "\n".join(line.rstrip() for line in lines[:-1])


def _printable(caption: str) -> str:
    return "".join(letter if letter.isprintable() else "?" for letter in caption)


def shows_shades(stream: TextIO) -> bool:
    """Return whether a stream is a terminal with 256 colours and half blocks, and NO_COLOR is not set."""
    if os.environ.get("NO_COLOR") or not stream.isatty():
        return False
    try:
        "▀".encode(stream.encoding)
    except UnicodeEncodeError:
        return False
    return bool(os.environ.get("COLORTERM")) or "256color" in os.environ.get("TERM", "")


def _enlarged(images: Images, side: int) -> Images:
    """Return the images with each pixel repeated, at least `side` wide."""
    times = -(-side // images.shape[2])
    return images.repeat(times, axis=1).repeat(times, axis=2)


def _half_blocks(pixels: Images) -> str:
    """Return a line for two rows of pixels (2, width): an upper half block in one colour on the other."""
    # colours 232 to 255 of 256 are greys, from nearly black to nearly white
    greys = 232 + np.rint(23 * np.clip(pixels, 0, 1)).astype(int)
    return "".join(f"\x1b[38;5;{upper};48;5;{lower}m▀" for upper, lower in greys.T) + "\x1b[0m"


def _characters(pixels: Images) -> str:
    """Return a line for two rows of pixels (2, width): denser characters for darker pixels."""
    levels = np.rint((len(RAMP) - 1) * np.clip(pixels.mean(axis=0), 0, 1)).astype(int)
    return "".join(RAMP[level] for level in levels)
