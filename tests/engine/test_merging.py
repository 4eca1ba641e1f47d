"""Calls on small arrays that are made as one."""

from collections import Counter

import numpy as np
import pytest

from backprop_cli.engine.recording import Recording

X, W = np.linspace(-1, 1, 12).reshape(4, 3), np.linspace(-2, 2, 9).reshape(3, 3)


def recorded(step, **options):
    """Return a replay of step(x, w), and how many calls of each ufunc it makes."""
    recording = Recording(**options)
    results = step(recording.watch(X.copy()), recording.watch(W.copy()))
    replay = recording.finish(*results)
    return replay, Counter(call.ufunc.__name__ for call in replay.recorded if hasattr(call, "ufunc"))


def assert_same(replay, step):
    for _ in range(2):  # what the first replay leaves behind must not matter
        replay()
        for found, expected in zip(replay.results, step(X, W), strict=True):
            np.testing.assert_allclose(found, expected, rtol=1e-12)


def slopes(x, w):
    """The deltas of three layers of tanh, from the last to the first."""
    a = [np.tanh(x)]
    for _ in range(2):
        a.append(np.tanh(a[-1] @ w))
    delta = a[-1]
    for signal in reversed(a):
        delta = (delta @ w) * (1 - signal * signal)
    return (delta + 0,)


def test_the_slopes_of_all_layers_are_computed_together():
    replay, made = recorded(slopes)
    assert made["tanh"] == 3  # each needs the one before
    assert made["multiply"] == 1 + 3
    assert made["subtract"] == 1
    assert_same(replay, slopes)


def test_a_stacked_recording_keeps_its_arrays_apart():
    replay, made = recorded(slopes, stacked=True)
    assert made["multiply"] == 3 + 3
    assert made["subtract"] == 3
    assert_same(replay, slopes)


def test_a_call_that_needs_what_is_written_in_between_is_not_merged():
    def step(x, w):
        first = np.exp(x)
        second = np.exp(first @ w - 1)
        return first * second + 0, second * first + 0

    replay, made = recorded(step)
    assert made["exp"] == 2
    assert_same(replay, step)


@pytest.mark.parametrize("rows", [4, 2_000])
def test_constants_and_large_arrays_are_left_alone(rows):
    def step(x, w):
        first = np.exp(np.ones((rows, 4)) @ x)
        second = np.exp(np.minimum(first, 2) @ w)
        return np.maximum(first, 1) - second, np.maximum(second, 3) + first

    replay, made = recorded(step)
    assert made["maximum"] == (1 if rows == 4 else 2)
    assert_same(replay, step)


def test_arrays_that_lie_unlike_each_other_are_not_merged():
    def step(x, w):
        by_rows, by_columns = np.exp(x), np.empty_like(x, order="F")
        by_columns[...] = x + x
        return np.tanh(by_rows) @ w + np.tanh(by_columns), by_rows + by_columns

    replay, _ = recorded(step)
    assert_same(replay, step)


def test_a_change_in_place_comes_after_what_reads_the_numbers_before():
    def step(x, w):
        first, second = np.exp(x), np.tanh(x)
        first *= 2
        before = second + 1
        second *= 2
        return first + second, before + 0

    replay, _ = recorded(step)
    assert_same(replay, step)
