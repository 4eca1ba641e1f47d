import numpy as np

from backprop_cli.drawing.style import to_bytes
from backprop_cli.drawing.tiles import Scale, Tiles, draw_tiles, in_rows, tiles

RNG = np.random.default_rng(0)


def drawn(figure):
    """The images of a figure by their row and column."""
    return {image.get_gid(): image for axis in figure.axes for image in axis.get_images() if image.get_gid()}


def test_tiles_are_drawn_row_by_row_without_overlap_in_their_proportions():
    images = RNG.random((2, 3, 4, 8))
    found = drawn(tiles(images, Scale(0, 1), rows=["a", "b"]))
    assert list(found) == ["0,0", "0,1", "0,2", "1,0", "1,1", "1,2"]
    assert np.array_equal(found["1,2"].get_array(), images[1, 2])
    left, right, bottom, top = found["0,0"].get_extent()
    assert (right - left, bottom - top) == (1, 0.5)  # the y axis points down
    assert found["0,1"].get_extent()[0] > right
    assert found["1,0"].get_extent()[3] > bottom


def test_an_image_of_nan_is_left_out():
    found = drawn(tiles(in_rows(RNG.random((5, 3, 3)), 2), Scale(0, 1)))
    assert list(found) == ["0,0", "0,1", "1,0", "1,1", "2,0"]


def test_all_tiles_of_a_block_have_its_scale_and_each_block_its_own():
    one, other = RNG.normal(size=(2, 1, 2, 3, 3))
    figure = draw_tiles([Tiles(one, Scale(-1, 1)), Tiles(other, Scale(0, 7), "other", above=["a", "b$_x$"])])
    assert [[image.get_clim() for image in axis.get_images()] for axis in figure.axes] == [[(-1, 1)] * 2, [(0, 7)] * 2]
    assert [text.get_text() for text in figure.axes[1].texts] == ["a", r"b\$_x\$"]
    assert to_bytes(figure, "png") == to_bytes(figure, "png")


def test_a_scale_around_zero_is_symmetric_and_one_of_values_contains_zero():
    scale = Scale.around_zero(np.array([-3.0, 1.0]))
    assert scale.low == -scale.high
    assert 2.9 < scale.high <= 3
    assert [(s.low, s.high) for s in (Scale.of(np.array([1.0, 4.0])), Scale.of(np.array([-2.0, 4.0])))] == [
        (0, 4),
        (-2, 4),
    ]
    constant = Scale.of(np.zeros((1, 1, 2, 2)))
    assert constant.low < constant.high
