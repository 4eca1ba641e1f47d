"""Ten tables: `backprop train FILE target=target` against a pipeline of scikit-learn, on the same splits.

Five tables are those of scikit-learn, five are synthetic, with categories, missing values, rare classes, a constant
column and a column of groups. Nothing is tuned by table.
"""

from __future__ import annotations

import csv
import time
import warnings
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from sklearn import datasets
from sklearn.compose import make_column_transformer
from sklearn.exceptions import ConvergenceWarning
from sklearn.impute import SimpleImputer
from sklearn.neural_network import MLPClassifier, MLPRegressor
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder, StandardScaler

import backprop_cli
from backprop_cli.sources.table import PreparedTable, prepare_table
from backprop_cli.tables.preprocessing import CategoryColumn

Rows = Iterable[Sequence[Any]]
SPLITS = 10
SHIPPED = ("iris", "wine", "breast_cancer", "digits", "diabetes")


@dataclass(frozen=True)
class Compared:
    """Test scores (accuracy, or r2 for values) and training seconds of both on each split, (splits,)."""

    metric: str
    ours: np.ndarray[Any, Any]
    theirs: np.ndarray[Any, Any]
    our_seconds: np.ndarray[Any, Any]
    their_seconds: np.ndarray[Any, Any]

    def row(self, name: str) -> str:
        """Return a line of the table in docs/results.md."""
        difference = self.ours - self.theirs
        error = difference.std(ddof=1) / len(difference) ** 0.5
        time = f"{self.our_seconds.sum() / self.their_seconds.sum():.2f} ×"
        scores = f"{self.ours.mean():.4f} | {self.theirs.mean():.4f} | {difference.mean():+.4f} ± {error:.4f}"
        return f"| {name} | {self.metric} | {scores} | {time} |"


def compare_tables(folder: Path, names: Sequence[str] = (), splits: int = SPLITS, **keys: Any) -> dict[str, Compared]:
    """Train both on every table in `folder`, which they are written to; `keys` change those of the config."""
    found = {}
    for name, (header, rows) in tables().items():
        if names and name not in names:
            continue
        path = folder / f"{name}.csv"
        with path.open("w", newline="") as file:
            csv.writer(file).writerows([header, *rows])
        found[name] = Compared(*_columns(_compare(path, folder / "runs", splits, keys)))
    return found


def _columns(results: Iterator[tuple[str, float, float, float, float]]) -> tuple[Any, ...]:
    (metric, *_), *numbers = zip(*results, strict=True)
    return metric, *map(np.array, numbers)


def _compare(
    path: Path, runs: Path, splits: int, keys: dict[str, Any]
) -> Iterator[tuple[str, float, float, float, float]]:
    for seed in range(splits):
        run = backprop_cli.train(path, runs_dir=runs, target="target", **{"dataset.split_seed": seed}, **keys)
        metric = "accuracy" if run.config.task.classes else "r2"
        prepared = prepare_table(run.config.dataset, run.config.validation, run.config.train_size)  # type: ignore[arg-type]
        score, seconds = _fit_pipeline(prepared, seed)
        yield metric, run.test[metric], score, run.record["seconds"], seconds


def _fit_pipeline(prepared: PreparedTable, seed: int) -> tuple[float, float]:
    """Return the test score and the seconds of `fit` of a pipeline of scikit-learn.

    It sees the training and validation rows, of which it takes its own for validation, and the same columns.
    """
    table, columns = prepared.table, prepared.preprocessing.columns
    places = [table.names.index(column.name) for column in columns]
    everything = range(len(table))
    is_word = [isinstance(column, CategoryColumn) for column in columns]
    x = np.array(
        [[table.text(i, k) if word else table.numbers[i, k] for k, word in zip(places, is_word, strict=True)]
         for i in everything], object
    )  # fmt: skip
    classes = bool(prepared.spec.classes)
    target = table.names.index("target")
    y = np.array([table.text(i, target) if classes else table.numbers[i, target] for i in everything])
    words, numbers = np.flatnonzero(is_word), np.flatnonzero(~np.array(is_word))
    model = make_pipeline(
        make_column_transformer(
            (make_pipeline(SimpleImputer(strategy="median"), StandardScaler()), numbers),
            (OneHotEncoder(handle_unknown="ignore", sparse_output=False), words),
        ),
        (MLPClassifier if classes else MLPRegressor)(early_stopping=True, max_iter=500, random_state=seed),
    )
    train = np.concatenate([prepared.split.train, prepared.split.validation])
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        start = time.perf_counter()
        model.fit(x[train], y[train])
        seconds = time.perf_counter() - start
    return float(model.score(x[prepared.test_rows], y[prepared.test_rows])), seconds


def tables() -> dict[str, tuple[list[str], Rows]]:
    """Return the header and the rows of every table; the last column is the target."""
    rng = np.random.default_rng(7)
    return {name: _shipped(name) for name in SHIPPED} | {make.__name__[1:]: make(rng) for make in SYNTHETIC}


