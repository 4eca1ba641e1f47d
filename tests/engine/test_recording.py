import numpy as np
import pytest
from numpy.lib.stride_tricks import sliding_window_view

from backprop_cli.engine.gradients import gradient_of
from backprop_cli.engine.recording import Recording
from backprop_cli.nn.activations import ACTIVATIONS
from backprop_cli.nn.network import dense_network


def test_a_replay_computes_the_same_function_of_new_numbers():
    x, w, out = np.ones((2, 3)), np.arange(12.0).reshape(4, 3), np.empty((2, 4))
    recording = Recording()
    z = recording.watch(x) @ recording.watch(w).mT
    z += 1
    np.multiply(np.max(z, axis=-1, keepdims=True), 2 * z, out=recording.watch(out))
    replay = recording.finish()
    x[...] = [[1, -2, 3], [0, 5, -1]]
    w *= 0.5
    replay()
    z = x @ w.T + 1
    np.testing.assert_array_equal(out, z.max(axis=-1, keepdims=True) * 2 * z)


def test_recording_changes_no_watched_array():
    x, y = np.arange(3.0), np.arange(3.0)
    recording = Recording()
    a, b = recording.watch(x), recording.watch(y)
    a += b
    b[...] = 2 * a
    np.testing.assert_array_equal(x, [0, 1, 2])
    np.testing.assert_array_equal(y, [0, 1, 2])
    recording.finish()()
    np.testing.assert_array_equal(x, [0, 2, 4])
    np.testing.assert_array_equal(y, [0, 4, 8])


def test_a_zero_dimensional_array_may_change_between_replays():
    x, eta, total = np.ones(3), np.asarray(2.0), np.zeros(3)
    recording = Recording()
    watched = recording.watch(total)
    watched += recording.watch(eta) * x
    replay = recording.finish()
    eta[...] = 10
    replay()
    np.testing.assert_array_equal(total, 10)


@pytest.mark.parametrize("function", [np.maximum, np.minimum])
def test_a_bound_that_changes_is_not_fixed_when_recorded(function):
    x, bound = np.array([-1.0, 0.5, 3.0]), np.asarray(0.0)
    recording = Recording()
    replay = recording.finish(function(recording.watch(x), recording.watch(bound)))
    for value in (0.0, 1.0, -5.0):
        bound[...] = value
        replay()
        np.testing.assert_array_equal(replay.results[0], function(x, value))


def test_single_precision_stays_single_beside_python_numbers_and_numbers_of_double_precision():
    recording = Recording()
    x, t = recording.watch(np.ones(3, np.float32)), recording.watch(np.asarray(5.0))
    assert (1 / (1 + np.exp(-x))).dtype == np.float32
    assert (x / (1 - 0.9**t)).dtype == np.float32
    assert np.where(x > 0, 1, 0.01).dtype == np.float32


def test_numbers_without_dimensions_keep_their_double_precision_among_themselves():
    x, t = np.ones(3, np.float32), np.asarray(1.0)
    recording = Recording()
    replay = recording.finish(recording.watch(x) * (1 - 0.9999999 ** recording.watch(t)))
    replay()
    np.testing.assert_allclose(replay.results[0], 1e-7, rtol=1e-6)  # nothing would be left of it in single precision


def test_bytes_times_a_scale_are_not_rounded_to_bytes():
    pixels = np.array([0, 51, 255], np.uint8)
    recording = Recording()
    replay = recording.finish(recording.watch(pixels) * np.asarray(1 / 255, np.float32))
    replay()
    np.testing.assert_allclose(replay.results[0], [0, 0.2, 1], rtol=1e-6)


@pytest.mark.parametrize(
    "what",
    [
        lambda x: np.asarray(x),
        lambda x: np.array(x),
        lambda x: np.array([x, x]),
        lambda x: x.view(np.ndarray),
        lambda x: x.copy(),
        lambda x: x.T.ravel(),
        lambda x: x.flatten(),
        lambda x: x[[0, 1]],
        lambda x: x[0, 0],
        lambda x: x.take([0]),
        lambda x: x.dot(x.T),
        lambda x: x.fill(0),
        lambda x: list(x),
        lambda x: float(x[0, :1]),
        lambda x: bool(x[0, :1] > 0),
        lambda x: 1 if x > 0 else 2,
        lambda x: range(x),
        lambda x: np.add.at(x, 0, 1),
        lambda x: np.add.accumulate(x),
        lambda x: np.linalg.norm(x),
        lambda x: np.ones((2, 3)).__iadd__(x),
        lambda x: np.add(x, 1, out=np.zeros((2, 3))),
        lambda x: x + Recording().watch(np.ones((2, 3))),
        lambda x: np.modf(x),
    ],
)
def test_what_cannot_be_recorded_is_an_error(what):
    with pytest.raises(TypeError):
        what(Recording().watch(np.ones((2, 3))))


