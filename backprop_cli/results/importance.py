"""Permutation importance (Breiman 2001): how much worse a network is when the values of one column are shuffled."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import field, replace
from typing import Any

import numpy as np

from backprop_cli.data.dataset import Dataset, DataSpec
from backprop_cli.errors import UsageError
from backprop_cli.experiment.schema import Experiment
from backprop_cli.frozen import frozen
from backprop_cli.nn.arrays import Array
from backprop_cli.results.evaluation import SPLITS, evaluate_model
from backprop_cli.runs.build import limit_blas
from backprop_cli.runs.model import Model
from backprop_cli.text import metric as metric_text
from backprop_cli.text import table
from backprop_cli.training.evaluation import higher_is_better

REPEATS = 10
"""Permutations of each column."""

EXAMPLES = 10_000
"""Larger splits are thinned to at most so many examples."""

SHOWN = 30
"""Columns that are listed as text."""


@frozen
class Importance:
    """How much worse a metric becomes when a column is permuted, the most important column first.

    `name` is the path of the checkpoint. `baseline` is the metric of the `examples` as they are; `differences`
    (columns, repeats) are positive where a permutation makes it worse, whether the metric should be high or low.
    """

    name: str
    split: str
    metric: str
    baseline: float
    examples: int
    columns: tuple[str, ...]
    differences: Array = field(repr=False)

    def __str__(self) -> str:
        return self.to_text()

    @property
    def mean(self) -> Array:
        """The mean over the permutations, (columns,)."""
        return np.asarray(self.differences.mean(axis=1))

    @property
    def sd(self) -> Array:
        """The standard deviation over the permutations, (columns,)."""
        return np.asarray(self.differences.std(axis=1))

    def title(self) -> str:
        """Return what is measured, in words."""
        change = "decrease" if higher_is_better(self.metric) else "increase"
        name, value = self.metric.replace("_", " "), metric_text(self.metric, self.baseline)
        of = f"{self.examples:,} examples of the {SPLITS[self.split]} split"
        return f"{change} of the {name} ({value}) when a column is permuted, {self.differences.shape[1]} times, {of}"

    def to_text(self) -> str:
        """Return a table of the columns."""
        rows = [
            (name, f"{mean:.4f}", f"{sd:.4f}") for name, mean, sd in zip(self.columns, self.mean, self.sd, strict=True)
        ]
        lines = [
            f"{self.name}  (permutation importance)",
            self.title(),
            "",
            table(("column", "mean", "sd"), rows[:SHOWN], left=1),
        ]
        return "\n".join([*lines, *([f"… and {len(rows) - SHOWN} more"] if len(rows) > SHOWN else [])])

    def to_dict(self) -> dict[str, Any]:
        """Return all of it as plain data."""
        rows = zip(self.columns, self.mean.tolist(), self.sd.tolist(), strict=True)
        return {
            "split": self.split,
            "metric": self.metric,
            "baseline": self.baseline,
            "examples": self.examples,
            "repeats": self.differences.shape[1],
            "columns": [{"column": name, "mean": mean, "sd": sd} for name, mean, sd in rows],
        }


def input_columns(spec: DataSpec) -> dict[str, slice]:
    """Return the inputs of each column: of a table all that encode it, of other data one, called by its number."""
    if not spec.preprocessing:
        return {f"input {k + 1}": slice(k, k + 1) for k in range(spec.inputs)}
    found, start = {}, 0
    for column in spec.preprocessing.columns:
        found[column.name] = slice(start, start := start + len(column.inputs))
    return found


def permuted_scores(
    score: Callable[[Array], float], x: Array, columns: Mapping[str, slice], permutations: Array
) -> Array:
    """Return score(x), (columns, repeats), with each column of inputs x (n, n_0) in another order of the rows.

    `permutations` (repeats, n) are the orders, the same for all columns, so that columns differ by no other chance.
    """
    changed = np.array(x)
    scores = np.empty((len(columns), len(permutations)))
    for row, inputs in enumerate(columns.values()):
        for repeat, order in enumerate(permutations):
            changed[:, inputs] = x[order, inputs]
            scores[row, repeat] = score(changed)
        changed[:, inputs] = x[:, inputs]
    return scores


def no_importance(spec: DataSpec) -> str | None:
    """Return why columns of this data have no importance, or None."""
    return "the inputs are pixels of images, which mean nothing one by one" if spec.image else None


def importance_of(
    model: Model, load: Callable[[Experiment], Dataset], split: str = "test", repeats: int = REPEATS, seed: int = 0
) -> Importance:
    """Return the importance of each column for the monitored metric on the train, val or test split.

    `load` returns a data set. Raises UsageError if the split is empty, for images, or if the metric is undefined.
    """
    e = model.experiment
    if reason := no_importance(e.data):
        raise UsageError(f"{model.path}: no importance: {reason}")
    data = load(e)
    whole = evaluate_model(model, load, split)
    thinned = whole.examples[:: -(-len(whole.examples) // EXAMPLES)]
    evaluator, name = model.evaluator(data), e.monitor or e.task.monitor

    def score(x: Array) -> float:
        outputs, cost = evaluator.outputs(replace(thinned, inputs=x))
        metrics = {"cost": cost, **replace(whole, examples=thinned, outputs=outputs).metrics}
        if name not in metrics:
            raise UsageError(f"{model.path}: no importance: {name} is undefined on the {SPLITS[split]} split")
        return metrics[name]

    columns, rng = input_columns(e.data), np.random.default_rng(seed)
    with limit_blas(e):
        baseline = score(thinned.inputs)
        orders = np.array([rng.permutation(len(thinned)) for _ in range(repeats)])
        scores = permuted_scores(score, thinned.inputs, columns, orders)
    differences = baseline - scores if higher_is_better(name) else scores - baseline
    order = np.argsort(-differences.mean(axis=1), kind="stable")
    names = list(columns)
    return Importance(
        str(model.path),
        split,
        name,
        baseline,
        len(thinned),
        tuple(names[row] for row in order.tolist()),
        differences[order],
    )
