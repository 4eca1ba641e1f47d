"""Convert an image of a digit of any size and colour to pixels like those of a data set.

Every step takes and returns a Pillow image. Pillow is imported where it is used, as it is part of the extra `plot`.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from backprop_cli.errors import BackpropError, UnreadableError, not_installed

if TYPE_CHECKING:
    from PIL.Image import Image

Pixels = npt.NDArray[np.uint8]

FORMATS = ("PNG", "JPEG", "GIF", "BMP", "TIFF", "WEBP", "PPM")
"""The formats that are read. Pillow knows more, some of which start another program (EPS)."""

MAX_PIXELS = 20_000_000
"""Pixels of an image; the steps below take up to 30 bytes of memory for each."""

DRAFT_SIZE = (2000, 2000)
"""A JPEG whose sides are at least twice as long is decoded at a half, a quarter or an eighth of its size."""

HALF = 128
"""The least ink, of 255, of a black pixel where pixels are either black or white."""

FAINT = 16
"""The least contrast, of 255, of a drawing: compression leaves less than that on blank paper."""

PAPER_GRAIN = 0.2
"""The fraction of the strongest ink below which a pixel is paper: its grain, shadows, compression artefacts."""


def pillow() -> ModuleType:
    """Return the module PIL.Image. Raises BackpropError, with what to install, without Pillow."""
    try:
        import PIL.Image
    except ImportError:
        raise BackpropError(not_installed("pillow")) from None
    return PIL.Image


def read_image(path: Path, prepare: Callable[[Image], Pixels]) -> Pixels:
    """Return the pixels (n_in,) of an image file, converted by `prepare`.

    Raises UnreadableError if it is not an image, or is broken, blank or too large, and BackpropError without Pillow.
    """
    opener = pillow()
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # decoders warn of details of metadata
            warnings.simplefilter("error", opener.DecompressionBombWarning)
            with opener.open(path, formats=FORMATS) as image:
                image.draft(None, DRAFT_SIZE)
                if image.width * image.height > MAX_PIXELS:
                    raise opener.DecompressionBombError
                return prepare(image)
    except opener.UnidentifiedImageError:
        kinds = ", ".join(FORMATS)
        raise UnreadableError(f"not an image in one of the formats {kinds}; save numbers as .npy or .csv") from None
    except (opener.DecompressionBombError, opener.DecompressionBombWarning):
        raise UnreadableError(f"more than {MAX_PIXELS:,} pixels; crop or shrink it") from None
    except UnreadableError:
        raise
    except OSError as error:
        raise UnreadableError(error.strerror or f"a broken image ({error}); save it again") from error
    except Exception as error:  # decoders raise nearly anything on damaged bytes
        raise UnreadableError(f"a broken image ({type(error).__name__}: {error}); save it again") from error


def as_mnist(image: Image) -> Pixels:
    """Return an image of a digit in the format of MNIST, (784,), 0 (paper) to 255 (ink).

    The digit is scaled to fit into 20 x 20 pixels with its aspect ratio and anti-aliased, and placed in 28 x 28 pixels
    so that its centre of mass is in the centre, to the nearest pixel (LeCun et al. 1998, section III.A).
    """
    digit = _resized(_bold(_cut_out(_ink(image))), 20)
    pixels = np.asarray(digit)
    field = np.zeros((28, 28), np.uint8)
    top, left = (_start(pixels.sum(axis=1 - axis), 28) for axis in (0, 1))
    field[top : top + digit.height, left : left + digit.width] = pixels
    return field.reshape(784)


def as_digits(image: Image) -> Pixels:
    """Return an image of a digit in the format of the data set `digits`, (64,), 0 (paper) to 16 (ink).

    The digit is sheared until it is upright, and scaled to the full height and at most 20 columns of a bitmap of 32 x
    32, as by NIST's program (Garris et al. 1994, NISTIR 5469); the black pixels in each block of 4 x 4 are counted
    (Alpaydin and Kaynak 1998).
    """
    digit = _upright(_resized(_bold(_cut_out(_ink(image))), 4 * 32))
    width = min(20, max(1, round(32 * digit.width / digit.height)))
    bitmap = np.zeros((32, 32), np.uint8)
    left = (32 - width) // 2
    bitmap[:, left : left + width] = np.asarray(digit.resize((width, 32), pillow().Resampling.BOX)) >= HALF
    dots: Pixels = bitmap.reshape(8, 4, 8, 4).sum(axis=(1, 3), dtype=np.uint8)
    return dots.reshape(64)


PREPROCESSORS: dict[str, Callable[[Image], Pixels]] = {"mnist": as_mnist, "digits": as_digits}
"""By name of the data set, what converts an image to its format."""


def _ink(image: Image) -> Image:
    """Return the distance of each pixel's colour from that of the paper, 0 to 255, in grey.

    The paper has the median colour of the border, so that dark on light, light on dark and red on blue are the same.
    Raises UnreadableError if the image is blank.
    """
    from PIL import ImageChops, ImageOps

    image = ImageOps.exif_transpose(_eight_bits(image))
    layers = [image.convert("RGB")]
    if image.has_transparency_data:
        drawn = image.convert("RGBA")
        layers = [pillow().new("RGBA", image.size, under) for under in ("white", "black")]
        layers = [pillow().alpha_composite(layer, drawn).convert("RGB") for layer in layers]
    for flat in layers:  # on white, or, if it is blank there, on black
        distances = ImageChops.difference(flat, pillow().new("RGB", flat.size, _paper(flat))).split()
        ink = ImageChops.lighter(ImageChops.lighter(distances[0], distances[1]), distances[2])
        strongest = int(np.asarray(ink).max())
        if strongest >= FAINT:
            grain = PAPER_GRAIN * strongest
            return ink.point([0 if v < grain else min(255, round(255 * v / strongest)) for v in range(256)])
    raise UnreadableError("blank: the image is empty, every pixel has the colour of the border")


def _eight_bits(image: Image) -> Image:
    """Return the image with 8 bits per channel; Pillow would clip larger values to 255."""
    if not image.mode.startswith(("I", "F")):
        return image
    values = np.asarray(image, np.float32)
    low, high = values.min(), values.max()
    return pillow().fromarray(((values - low) * (255 / max(high - low, 1))).astype(np.uint8))


def _paper(image: Image) -> tuple[int, ...]:
    """Return the median colour of the outermost pixels."""
    width, height = image.size
    edges = ((0, 0, width, 1), (0, height - 1, width, height), (0, 0, 1, height), (width - 1, 0, width, height))
    border = np.concatenate([np.asarray(image.crop(edge)).reshape(-1, 3) for edge in edges])
    return tuple(int(value) for value in np.median(border, axis=0))


def _cut_out(ink: Image) -> Image:
    """Return the smallest rectangle that contains all ink."""
    box = ink.getbbox()
    assert box is not None, "blank images are rejected before"
    return ink.crop(box)


def _bold(digit: Image) -> Image:
    """Return the digit with thin lines widened to those of a pen: in MNIST they are 1 to 3 of 20 pixels wide.

    A line of 1 pixel in an image of 500 would be a faint grey in one of 20.
    """
    from PIL import ImageFilter

    if _line_width(digit) * 20 / max(digit.size) >= 1.5:
        return digit
    fine = _resized(digit, 80)  # four times the final resolution, so that lines grow by half pixels
    wider = pillow().new("L", (fine.width + 16, fine.height + 16))
    wider.paste(fine, (8, 8))
    for _ in range(4):
        if _line_width(wider) >= 8:
            break
        wider = wider.filter(ImageFilter.MaxFilter(3))
    return _cut_out(wider)


def _line_width(digit: Image) -> float:
    """Return the mean width of the lines in pixels: twice the area over the length of the edges, as a line has two."""
    from PIL import ImageFilter

    dots = digit.point([0] * HALF + [255] * (256 - HALF))
    area, inner = (dots.histogram()[255], dots.filter(ImageFilter.MinFilter(3)).histogram()[255])
    return 2 * area / max(1, area - inner)


def _upright(digit: Image) -> Image:
    """Return the digit sheared so that the covariance of x and y of its ink is 0."""
    ink = np.asarray(digit, np.float64)
    y, x = np.indices(ink.shape)
    y, x = y - (y * ink).sum() / ink.sum(), x - (x * ink).sum() / ink.sum()
    spread = (y * y * ink).sum()
    slant = (y * x * ink).sum() / spread if spread else 0.0
    room = int(abs(slant) * digit.height) + 2  # for ink that leaves the rectangle on either side
    shear = (1, slant, -room - slant * digit.height / 2, 0, 1, 0)
    size = (digit.width + 2 * room, digit.height)
    sheared = digit.transform(size, pillow().Transform.AFFINE, shear, pillow().Resampling.BICUBIC)
    return _cut_out(sheared.point([0 if v < FAINT else v for v in range(256)]))


def _resized(digit: Image, length: int) -> Image:
    """Return the digit with a longer side of that length, the same aspect ratio, and 255 as its darkest pixel."""
    scale = length / max(digit.size)
    width, height = (max(1, round(scale * side)) for side in digit.size)
    # shrunk by averaging, enlarged by interpolation
    resampling = pillow().Resampling.BOX if scale < 1 else pillow().Resampling.BICUBIC
    resized = digit.resize((width, height), resampling)
    darkest = max(1, int(np.asarray(resized).max()))
    return resized.point([min(255, round(255 * v / darkest)) for v in range(256)])


def _start(mass: npt.NDArray[Any], length: int) -> int:
    """Return where a digit starts along an axis of so many pixels, so that its centre of mass is in the middle."""
    centre = float(mass @ np.arange(len(mass)) / mass.sum())
    return min(max(0, round(length / 2 - centre)), length - len(mass))