def test_a_new_array_of_zeros_starts_at_zero_in_every_replay():
    x, recording = np.ones((2, 3)), Recording()
    total = np.zeros_like(recording.watch(x), shape=(2, 5))
    before = total + 1
    total[:, 1:4] += recording.watch(x)
    replay = recording.finish(total, before)
    for factor in (1, 10, 100):
        x[...] = factor
        replay()
        np.testing.assert_array_equal(replay.results[0], [[0, factor, factor, factor, 0]] * 2)
        np.testing.assert_array_equal(replay.results[1], np.ones((2, 5)))


def test_products_and_added_rows_are_correct_whatever_the_order_in_memory():
    rng = np.random.default_rng(0)
    for dtype in ("float32", "float64"):
        for left in (rng.random((5, 7)).astype(dtype), rng.random((7, 5)).astype(dtype).T):
            for right in (rng.random((7, 4)).astype(dtype), rng.random((4, 7)).astype(dtype).T):
                row, recording = rng.random(4).astype(dtype), Recording()
                z = recording.watch(left) @ recording.watch(right) + recording.watch(row)[None, :]
                replay = recording.finish(z)
                left *= 2
                row -= 1
                replay()
                np.testing.assert_allclose(replay.results[0], left @ right + row, rtol=1e-5)


def test_a_product_added_in_place_may_scale_the_output_by_a_changing_number():
    rng, keep = np.random.default_rng(0), np.asarray(0.5, np.float32)
    a, b, out = (rng.random(shape).astype(np.float32) for shape in ((3, 4), (4, 5), (3, 5)))
    recording = Recording()
    recording.product(a, b, recording.watch(out), alpha=-1.0, beta=recording.watch(keep))
    replay = recording.finish()
    keep[...] = 0.25
    expected = 0.25 * out - a @ b
    replay()
    np.testing.assert_allclose(out, expected, rtol=1e-5)


def names(replay):
    return [getattr(call.func, "__name__", str(call.func)) for call in replay.calls]


def test_unused_results_are_not_computed():
    x, out = np.ones((2, 3)), np.zeros((2, 3))
    recording = Recording()
    watched = recording.watch(x)
    _ = np.exp(watched) @ np.ones((3, 4))
    target = recording.watch(out)
    target[...] = watched + 1
    replay = recording.finish()
    assert names(replay) == ["add"]  # written directly to its target
    replay()
    np.testing.assert_array_equal(out, 2)


def test_an_assigned_expression_is_computed_in_place():
    v, g = np.ones(4), np.arange(4.0)
    recording = Recording()
    watched = recording.watch(v)
    watched[...] = 0.5 * watched - 2 * recording.watch(g)
    replay = recording.finish()
    assert names(replay)[:2] == ["function dscal", "multiply"]
    assert sum(any(np.may_share_memory(arg, v) for arg in call.args) for call in replay.calls) == 2
    assert len(replay.calls) == 3
    replay()
    np.testing.assert_array_equal(v, 0.5 - 2 * g)


def test_an_array_that_is_read_again_is_not_written_over():
    x = np.arange(4.0)
    recording = Recording()
    watched = recording.watch(x)
    twice = watched * 2
    watched[...] = twice + (watched + 1)
    replay = recording.finish()
    replay()
    np.testing.assert_array_equal(x, 3 * np.arange(4.0) + 1)


def test_a_product_is_not_written_over_its_own_factor():
    x, w = np.random.default_rng(0).random((2, 1000, 1000))  # more than BLAS copies before it writes
    x = np.asfortranarray(x)  # as large products lie
    expected, recording = x @ w, Recording()
    watched = recording.watch(x)
    watched[...] = watched @ w
    recording.finish()()
    np.testing.assert_allclose(x, expected)


