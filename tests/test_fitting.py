"""Arrays and numbers that `fit` cannot train on are named before training, not found out by it."""

import numpy as np
import pytest

from backprop_cli import fit
from backprop_cli.errors import UsageError

RNG = np.random.default_rng(0)
X = RNG.normal(size=(40, 3))
Y = (X[:, 0] > 0).astype(int)
VALUES = X[:, :1]


def trained(x=X, y=Y, layers=(4, 2), **settings):
    return fit(list(layers), x, y, **{"epochs": 2, **settings})


def with_one(array, value):
    changed = np.array(array, np.float64)
    changed.flat[0] = value
    return changed


HOSTILE = {
    "nan": (with_one(X, np.nan), "NaN, infinite, or too large for float32"),
    "inf": (with_one(X, np.inf), "NaN, infinite, or too large for float32"),
    "too large": (with_one(X, 1e300), "NaN, infinite, or too large for float32"),
    "text": (X.astype(str), "x must be numbers"),
    "objects": (X.astype(object), "x must be numbers"),
    "complex": (X.astype(complex), "x must be numbers"),
    "dates": (np.zeros((40, 3), "M8[s]"), "x must be numbers"),
    "records": (np.zeros(40, "i4,f4"), "x must be numbers"),
    "ragged": ([[1, 2], [3]], "x is not an array"),
    "nothing": (None, "x must be numbers"),
    "a vector": (X[:, 0], "x must be numbers"),
    "no columns": (X[:, :0], "x must be numbers"),
}


@pytest.mark.parametrize(("x", "reason"), HOSTILE.values(), ids=HOSTILE)
def test_inputs_that_are_not_finite_numbers_are_refused(x, reason):
    fitted = trained()
    for use in (lambda: trained(x), lambda: fitted.predict(x), lambda: fitted.evaluate(x, Y)):
        with pytest.raises(UsageError, match=reason):
            use()


@pytest.mark.parametrize("value", [np.nan, np.inf, 1e300])
def test_values_that_are_not_finite_are_refused(value):
    with pytest.raises(UsageError, match="some numbers in y"):
        trained(y=with_one(VALUES, value), layers=(4, 1))


@pytest.mark.parametrize("label", [2**31, 2**63 - 1])
def test_labels_are_counted_before_memory_is_taken(label):
    with pytest.raises(UsageError, match="labels must not be negative, nor"):
        trained(y=np.r_[Y[:-1], label])
    with pytest.raises(UsageError, match="y needs 1000001 outputs"):
        trained(y=np.r_[Y[:-1], 10**6])


@pytest.mark.parametrize(
    ("x", "y", "reason"),
    [
        (X, Y + 5, "labels from 0 to 1"),
        (X, Y * 1.0, "labels from 0 to 1"),
        (X, Y[:3], "x has 40 examples and y has 3"),
        (X[:, :2], Y, r"x must have the shape \(n, 3\)"),
        (X[:0], Y[:0], "at least one"),
    ],
    ids=["unknown classes", "values", "lengths", "columns", "empty"],
)
def test_other_examples_must_be_like_those_of_training(x, y, reason):
    with pytest.raises(UsageError, match=reason):
        trained(validation=(x, y))
    with pytest.raises(UsageError, match=reason):
        trained().evaluate(x, y)


def test_values_to_evaluate_have_as_many_columns_as_the_outputs():
    fitted = trained(y=VALUES, layers=(4, 1))
    with pytest.raises(UsageError, match=r"floating values \(n, 1\)"):
        fitted.evaluate(X, X)


@pytest.mark.parametrize(
    "settings",
    [
        {"eta": -1},
        {"eta": np.nan},
        {"eta": np.inf},
        {"eta": 1e308},
        {"eta": 10**400},
        {"eta": "0.1"},
        {"batch_size": 0},
        {"batch_size": -1},
        {"batch_size": 1.5},
        {"epochs": 0},
        {"epochs": 1.5},
        {"lmbda": -1},
        {"lmbda": np.nan},
        {"seed": -1},
        {"seed": None},
        {"evaluate_every": 0},
        {"evaluate_every": -1},
        {"dtype": "float16"},
        {"dtype": None},
        {"validation": np.nan},
        {"validation": "0.2"},
        {"monitor": "x"},
        {"penalty": "l3", "lmbda": 1.0},
        {"layers": (0, 2)},
        {"layers": (1.5, 2)},
    ],
    ids=str,
)
def test_a_number_out_of_range_is_named(settings):
    with pytest.raises(UsageError, match=next(iter(settings))):
        trained(**settings)


@pytest.mark.parametrize(
    "change",
    [
        lambda a: a[::-1][::-1],
        lambda a: np.repeat(a, 2, axis=0)[::2],
        np.asfortranarray,
        lambda a: a.astype(a.dtype.newbyteorder()),
    ],
    ids=["reversed twice", "strided", "Fortran", "other byte order"],
)
def test_the_layout_in_memory_changes_no_result(change):
    assert np.array_equal(trained(change(X), change(Y)).theta, trained().theta)


def test_read_only_and_memory_mapped_arrays_are_used_and_not_changed(tmp_path):
    np.save(tmp_path / "x.npy", X)
    frozen = X.copy()
    frozen.flags.writeable = False
    for x in (frozen, np.load(tmp_path / "x.npy", mmap_mode="r")):
        assert np.array_equal(trained(x).theta, trained().theta)
    assert np.array_equal(np.load(tmp_path / "x.npy"), X)


def test_counts_may_be_numpy_integers():
    sizes, counts = [np.int64(4), np.int64(2)], {"epochs": np.int64(2), "batch_size": np.int16(32), "seed": np.int8(0)}
    assert np.array_equal(trained(layers=sizes, **counts).theta, trained(batch_size=32).theta)
