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


def test_what_cannot_be_recorded_is_refused_rather_than_forgotten():
    x = Recording().watch(np.ones(3))
    with pytest.raises(TypeError, match=r"numpy\.where cannot be recorded"):
        np.where(x > 0, x, 0)
