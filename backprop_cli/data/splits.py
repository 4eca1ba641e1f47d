"""Splitting rows into training, validation and test: at random, stratified, by groups, or in order."""

from __future__ import annotations

from typing import Annotated

import numpy as np
import numpy.typing as npt
from annotated_types import Ge

from backprop_cli.frozen import frozen

Rows = npt.NDArray[np.intp]

WINDOW = 10
"""How many groups may come next in an order that keeps the proportions of the classes."""


@frozen
class RowSplit:
    """The numbers of the rows of each split, ascending."""

    train: Rows
    validation: Rows
    test: Rows


def split_rows(
    rows: Rows, sizes: tuple[int, int, int], seed: int, labels: Rows | None = None, groups: Rows | None = None
) -> RowSplit:
    """Split rows (n,) at random into (train, validation, test) of these sizes, which sum to at most n.

    With `labels` (n,), each split has the classes in the proportions of the whole, to within one example; a class with
    few examples is rather trained on than tested. With `groups` (n,), the rows of a group stay in one split; the sizes,
    and the proportions of the classes if there are labels too, are then met as nearly as the groups allow.
    """
    train, validation, test = sizes
    rng = np.random.default_rng(seed)
    ends = [test, test + validation, test + validation + train]
    if groups is not None:
        order = _by_group(groups, rng) if labels is None else _by_stratified_group(groups, labels, rng)
        ends = _group_ends(groups[order], (test, validation, train))
        if sum(sizes) == len(rows):
            ends[-1] = len(rows)
    else:
        order = rng.permutation(len(rows))
        if labels is not None:
            order = order[np.argsort(_positions(labels[order]), kind="stable")]
    parts = np.split(rows[order], ends)[:3]
    return RowSplit(*(np.sort(part) for part in (parts[2], parts[1], parts[0])))


def split_in_order(rows: Rows, sizes: tuple[int, int, int]) -> RowSplit:
    """Split rows (n,), the first for training, then validation, then test, as data over time must be."""
    train, validation, test = sizes
    last = len(rows) - test
    return RowSplit(rows[: min(train, last - validation)], rows[last - validation : last], rows[last:])


@frozen
class Fold:
    """Fold i of k: its examples are tested on, and the others are trained on. `seed` decides about the folds."""

    k: Annotated[int, Ge(2)]
    i: Annotated[int, Ge(1)]
    seed: Annotated[int, Ge(0)] = 0

    def __post_init__(self) -> None:
        """Raise ValueError if there is no such fold."""
        if self.i > self.k:
            raise ValueError(f"i must be from 1 to k, which is {self.k}, not {self.i}")

    def size(self, n: int) -> int:
        """Return how many of n examples without groups are in the fold."""
        return n // self.k + (self.i <= n % self.k)

    def split(self, rows: Rows, labels: Rows | None = None, groups: Rows | None = None) -> tuple[Rows, Rows]:
        """Return the rows (n,) to train on and those of the fold, ascending.

        With `labels` (n,), each fold has the classes in the proportions of the whole, to within one example. With
        `groups` (n,), the rows of a group are in one fold.
        """
        rng = np.random.default_rng(self.seed)
        if groups is not None:
            labels = np.zeros(len(rows), np.intp) if labels is None else labels
            mine = deal_groups(groups, labels, self.k, rng) == self.i - 1
        else:
            order = rng.permutation(len(rows))
            if labels is not None:
                order = order[np.argsort(labels[order], kind="stable")]
            mine = np.zeros(len(rows), bool)
            mine[order[self.i - 1 :: self.k]] = True
        return rows[~mine], rows[mine]

    def split_in_order(self, rows: Rows) -> tuple[Rows, Rows]:
        """Return the rows before the fold, and those of the fold: the ith of k blocks at the end, all of one size.

        As `sklearn.model_selection.TimeSeriesSplit`: no row is predicted from later ones.
        """
        size = len(rows) // (self.k + 1)
        start = len(rows) - (self.k - self.i + 1) * size
        return rows[:start], rows[start : start + size]


def deal_groups(groups: Rows, labels: Rows, k: int, rng: np.random.Generator) -> Rows:
    """Return which of k parts each row is in, (n,), so that all parts have as many of every class; no group is divided.

    Groups are dealt one after the other, those with the most uneven classes and the largest first, to the part that
    lacks most of their classes: nearly what `sklearn.model_selection.StratifiedGroupKFold` does.
    """
    number, counts = _count_classes(groups, labels)
    shares = counts / counts.sum(axis=0)
    order = rng.permutation(len(counts))
    order = order[np.lexsort((-counts[order].sum(axis=1), -counts[order].std(axis=1)))]
    has = np.zeros((k, shares.shape[1]))
    part = np.empty(len(counts), np.intp)
    for group in order:
        part[group] = best = np.argmin(has @ shares[group])
        has[best] += shares[group]
    return part[number]


def _positions(labels: Rows) -> npt.NDArray[np.float64]:
    """Return (k - 1/2)/count for the k-th example of each class: cut anywhere, each class is cut in that proportion."""
    order = np.argsort(labels, kind="stable")
    _, starts, counts = np.unique(labels[order], return_index=True, return_counts=True)
    rank = np.arange(len(labels)) - np.repeat(starts, counts)
    positions = np.empty(len(labels))
    positions[order] = (rank + 0.5) / np.repeat(counts, counts)
    return positions


def _by_group(groups: Rows, rng: np.random.Generator) -> Rows:
    """Return the rows, one group after the other, the groups in random order."""
    _, number = np.unique(groups, return_inverse=True)
    return np.argsort(rng.permutation(number.max(initial=-1) + 1)[number], kind="stable")


def _count_classes(groups: Rows, labels: Rows) -> tuple[Rows, npt.NDArray[np.float64]]:
    """Return the number of each row's group, (n,), and the examples of each class in each group."""
    _, number = np.unique(groups, return_inverse=True)
    classes, label = np.unique(labels, return_inverse=True)
    counts = np.zeros((number.max(initial=-1) + 1, len(classes)))
    np.add.at(counts, (number, label), 1)
    return number, counts


def _by_stratified_group(groups: Rows, labels: Rows, rng: np.random.Generator) -> Rows:
    """Return the rows, one group after the other, in a random order that, cut anywhere, cuts each class in proportion.

    Of the next few groups, the one comes first with which the proportions so far are best. The order does not depend on
    the sizes of the splits, so that the sizes that a split has give the same split again.
    """
    number, counts = _count_classes(groups, labels)
    shares, sizes = counts / counts.sum(axis=0), counts.sum(axis=1, keepdims=True) / len(groups)
    order = rng.permutation(len(counts)).tolist()
    position = np.empty(len(counts), np.intp)
    ahead = np.zeros(shares.shape[1])  # of each class, the share that has come before more than was its turn
    for place in range(len(order)):
        window = order[place : place + WINDOW]
        then = ahead + shares[window] - sizes[window]
        best = int(np.argmin(np.square(then).sum(axis=1)))
        order[place], order[place + best] = order[place + best], order[place]
        ahead = then[best]
        position[order[place]] = place
    return np.argsort(position[number], kind="stable")


def _group_ends(groups: Rows, sizes: tuple[int, ...]) -> list[int]:
    """Return the ends of parts of these sizes, one after the other, each moved to the nearest border of a group."""
    borders = np.flatnonzero(np.concatenate([[True], groups[1:] != groups[:-1], [True]]))
    ends = [0]
    for size in sizes:
        ends.append(int(borders[np.argmin(np.abs(borders - (ends[-1] + size)))]))
    return ends[1:]
