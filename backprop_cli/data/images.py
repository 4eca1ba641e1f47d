"""From a picture of a digit, however it was drawn, to pixels such as a network was trained on.

Every step takes and returns a Pillow image; Pillow is imported where it is used, as it comes with the extra `plot`.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from backprop_cli.errors import BackpropError, UnreadableError

if TYPE_CHECKING:
    from PIL.Image import Image

Pixels = npt.NDArray[np.uint8]

FORMATS = ("PNG", "JPEG", "GIF", "BMP", "TIFF", "WEBP", "PPM")
"""What is opened. Pillow knows more, among them some that start another program (EPS)."""

HALF = 128
"""The ink, of 255, from which a pixel is black where there are but black and white."""

FAINT = 16
"""The contrast, of 255, below which nothing is drawn: what compression leaves on blank paper."""

PAPER_GRAIN = 0.2
"""The share of the strongest ink that still counts as paper: its grain, a shadow, the rim of a compressed stroke."""


def pillow() -> ModuleType:
    """Return Pillow's module of images. Raises BackpropError, with what to install, if there is none."""
    try:
        import PIL.Image
    except ImportError:
        raise BackpropError("images need Pillow, which is not installed: pip install 'backprop-cli[plot]'") from None
    return PIL.Image


def read_image(path: Path, prepare: Callable[[Image], Pixels]) -> Pixels:
    """Return the prepared pixels (n_in,) of an image file.

    Raises UnreadableError if it is none, is broken, blank or too large, and BackpropError without Pillow.
    """
    opener = pillow()
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # a decoder's remarks on metadata are not the user's business
            warnings.simplefilter("error", opener.DecompressionBombWarning)
            with opener.open(path, formats=FORMATS) as image:
                return prepare(image)
    except opener.UnidentifiedImageError:
        kinds = ", ".join(FORMATS)
        raise UnreadableError(f"not an image, or none of {kinds}; numbers belong in a .npy or .csv file") from None
    except (opener.DecompressionBombError, opener.DecompressionBombWarning):
        raise UnreadableError(f"more than {opener.MAX_IMAGE_PIXELS:,} pixels; crop it, or make it smaller") from None
    except UnreadableError:
        raise
    except OSError as error:
        raise UnreadableError(error.strerror or f"a broken image ({error}); save it anew") from error
    except Exception as error:  # on bytes that are not what they should be, decoders raise nearly anything
        raise UnreadableError(f"a broken image ({type(error).__name__}: {error}); save it anew") from error


def as_mnist(image: Image) -> Pixels:
    """Return an image of a digit as MNIST has them, (784,), 0 (paper) to 255 (ink).

    The digit is scaled to fit into 20 x 20 pixels, its aspect kept, with grey edges, and put where its centre of mass
    is the centre of 28 x 28, to the nearest pixel (LeCun et al. 1998, section III.A).
    """
    digit = _resized(_bold(_cut_out(_ink(image))), 20)
    pixels = np.asarray(digit)
    field = np.zeros((28, 28), np.uint8)
    top, left = (_start(pixels.sum(axis=1 - axis), 28) for axis in (0, 1))
    field[top : top + digit.height, left : left + digit.width] = pixels
    return field.reshape(784)


def as_digits(image: Image) -> Pixels:
    """Return an image of a digit as the set `digits` has them, (64,), 0 (paper) to 16 (ink).

    The digit is sheared until it stands upright, and fills the height of a bitmap of 32 x 32 and of its width 20 at
    most, as NIST's program left it (Garris et al. 1994, NISTIR 5469); the dots of each block of 4 x 4 are counted
    (Alpaydin and Kaynak 1998).
    """
    from PIL.Image import Resampling

    digit = _upright(_resized(_bold(_cut_out(_ink(image))), 4 * 32))
    width = min(20, max(1, round(32 * digit.width / digit.height)))
    bitmap = np.zeros((32, 32), np.uint8)
    left = (32 - width) // 2
    bitmap[:, left : left + width] = np.asarray(digit.resize((width, 32), Resampling.BOX)) >= HALF
    dots: Pixels = bitmap.reshape(8, 4, 8, 4).sum(axis=(1, 3), dtype=np.uint8)
    return dots.reshape(64)


PREPARE: dict[str, Callable[[Image], Pixels]] = {"mnist": as_mnist, "digits": as_digits}
"""For each data set of drawings, by name, what makes an image one of its own."""


