"""The sections of a trace: every number of a training step beside its formula."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

import numpy as np

from backprop_cli.explain.formulas import (
    ACTIVATION_NOTES,
    COST_NOTES,
    JACOBIANS,
    SLOPES,
    CostFormulas,
    Formula,
    formulas_of,
    penalty_formula,
)
from backprop_cli.explain.trace import Trace
from backprop_cli.nn.arrays import Array
from backprop_cli.nn.objective import Backpropagation, Objective


@dataclass(frozen=True)
class Line:
    """A formula and its value: a number, a row (n,) or a matrix (m, n).

    `tag` is the name of the equation, if it has one; `digits` overrides the digits after the point.
    """

    formula: Formula
    value: Array | float
    tag: str = ""
    digits: int | None = None


@dataclass(frozen=True)
class Section:
    """A title and lines; a string is a note."""

    title: str
    lines: tuple[Line | str, ...]


@dataclass(frozen=True)
class UpdateRule:
    """A description of the update; `is_plain` if it is -eta times the gradient and nothing else."""

    description: str
    is_plain: bool


COST_DIGITS, QUOTIENT_DIGITS = 12, 8
"""Digits of the costs of a central difference, and the digits of its quotient that these determine."""

C = Formula("C")
W, B = Formula("W@"), Formula("b@")
DELTA = Formula("delta@", r"\delta@")
DC_DA = Formula("dC/da@", r"\frac{\partial C}{\partial a@}")
DC_DW = Formula("dC/dW@", r"\frac{\partial C}{\partial W@}")
DC_DB = Formula("dC/db@", r"\frac{\partial C}{\partial b@}")
DELTA_W, DELTA_B = Formula("ΔW@", r"\Delta W@"), Formula("Δb@", r"\Delta b@")
MINUS_ETA = Formula("-eta ", r"-\eta ")


def sections_of(trace: Trace, objective: Objective, rule: UpdateRule) -> list[Section]:
    """Return the sections of a trace."""
    assert isinstance(objective.estimator, Backpropagation), "only back-propagation is traced"
    cost = objective.estimator.cost
    formulas = formulas_of(cost, trace.layers[-1].activation.name)
    sections: dict[str, Iterable[Line | str]] = {
        "Examples": (Line(Formula("x"), trace.x), Line(Formula("y"), trace.y)),
        "Weights and biases": _parameters(trace),
        "Forward": _forward(trace),
        "Cost": _cost(trace, objective, formulas),
        "Backward": _backward(trace, formulas.derivative, COST_NOTES.get(cost.name, "")),
        "Gradient": _gradient(trace, objective),
        "Step": _step(trace, objective, rule),
        "Central difference": _difference(trace, objective),
    }
    return [Section(title, tuple(lines)) for title, lines in sections.items()]


def _parameters(trace: Trace) -> Iterator[Line | str]:
    for l, layer in enumerate(trace.layers, start=1):
        yield Line(W.at(l), layer.W)
        yield Line(B.at(l), layer.b)


def _forward(trace: Trace) -> Iterator[Line | str]:
    yield Line(Formula("a@ = x").at(0), trace.x)
    for l, layer in enumerate(trace.layers, start=1):
        name = layer.activation.name
        f = Formula(f"a@ = {name}(z@)", rf"a@ = \text{{{name.replace('_', ' ')}}}(z@)")
        yield Line(Formula("z@ = a@- (W@)^T + b@").at(l), layer.z)
        yield Line(f.at(l), layer.a)


def _cost(trace: Trace, objective: Objective, formulas: CostFormulas) -> Iterator[Line | str]:
    yield Line(Formula("C_x").equals(formulas.value.at(len(trace.layers))), trace.costs[:, None])
    yield Line(Formula("C = 1/m Σ C_x", r"C = \frac{1}{m} \sum C_x"), trace.cost)
    if objective.penalties:
        yield Line(_penalty(objective), trace.penalty)
        yield Line(_whole(objective), trace.value)
    yield from formulas.notes


def _backward(trace: Trace, derivative: Formula, cost_note: str) -> Iterator[Line | str]:
    last = len(trace.layers)
    for l in range(last, 0, -1):
        layer, tag, delta = trace.layers[l - 1], "BP1" if l == last else "BP2", DELTA.at(l)
        name = layer.activation.name
        if layer.dC_da is None:
            yield Line(delta.equals(derivative.at(l)), layer.delta, tag)
            yield cost_note
            continue
        dC_da = DC_DA.at(l) if l == last else Formula("delta@+ W@+", r"\delta@+ W@+").at(l)
        yield Line(dC_da.equals(derivative.at(l) if l == last else None), layer.dC_da)
        if layer.slope is None:
            yield Line(delta.equals(JACOBIANS[name].at(l)), layer.delta, tag)
        else:
            slope = Formula("f'(z@)").at(l)
            yield Line(slope.equals(SLOPES[name].at(l)), layer.slope)
            factor = dC_da if l == last else dC_da.bracketed()
            yield Line(delta.equals(factor + Formula(" ⊙ ", r" \odot ") + slope), layer.delta, tag)
        if name in ACTIVATION_NOTES:
            yield ACTIVATION_NOTES[name]


def _gradient(trace: Trace, objective: Objective) -> Iterator[Line | str]:
    for l in range(len(trace.layers), 0, -1):
        layer = trace.layers[l - 1]
        yield Line(DC_DB.equals(Formula("sum of delta@", r"\sum_x \delta@")).at(l), layer.dC_db, "BP3")
        yield Line(DC_DW.equals(Formula("(delta@)^T a@-", r"(\delta@)^T a@-")).at(l), layer.dC_dW, "BP4")
        if objective.penalties:
            yield Line(_penalty(objective, gradient=True).at(l), layer.penalty_dW)
            yield Line(_dW(objective).at(l), layer.dC_dW + layer.penalty_dW)
    if objective.penalties:
        yield "λ/n = " + ", ".join(f"{c:g} ({penalty.name})" for penalty, c in objective.penalties)


def _step(trace: Trace, objective: Objective, rule: UpdateRule) -> Iterator[Line | str]:
    yield rule.description
    dW = _dW(objective).bracketed() if objective.penalties else DC_DW
    for l, layer in enumerate(trace.layers, start=1):
        for name, change, gradient, old, new in (
            (W, DELTA_W, dW, layer.W, layer.new_W),
            (B, DELTA_B, DC_DB, layer.b, layer.new_b),
        ):
            yield Line(change.equals(MINUS_ETA + gradient if rule.is_plain else None).at(l), new - old)
            yield Line((name + Formula(" <- ", r" \leftarrow ") + name + Formula(" + ") + change).at(l), new)
    for when, value in (("before", trace.value), ("after", trace.new_value)):
        yield Line(_whole(objective) + Formula(f" {when} the step", rf"\text{{ {when} the step}}"), value)


def _difference(trace: Trace, objective: Objective) -> Iterator[Line | str]:
    d = trace.difference
    letter, index = d.at[0], d.at[1:].partition("[")
    yield f"eps = {d.eps:g}" + ("; here C and dC/dw include the penalty" if objective.penalties else "")
    w = Formula(f"w = {d.at}", f"w = {letter}^{{{index[0]}}}_{{{index[2].rstrip(']')}}}")
    yield Line(w, d.w, digits=COST_DIGITS)
    for sign, cost in (("+", d.above), ("-", d.below)):
        yield Line(Formula(f"C(w {sign} eps)", rf"C(w {sign} \varepsilon)"), cost, digits=COST_DIGITS)
    quotient = Formula(
        "(C(w + eps) - C(w - eps)) / 2 eps", r"\frac{C(w + \varepsilon) - C(w - \varepsilon)}{2 \varepsilon}"
    )
    derivative = Formula("dC/dw by back-propagation", r"\frac{\partial C}{\partial w} \text{ by back-propagation}")
    yield Line(quotient, d.quotient, digits=QUOTIENT_DIGITS)
    yield Line(derivative, d.derivative, digits=QUOTIENT_DIGITS)
    yield Line(Formula("relative error", r"\text{relative error}"), d.error, digits=1)
    if d.crosses_kink:
        yield "there is a kink between w - eps and w + eps, so the difference is meaningless: choose another weight"


def _whole(objective: Objective) -> Formula:
    return C + Formula(" + penalty", r" + \text{penalty}") if objective.penalties else C


def _penalty(objective: Objective, gradient: bool = False) -> Formula:
    return penalty_formula([penalty.name for penalty, _ in objective.penalties], gradient)


def _dW(objective: Objective) -> Formula:
    return DC_DW + Formula(" + ") + _penalty(objective, gradient=True)


def numbers(value: Array | float, digits: int) -> list[list[str]]:
    """Return the rows of a number, a row or a matrix as strings with `digits` after the point.

    An exact zero is `0`, and whole numbers have no point if all are whole. Numbers are written with an exponent if the
    largest would show at most one digit that is not 0, or has more than six before the point.
    """
    rows = np.atleast_2d(np.asarray(value, np.float64))
    finite = np.abs(rows[np.isfinite(rows)])
    largest = float(finite.max()) if finite.size else 0.0
    exponent = largest >= 1e6 or 0 < largest < 10 ** (2 - digits)
    form = f".{digits}e" if exponent else ".0f" if np.all(rows == np.round(rows)) else f".{digits}f"
    return [[_formatted(float(number), form) for number in row] for row in rows]


def _formatted(number: float, form: str) -> str:
    word = f"{number:{form}}" if number else "0"
    return word.removeprefix("-") if float(word) == 0 else word  # rounded to -0.0000
