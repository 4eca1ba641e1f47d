"""The next steps of training, with every number: from the start of an experiment, or from a checkpoint."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import replace
from itertools import islice, pairwise
from typing import Any

import numpy as np

from backprop_cli.data.dataset import Dataset
from backprop_cli.errors import UsageError
from backprop_cli.experiment.schema import Experiment
from backprop_cli.explain.formulas import Formula
from backprop_cli.explain.rendering import Page, to_markdown, to_text
from backprop_cli.explain.sections import Line, Section, compact, sections_of, worksheet
from backprop_cli.explain.start import Start
from backprop_cli.explain.steps import (
    MAX_EXAMPLES,
    Examples,
    Step,
    default_examples,
    describe_rule,
    take_steps,
    training_examples,
)
from backprop_cli.explain.trace import Passed
from backprop_cli.frozen import frozen
from backprop_cli.nn.activations import ACTIVATIONS
from backprop_cli.nn.arrays import Array
from backprop_cli.nn.parameters import Layout
from backprop_cli.runs.build import build_plan

DIGITS = 5
"""Digits after the point, unless others are asked for."""


@frozen
class Explanation:
    """Steps of training, ready to be shown; in a notebook, it shows itself."""

    experiment: Experiment
    steps: tuple[Step, ...]
    remarks: tuple[str, ...]
    sections: tuple[Section, ...]
    layout: Layout

    @property
    def title(self) -> str:
        """The network, the data set, and the examples or the number of steps."""
        e, examples = self.experiment, self.steps[0].examples
        given = e.dataset.origin == "config"
        what = [] if given else [e.dataset.name]
        if len(self.steps) == 1 or given:
            rows = () if given else examples.rows
            what.append(f"{replace(examples, rows=rows)}{' (counted from 0)' * bool(rows)}")
        if len(self.steps) > 1:
            what.append(f"{len(self.steps)} steps")
        return f"{e.architecture} on {', '.join(what)}"

    def to_text(self, digits: int = DIGITS, blank: bool = False) -> str:
        """Return text for a terminal; with `blank`, an exercise without the numbers, and its solution."""
        return to_text(self._pages(blank), digits)

    def to_markdown(self, digits: int = DIGITS, blank: bool = False) -> str:
        """Return Markdown with LaTeX; with `blank`, an exercise and its solution on a page of its own."""
        return to_markdown(self._pages(blank), digits)

    def to_dict(self) -> dict[str, Any]:
        """Return the numbers as lists: those of all `steps`, and those of the first under the names of its fields."""
        steps = [self._plain_step(step) for step in self.steps]
        return {"experiment": self.experiment.to_dict(), **steps[0], "steps": steps}

    def _repr_markdown_(self) -> str:
        return self.to_markdown()

    def _pages(self, blank: bool) -> list[Page]:
        if not blank:
            return [Page(self.title, self.remarks, self.sections)]
        exercise = Page(f"Exercise: {self.title}", self.remarks, tuple(worksheet(self.sections)))
        return [exercise, Page(f"Solution: {self.title}", self.remarks, self.sections)]

    def _plain_step(self, step: Step) -> dict[str, Any]:
        trace, update = step.trace, step.update
        numbers = {
            name: _plain(value) for name, value in vars(trace).items() if name not in ("layers", "difference", "passed")
        }
        numbers["passed"] = list(map(_plain_passed, trace.passed))
        numbers["layers"] = [
            {name: _plain(value) for name, value in vars(layer).items()}
            | {"activation": layer.activation.name, "passed": list(map(_plain_passed, layer.passed))}
            for layer in trace.layers
        ]
        d = trace.difference
        numbers["difference"] = vars(d) | {"quotient": d.quotient, "error": d.error}
        kept = {**update.after, **update.named, **({} if update.average is None else {"average": update.average})}
        optimizer = {
            "name": self.experiment.optimizer.name,
            "before": {name: self._plain_array(array) for name, array in update.before.items()},
            "after": {name: self._plain_array(array) for name, array in kept.items()},
        }
        place = {name: getattr(step, name) for name in ("epoch", "batch", "batches")}
        place |= {"rows": list(step.examples.rows), "eta": update.eta}
        return {**place, **numbers, "optimizer": optimizer}

    def _plain_array(self, array: Array) -> Any:
        """Return an array of the size of theta by parameter, any other as lists."""
        whole = array.shape == (self.layout.size,)
        return {name: part.tolist() for name, part in self.layout.named(array).items()} if whole else array.tolist()


def explain(
    start: Start,
    data: Dataset,
    examples: Examples | Sequence[int] | None = None,
    steps: int = 1,
    weight: str | None = None,
    eps: float | None = None,
) -> Explanation:
    """Take the next steps of training, in float64, and return all their numbers.

    `examples` are the rows of the training split, or other examples, on which every step is taken; by default steps
    take the batches of training in its order, or a single example if these are too large. `weight` names the parameter
    for the central difference with step `eps`, such as 'W1[0,1]' or 'b2[0]'; by default it is the one of W1 with the
    largest derivative. Raises UsageError if there is no such parameter, or if examples do not fit the network.
    """
    e = start.experiment
    plan = build_plan(e, data)
    if plan.data.train.weights is not None:
        raise UsageError("trace cannot show examples that have weights; remove 'weight' from the dataset")
    if e.sparsity:
        raise UsageError("trace cannot show sparsity; write sparsity=null")
    layout, state = plan.objective.layout, start.state(plan)
    index = None if weight is None else _index_of(weight, layout)
    if examples is not None and not isinstance(examples, Examples):
        examples = training_examples(plan, examples)
    chosen = default_examples(plan, state, steps) if examples is None else examples
    if chosen and (chosen.x.shape[1], chosen.y.shape[1]) != (e.inputs, e.outputs):
        sizes = f"{e.inputs} numbers in x and {e.outputs} in y"
        raise UsageError(
            f"the examples have {chosen.x.shape[1]} numbers in x and {chosen.y.shape[1]} in y, not {sizes}"
        )
    found = tuple(islice(take_steps(plan, state, chosen, index, eps), steps))
    rule = describe_rule(e, found[0].update.eta)
    plain = e.optimizer.plain and not e.max_norm
    parts = [sections_of(step, plan.objective, rule, plain) for step in found]
    remarks = _remarks(start, found[0], chosen is not None and examples is None)
    return Explanation(e, found, tuple(remarks), tuple(_combine(found, parts)), layout)


def _combine(steps: Sequence[Step], parts: Sequence[list[Section]]) -> list[Section]:
    """Return the sections of a single step, or of the first of several and the others in short."""
    if len(steps) == 1:
        return parts[0]
    sections = [Section(f"Step 1 ({steps[0]})", (), level=1), *parts[0]]
    for n, (before, step) in enumerate(pairwise(steps), start=2):
        same = np.array_equal(before.examples.x, step.examples.x) and np.array_equal(before.examples.y, step.examples.y)
        section = compact(parts[n - 1][same:], f"Step {n} ({step})")  # x and y are the first section
        if step.update.eta != before.update.eta:
            eta = Line(Formula("eta", r"\eta"), step.update.eta, known=True)
            section = replace(section, lines=(eta, *section.lines))
        sections.append(section)
    return sections


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


def _remarks(start: Start, first: Step, single: bool) -> list[str]:
    """Return what the numbers are, and what is left out; `single` says that training would take larger batches."""
    e = start.experiment
    remarks = [f"m = {len(first.examples.x)}; {start}; computed in float64, shown rounded"]
    if e.epochs < first.epoch:
        remarks.append(f"training is finished after {e.epochs} epochs; these are the steps of a longer training")
    if single:
        remarks.append(f"a single example; training takes batches of {e.batch_size} examples")
    if any(e.dropouts):
        remarks.append("dropout is off here; training drops units at random")
    if e.corrupt:
        remarks.append("corrupt is off here; training adds noise to the inputs")
    if any(ACTIVATIONS[name].random for name in e.activations):
        remarks.append("random units have their means here; training draws 0 or 1")
    if e.augment:
        remarks.append("augment is off here; training distorts the images at random")
    return remarks


def _plain_passed(layer: Passed) -> dict[str, Any]:
    return {name: _plain(value) for name, value in vars(layer).items()}


def _plain(value: Any) -> Any:
    return value.tolist() if hasattr(value, "tolist") else value
