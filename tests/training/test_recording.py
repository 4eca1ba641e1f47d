import numpy as np
import pytest

from backprop_cli.training.recording import Recording


def replay(recording):
    for call in recording.calls:
        call()


def test_a_recording_does_the_same_to_new_numbers():
    x, w, out = np.ones((2, 3)), np.arange(12.0).reshape(4, 3), np.empty((2, 4))
    recording = Recording()
    z = recording.watch(x) @ recording.watch(w).mT
    z += 1
    np.multiply(np.max(z, axis=-1, keepdims=True), 2 * z, out=recording.watch(out))
    x[...] = [[1, -2, 3], [0, 5, -1]]
    w *= 0.5
    replay(recording)
    z = x @ w.T + 1
    np.testing.assert_array_equal(out, z.max(axis=-1, keepdims=True) * 2 * z)


def test_replaying_allocates_nothing_new():
    x = np.ones((2, 3))
    recording = Recording()
    y = np.exp(recording.watch(x)) + 1
    buffer = y.view(np.ndarray)
    x[...] = 0
    replay(recording)
    np.testing.assert_array_equal(buffer, 2)


def test_a_number_that_changes_lives_in_an_array_without_dimensions():
    x, eta, total = np.ones(3), np.asarray(2.0), np.zeros(3)
    recording = Recording()
    watched = recording.watch(total)
    watched += recording.watch(eta) * x
    eta[...] = 10
    replay(recording)
    np.testing.assert_array_equal(total, 12)


def test_single_precision_stays_single_beside_python_numbers():
    recording = Recording()
    y = 1 / (1 + np.exp(-recording.watch(np.ones(3, np.float32))))
    assert y.dtype == np.float32


def test_bytes_times_a_scale_are_not_rounded_to_bytes():
    pixels = np.array([0, 51, 255], np.uint8)
    recording = Recording()
    x = recording.watch(pixels) * np.asarray(1 / 255, np.float32)
    np.testing.assert_allclose(x.view(np.ndarray), [0, 0.2, 1], rtol=1e-6)


@pytest.mark.parametrize(
    "what",
    [
        lambda x: np.where(x > 0, x, 0),
        lambda x: x.copy(),
        lambda x: x.astype(np.float32),
        lambda x: x.T.ravel(),
        lambda x: x.flatten(),
        lambda x: x[[0, 1]],
        lambda x: x[0, 0],
        lambda x: x.take([0]),
        lambda x: x.dot(x.T),
        lambda x: x.__setitem__(0, 1.0),
        lambda x: x.fill(0),
        lambda x: float(x[0, :1]),
        lambda x: bool(x[0, :1] > 0),
        lambda x: np.add.at(x, 0, 1),
        lambda x: np.add.accumulate(x),
    ],
)
def test_what_cannot_be_recorded_is_refused_rather_than_forgotten(what):
    with pytest.raises(TypeError):
        what(Recording().watch(np.ones((2, 3))))


def test_a_number_of_double_precision_promotes_as_it_does_in_numpy():
    y = np.float64(2) * Recording().watch(np.ones(3, np.float32))
    assert y.dtype == (np.float64(2) * np.ones(3, np.float32)).dtype


def test_products_and_added_rows_are_right_whatever_the_order_in_memory():
    rng = np.random.default_rng(0)
    for dtype in ("float32", "float64"):
        for left in (rng.random((5, 7)).astype(dtype), rng.random((7, 5)).astype(dtype).T):
            for right in (rng.random((7, 4)).astype(dtype), rng.random((4, 7)).astype(dtype).T):
                row, recording = rng.random(4).astype(dtype), Recording()
                z = recording.watch(left) @ recording.watch(right)
                z += recording.watch(row)[None, :]
                left *= 2
                row -= 1
                replay(recording)
                np.testing.assert_allclose(z.view(np.ndarray), left @ right + row, rtol=1e-5)


def test_a_product_taken_off_in_place_keeps_a_share_that_may_change():
    rng, keep = np.random.default_rng(0), np.asarray(0.5, np.float32)
    a, b, out = (rng.random(shape).astype(np.float32) for shape in ((3, 4), (4, 5), (3, 5)))
    recording = Recording()
    recording.product(a, b, out, keep)
    keep[...] = 0.25
    expected = 0.25 * out - a @ b
    replay(recording)
    np.testing.assert_allclose(out, expected, rtol=1e-5)
