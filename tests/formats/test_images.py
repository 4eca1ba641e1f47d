import numpy as np
import pytest
from PIL import Image, ImageDraw

from backprop_cli.errors import UnreadableError
from backprop_cli.formats.idx import parse_idx
from backprop_cli.formats.images import PREPROCESSORS, as_digits, as_mnist, read_image


def seven(paper="white", ink="black", width=24, mode="RGB", at=(60, 40), size=(300, 400)):
    """A seven of 100 x 200 and the width of its lines, as one draws it in a paint program."""
    image = Image.new(mode, size, paper)
    x, y = at
    ImageDraw.Draw(image).line([(x, y), (x + 100, y), (x + 40, y + 200)], fill=ink, width=width, joint="curve")
    return image


def field(image):
    return as_mnist(image).reshape(28, 28).astype(int)


def centre(pixels):
    return tuple((np.indices(pixels.shape) * pixels).sum(axis=(1, 2)) / pixels.sum())


def test_the_digit_fits_twenty_pixels_and_has_its_mass_in_the_middle():
    pixels = field(seven())
    rows, columns = np.nonzero(pixels.any(axis=1))[0], np.nonzero(pixels.any(axis=0))[0]
    assert rows[-1] - rows[0] + 1 == 20
    assert 9 <= columns[-1] - columns[0] + 1 <= 12  # its own aspect
    assert np.abs(np.array(centre(pixels)) - 14).max() <= 0.5
    assert (pixels.min(), pixels.max()) == (0, 255)
    assert len(np.unique(pixels)) > 10  # edges are grey


@pytest.mark.parametrize(
    "other",
    [
        seven("black", "white"),
        seven("#0000c0", "#c00000"),  # of much the same brightness
        seven(at=(170, 150)),
        seven("#fff", "#999"),
        seven((0, 0, 0, 0), (0, 0, 0, 255), mode="RGBA"),
        seven((0, 0, 0, 0), (255, 255, 255, 255), mode="RGBA"),
        seven().convert("P"),
        Image.fromarray(np.asarray(seven().convert("L")).astype(np.uint16) * 257),
    ],
    ids=["inverted", "coloured", "off-centre", "faint", "transparent", "white on nothing", "palette", "16 bits"],
)
def test_how_it_was_drawn_makes_no_difference(other):
    assert np.abs(field(other) - field(seven())).max() <= 2


def test_a_line_of_one_pixel_becomes_one_of_a_pen():
    thin, drawn = field(seven(width=1)), field(seven())
    assert thin.sum() > 0.5 * drawn.sum()
    assert np.corrcoef(thin.ravel(), drawn.ravel())[0, 1] > 0.8


def test_a_photograph_lies_as_its_camera_says(tmp_path):
    turned = seven().transpose(Image.Transpose.ROTATE_90)
    exif = Image.Exif()
    exif[0x0112] = 6  # to be shown a quarter turn clockwise
    turned.save(tmp_path / "photo.png", exif=exif)
    assert np.array_equal(read_image(tmp_path / "photo.png", as_mnist), as_mnist(seven()))


def test_images_of_mnist_stay_what_they_are(mnist_cache):
    import gzip

    data = gzip.decompress((mnist_cache / "mnist/t10k-images-idx3-ubyte.gz").read_bytes())
    images = parse_idx(data, "test images")[:100]
    differences = [np.abs(field(Image.fromarray(image)) - image).mean() for image in images]
    assert np.median(differences) < 3  # of 255: the darkest pixel is stretched, the box is cut a little closer


def test_digits_are_counts_of_dots_as_high_as_the_image():
    pixels = as_digits(seven()).reshape(8, 8)
    assert (pixels.min(), pixels.max()) == (0, 16)
    assert pixels[0].any()
    assert pixels[7].any()
    assert not pixels[:, [0, 7]].any()  # 20 of the 32 dots in a row are the digit's


def test_a_slanted_stroke_stands_upright_among_the_digits():
    image = Image.new("L", (200, 200), 255)
    ImageDraw.Draw(image).line([(130, 20), (70, 180)], fill=0, width=20)
    pixels = as_digits(image).reshape(8, 8)
    middle = [row @ np.arange(8) / row.sum() for row in pixels.astype(float)]
    assert np.ptp(middle) < 0.5


@pytest.mark.parametrize("prepare", PREPROCESSORS.values(), ids=PREPROCESSORS)
@pytest.mark.parametrize("size", [(1, 1), (3, 200), (200, 3), (1, 50)], ids=str)
def test_no_shape_is_too_odd(prepare, size):
    image = Image.new("L", (size[0] + 20, size[1] + 20), 255)
    image.paste(0, (10, 10, 10 + size[0], 10 + size[1]))
    assert prepare(image).any()


def test_blank_paper_is_refused():
    for image in (Image.new("L", (50, 50), 255), Image.new("RGBA", (9, 9)), Image.new("L", (1, 1), 3)):
        with pytest.raises(UnreadableError, match="blank"):
            as_mnist(image)