def _shipped(name: str) -> tuple[list[str], Rows]:
    data = getattr(datasets, f"load_{name}")()
    names = data.get("target_names") if name not in ("digits", "diabetes") else None
    targets = [str(names[t]) for t in data.target] if names is not None else data.target.tolist()
    header = [str(feature) for feature in data.feature_names]
    return [*header, "target"], [[*map(float, x), t] for x, t in zip(data.data, targets, strict=True)]


def _with_gaps(rng: np.random.Generator, values: Any, share: float) -> list[Any]:
    """Return values, some of them missing."""
    return ["" if gone else value for value, gone in zip(values.tolist(), rng.random(len(values)) < share, strict=True)]


def _churn(rng: np.random.Generator) -> tuple[list[str], Rows]:
    """Return a noisy decision between two classes: categories that interact, missing values, row numbers."""
    n = 4000
    tenure, charge = rng.exponential(24, n).round(1), rng.normal(70, 25, n).round(2)
    contract = rng.choice(["month", "year", "two-year"], n, p=[0.55, 0.25, 0.2])
    payment, support = rng.choice(["card", "bank", "check"], n), rng.choice(["yes", "no"], n)
    z = -0.5 - 0.04 * tenure + 0.02 * (charge - 70) + np.where(contract == "month", 1.2, -0.8)
    z += np.where((payment == "check") & (support == "no"), 1.0, 0.0)
    left = np.where(rng.random(n) < 1 / (1 + np.exp(-z)), "yes", "no")
    tenure, payment = _with_gaps(rng, tenure, 0.05), _with_gaps(rng, payment, 0.08)
    header = ["id", "tenure", "charge", "contract", "payment", "support", "target"]
    return header, list(zip(range(n), tenure, charge, contract, payment, support, left, strict=True))


def _houses(rng: np.random.Generator) -> tuple[list[str], Rows]:
    """Return prices: a category that scales a number, missing values, a constant column."""
    n = 1500
    area, age, floor = rng.gamma(6, 20, n).round(), rng.integers(0, 90, n), rng.integers(0, 9, n)
    zones = {"A": 0, "B": 40, "C": 90, "D": -30, "E": 10, "F": 150}
    zone = rng.choice(list(zones), n)
    factor = 1 + np.array([zones[z] for z in zone]) / 300
    price = (area * 3.2 * factor - age * 1.1 + 15 * np.sqrt(floor) + rng.normal(0, 25, n)).round(1)
    header = ["area", "age", "zone", "floor", "country", "target"]
    return header, list(zip(_with_gaps(rng, area, 0.03), age, zone, floor, ["DE"] * n, price, strict=True))


def _rare(rng: np.random.Generator) -> tuple[list[str], Rows]:
    """Return four classes of 55, 30, 12 and 3 percent."""
    x = rng.normal(size=(1200, 8)).round(4)
    score = x[:, 0] * x[:, 1] + x[:, 2]
    classes = np.digitize(score, np.quantile(score, [0.55, 0.85, 0.97]))
    return [*(f"x{k}" for k in range(8)), "target"], [[*r, "abcd"[c]] for r, c in zip(x.tolist(), classes, strict=True)]


def _patients(rng: np.random.Generator) -> tuple[list[str], Rows]:
    """Return eight measurements of each of 120 patients, and a constant column."""
    patient, own = np.repeat(np.arange(120), 8), rng.normal(size=(120, 5))
    x = (rng.normal(size=(960, 5)) + 0.7 * own[patient]).round(3)
    score = x[:, 0] + x[:, 1] ** 2 - 1 + 0.8 * own[patient, 0] + rng.normal(0, 0.5, 960)
    rows = [[f"p{p}", *r, 1, "ill" if s > 0 else "well"] for p, r, s in zip(patient, x.tolist(), score, strict=True)]
    return ["patient", *(f"m{k}" for k in range(5)), "constant", "target"], rows


def _friedman(rng: np.random.Generator) -> tuple[list[str], Rows]:
    """Return the function of Friedman (1991) with three inputs that have no effect, and a category."""
    x, colour = rng.random((1000, 8)).round(4), rng.choice(["red", "green", "blue"], 1000)
    y = 10 * np.sin(np.pi * x[:, 0] * x[:, 1]) + 20 * (x[:, 2] - 0.5) ** 2 + 10 * x[:, 3] + 5 * x[:, 4]
    y = (y + 4 * (colour == "red") + rng.normal(size=1000)).round(3)
    return [*(f"x{k}" for k in range(8)), "colour", "target"], [
        [*r, c, v] for r, c, v in zip(x.tolist(), colour, y, strict=True)
    ]


SYNTHETIC: tuple[Callable[[np.random.Generator], tuple[list[str], Rows]], ...] = (
    _churn, _houses, _rare, _patients, _friedman,
)  # fmt: skip
