"""Examples of a data set: as images (a PNG, half blocks in shades of grey, or plain characters), a table or CSV."""

from __future__ import annotations

import csv
import io
import os
from collections.abc import Callable, Sequence
from typing import Any, TextIO

import numpy as np
import numpy.typing as npt

from backprop_cli.data.cache import Cache
from backprop_cli.data.dataset import Source, Split
from backprop_cli.errors import UsageError
from backprop_cli.frozen import frozen
from backprop_cli.text import table

Images = npt.NDArray[np.floating[Any]]
"""Images (n, height, width) from 0 (white) to 1 (black)."""

RAMP = " .:-=+*#%@"
"""Characters from white to black."""

SHOWN, SCATTERED = 20, 1000
"""Examples shown by default, and in a scatter plot."""

COLUMNS, TILE, GAP, CAPTION = 10, 56, 8, 14
"""Of a PNG: images in a row; in pixels, the least side of an image, the space between two, the height of a caption."""


@frozen
class Examples:
    """The examples in these rows of a split."""

    source: Source
    split: Split
    rows: npt.NDArray[np.intp]

    @property
    def header(self) -> list[str]:
        """The columns of the table without the first: x1, x2, … and label, or y1, y2, …."""
        spec = self.source.spec
        targets = spec.targets or (["label"] if spec.classes else _names("y", self.split.targets))
        inputs = spec.preprocessing.inputs if spec.preprocessing else _names("x", self.split.inputs)
        return [*inputs, *targets]

    def to_list(self) -> list[dict[str, Any]]:
        """Return the examples as plain data: their number in the split, inputs, and label or values."""
        name = "label" if self.source.spec.classes else "values"
        inputs, targets = self.split.inputs[self.rows].tolist(), self._labels()
        return [
            {"example": int(row), "inputs": x, name: y} for row, x, y in zip(self.rows, inputs, targets, strict=True)
        ]

    def table(self) -> list[list[Any]]:
        """Return the inputs, as the data set has them, and the targets of each example."""
        return [[*x["inputs"], *([x["label"]] if self.source.spec.classes else x["values"])] for x in self.to_list()]

    def _labels(self) -> list[Any]:
        """Return the names of the classes of the examples, or their numbers; or the values."""
        names = self.source.spec.class_names
        targets = self.split.targets[self.rows].tolist()
        return [names[label] for label in targets] if names else targets

    def to_csv(self) -> str:
        """Return the header and the table as CSV."""
        lines = io.StringIO()
        csv.writer(lines, lineterminator="\n").writerows([self.header, *self.table()])
        return lines.getvalue()

    def to_png(self) -> bytes:
        """Return a sheet of the images, or a scatter plot. Raises BackpropError if Pillow is missing."""
        if not self.source.spec.is_scattered:
            return as_png(self._images(), self._captions())
        from backprop_cli.drawing.function import draw_points, draw_values
        from backprop_cli.drawing.style import title, to_bytes

        draw = draw_points if self.source.spec.classes else draw_values
        figure = draw(self.split.inputs[self.rows], self.split.targets[self.rows])
        return to_bytes(title(figure, f"{self.source.title}, {len(self.rows):,} examples"), "png")

    def to_text(self, width: int, shades: bool) -> str:
        """Return the images as text of at most `width` columns, with or without shades of grey; others as a table."""
        if self.source.spec.image:
            return as_text(self._images(), self._captions(), width, shades)
        rows = [(k, *map(_short, row)) for k, row in zip(self.rows, self.table(), strict=True)]
        return table(("example", *self.header), rows, left=0)

    def _images(self) -> Images:
        assert self.source.spec.image is not None
        return np.multiply(self.split.inputs[self.rows].reshape(-1, *self.source.spec.image), self.source.spec.scale)

    def _captions(self) -> list[str]:
        return [f"{row}: {label}" for row, label in zip(self.rows, self._labels(), strict=True)]


def choose_examples(source: Source, split: str, cache: Cache, label: int | None, start: int, count: int) -> Examples:
    """Return up to `count` examples of a split, divided as by default, from number `start` on.

    With `label`, only examples of that class. Raises UsageError if there are none.
    """
    spec = source.describe(None, None)
    if label is not None and label >= spec.classes:
        classes = f"has classes 0 to {spec.classes - 1}" if spec.classes else "is a regression data set"
        raise UsageError(f"--class {label}: {source.name} {classes}")
    splits = source.splits(cache, spec.validation, spec.train)
    examples = dict(zip(("train", "val", "test"), splits, strict=True))[split]
    rows = np.arange(len(examples)) if label is None else np.flatnonzero(examples.targets == label)
    rows = rows[rows >= start][:count]
    if not len(rows):
        what = "examples" if label is None else f"examples of class {label}"
        raise UsageError(f"the {split} split of {source.name} has no {what} from {start} on ({len(examples):,} in all)")
    return Examples(source, examples, rows)


def _short(value: Any) -> str:
    return f"{value:.4g}" if isinstance(value, int | float) else str(value)


def _names(letter: str, array: npt.NDArray[Any]) -> list[str]:
    """Return x1, x2, … for the columns of an array, or x if there is only one."""
    count = array.shape[1]
    return [letter] if count == 1 else [f"{letter}{k}" for k in range(1, count + 1)]


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
