import numpy as np
import pytest

from backprop_cli.data.augment import Augment, Augmenter

DOT = np.zeros((9, 9), np.uint8)
DOT[4, 4] = 200


def many(augment, image=DOT, n=2000, seed=0):
    pixels = np.repeat(image.reshape(1, -1), n, axis=0)
    Augmenter(augment, image.shape)(pixels, np.random.default_rng(seed))
    return pixels.reshape(n, *image.shape)


def test_a_shift_of_one_gives_the_five_images_of_the_textbooks_expanded_data_equally_often():
    images = many(Augment(shift=1), n=10_000)
    places, counts = np.unique(np.argmax(images.reshape(len(images), -1), axis=1), return_counts=True)
    assert [divmod(int(place), 9) for place in places] == [(3, 4), (4, 3), (4, 4), (4, 5), (5, 4)]
    assert np.all(np.abs(counts - 2000) < 200)
    assert np.all(images.reshape(len(images), -1).sum(axis=1) == 200)


def test_pixels_shifted_out_are_lost_and_zeros_come_in():
    image = np.arange(1, 10, dtype=np.uint8).reshape(3, 3)
    seen = {tuple(image.ravel()) for image in many(Augment(shift=1), image)}
    assert seen == {
        (1, 2, 3, 4, 5, 6, 7, 8, 9),
        (0, 0, 0, 1, 2, 3, 4, 5, 6),
        (4, 5, 6, 7, 8, 9, 0, 0, 0),
        (0, 1, 2, 0, 4, 5, 0, 7, 8),
        (2, 3, 0, 5, 6, 0, 8, 9, 0),
    }


def test_larger_shifts_move_by_every_distance_up_to_the_maximum():
    places = np.argmax(many(Augment(shift=3), n=5000).reshape(5000, -1), axis=1)
    moved = {(int(row) - 4, int(column) - 4) for row, column in (divmod(place, 9) for place in places)}
    assert moved == {(0, 0)} | {(s * d, 0) for s in (1, -1) for d in (1, 2, 3)} | {
        (0, s * d) for s in (1, -1) for d in (1, 2, 3)
    }


def test_a_rotation_keeps_the_centre_and_is_at_most_its_angle():
    image = np.zeros((21, 21), np.uint8)
    image[10, 10:20] = 250  # a line from the centre to the right
    images = many(Augment(rotation=30), image, n=300)
    assert np.all(images[:, 10, 10] == 250)
    rows, columns = np.indices(image.shape)
    far = columns > 16
    angles = [np.degrees(np.arctan2(10 - np.average(rows[far], weights=i[far]), 8)) for i in images]
    assert -30 <= min(angles) < -25
    assert 25 < max(angles) <= 30


def test_elastic_displacements_are_smooth_and_of_the_size_of_alpha():
    rng = np.random.default_rng(0)
    image = (rng.random((28, 28)) * 255).astype(np.uint8)
    unchanged = many(Augment(elastic=1e-6), image, n=3)
    np.testing.assert_array_equal(unchanged, np.repeat(image[None], 3, axis=0))
    stripes = np.repeat(np.arange(0, 252, 9, dtype=np.uint8)[None], 28, axis=0)  # brightness = 9 times the column
    bent = many(Augment(elastic=34, smoothness=4), stripes, n=100).astype(float)
    moved = (bent - stripes)[:, 6:-6, 6:-6] / 9
    assert 0.5 < moved.std() < 4  # pixels
    steps = np.diff(moved, axis=1)
    assert np.abs(steps).max() < 1.5  # neighbours move alike


@pytest.mark.parametrize("augment", [Augment(shift=2), Augment(rotation=10), Augment(elastic=30), Augment(1, 5, 10)])
def test_equal_generators_give_equal_images(augment):
    np.testing.assert_array_equal(many(augment, n=20, seed=3), many(augment, n=20, seed=3))
