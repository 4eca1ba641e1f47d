"""Gradient checks of an experiment and of all combinations of activations and costs."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np

from backprop_cli.boltzmann.costs import CD
from backprop_cli.boltzmann.likelihood import ExactLikelihood
from backprop_cli.boltzmann.units import HIDDEN_UNITS
from backprop_cli.data.dataset import Dataset
from backprop_cli.experiment.schema import Experiment
from backprop_cli.frozen import frozen
from backprop_cli.nn.activations import ACTIVATIONS
from backprop_cli.nn.arrays import Array
from backprop_cli.nn.network import Stage, network_of
from backprop_cli.objectives.costs import Cost
from backprop_cli.objectives.gradcheck import Result, check_gradient, combinations, worst_of
from backprop_cli.objectives.objective import Objective
from backprop_cli.runs.build import batch_size, build_objective, initial_theta
from backprop_cli.text import table
from backprop_cli.training.streams import stream

SMALL, SAMPLES, EXAMPLES = 5_000, 100, 100
"""Networks up to SMALL parameters are checked completely, others at SAMPLES of each array, on EXAMPLES at most."""

VISIBLE, HIDDEN = 8, 5
"""Units of the copy of a Boltzmann machine whose likelihood is summed over all states."""


@frozen
class GradientCheck:
    """The results by row; a row is named by a value for each of `columns`."""

    columns: tuple[str, ...]
    results: dict[tuple[str, ...], Result]
    eps: float
    tolerance: float

    @property
    def checked(self) -> int:
        """The number of parameters that were compared."""
        return sum(result.checked for result in self.results.values())

    @property
    def largest_error(self) -> float:
        """The largest relative error."""
        return max(result.error for result in self.results.values())

    @property
    def failed(self) -> int:
        """The number of rows with an error above the tolerance."""
        return sum(not self.holds(result) for result in self.results.values())

    def holds(self, result: Result) -> bool:
        """Return whether an error is within the tolerance."""
        return result.error <= self.tolerance

    def to_text(self) -> str:
        """Return a table with a row for each check, and a summary."""
        header = (*self.columns, "checked", "skipped", "largest error", "at", "")
        rows = [
            (*row, r.checked, r.skipped, f"{r.error:.1e}", r.at, self._verdict(r)) for row, r in self.results.items()
        ]
        summary = f"{self.checked:,} parameters checked, largest relative error {self.largest_error:.1e}"
        return f"{table(header, rows, left=len(self.columns))}\n\n{summary}, tolerance {self.tolerance:g}"

    def to_dict(self) -> dict[str, Any]:
        """Return plain numbers."""
        return {
            "ok": self.checked > 0 and not self.failed,
            "checked": self.checked,
            "largest_error": self.largest_error,
            "eps": self.eps,
            "tolerance": self.tolerance,
            "rows": [
                {**dict(zip(self.columns, row, strict=True)), **vars(r), "ok": self.holds(r)}
                for row, r in self.results.items()
            ],
        }

    def _verdict(self, result: Result) -> str:
        if not self.holds(result):
            return "WRONG"
        return "ok" if result.checked else "skipped"


def check_combinations(eps: float, tolerance: float) -> GradientCheck:
    """Check every hidden activation, and features such as dropout, with every cost; outputs are taken together."""
    found: dict[tuple[str, ...], list[Result]] = {}
    for c in combinations():
        found.setdefault((c.extra or c.hidden, c.cost), []).append(c.check(eps))
    results = {row: worst_of(of_outputs) for row, of_outputs in found.items()}
    for name in HIDDEN_UNITS:
        objective = Objective(_likelihood(CD(), 6, 4, name))
        rng = np.random.default_rng(0)
        theta, x = 0.5 * rng.standard_normal(objective.layout.size), rng.random((6, 6))
        results[f"boltzmann, {name}", "likelihood"] = check_gradient(objective, theta, x, x, eps=eps)
    return GradientCheck(("case", "cost"), results, eps, tolerance)


def check_experiment(e: Experiment, data: Dataset, samples: int | None, eps: float, tolerance: float) -> GradientCheck:
    """Check each W and b of an experiment at its initial parameters, on its first batch, without dropout.

    `samples` parameters of each array are checked; None means all of a small network, else SAMPLES. Of a Boltzmann
    machine, the exact gradient of the likelihood of a small copy is checked.
    """
    objective, theta, x, y = _small_machine(e, data) if e.cost.unsupervised else _whole(e, data)
    if samples is None:
        samples = theta.size if theta.size <= SMALL else SAMPLES
    rng = np.random.default_rng(e.seed)
    results: dict[tuple[str, ...], Result] = {}
    for entry in objective.layout.entries:
        chosen: Any = np.sort(rng.choice(entry.place, min(samples, len(entry.place)), replace=False))
        results[entry.name,] = check_gradient(objective, theta, x, y, chosen, eps)
    return GradientCheck(("parameters",), results, eps, tolerance)


_Case = tuple[Objective, Array, Array, Array]
"""An objective, theta, and inputs and targets of a batch."""


def _whole(e: Experiment, data: Dataset) -> _Case:
    batch = data.train[: min(batch_size(e), EXAMPLES)]
    objective = build_objective(e, data).weighing(batch.weights)
    x, y = data.x(batch.inputs, "float64"), data.task.encode(batch.targets, "float64")
    return objective, initial_theta(e, "float64", data), x, y


def _small_machine(e: Experiment, data: Dataset) -> _Case:
    """Return the exact likelihood of a machine with the VISIBLE inputs that vary most, and at most HIDDEN units."""
    x = data.x(data.train[: min(batch_size(e), EXAMPLES)].inputs, "float64")
    x = x[:, np.sort(np.argsort(-x.var(axis=0), kind="stable")[:VISIBLE])]
    estimator = _likelihood(e.cost, x.shape[1], min(e.outputs, HIDDEN), e.activations[-1])
    theta = estimator.network.initialize(e.initializer, stream(e.seed, "initialization"), "float64")
    return replace(build_objective(e, data), estimator=estimator), theta, x, x


def _likelihood(cost: Cost, visible: int, hidden: int, output: str) -> ExactLikelihood:
    f = ACTIVATIONS[output]
    return ExactLikelihood(network_of((visible,), [Stage(cost.layer(hidden, f), f)]))
