"""Steps of training, each with every number: its examples, its way through the network, and what the optimizer does."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np

from backprop_cli.errors import UsageError
from backprop_cli.experiment.schema import Experiment
from backprop_cli.explain.trace import EPS, Trace, trace
from backprop_cli.frozen import frozen
from backprop_cli.nn.arrays import Array
from backprop_cli.training.loop import batches_of_epoch
from backprop_cli.training.plan import Plan
from backprop_cli.training.state import TrainingState
from backprop_cli.training.step import textbook_step

MAX_EXAMPLES = 8
"""The largest batch that is shown."""


@frozen
class Examples:
    """The examples of a step, x (m, n_0) and y (m, n_L): `rows` of the training split, or none if they are given."""

    x: Array
    y: Array
    rows: tuple[int, ...] = ()

    def __str__(self) -> str:
        if not self.rows:
            return f"the given example{'s' * (len(self.x) > 1)}"
        return f"training example{'s' * (len(self.rows) > 1)} {', '.join(map(str, self.rows))}"


@frozen
class Update:
    """What an optimizer does in a step.

    `before` and `after` are what it keeps, by name; `named` are the other quantities of its rule. They have the shape
    of theta (n,), or no dimensions. `average` (n,) are the averaged parameters after the step, if there are any.
    """

    eta: float
    before: dict[str, Array]
    after: dict[str, Array]
    named: dict[str, Array]
    average: Array | None


@frozen
class Step:
    """A step: batch number `batch` (from 1) of the `batches` of `epoch` (from 1)."""

    epoch: int
    batch: int
    batches: int
    examples: Examples
    trace: Trace
    update: Update

    def __str__(self) -> str:
        return f"epoch {self.epoch}, batch {self.batch} of {self.batches}, {self.examples}"


def take_steps(
    plan: Plan, state: TrainingState, chosen: Examples | None, index: int | None = None, eps: float | None = None
) -> Iterator[Step]:
    """Take step after step as training does, in float64 and without dropout or augmentation; yield each.

    All steps use the `chosen` examples, or if there are none the batches of training in its order. theta[index] is the
    parameter for the central difference with step eps (see `trace`).
    """
    status = state.status
    epoch, first = status.epoch + 1, status.step
    while True:
        batches = batches_of_epoch(plan, epoch)
        etas = plan.etas(epoch, len(batches), status.halvings)
        plan.optimizer.begin_epoch(state.group("optimizer"), epoch)
        for i in range(first, len(batches)):
            examples = chosen or training_examples(plan, batches[i].tolist())
            with np.errstate(all="ignore"):  # as in training: a step that is too long shows as inf or nan
                numbers, update = _take_step(plan, state, examples, float(etas[i]), index, eps or EPS)
            yield Step(epoch, i + 1, len(batches), examples, numbers, update)
        epoch, first = epoch + 1, 0


def training_examples(plan: Plan, rows: Sequence[int]) -> Examples:
    """Return some examples of the training split. Raises UsageError if there are no such rows."""
    split = plan.data.train
    if not rows or not all(0 <= row < len(split) for row in rows):
        raise UsageError(f"rows {list(rows)} are out of range; the training examples are 0 to {len(split) - 1}")
    x = plan.data.x(split.inputs[list(rows)], "float64")
    return Examples(x, plan.data.task.encode(split.targets[list(rows)], "float64"), tuple(rows))


def default_examples(plan: Plan, state: TrainingState, steps: int) -> Examples | None:
    """Return None if the batches of training can be shown, or else an example from which something is seen.

    With inputs of 0, dC/dW of the first layer is 0.
    """
    batches = batches_of_epoch(plan, state.status.epoch + 1)
    rows = batches[state.status.step % len(batches)]
    small = len(rows) <= MAX_EXAMPLES
    inputs = plan.data.train.inputs
    if small and (steps > 1 or np.any(inputs[rows])):
        return None
    seen = np.flatnonzero(np.any(inputs, axis=1))
    return training_examples(plan, [int(seen[0]) if len(seen) else 0])


def describe_rule(e: Experiment, eta: float) -> str:
    """Return the rule of the optimizer with its options, and what follows it."""
    rule = e.optimizer
    formula = (type(rule).__doc__ or "").partition("\n")[0].rstrip(".")
    options = {**({} if rule.line_search else {"eta": f"{eta:g}"}), **vars(rule)}
    text = f"{rule.name}: {formula}; " + ", ".join(f"{name} = {value}" for name, value in options.items())
    text += "" if rule.plain else "; g is the gradient"
    if e.max_norm:
        text += f"; then the weight vectors of hidden units are limited to the norm {e.max_norm:g}"
    if e.average:
        summary = (type(e.average).__doc__ or "").partition("\n")[0].rstrip(".")
        text += f"; {e.average.name}: {summary}; decay = {e.average.decay:g}"
    return text


def _take_step(
    plan: Plan, state: TrainingState, examples: Examples, eta: float, index: int | None, eps: float
) -> tuple[Trace, Update]:
    theta, before, x, y = state.theta.copy(), _kept(plan, state), examples.x, examples.y
    named = textbook_step(plan, state, x, y, np.asarray(eta))
    numbers = trace(plan.objective, theta, x, y, state.theta.copy(), index, eps)
    average = state.group("average").get("theta")
    return numbers, Update(eta, before, _kept(plan, state), dict(named), None if average is None else average.copy())


def _kept(plan: Plan, state: TrainingState) -> dict[str, Array]:
    """Return copies of what the optimizer keeps; a line search keeps much that its rule does not name."""
    arrays = {} if plan.optimizer.line_search else state.group("optimizer")
    return {name: array.copy() for name, array in arrays.items()}
