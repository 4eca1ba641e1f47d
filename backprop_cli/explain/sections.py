"""The sections of a trace: every number of a training step beside its formula."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace

import numpy as np

from backprop_cli.explain.formulas import (
    ACTIVATION_NOTES,
    COST_NOTES,
    JACOBIANS,
    LAYERS,
    PASSES,
    SLOPES,
    CostFormulas,
    Formula,
    formulas_of,
    penalty_formula,
    symbol_of,
)
from backprop_cli.explain.steps import Step
from backprop_cli.explain.trace import LayerTrace, Passed, Trace
from backprop_cli.frozen import frozen
from backprop_cli.nn.arrays import Array
from backprop_cli.nn.parameters import Layout
from backprop_cli.objectives.objective import Backpropagation, Objective


@frozen
class Line:
    """A quantity, its value (a number, a row (n,) or a matrix (m, n)), and the expression that gives it.

    `tag` is the name of the equation, if it has one; `digits` overrides the digits after the point. An exercise shows
    the values that are `known` and leaves the others `blank`. Only the first of several steps shows `minor` lines.
    """

    symbol: Formula
    value: Array | float
    expression: Formula | None = None
    tag: str = ""
    digits: int | None = None
    known: bool = False
    minor: bool = False
    blank: bool = False

    @property
    def formula(self) -> Formula:
        """The symbol, and what it is equal to."""
        return self.symbol.equals(self.expression)


@frozen
class Section:
    """A title and lines; a string is a note. `level` is 1 for a step, 2 for a part of it.

    An `exercise` contains it if its numbers can be calculated by hand.
    """

    title: str
    lines: tuple[Line | str, ...]
    level: int = 2
    exercise: bool = True


COST_DIGITS, QUOTIENT_DIGITS = 12, 8
"""Digits of the costs of a central difference, and the digits of its quotient that these determine."""

C, W, B = Formula("C"), Formula("W@"), Formula("b@")
DELTA = Formula("delta@", r"\delta@")
DC_DA = Formula("dC/da@", r"\frac{\partial C}{\partial a@}")
DC_DP = Formula("dC/dp@", r"\frac{\partial C}{\partial p@}")
DC_DW = Formula("dC/dW@", r"\frac{\partial C}{\partial W@}")
DC_DB = Formula("dC/db@", r"\frac{\partial C}{\partial b@}")
DELTA_W, DELTA_B = Formula("ΔW@", r"\Delta W@"), Formula("Δb@", r"\Delta b@")
MINUS_ETA = Formula("-eta ", r"-\eta ")


def sections_of(step: Step, objective: Objective, rule: str, plain: bool) -> list[Section]:
    """Return the sections of a step; `rule` describes the update, `plain` says that it is -eta g and nothing else."""
    assert isinstance(objective.estimator, Backpropagation), "only back-propagation is traced"
    trace, cost = step.trace, objective.estimator.cost
    formulas = formulas_of(cost, trace.layers[-1].activation.name)
    sections: dict[str, Iterable[Line | str]] = {
        "Examples": (Line(Formula("x"), trace.x, known=True), Line(Formula("y"), trace.y, known=True)),
        "Weights and biases": _parameters(trace),
        "Optimizer before the step": _before(step.update.before, objective.layout),
        "Forward": _forward(trace),
        "Cost": _cost(trace, objective, formulas),
        "Backward": _backward(trace, formulas.derivative, COST_NOTES.get(cost.name, "")),
        "Gradient": _gradient(trace, objective),
        "Step": _step(step, objective, rule, plain),
    }
    found = [Section(title, tuple(lines)) for title, lines in sections.items()]
    found.append(Section("Central difference", tuple(_difference(trace, objective)), exercise=False))
    return [replace(section, lines=tuple(_by_map(section.lines))) for section in found if section.lines]


def _by_map(lines: Iterable[Line | str]) -> Iterator[Line | str]:
    """Yield the lines with a line for each image of a batch, or kernel of W, in place of the whole array."""
    for line in lines:
        if isinstance(line, str) or np.ndim(line.value) < 3:
            yield line
            continue
        images, expression = np.asarray(line.value), line.expression
        for index in np.ndindex(images.shape[:-2]):
            symbol = line.symbol + Formula(f"[{','.join(map(str, index))}]")
            yield replace(line, symbol=symbol, value=images[index], expression=expression)
            expression = None


def compact(sections: Sequence[Section], title: str) -> Section:
    """Return a step as one section: no notes, no expressions, nothing minor."""
    lines = [line for section in sections if section.exercise for line in section.lines if isinstance(line, Line)]
    return Section(title, tuple(replace(line, expression=None) for line in lines if not line.minor), level=1)


def worksheet(sections: Sequence[Section]) -> list[Section]:
    """Return the sections as an exercise, with blanks for all numbers that are not known."""
    return [replace(section, lines=tuple(map(_blanked, section.lines))) for section in sections if section.exercise]


def _blanked(line: Line | str) -> Line | str:
    return line if isinstance(line, str) else replace(line, blank=not line.known)


def _parameters(trace: Trace) -> Iterator[Line | str]:
    for l, layer in enumerate(trace.layers, start=1):
        yield Line(W.at(l), layer.W, _transpose(W, layer), known=True, minor=True)
        yield Line(B.at(l), layer.b, known=True, minor=True)


def _transpose(symbol: Formula, layer: LayerTrace) -> Formula | None:
    """Return the transpose of W, or its gradient, of the layer that this one is tied to, if it is."""
    if layer.tied_to is None:
        return None
    return (symbol.bracketed() + Formula("ᵀ", "^T")).at(layer.tied_to)


def _before(kept: dict[str, Array], layout: Layout) -> Iterator[Line | str]:
    if any(array.any() for array in kept.values()):
        lines = [*_scalars(kept), *(line for entry in layout.entries for line in _parts(kept, layout, entry.name))]
        yield from (replace(line, known=True, minor=True) for line in lines)


def _scalars(arrays: dict[str, Array]) -> Iterator[Line]:
    for name, array in arrays.items():
        if array.ndim == 0:
            yield Line(symbol_of(name), float(array))


def _parts(arrays: dict[str, Array], layout: Layout, parameter: str) -> Iterator[Line]:
    """Yield the part of each array of the size of theta that belongs to a parameter, such as W1."""
    index = Formula(f"_{parameter[0]}@", f"_{{{parameter[0]}}}@").at(int(parameter[1:]))
    for name, array in arrays.items():
        if array.shape == (layout.size,):
            yield Line(symbol_of(name) + index, layout.named(array)[parameter])


def _forward(trace: Trace) -> Iterator[Line | str]:
    yield Line(Formula("a@").at(0), trace.x, Formula("x"), known=True, minor=True)
    yield from _passed(trace.passed, 0)
    for l, layer in enumerate(trace.layers, start=1):
        name, formulas = layer.activation.name, LAYERS[layer.operation]
        f = Formula(f"{name}(z@)", rf"\text{{{name.replace('_', ' ')}}}(z@)")
        yield Line(Formula("z@").at(l), layer.z, formulas.z.replace("_", _taken(trace, l)).at(l))
        yield Line(Formula("a@").at(l), layer.a, f.at(l))
        yield from _passed(layer.passed, l)
    yield from dict.fromkeys(note for layer in trace.layers if (note := LAYERS[layer.operation].note))


def _passed(layers: tuple[Passed, ...], l: int) -> Iterator[Line | str]:
    for layer in layers:
        formula, note = PASSES[layer.operation]
        yield Line(Formula("p@").at(l), layer.p, formula)
        yield note


def _taken(trace: Trace, l: int) -> str:
    """Return the symbol of what layer l takes: a of the layer below, or p where a layer without weights is between."""
    below = trace.layers[l - 2].passed if l > 1 else trace.passed
    return "p@-" if below else "a@-"


def _cost(trace: Trace, objective: Objective, formulas: CostFormulas) -> Iterator[Line | str]:
    yield Line(Formula("C_x"), trace.costs[:, None], formulas.value.at(len(trace.layers)), minor=True)
    yield Line(C, trace.cost, Formula("1/m Σ C_x", r"\frac{1}{m} \sum C_x"))
    if objective.penalties:
        yield Line(_penalty(objective), trace.penalty, minor=True)
        yield Line(_whole(objective), trace.value)
    yield from formulas.notes


def _backward(trace: Trace, derivative: Formula, cost_note: str) -> Iterator[Line | str]:
    last = len(trace.layers)
    for l in range(last, 0, -1):
        layer, tag, delta = trace.layers[l - 1], "BP1" if l == last else "BP2", DELTA.at(l)
        name = layer.activation.name
        if layer.dC_da is None:
            yield Line(delta, layer.delta, derivative.at(l), tag)
            yield cost_note
            continue
        for k, passed in reversed(list(enumerate(layer.passed, start=1))):
            behind = LAYERS[trace.layers[l].operation].back.at(l + 1) if k == len(layer.passed) else None
            yield Line(DC_DP.at(l), passed.dC_dp, behind, minor=True)
        back = None if l == last or layer.passed else LAYERS[trace.layers[l].operation].back.at(l + 1)
        dC_da = back or DC_DA.at(l)
        yield Line(dC_da, layer.dC_da, derivative.at(l) if l == last else None, minor=True)
        if layer.slope is None:
            yield Line(delta, layer.delta, JACOBIANS[name].at(l), tag)
        else:
            slope = Formula("f'(z@)").at(l)
            yield Line(slope, layer.slope, SLOPES[name].at(l), minor=True)
            factor = dC_da if l == last else dC_da.bracketed()
            yield Line(delta, layer.delta, factor + Formula(" ⊙ ", r" \odot ") + slope, tag)
        if name in ACTIVATION_NOTES:
            yield ACTIVATION_NOTES[name]


def _gradient(trace: Trace, objective: Objective) -> Iterator[Line | str]:
    for l in range(len(trace.layers), 0, -1):
        layer = trace.layers[l - 1]
        product = LAYERS[layer.operation].dC_dW.replace("_", _taken(trace, l)).at(l)
        yield Line(DC_DB.at(l), layer.dC_db, Formula("sum of delta@", r"\sum_x \delta@").at(l), "BP3")
        yield Line(DC_DW.at(l), layer.dC_dW, product, "BP4")
        if layer.total_dW is not None:
            yield Line(_both(trace, l), layer.total_dW)
        if objective.penalties and layer.tied_to is None:
            whole = layer.dC_dW if layer.total_dW is None else layer.total_dW
            yield Line(_penalty(objective, gradient=True).at(l), layer.penalty_dW, minor=True)
            yield Line(_dW(objective, trace, l), whole + layer.penalty_dW)
    if objective.penalties:
        yield "λ/n = " + ", ".join(f"{c:g} ({penalty.name})" for penalty, c in objective.penalties)


def _step(step: Step, objective: Objective, rule: str, plain: bool) -> Iterator[Line | str]:
    trace, update, layout = step.trace, step.update, objective.layout
    yield rule
    yield from _scalars(update.after)
    for l, layer in enumerate(trace.layers, start=1):
        if layer.tied_to is not None:
            yield Line(_after(W).at(l), layer.new_W, _transpose(_after(W), layer))
        dW = _dW(objective, trace, l)
        dW = dW.bracketed() if " + " in dW.text else dW
        for parameter, name, change, gradient, old, new in (
            (f"W{l}", W, DELTA_W, dW, layer.W, layer.new_W),
            (f"b{l}", B, DELTA_B, DC_DB, layer.b, layer.new_b),
        )[layer.tied_to is not None :]:
            yield from _parts({**update.after, **update.named}, layout, parameter)
            yield Line(change.at(l), new - old, (MINUS_ETA + gradient).at(l) if plain else None, minor=True)
            yield Line(_after(name).at(l), new, (name + Formula(" + ") + change).at(l))
            yield from _parts({} if update.average is None else {"average": update.average}, layout, parameter)
    for when, value in (("before", trace.value), ("after", trace.new_value)):
        formula = _whole(objective) + Formula(f" {when} the step", rf"\text{{ {when} the step}}")
        yield Line(formula, value, minor=when == "before")


def _after(symbol: Formula) -> Formula:
    return Formula(f"new {symbol.text}", rf"{symbol.latex}_{{\text{{new}}}}")


def _difference(trace: Trace, objective: Objective) -> Iterator[Line | str]:
    d = trace.difference
    letter, index = d.at[0], d.at[1:].partition("[")
    yield f"eps = {d.eps:g}" + ("; here C and dC/dw include the penalty" if objective.penalties else "")
    w = Formula(f"w = {d.at}", f"w = {letter}^{{({index[0]})}}_{{{index[2].rstrip(']')}}}")
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


def _dW(objective: Objective, trace: Trace, l: int) -> Formula:
    """Return the gradient of the objective with respect to W of layer l."""
    of_cost = _both(trace, l)
    return (of_cost + Formula(" + ") + _penalty(objective, gradient=True)).at(l) if objective.penalties else of_cost


def _both(trace: Trace, l: int) -> Formula:
    """Return dC/dW of layer l, and of the layer that has its W transposed, if there is one."""
    other = next((k for k, layer in enumerate(trace.layers, start=1) if layer.tied_to == l), None)
    both = DC_DW.at(l)
    return both if other is None else both + Formula(" + ") + (DC_DW.bracketed() + Formula("ᵀ", "^T")).at(other)