def test_a_sum_over_slices_waits_for_all_of_them(monkeypatch):
    monkeypatch.setattr("backprop_cli.engine.optimize.LONG", 10)
    monkeypatch.setattr("backprop_cli.engine.optimize.SLICE", 7)
    x, out = np.arange(20.0), np.zeros(20)
    recording = Recording()
    twice = 2 * recording.watch(x)
    target = recording.watch(out)
    target[...] = twice + np.sum(twice)
    replay = recording.finish()
    for _ in range(2):
        x += 1
        replay()
        np.testing.assert_array_equal(out, 2 * x + np.sum(2 * x))


def test_slices_leave_what_is_broadcast_whole(monkeypatch):
    monkeypatch.setattr("backprop_cli.engine.optimize.LONG", 10)
    monkeypatch.setattr("backprop_cli.engine.optimize.SLICE", 7)
    x, recording = np.arange(20.0), Recording()
    watched = recording.watch(x)
    replay = recording.finish(2 * watched - np.sum(watched, keepdims=True))
    replay()
    np.testing.assert_array_equal(replay.results[0], 2 * x - np.sum(x))


def test_a_parameter_that_is_used_twice_has_the_sum_of_both_gradients():
    layout = dense_network((3, 2), (ACTIVATIONS["identity"],)).layout
    delta, x, grad, recording = np.full((4, 2), 0.5), np.arange(12.0).reshape(4, 3), np.full(8, np.nan), Recording()
    (sink,) = gradient_of(recording, layout, recording.watch(grad))
    for _ in range(2):
        sink.add_product("W", recording.watch(delta).mT, recording.watch(x))
        sink.add_sum("b", recording.watch(delta))
    recording.finish()()
    np.testing.assert_allclose(layout.named(grad)["W1"], 2 * delta.T @ x)
    np.testing.assert_allclose(layout.named(grad)["b1"], [4, 4])


@pytest.mark.parametrize("axis", [None, 0, -1])
def test_a_recorded_mean_is_that_over_its_axis(axis):
    x, recording = np.arange(12.0).reshape(4, 3), Recording()
    replay = recording.finish(np.mean(recording.watch(x), axis=axis))
    replay()
    np.testing.assert_allclose(replay.results[0], x.mean(axis=axis))


def test_a_row_of_a_matrix_is_added_to_all_its_rows():
    x = np.random.default_rng(0).random((60, 70))
    recording = Recording()
    e = np.exp(recording.watch(x))
    replay = recording.finish(e + e[2:3])
    replay()
    np.testing.assert_allclose(replay.results[0], np.exp(x) + np.exp(x[2:3]))


def test_a_scale_in_a_product_is_applied_to_the_smaller_factor():
    pixels, w = np.arange(12.0).reshape(4, 3), np.arange(6.0).reshape(2, 3)
    recording = Recording(threads=True)  # np.matmul has no place for a factor
    replay = recording.finish((recording.watch(pixels) * np.asarray(0.5)) @ recording.watch(w).mT)
    replay()
    np.testing.assert_allclose(replay.results[0], 0.5 * pixels @ w.T)
    assert [call.args[-1].shape for call in replay.calls if call.func is np.multiply] == [(3, 2)]


def test_a_scale_is_applied_once_for_each_factor_of_a_product():
    x, recording = np.arange(6.0).reshape(2, 3), Recording()
    half = recording.watch(x) * 0.5
    replay = recording.finish(half @ half.mT)
    replay()
    np.testing.assert_allclose(replay.results[0], 0.25 * x @ x.T)


def test_views_and_gathering_are_recorded():
    x, indices = np.arange(24.0).reshape(2, 3, 4), np.array([2, 0])
    recording = Recording()
    watched, places = recording.watch(x), recording.watch(indices)
    windows = sliding_window_view(np.moveaxis(watched, 0, -1), (2, 2), axis=(0, 1))
    flat = np.transpose(watched).reshape(4, 6) + 1  # no view has this shape
    replay = recording.finish(np.sum(windows, axis=(-2, -1)), flat, np.take(watched, places, 1))
    for _ in range(2):
        x *= -2
        indices[...] = indices[::-1].copy()
        replay()
        y = np.moveaxis(x, 0, -1)
        np.testing.assert_array_equal(replay.results[0], y[:-1, :-1] + y[1:, :-1] + y[:-1, 1:] + y[1:, 1:])
        np.testing.assert_array_equal(replay.results[1], x.T.reshape(4, 6) + 1)
        np.testing.assert_array_equal(replay.results[2], x[:, indices])
