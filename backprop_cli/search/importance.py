"""How much each key of a sweep matters: the share of the variance of a metric that goes with it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from importlib.util import find_spec
from typing import Any

import numpy as np
import numpy.typing as npt

from backprop_cli.frozen import frozen
from backprop_cli.listing.settings import value_text
from backprop_cli.search.spaces import Setting

MAX_SETTINGS = 1_000
"""Settings from which importance is computed by fANOVA, which takes a second; of more, so many evenly spaced ones."""

BINS = 8
"""Groups of equal size for a key with more values."""

LOG_RATIO = 20
"""Numbers whose largest and smallest have a larger ratio count by their logarithm."""


@frozen
class Importance:
    """The importance of each key, the largest first, and the method by which it was found."""

    method: str
    shares: Mapping[str, float]


def importance(settings: Sequence[Setting], values: Sequence[float]) -> Importance:
    """Return the importance of the keys of settings for the values (n,) that a metric has with them.

    That is fANOVA (Hutter et al. 2014) if Optuna and scikit-learn are installed: shares of the variance that a random
    forest explains, which sum to 1. It leaves out keys that not all settings have. Otherwise it is the variance ratio:
    the share of the variance between groups of settings with the same value of a key, corrected for chance (Kelley's
    epsilon squared); ratios of different keys need not sum to 1.
    """
    keys = list(dict.fromkeys(key for setting in settings for key in setting))
    y = np.asarray(values, np.float64)
    if len(y) < 3 or np.ptp(y) == 0:
        return Importance("variance ratio", {})
    shared = [key for key in keys if all(key in setting for setting in settings)]
    if len(shared) > 1 and find_spec("optuna") and find_spec("sklearn"):
        method, shares = "fANOVA", _fanova(settings, y, shared)
    else:
        method, shares = "variance ratio", {key: variance_ratio(_groups(settings, key), y) for key in keys}
    return Importance(method, dict(sorted(shares.items(), key=lambda item: -item[1])))


def variance_ratio(groups: Sequence[Any], y: npt.NDArray[np.float64]) -> float:
    """Return the share of the variance of y (n,) between the groups (n,), corrected for chance; at least 0."""
    sizes, n = Counter(groups), len(y)
    if not 1 < len(sizes) < n:
        return 0.0
    total = float(((y - y.mean()) ** 2).sum())
    sums = Counter[Any]()
    for group, value in zip(groups, y, strict=True):
        sums[group] += value
    between = sum(size * (sums[group] / size - y.mean()) ** 2 for group, size in sizes.items())
    return max(0.0, 1 - (1 - between / total) * (n - 1) / (n - len(sizes)))


def _groups(settings: Sequence[Setting], key: str) -> list[Any]:
    """Return the value of a key in each setting; of numbers with many values, the number of the bin."""
    values = [setting.get(key) for setting in settings]
    if _are_numbers(values) and len(set(values)) > BINS:
        ranks = np.argsort(np.argsort(np.array(values, np.float64), kind="stable"))
        return [int(rank) * BINS // len(values) for rank in ranks]
    return [value_text(value) for value in values]


def _fanova(settings: Sequence[Setting], y: npt.NDArray[np.float64], keys: Sequence[str]) -> dict[str, float]:
    import optuna
    from optuna.distributions import BaseDistribution, CategoricalDistribution, FloatDistribution

    chosen = np.unique(np.linspace(0, len(y) - 1, MAX_SETTINGS).astype(int))
    columns: dict[str, list[Any]] = {}
    distributions: dict[str, BaseDistribution] = {}
    for key in keys:
        values = [settings[i][key] for i in chosen]
        if _are_numbers(values) and max(values) > min(values):
            low, high = float(min(values)), float(max(values))
            log = low > 0 and high / low > LOG_RATIO
            columns[key], distributions[key] = [float(v) for v in values], FloatDistribution(low, high, log=log)
        else:
            texts = [value_text(value) for value in values]
            columns[key], distributions[key] = texts, CategoricalDistribution(sorted(set(texts)))
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    study = optuna.create_study()
    study.add_trials(
        [
            optuna.create_trial(
                params={key: columns[key][row] for key in keys}, distributions=distributions, value=float(y[i])
            )
            for row, i in enumerate(chosen)
        ]
    )
    evaluator = optuna.importance.FanovaImportanceEvaluator(seed=0)
    return dict(optuna.importance.get_param_importances(study, evaluator=evaluator))


def _are_numbers(values: Sequence[Any]) -> bool:
    return all(isinstance(value, int | float) and not isinstance(value, bool) for value in values)
