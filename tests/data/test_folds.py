"""Folds of a cross-validation, compared with those of scikit-learn."""

import numpy as np
import pytest

from backprop_cli.data.splits import Fold

sklearn = pytest.importorskip("sklearn.model_selection", reason="needs the extra 'sklearn'")
ROWS = np.arange(103)
LABELS = np.random.default_rng(0).choice(4, 103, p=[0.6, 0.25, 0.1, 0.05])


def folds(k, rows=ROWS, **how):
    return [Fold(k, i).split(rows, **how) for i in range(1, k + 1)]


@pytest.mark.parametrize("k", [2, 5, 10, 103])
@pytest.mark.parametrize("labels", [None, LABELS])
def test_every_row_is_tested_on_once_and_trained_on_otherwise(k, labels):
    found = folds(k, labels=labels)
    assert sorted(np.concatenate([held for _, held in found])) == list(ROWS)
    for i, (rest, held) in enumerate(found, start=1):
        assert sorted([*rest, *held]) == list(ROWS)
        assert len(held) == Fold(k, i).size(103)


@pytest.mark.parametrize("k", [3, 5, 8])
def test_folds_have_the_proportions_of_stratified_k_fold(k):
    ours = [np.bincount(LABELS[held], minlength=4) for _, held in folds(k, labels=LABELS)]
    theirs = [
        np.bincount(LABELS[held], minlength=4)
        for _, held in sklearn.StratifiedKFold(k, shuffle=True, random_state=0).split(ROWS, LABELS)
    ]
    exact = np.bincount(LABELS) / k
    assert np.abs(np.array(ours) - exact).max() < 1
    assert np.abs(np.array(theirs) - exact).max() < 1
    assert sorted(map(sum, ours)) == sorted(map(sum, theirs))


@pytest.mark.parametrize("labels", [None, np.random.default_rng(1).integers(0, 2, 1000)])
def test_a_group_is_in_one_fold_and_folds_are_as_even_as_by_scikit_learn(labels):
    rows, groups = np.arange(1000), np.random.default_rng(2).integers(0, 60, 1000)
    held = [held for _, held in folds(5, rows, labels=labels, groups=groups)]
    assert sorted(np.concatenate(held)) == list(rows)
    assert sum(len(set(groups[part])) for part in held) == 60
    splitter = sklearn.GroupKFold(5) if labels is None else sklearn.StratifiedGroupKFold(5)
    theirs = [len(part) for _, part in splitter.split(rows, labels, groups)]
    assert max(map(len, held)) - min(map(len, held)) <= max(20, np.ptp(theirs))


@pytest.mark.parametrize(("n", "k"), [(103, 5), (12, 3), (60, 2)])
def test_folds_in_order_are_those_of_time_series_split(n, k):
    rows = np.arange(n)
    for i, (train, test) in enumerate(sklearn.TimeSeriesSplit(k).split(rows), start=1):
        ours = Fold(k, i).split_in_order(rows)
        np.testing.assert_array_equal(ours[0], train)
        np.testing.assert_array_equal(ours[1], test)


def test_folds_depend_on_their_seed_only():
    assert np.array_equal(Fold(5, 2, 7).split(ROWS)[1], Fold(5, 2, 7).split(ROWS)[1])
    assert not np.array_equal(Fold(5, 2, 7).split(ROWS)[1], Fold(5, 2, 8).split(ROWS)[1])
