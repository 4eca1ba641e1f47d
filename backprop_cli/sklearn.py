"""scikit-learn estimators: `pip install 'backprop-cli[sklearn]'`.

They train with `backprop_cli.fit`; a fit prints nothing and writes nothing.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Self

import numpy as np
import numpy.typing as npt
from sklearn.base import BaseEstimator, ClassifierMixin, RegressorMixin
from sklearn.model_selection import train_test_split
from sklearn.utils.multiclass import check_classification_targets
from sklearn.utils.validation import _check_sample_weight, check_is_fitted, check_random_state, validate_data

from backprop_cli.fitting import Fitted, fit
from backprop_cli.objectives.costs import COSTS
from backprop_cli.optim.averages import AVERAGES
from backprop_cli.optim.minimizers import MINIMIZERS, Minimizer
from backprop_cli.optim.optimizer import Optimizer
from backprop_cli.optim.optimizers import OPTIMIZERS
from backprop_cli.optim.schedules import SCHEDULES, Schedule
from backprop_cli.optim.stopping import EarlyStopping
from backprop_cli.training.evaluation import outputs_of

Options = str | Mapping[str, Any]

SMALL = 50
"""Of fewer examples than this, none are held out: too few to choose an epoch by."""


class _Backprop(BaseEstimator):  # type: ignore[misc]  # scikit-learn has no types
    """What classifier and regressor share; see BackpropClassifier."""

    _classes: bool

    def __init__(
        self,
        hidden: int | str | Sequence[int] = 64,
        *,
        activation: str = "relu",
        output: str | None = None,
        cost: Any = None,
        optimizer: Options | Optimizer | Minimizer = "adam",
        eta: float = 0.01,
        schedule: Options | Schedule = "cosine",
        batch_size: int = 32,
        epochs: int = 60,
        lmbda: float = 1.0,
        penalty: str = "l2",
        initializer: str = "he",
        average: Options | None = None,
        validation: float = 0.15,
        patience: int | None = 15,
        dtype: str = "auto",
        random_state: Any = None,
    ) -> None:
        self.hidden = hidden
        self.activation = activation
        self.output = output
        self.cost = cost
        self.optimizer = optimizer
        self.eta = eta
        self.schedule = schedule
        self.batch_size = batch_size
        self.epochs = epochs
        self.lmbda = lmbda
        self.penalty = penalty
        self.initializer = initializer
        self.average = average
        self.validation = validation
        self.patience = patience
        self.dtype = dtype
        self.random_state = random_state

    def _weighted(self, x: Any, y: Any, sample_weight: Any) -> tuple[Any, Any, Any]:
        """Return the examples that have a weight other than 0, and their weights, None without any."""
        if sample_weight is None:
            return x, y, None
        weights = _check_sample_weight(sample_weight, x, dtype=np.float64, ensure_non_negative=True)
        used = weights > 0
        if not used.any():
            raise ValueError("sample_weight is 0 for all examples")
        return x[used], y[used], weights[used]

    def _fit(self, x: Any, y: Any, weights: Any, outputs: int, held_out: tuple[Any, ...] | None) -> None:
        seed = int(check_random_state(self.random_state).randint(2**31))
        if held_out is None and self.validation and len(x) >= SMALL:
            stratify = y if self._classes and np.bincount(y).min() >= 2 else None
            rows = np.arange(len(x))
            try:
                rows, rest = train_test_split(rows, test_size=self.validation, stratify=stratify, random_state=seed)
            except ValueError:  # more classes than examples to hold out
                rows, rest = train_test_split(rows, test_size=self.validation, random_state=seed)
            held_out = (x[rest], y[rest], *(() if weights is None else (weights[rest],)))
            x, y, weights = x[rows], y[rows], None if weights is None else weights[rows]
        n = len(x) if weights is None else float(weights.sum())
        settings: dict[str, Any] = {"monitor": "cost"} if held_out else {}
        if self.average:
            settings["average"] = _made(AVERAGES, self.average)
        self._fitted: Fitted = fit(
            [*_hidden(self.hidden), outputs],
            x,
            y,
            activation=self.activation,
            output=self.output,
            cost=_made(COSTS, self.cost),
            optimizer=_made({**OPTIMIZERS, **MINIMIZERS}, self.optimizer),
            eta=self.eta,
            schedule=_made(SCHEDULES, self.schedule),
            batch_size=self.batch_size,
            epochs=self.epochs,
            lmbda=self.lmbda * len(x) / n,
            penalty=self.penalty,
            initializer=self.initializer,
            sample_weight=weights,
            validation=held_out or 0.0,
            early_stopping=EarlyStopping(self.patience) if self.patience and held_out else None,
            seed=seed,
            dtype=x.dtype.name if self.dtype == "auto" else self.dtype,
            **settings,
        )
        history = self._fitted.history
        self.n_iter_ = len(history)
        self.loss_curve_ = [epoch.train.cost for epoch in history if epoch.train]
        self.validation_curve_ = [epoch.validation.cost for epoch in history if epoch.validation]

    def _outputs(self, x: Any) -> npt.NDArray[Any]:
        """Return the outputs (n, n_L), in double precision, so that a row's do not depend on the other rows."""
        check_is_fitted(self)
        checked = validate_data(self, x, reset=False, dtype=np.float64)
        return outputs_of(self._fitted.network, self._fitted.theta.astype(np.float64), checked)