def _ink(image: Image) -> Image:
    """Return how far each pixel's colour is from that of the paper, 0 to 255, in grey.

    The paper has the colour of most of the border, so that dark may stand on light, light on dark, or red on blue.
    Raises UnreadableError if all of it is paper.
    """
    from PIL import Image as new
    from PIL import ImageChops, ImageOps

    image = ImageOps.exif_transpose(_eight_bits(image))
    layers = [image.convert("RGB")]
    if image.has_transparency_data:
        drawn = image.convert("RGBA")
        layers = [new.new("RGBA", image.size, under) for under in ("white", "black")]
        layers = [new.alpha_composite(layer, drawn).convert("RGB") for layer in layers]
    for flat in layers:  # on white, or, if nothing shows there, on black
        distances = ImageChops.difference(flat, new.new("RGB", flat.size, _paper(flat))).split()
        ink = ImageChops.lighter(ImageChops.lighter(distances[0], distances[1]), distances[2])
        strongest = int(np.asarray(ink).max())
        if strongest >= FAINT:
            grain = PAPER_GRAIN * strongest
            return ink.point([0 if v < grain else min(255, round(255 * v / strongest)) for v in range(256)])
    raise UnreadableError("blank: all of it has the colour of its border")


def _eight_bits(image: Image) -> Image:
    """Return the image with 8 bits a channel; Pillow would cut off what is above 255 where it keeps more."""
    from PIL import Image as new

    if not image.mode.startswith(("I", "F")):
        return image
    values = np.asarray(image, np.float32)
    low, high = values.min(), values.max()
    return new.fromarray(((values - low) * (255 / max(high - low, 1))).astype(np.uint8))


def _paper(image: Image) -> tuple[int, ...]:
    """Return the median colour of the outermost pixels."""
    width, height = image.size
    edges = ((0, 0, width, 1), (0, height - 1, width, height), (0, 0, 1, height), (width - 1, 0, width, height))
    border = np.concatenate([np.asarray(image.crop(edge)).reshape(-1, 3) for edge in edges])
    return tuple(int(value) for value in np.median(border, axis=0))


def _cut_out(ink: Image) -> Image:
    """Return the smallest rectangle with all of the ink."""
    box = ink.getbbox()
    assert box is not None, "blank images have been refused"
    return ink.crop(box)


def _bold(digit: Image) -> Image:
    """Return the digit with lines as wide as a pen's, if they are thinner: those of MNIST are 1 to 3 of its 20 pixels.

    A line of 1 pixel in a drawing of 500 would be a grey shade in one of 20.
    """
    from PIL import Image as new
    from PIL import ImageFilter

    if _line_width(digit) * 20 / max(digit.size) >= 1.5:
        return digit
    fine = _resized(digit, 80)  # four times as fine as what it will be, so that it grows by half pixels
    wider = new.new("L", (fine.width + 16, fine.height + 16))
    wider.paste(fine, (8, 8))
    for _ in range(4):
        if _line_width(wider) >= 8:
            break
        wider = wider.filter(ImageFilter.MaxFilter(3))
    return _cut_out(wider)


def _line_width(digit: Image) -> float:
    """Return the mean width of the lines in pixels: a line has two edges, so it is twice the area over the edge."""
    from PIL import ImageFilter

    dots = digit.point([0] * HALF + [255] * (256 - HALF))
    area, inner = (dots.histogram()[255], dots.filter(ImageFilter.MinFilter(3)).histogram()[255])
    return 2 * area / max(1, area - inner)


def _upright(digit: Image) -> Image:
    """Return the digit sheared so that its height and its breadth no longer go together (their covariance is 0)."""
    from PIL.Image import Resampling, Transform

    ink = np.asarray(digit, np.float64)
    y, x = np.indices(ink.shape)
    y, x = y - (y * ink).sum() / ink.sum(), x - (x * ink).sum() / ink.sum()
    spread = (y * y * ink).sum()
    slant = (y * x * ink).sum() / spread if spread else 0.0
    room = int(abs(slant) * digit.height) + 2  # for what moves out of the old rectangle, on both sides
    shear = (1, slant, -room - slant * digit.height / 2, 0, 1, 0)
    width = digit.width + 2 * room
    sheared = digit.transform((width, digit.height), Transform.AFFINE, shear, Resampling.BICUBIC)
    return _cut_out(sheared.point([0 if v < FAINT else v for v in range(256)]))


def _resized(digit: Image, length: int) -> Image:
    """Return the digit with its longer side of that length, its aspect kept, and its darkest pixel 255."""
    from PIL.Image import Resampling

    scale = length / max(digit.size)
    width, height = (max(1, round(scale * side)) for side in digit.size)
    # the mean of what falls on a pixel, or, where there are to be more of them, smooth in between
    resized = digit.resize((width, height), Resampling.BOX if scale < 1 else Resampling.BICUBIC)
    darkest = max(1, int(np.asarray(resized).max()))
    return resized.point([min(255, round(255 * v / darkest)) for v in range(256)])


def _start(mass: npt.NDArray[Any], length: int) -> int:
    """Return where along an axis a digit begins, so that its centre of mass is in the middle of so many pixels."""
    centre = float(mass @ np.arange(len(mass)) / mass.sum())
    return min(max(0, round(length / 2 - centre)), length - len(mass))
