"""Arrays and data frames as examples: what `fit` accepts, and what a fitted network accepts afterwards."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import numpy.typing as npt

from backprop_cli.data.dataset import Split
from backprop_cli.data.tasks import Task
from backprop_cli.errors import UsageError
from backprop_cli.frozen import frozen

Values = npt.NDArray[Any]


@frozen
class Form:
    """What examples are like.

    `dtype` is that of their numbers. Where they are known, there are the `shape` of the inputs, the `task`, the names
    of the `columns` of a data frame, and the classes if they are `words`.
    """

    dtype: np.dtype[Any]
    shape: tuple[int, ...] | None = None
    task: Task | None = None
    columns: tuple[str, ...] = ()
    words: tuple[str, ...] = ()

    @classmethod
    def of(cls, x: Any, y: Any, dtype: str) -> Form:
        """Return the form of training examples."""
        labels = _array(y, "y")
        words = tuple(np.unique(labels.astype(str)).tolist()) if _are_words(labels) else ()
        return cls(np.dtype(dtype), columns=tuple(map(str, getattr(x, "columns", ()))), words=words)

    def with_task(self, shape: tuple[int, ...], task: Task) -> Form:
        """Return the form of the examples that a network with these inputs and this task accepts."""
        return replace(self, shape=shape, task=task)

    def examples(self, x: npt.ArrayLike, y: npt.ArrayLike, weights: npt.ArrayLike | None = None) -> Split:
        """Return examples. Raises UsageError if they have another form."""
        inputs, targets, task = self.inputs(x), self._targets(y), self.task
        if len(inputs) != len(targets) or not len(inputs):
            raise UsageError(
                f"x has {len(inputs)} examples and y has {len(targets)}; there must be as many, and at least one"
            )
        if task and task.classes and (targets.ndim == 2 or targets.max() >= task.classes):
            raise UsageError(f"y must be labels from 0 to {task.classes - 1} (n,)")
        if task and not task.classes and targets.shape[1:] != (task.outputs,):
            raise UsageError(f"y must be floating values (n, {task.outputs}), not {targets.dtype} {targets.shape}")
        return Split(inputs, targets, None if weights is None else self._weights(weights, len(inputs)))

    def inputs(self, x: Any) -> Values:
        """Return inputs as they are kept: bytes as they are, other numbers in the precision of training.

        The columns of a data frame are found by name. Raises UsageError if the inputs have another form.
        """
        if self.columns and hasattr(x, "columns"):
            if missing := [name for name in self.columns if name not in list(map(str, x.columns))]:
                raise UsageError(f"x has no column {', '.join(map(repr, missing))}")
            x = x[[name for wanted in self.columns for name in x.columns if str(name) == wanted]]
        array = _array(x, "x")
        if array.dtype.kind == "O" and hasattr(x, "columns"):
            array = _numbers(array, x.columns)
        if array.dtype.kind not in "buif" or array.ndim < 2 or 0 in array.shape[1:]:
            raise UsageError(f"x must be numbers (n, ...), not {array.dtype} {array.shape}")
        if self.shape is not None and array.shape[1:] != self.shape:
            raise UsageError(f"x must have the shape {('n', *self.shape)}, not {array.shape}".replace("'n'", "n"))
        return array if array.dtype == np.uint8 else self._finite(array, "x")

    def named(self, predicted: Values) -> Values:
        """Return predicted classes by their words, if they have any."""
        return np.array(self.words)[predicted] if self.words else predicted

    def _targets(self, y: npt.ArrayLike) -> Values:
        """Return labels (n,), or values (n, k)."""
        array = _array(y, "y")
        if self.words and _are_words(array):
            words = array.astype(str)
            if unknown := sorted(set(words.tolist()) - set(self.words)):
                raise UsageError(f"y has the class {unknown[0]!r}; the network was trained on {', '.join(self.words)}")
            return np.searchsorted(self.words, words)
        if array.dtype.kind not in "buif" or array.ndim not in (1, 2) or (array.ndim == 2 and array.dtype.kind != "f"):
            has = f"{array.dtype} {array.shape}"
            raise UsageError(f"y must be labels 0, 1, … (n,), words (n,) or floating values (n, k), not {has}")
        if array.dtype.kind == "f":
            self._finite(array, "y")
            return array[:, None] if array.ndim == 1 else array
        if array.size and not 0 <= int(array.min()) <= int(array.max()) < 1 << 31:
            raise UsageError("labels must not be negative, nor 2³¹ or more")
        return array.astype(np.intp)

    def _weights(self, values: npt.ArrayLike, n: int) -> Values:
        array = _array(values, "sample_weight")
        if array.dtype.kind not in "buif" or array.shape != (n,):
            raise UsageError(f"sample_weight must be {n} numbers (n,), not {array.dtype} {array.shape}")
        if (weights := self._finite(array, "sample_weight")).min() < 0:
            raise UsageError("some numbers in sample_weight are negative")
        return weights

    def _finite(self, array: Values, name: str) -> Values:
        with np.errstate(over="ignore"):
            converted = array.astype(self.dtype, copy=False)
        if not np.isfinite(converted).all():
            raise UsageError(f"some numbers in {name} are NaN, infinite, or too large for {self.dtype}")
        return converted


def _array(values: npt.ArrayLike, name: str) -> Values:
    try:
        return np.asarray(values)
    except ValueError as error:
        raise UsageError(f"{name} is not an array: {error}") from error


def _are_words(labels: Values) -> bool:
    """Whether labels (n,) are text, each of them."""
    text = labels.dtype.kind in "UT" or (labels.dtype.kind == "O" and all(isinstance(one, str) for one in labels.flat))
    return text and labels.ndim == 1 and len(labels) > 0


def _numbers(cells: Values, names: Any) -> Values:
    """Return the cells (n, k) of a data frame with columns of several types as numbers."""
    bad: list[str] = []
    numbers = np.empty(cells.shape)
    for column, name in enumerate(names):
        try:
            numbers[:, column] = cells[:, column].astype(np.float64)
        except (TypeError, ValueError):
            bad.append(repr(str(name)))
    if bad:
        raise UsageError(f"x must be numbers, but these columns are not: {', '.join(bad)}")
    return numbers