class BackpropClassifier(ClassifierMixin, _Backprop):  # type: ignore[misc]  # as above
    """A classifier.

    `hidden` are the units of the hidden layers, 30, (30, 30) or "30-30". `optimizer`, `schedule`, `average` and `cost`
    are names, or mappings such as {"name": "momentum", "mu": 0.9}; {"name": "cross_entropy", "class_weights":
    "balanced"} gives all classes the same weight. `validation` is the share of the examples that the best
    epoch is chosen by, of fewer than 50 examples none; training stops after `patience` epochs without an improvement.
    `dtype` is float32, float64 or auto: that of X. The other parameters are those of `backprop_cli.fit`.

    >>> from sklearn.datasets import load_iris
    >>> x, y = load_iris(return_X_y=True)
    >>> BackpropClassifier(random_state=0).fit(x, y).score(x, y) > 0.95
    True
    """

    _classes = True

    def fit(self, X: Any, y: Any, sample_weight: Any = None, X_val: Any = None, y_val: Any = None) -> Self:
        """Train on X (n, n_0) and labels y (n,); X_val and y_val are used in place of `validation`.

        The cost of each example counts `sample_weight` (n,) times; λ is divided by the sum of the weights.
        """
        X, y = validate_data(self, X, y, dtype=[np.float64, np.float32])
        check_classification_targets(y)
        X, y, weights = self._weighted(X, y, sample_weight)
        self.classes_, labels = np.unique(y, return_inverse=True)
        if len(self.classes_) < 2:
            raise ValueError(f"the targets have only one class, {self.classes_[0]!r}")
        held_out = None
        if X_val is not None:
            checked = validate_data(self, X_val, reset=False, dtype=[np.float64, np.float32])
            held_out = checked, np.searchsorted(self.classes_, np.asarray(y_val))
        self._fit(X, labels, weights, len(self.classes_), held_out)
        return self

    def predict_proba(self, X: Any) -> npt.NDArray[Any]:
        """Return the probability of each class, (n, classes)."""
        return self._outputs(X)

    def predict(self, X: Any) -> npt.NDArray[Any]:
        """Return the predicted class of each row of X (n, n_0)."""
        best = np.argmax(self._outputs(X), axis=1)
        labels: npt.NDArray[Any] = self.classes_[best]
        return labels


class BackpropRegressor(RegressorMixin, _Backprop):  # type: ignore[misc]  # as above
    """A regressor for one or several values; targets are standardized while training. See BackpropClassifier.

    >>> from sklearn.datasets import load_diabetes
    >>> x, y = load_diabetes(return_X_y=True)
    >>> BackpropRegressor(random_state=0).fit(x, y).score(x, y) > 0.4
    True
    """

    _classes = False

    def fit(self, X: Any, y: Any, sample_weight: Any = None, X_val: Any = None, y_val: Any = None) -> Self:
        """Train on X (n, n_0) and values y (n,) or (n, k); X_val and y_val are used in place of `validation`.

        The cost of each example counts `sample_weight` (n,) times; λ is divided by the sum of the weights.
        """
        X, y = validate_data(self, X, y, dtype=[np.float64, np.float32], multi_output=True, y_numeric=True)
        X, y, weights = self._weighted(X, np.asarray(y, np.float64), sample_weight)
        self._shape = y.shape[1:]
        self._center = np.average(y, axis=0, weights=weights)
        spread = np.sqrt(np.average((y - self._center) ** 2, axis=0, weights=weights))
        self._scale = np.where(spread > 0, spread, 1.0)
        held_out = None
        if X_val is not None:
            checked = validate_data(self, X_val, reset=False, dtype=[np.float64, np.float32])
            held_out = checked, (np.asarray(y_val, np.float64) - self._center) / self._scale
        self._fit(X, (y - self._center) / self._scale, weights, y.shape[1] if y.ndim == 2 else 1, held_out)
        return self

    def predict(self, X: Any) -> npt.NDArray[Any]:
        """Return the predicted values, (n,) or (n, k) as in training."""
        outputs = self._outputs(X)
        found: npt.NDArray[Any] = outputs.reshape(len(outputs), *self._shape) * self._scale + self._center
        return found

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.target_tags.multi_output = True
        return tags


def _hidden(given: int | str | Sequence[int]) -> list[int]:
    if isinstance(given, str):
        return [int(units) for units in given.split("-") if units]
    return [given] if isinstance(given, int | np.integer) else [int(units) for units in given]


def _made(registry: Mapping[str, Any], given: Any) -> Any:
    """Return the object that a name, or a mapping with a name and options, stands for."""
    if isinstance(given, str):
        given = {"name": given}
    if not isinstance(given, Mapping):
        return given
    options = {key: value for key, value in given.items() if key != "name"}
    if given.get("name") not in registry:
        raise ValueError(f"unknown name {given.get('name')!r}; choose one of {', '.join(registry)}")
    return registry[given["name"]](**options)
