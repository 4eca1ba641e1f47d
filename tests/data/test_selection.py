"""Rows of an array that are copied only where they are used."""

import numpy as np
import pytest

from backprop_cli.data.dataset import Split
from backprop_cli.data.selection import Selection

X = np.arange(60, dtype=np.uint8).reshape(20, 3)
ROWS = np.array([7, 3, 19, 3, 0])
EXPECTED = X[ROWS]


@pytest.fixture
def selection():
    return Selection(X, ROWS, X.dtype)


def test_it_stands_for_the_rows_of_the_array(selection):
    assert (len(selection), selection.shape, selection.dtype) == (5, (5, 3), np.uint8)
    np.testing.assert_array_equal(selection, EXPECTED)
    np.testing.assert_array_equal(selection * 0.5, EXPECTED * 0.5)
    np.testing.assert_array_equal(np.zeros_like(selection), np.zeros((5, 3)))


@pytest.mark.parametrize("key", [2, [4, 0], np.array([1, 1]), np.array([True, False, True, False, False])], ids=str)
def test_rows_of_it_are_an_array(selection, key):
    assert isinstance(selection[key], np.ndarray)
    np.testing.assert_array_equal(selection[key], EXPECTED[key])


def test_a_slice_copies_nothing(selection):
    part = selection[1:4]
    assert part.array is X
    np.testing.assert_array_equal(part, EXPECTED[1:4])


@pytest.mark.parametrize("dtype", ["uint8", "float32", "float64"])
def test_rows_are_taken_in_the_precision_of_training(dtype):
    split = Split(Selection(X.astype(np.float32), ROWS, np.dtype(np.float32)), ROWS)
    inputs = split.in_precision(dtype).inputs
    out = np.empty((2, 3), dtype)
    inputs.take(np.array([2, 0]), 0, out, "clip")
    np.testing.assert_array_equal(out, EXPECTED[[2, 0]])
    assert inputs[[0]].dtype == np.asarray(inputs).dtype == dtype
