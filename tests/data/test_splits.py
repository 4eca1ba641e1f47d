"""Splitting rows into training, validation and test."""

import numpy as np
import pytest

from backprop_cli.data.splits import split_in_order, split_rows

ROWS = np.arange(1000)
SIZES = (650, 150, 200)


def parts(split):
    return split.train, split.validation, split.test


@pytest.fixture(scope="module")
def labels():
    return np.random.default_rng(0).choice(4, 1000, p=[0.7, 0.2, 0.09, 0.01])


def test_every_row_is_in_one_split_and_the_sizes_are_those_asked_for():
    split = split_rows(ROWS, SIZES, 0)
    assert tuple(map(len, parts(split))) == SIZES
    assert sorted(np.concatenate(parts(split))) == list(ROWS)


def test_a_split_is_a_function_of_the_seed():
    one, same, other = (split_rows(ROWS, SIZES, seed) for seed in (1, 1, 2))
    assert all(np.array_equal(a, b) for a, b in zip(parts(one), parts(same), strict=True))
    assert not np.array_equal(one.test, other.test)


def test_fewer_training_rows_leave_validation_and_test_as_they_are():
    assert np.array_equal(split_rows(ROWS, SIZES, 0).test, split_rows(ROWS, (10, 150, 200), 0).test)


def test_a_stratified_split_has_the_proportions_of_stratified_shuffle_split(labels):
    sklearn = pytest.importorskip("sklearn.model_selection")
    split = split_rows(ROWS, (800, 0, 200), 0, labels=labels)
    theirs = sklearn.StratifiedShuffleSplit(1, test_size=200, random_state=0).split(ROWS, labels)
    _, test = next(theirs)
    assert np.abs(np.bincount(labels[split.test]) - np.bincount(labels[test])).max() <= 1


def test_stratified_splits_have_every_class_in_its_proportion(labels):
    for part in parts(split_rows(ROWS, SIZES, 3, labels=labels)):
        assert np.abs(np.bincount(labels[part], minlength=4) - np.bincount(labels) * len(part) / 1000).max() <= 1


def test_a_class_with_a_single_example_is_trained_on():
    labels = np.zeros(100, int)
    labels[17] = 1
    for seed in range(20):
        assert 17 in split_rows(np.arange(100), (65, 15, 20), seed, labels=labels).train


def test_the_rows_of_a_group_stay_together_and_the_sizes_are_nearly_met():
    groups = np.random.default_rng(1).integers(0, 60, 1000)
    split = split_rows(ROWS, SIZES, 0, groups=groups)
    of = [set(groups[part]) for part in parts(split)]
    assert len(of[0] | of[1] | of[2]) == sum(map(len, of))
    largest = np.bincount(groups).max()
    assert all(abs(len(part) - size) <= largest for part, size in zip(parts(split), SIZES, strict=True))


def proportions(labels, part):
    return np.bincount(labels[part], minlength=labels.max() + 1) / len(part)


@pytest.mark.parametrize("seed", range(3))
def test_groups_are_stratified_as_by_stratified_group_k_fold(seed):
    sklearn = pytest.importorskip("sklearn.model_selection")
    rng = np.random.default_rng(seed)
    groups = rng.integers(0, 150, 1000)
    labels = (rng.random(1000) < rng.choice([0.05, 0.9], 150, p=[0.9, 0.1])[groups]).astype(int)  # few sick patients
    split = split_rows(ROWS, (600, 200, 200), seed, labels=labels, groups=groups)
    theirs = sklearn.StratifiedGroupKFold(5, shuffle=True, random_state=seed).split(ROWS, labels, groups)
    far = max(abs(proportions(labels, test)[1] - labels.mean()) for _, test in theirs)
    for part, size in zip(parts(split), (600, 200, 200), strict=True):
        assert abs(proportions(labels, part)[1] - labels.mean()) <= max(far, 0.04)  # the rows of one sick patient
        assert abs(len(part) - size) <= 20
    assert sum(len(set(groups[part])) for part in parts(split)) == len(set(groups))


def test_rare_cases_among_many_healthy_groups_are_in_every_split():
    rng = np.random.default_rng(0)
    groups, labels = np.arange(600) // 6, (rng.random(600) < 0.14).astype(int)
    split = split_rows(np.arange(600), (408, 72, 120), 0, labels=labels, groups=groups)
    for part, size in zip(parts(split), (408, 72, 120), strict=True):
        assert abs(len(part) - size) <= 12  # two groups
        assert abs(labels[part].sum() - labels.sum() * size / 600) <= 3


@pytest.mark.parametrize("seed", range(5))
def test_the_sizes_of_a_split_of_groups_give_the_same_split_again(seed):
    rng = np.random.default_rng(seed)
    groups, labels = rng.integers(0, 40, 1000), rng.integers(0, 3, 1000)
    for classes in (labels, None):
        split = split_rows(ROWS, SIZES, seed, labels=classes, groups=groups)
        again = split_rows(ROWS, tuple(map(len, parts(split))), seed, labels=classes, groups=groups)
        assert all(np.array_equal(a, b) for a, b in zip(parts(split), parts(again), strict=True))


def test_a_split_without_rows_gets_no_group():
    groups, labels = np.arange(1000) // 10, np.arange(1000) % 2
    split = split_rows(ROWS, (800, 0, 200), 0, labels=labels, groups=groups)
    assert tuple(map(len, parts(split))) == (800, 0, 200)


def test_in_order_the_last_rows_are_for_testing_and_those_before_for_validation():
    split = split_in_order(np.arange(10), (5, 2, 3))
    assert [part.tolist() for part in parts(split)] == [[0, 1, 2, 3, 4], [5, 6], [7, 8, 9]]
