import numpy as np
import pytest

from backprop_cli.nn.corruption import CORRUPTIONS, Gaussian, Masking, Salt

X = np.random.default_rng(1).uniform(0.2, 0.8, size=(200, 300)).astype(np.float32)


def corrupted(corruption):
    return corruption.of(X, np.random.default_rng(0))


def test_masking_keeps_its_share_and_does_not_rescale_what_is_left():
    y = corrupted(Masking(0.3))
    assert np.mean(y == 0) == pytest.approx(0.3, abs=4 * np.sqrt(0.3 * 0.7 / X.size))
    np.testing.assert_array_equal(y[y != 0], X[y != 0])


def test_gaussian_noise_has_mean_zero_and_its_standard_deviation():
    noise = corrupted(Gaussian(0.5)) - X
    assert np.mean(noise) == pytest.approx(0, abs=4 * 0.5 / np.sqrt(X.size))
    assert np.std(noise) == pytest.approx(0.5, rel=0.02)


def test_salt_and_pepper_are_equally_frequent():
    y = corrupted(Salt(0.2))
    for value in (0, 1):
        assert np.mean(y == value) == pytest.approx(0.1, abs=4 * np.sqrt(0.1 * 0.9 / X.size))
    np.testing.assert_array_equal(y[(y > 0) & (y < 1)], X[(y > 0) & (y < 1)])


@pytest.mark.parametrize("corruption", [Masking(0.0), Gaussian(0.0), Salt(0.0)])
def test_no_corruption_keeps_the_bits(corruption):
    np.testing.assert_array_equal(corrupted(corruption), X)


@pytest.mark.parametrize("name", CORRUPTIONS)
def test_the_precision_is_kept(name):
    noise = np.random.default_rng(0).random(X.shape, dtype=np.float32)

    class Given:
        def random(self, size):
            return noise

        standard_normal = random

    assert CORRUPTIONS[name]().of(X, Given()).dtype == np.float32
