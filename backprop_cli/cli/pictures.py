"""Small images side by side, each under its caption: as a PNG, in shades of grey on a terminal, or in plain characters.

Pictures are arrays (n, height, width) of 0 (paper) to 1 (ink).
"""

from __future__ import annotations

import io
import os
import sys
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

Pictures = npt.NDArray[np.floating[Any]]

RAMP = " .:-=+*#%@"
"""Characters from paper to ink."""

COLUMNS, TILE, GAP, CAPTION = 10, 56, 8, 14
"""Of a PNG: pictures in a row; in pixels, the side of one (or more), the space between two, the height of a caption."""


def as_png(pictures: Pictures, captions: Sequence[str]) -> bytes:
    """Return a PNG of pictures, black on white. Raises BackpropError without Pillow."""
    from backprop_cli.data.images import pillow

    opener = pillow()
    from PIL import ImageDraw, ImageFont

    tiles = _enlarged(255 - np.rint(255 * pictures), TILE).astype(np.uint8)
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


def as_text(pictures: Pictures, captions: Sequence[str], width: int, shades: bool) -> str:
    """Return pictures as lines of at most so many characters, if one fits; `shades` asks for half blocks in greys.

    A character is about twice as high as it is wide, so it stands for two pixels, one above the other.
    """
    pictures = _enlarged(pictures, 16)
    pictures = np.pad(pictures, ((0, 0), (0, pictures.shape[1] % 2), (0, 0)))
    paint: Callable[[Pictures], str] = _half_blocks if shades else _characters
    columns = max(1, (width + 2) // (pictures.shape[2] + 2))
    lines = []
    for start in range(0, len(pictures), columns):
        row, names = pictures[start : start + columns], captions[start : start + columns]
        lines.append("  ".join(name[: pictures.shape[2]].ljust(pictures.shape[2]) for name in names))
        for y in range(0, pictures.shape[1], 2):
            lines.append("  ".join(paint(picture[y : y + 2]) for picture in row))
        lines.append("")
    return "\n".join(line.rstrip() for line in lines[:-1])


def shows_shades() -> bool:
    """Whether stdout is a terminal that shows 256 colours and half blocks, and its user wants colours."""
    if os.environ.get("NO_COLOR") or not sys.stdout.isatty():
        return False
    try:
        "▀".encode(sys.stdout.encoding)
    except UnicodeEncodeError:
        return False
    return bool(os.environ.get("COLORTERM")) or "256color" in os.environ.get("TERM", "")


def _enlarged(pictures: Pictures, side: int) -> Pictures:
    """Return pictures with each pixel repeated until they are at least so wide."""
    times = -(-side // pictures.shape[2])
    return pictures.repeat(times, axis=1).repeat(times, axis=2)


def _half_blocks(pixels: Pictures) -> str:
    """Return a line for two rows of pixels (2, width): the upper half block has the one colour on the other."""
    # of the 256 colours of a terminal, 232 to 255 are greys from nearly black to nearly white
    greys = 232 + np.rint(23 * np.clip(pixels, 0, 1)).astype(int)
    return "".join(f"\x1b[38;5;{upper};48;5;{lower}m▀" for upper, lower in greys.T) + "\x1b[0m"


def _characters(pixels: Pictures) -> str:
    """Return a line for two rows of pixels (2, width): the darker, the denser."""
    levels = np.rint((len(RAMP) - 1) * np.clip(pixels.mean(axis=0), 0, 1)).astype(int)
    return "".join(RAMP[level] for level in levels)
