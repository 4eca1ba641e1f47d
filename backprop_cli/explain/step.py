"""The first training step of an experiment, with every number."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, cast

import numpy as np

from backprop_cli.config.schema import Experiment
from backprop_cli.data.dataset import Dataset
from backprop_cli.errors import UsageError
from backprop_cli.explain.rendering import to_markdown, to_text
from backprop_cli.explain.sections import Section, UpdateRule, sections_of
from backprop_cli.explain.trace import EPS, Move, Trace, trace
from backprop_cli.nn.activations import HIDDEN
from backprop_cli.nn.arrays import Array
from backprop_cli.nn.parameters import Layout
from backprop_cli.optim.minimizers import MINIMIZERS
from backprop_cli.optim.optimizers import SGD, Optimizer
from backprop_cli.runs.build import batch_size, build_network, build_plan, initial_theta, n_train
from backprop_cli.training.plan import Plan
from backprop_cli.training.step import limit_norms

MAX_PARAMETERS, MAX_EXAMPLES = 200, 8
"""The largest network and batch that are shown."""


@dataclass(frozen=True)
class Explanation:
    """A step on the examples in `rows` of the training split, ready to be shown."""

    experiment: Experiment
    rows: Sequence[int]
    trace: Trace
    remarks: list[str]
    sections: list[Section]

    @property
    def title(self) -> str:
        """The network, the data set and the examples."""
        examples = "example" if len(self.rows) == 1 else "examples"
        layers, rows = "-".join(map(str, self.experiment.sizes)), ", ".join(map(str, self.rows))
        return f"{layers} on {self.experiment.dataset.name}, training {examples} {rows} (counted from 0)"

    def to_text(self, digits: int) -> str:
        """Return text for a terminal."""
        return to_text(self.title, self.remarks, self.sections, digits)

    def to_markdown(self, digits: int) -> str:
        """Return Markdown with LaTeX."""
        return to_markdown(self.title, self.remarks, self.sections, digits)

    def to_dict(self) -> dict[str, Any]:
        """Return the numbers as lists, under the names of the fields of the trace."""
        data = {name: _plain(value) for name, value in vars(self.trace).items() if name not in ("layers", "difference")}
        data["layers"] = [
            {name: _plain(value) for name, value in vars(layer).items()} | {"activation": layer.activation.name}
            for layer in self.trace.layers
        ]
        d = self.trace.difference
        data["difference"] = vars(d) | {"quotient": d.quotient, "error": d.error}
        return {"experiment": self.experiment.to_dict(), "rows": list(self.rows), **data}


def explain_step(
    e: Experiment, data: Dataset, rows: Sequence[int] = (0,), weight: str | None = None, eps: float | None = None
) -> Explanation:
    """Take the first step of an experiment on some training examples, in float64, and return all its numbers.

    `weight` names the parameter for the central difference with step `eps`, such as 'W1[0,1]' or 'b2[0]'; by default
    it is the one of W1 with the largest derivative. Raises UsageError if there is no such parameter.
    """
    plan = build_plan(e, data)
    objective = plan.objective
    index = None if weight is None else _index_of(weight, objective.layout)
    x = data.x(data.train.inputs[list(rows)], "float64")
    y = data.task.encode(data.train.targets[list(rows)], "float64")
    move, rule = _first_step(e, plan)
    with np.errstate(all="ignore"):  # as in training: a step that is too long shows as inf or nan
        found = trace(objective, initial_theta(e, "float64"), x, y, move, index, eps or EPS)
    return Explanation(e, rows, found, _remarks(e, len(rows)), sections_of(found, objective, rule))


def check_size(e: Experiment) -> None:
    """Raise UsageError if the network is too large to be shown; loads no data."""
    parameters = build_network(e).layout.size
    if parameters > MAX_PARAMETERS:
        outputs = 1 if e.activations[-1] in HIDDEN else 2
        raise UsageError(
            f"layers: {'-'.join(map(str, e.sizes))} has {parameters:,} parameters; a trace shows at most "
            f"{MAX_PARAMETERS}, as with dataset=xor layers=2-2-{outputs} batch_size=full"
        )


def parse_rows(text: str, n: int) -> list[int]:
    """Return the numbers of examples in a text such as '2', '0,3' or '0-2'.

    Raises UsageError if one is not in 0 … n - 1, or if there are more than MAX_EXAMPLES.
    """
    if not re.fullmatch(r"\d+(-\d+)?(,\d+(-\d+)?)*", text, re.ASCII):
        raise UsageError(f"--rows: invalid value '{text}'; expected a form such as 0, or 0,3, or 0-2")
    found: list[int] = []
    for part in text.split(","):
        first, _, last = part.partition("-")
        numbers = range(int(first), int(last or first) + 1)
        if not numbers or numbers[-1] >= n:
            raise UsageError(f"--rows: {part} is out of range; the training examples are 0 to {n - 1}")
        found += numbers[: MAX_EXAMPLES + 1]
    if len(found) > MAX_EXAMPLES:
        raise UsageError(f"--rows: a trace shows at most {MAX_EXAMPLES} examples; {text} is more")
    return found


def _index_of(weight: str, layout: Layout) -> int:
    names = [layout.name_of(index) for index in range(layout.size)]
    if weight.replace(" ", "") not in names:
        known = ", ".join(f"{names[entry.place[0]]} to {names[entry.place[-1]]}" for entry in layout.entries)
        raise UsageError(f"--weight: unknown parameter {weight}; this network has {known}")
    return names.index(weight.replace(" ", ""))


def _first_step(e: Experiment, plan: Plan) -> tuple[Move, UpdateRule]:
    rule = SGD() if e.optimizer.name in MINIMIZERS else cast(Optimizer, e.optimizer)
    eta = np.asarray(plan.etas(1, -(-n_train(e) // batch_size(e)), 0)[0])

    def move(theta: Array, g: Array) -> None:
        rule.step(theta, g, rule.init(theta), eta)
        limit_norms(plan, theta)

    formula = (type(rule).__doc__ or "").partition("\n")[0].rstrip(".")
    options = "".join(f", {name} = {value}" for name, value in vars(rule).items())
    description = f"{rule.name}: {formula}; eta = {eta:g}{options}"
    if e.optimizer.name in MINIMIZERS:
        description = (
            f"{e.optimizer.name} uses line searches and has no single step; shown is a step of gradient descent: "
            + description
        )
    if e.max_norm:
        description += f"; then the weight vectors of hidden units are limited to the norm {e.max_norm:g}"
    return move, UpdateRule(description, rule.plain and not e.max_norm)


def _remarks(e: Experiment, m: int) -> list[str]:
    remarks = [f"m = {m}; initial parameters of seed {e.seed}; computed in float64, shown rounded"]
    if any(e.dropouts):
        remarks.append("dropout is off here; training drops units at random")
    if e.augment:
        remarks.append("augment is off here; training distorts the images at random")
    return remarks


def _plain(value: Any) -> Any:
    return value.tolist() if hasattr(value, "tolist") else value
