"""The columns of tables of runs: their names, what they contain as text, and the metric by which runs are ranked."""

from __future__ import annotations

from collections.abc import Container, Sequence
from difflib import get_close_matches
from typing import Any

from backprop_cli.errors import UsageError
from backprop_cli.listing.settings import value_text
from backprop_cli.text import duration, metric

FURTHER = ("balanced_accuracy", "f1", "roc_auc", "log_loss", "mae")
"""Metrics of the test split; of the validation split if they are monitored."""

METRICS = (
    *(
        f"{split}_{name}"
        for split in ("val", "test", "train")
        for name in ("accuracy", "cost", "rmse", "r2", "squared_error", "pseudo_likelihood", "reconstruction")
    ),
    *(f"{split}_{name}" for split in ("val", "test") for name in FURTHER),
)
"""Metrics of the best epoch: accuracy for classification, rmse and r2 for regression, squared_error for
reconstruction, pseudo_likelihood and reconstruction for Boltzmann machines, cost for all, and FURTHER."""

FIXED = ("run", "status", "warnings", "started", *METRICS, "best_epoch", "epochs", "seconds")
"""Every column that does not depend on the configs."""

ALIASES = {"name": "run", "time": "seconds"}
"""Other names of columns."""

RANKING = tuple(f"{split}_{name}" for split in ("val", "train") for name in ("accuracy", "r2", "cost"))
"""The metrics by which runs are ranked: the first of these that they have."""


def main_metric(columns: Container[str]) -> str | None:
    """Return the metric by which runs with these columns are ranked, None if there is none."""
    return next((name for name in RANKING if name in columns), None)


def higher_is_better(column: str) -> bool:
    """Whether a higher value of a metric is better."""
    return column.endswith(("_accuracy", "_r2", "_f1", "_roc_auc", "_pseudo_likelihood"))


def is_metric(column: str) -> bool:
    """Whether a column contains a measured value, with a mean and a deviation over seeds."""
    return column == "seconds" or column in METRICS


def metric_text(column: str, value: Any, deviation: float | None = None) -> str:
    """Return the value of a column as text; nothing for None."""
    if column == "started" and value:
        return str(value)[:16].replace("T", " ")
    if column == "best_epoch" and value is not None:
        return f"{value:.1f}".removesuffix(".0")
    if not is_metric(column) or not isinstance(value, int | float):  # a config key may be named like a metric
        return value_text(value)
    if column == "seconds":
        return duration(value)
    if deviation is None:
        return metric(column, value)
    return f"{metric(column, value).rstrip('%')} ± {metric(column, deviation)}"


def require_known(word: str, known: Sequence[str], complaint: str) -> None:
    """Raise UsageError, with the nearest known word, if the word is not known."""
    if word not in known:
        close = get_close_matches(word, known, n=1)
        raise UsageError(f"{complaint} '{word}'" + (f"; did you mean '{close[0]}'?" if close else ""))
