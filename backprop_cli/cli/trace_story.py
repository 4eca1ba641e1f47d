"""What a trace tells, in order: every number beside the formula that it comes from.

A formula is written once, in the letters of a terminal and the notation of the project, with ^ before the number of a
layer. The renderer of text prints it as it is, and that of Markdown turns it into LaTeX.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from backprop_cli.nn.activations import Softmax
from backprop_cli.nn.arrays import Array
from backprop_cli.nn.costs import CrossEntropy, Huber
from backprop_cli.nn.objective import Objective
from backprop_cli.nn.trace import Trace


@dataclass(frozen=True)
class Line:
    """A formula, and the number, the row (n,) or the matrix (m, n) that it comes to.

    `mark` is the name of the equation, if it has one; `digits` are those after the point, if they are not those of
    the whole trace.
    """

    formula: str
    value: Array | float
    mark: str = ""
    digits: int | None = None


@dataclass(frozen=True)
class Section:
    """A title, and under it lines of numbers; a string is a remark."""

    title: str
    lines: tuple[Line | str, ...]


@dataclass(frozen=True)
class Rule:
    """How the parameters were moved, in words; `plain` if that is by -eta times the gradient and nothing else."""

    words: str
    plain: bool


COST_DIGITS, QUOTIENT_DIGITS = 12, 8
"""Digits of the costs whose difference is taken; and as many of its quotient as these let a reader work out."""

SLOPES = {
    "sigmoid": "a@ (1 - a@)",
    "tanh": "1 - (a@)²",
    "relu": "1 where z@ > 0",
    "leaky_relu": "1 where z@ > 0, else 0.01",
    "elu": "1 where z@ > 0, else 1 + a@",
    "softplus": "sigmoid(z@)",
    "identity": "1",
}
"""f'(z) where there is a short word for it; @ stands for the layer."""

COSTS = {
    ("quadratic", ""): ("½ ‖a@ - y‖²", "(a@ - y) / m"),
    ("cross_entropy", "sigmoid"): ("-Σ [y ln a@ + (1 - y) ln(1 - a@)]", "(a@ - y) / m"),
    ("cross_entropy", "softmax"): ("-Σ y ln a@", "(a@ - y) / m"),
    ("absolute", ""): ("Σ |a@ - y|", "sign(a@ - y) / m"),
    ("huber", ""): ("Σ h(a@ - y)", "h'(a@ - y) / m"),
    ("perceptron", ""): ("Σ (a@ - y) z@", "(a@ - y) / m"),
}
"""By cost and output, if that matters: the cost of an example, and dC/da, or delta where that is known without."""

PENALTIES = {"l2": ("λ/2n Σ w²", "λ/n W@"), "l1": ("λ/n Σ |w|", "λ/n sign(W@)")}
"""Each penalty, and its gradient."""


def story_of(trace: Trace, objective: Objective, rule: Rule) -> list[Section]:
    """Return the sections of a trace."""
    chapters = {
        "Examples": _examples(trace),
        "Weights and biases": _parameters(trace),
        "Forward": _forward(trace),
        "Cost": _cost(trace, objective),
        "Backward": _backward(trace, objective),
        "Gradient": _gradient(trace, objective),
        "Step": _step(trace, objective, rule),
        "Central difference": _difference(trace, objective),
    }
    return [Section(title, tuple(lines)) for title, lines in chapters.items()]


def _examples(trace: Trace) -> Iterator[Line | str]:
    yield Line("x", trace.x)
    yield Line("y", trace.y)


def _parameters(trace: Trace) -> Iterator[Line | str]:
    for l, layer in enumerate(trace.layers, start=1):
        yield Line(f"W^{l}", layer.W)
        yield Line(f"b^{l}", layer.b)


def _forward(trace: Trace) -> Iterator[Line | str]:
    yield Line("a^0 = x", trace.x)
    for l, layer in enumerate(trace.layers, start=1):
        yield Line(f"z^{l} = a^{l - 1} (W^{l})^T + b^{l}", layer.z)
        yield Line(f"a^{l} = {layer.activation.name}(z^{l})", layer.a)


def _cost(trace: Trace, objective: Objective) -> Iterator[Line | str]:
    formula, _ = _cost_formulas(objective)
    yield Line(_equation("C_x", formula), trace.costs[:, None])
    yield Line("C = 1/m Σ C_x", trace.cost)
    if objective.penalties:
        yield Line(_penalty(objective, gradient=False), trace.penalty)
        yield Line(_whole(objective), trace.value)
    if isinstance(cost := objective.cost, Huber):
        yield f"h(e) = ½ e² up to |e| = {cost.width:g}, and from there the straight line that touches it"
    if isinstance(cost, CrossEntropy) and cost.smoothing:
        share = cost.smoothing / objective.network.sizes[-1]
        yield f"y' = {1 - cost.smoothing:g} y + {share:.4g}: the targets, smoothed"
    if isinstance(cost, CrossEntropy) and cost.class_weights:
        yield f"u: the weight of the example's class, out of {', '.join(f'{u:g}' for u in cost.class_weights)}"


def _backward(trace: Trace, objective: Objective) -> Iterator[Line | str]:
    last = len(trace.layers)
    _, formula = _cost_formulas(objective)
    for l in range(last, 0, -1):
        layer, mark = trace.layers[l - 1], "BP1" if l == last else "BP2"
        if layer.dC_da is None:
            yield Line(_equation(f"delta^{l}", formula), layer.delta, mark)
            yield _why_without_slope(objective, l)
            continue
        dC_da = f"dC/da^{l}" if l == last else f"delta^{l + 1} W^{l + 1}"
        yield Line(_equation(dC_da, formula) if l == last else dC_da, layer.dC_da)
        if layer.slope is None:
            yield from _softmax_delta(l, layer.delta, mark) if isinstance(layer.activation, Softmax) else ()
            continue
        slope = SLOPES.get(layer.activation.name, "").replace("@", f"^{l}")
        yield Line(_equation(f"f'(z^{l})", slope), layer.slope)
        factor = dC_da if l == last else f"({dC_da})"
        yield Line(f"delta^{l} = {factor} ⊙ f'(z^{l})", layer.delta, mark)


def _softmax_delta(l: int, delta: Array, mark: str) -> Iterator[Line | str]:
    yield Line(f"delta^{l} = a^{l} ⊙ (g - Σ g a^{l})", delta, mark)
    yield f"g = dC/da^{l}, and the sum is over the outputs, for each of them depends on every z of its example"


def _why_without_slope(objective: Objective, l: int) -> str:
    if isinstance(objective.cost, CrossEntropy):
        return f"a theorem about cross-entropy and {objective.network.activations[-1].name}: the slope of f cancels"
    return f"this cost is written in terms of z^{l}, so there is no f'(z^{l}) to be had"


def _gradient(trace: Trace, objective: Objective) -> Iterator[Line | str]:
    for l in range(len(trace.layers), 0, -1):
        layer = trace.layers[l - 1]
        yield Line(f"dC/db^{l} = sum of delta^{l}", layer.dC_db, "BP3")
        yield Line(f"dC/dW^{l} = (delta^{l})^T a^{l - 1}", layer.dC_dW, "BP4")
        if objective.penalties:
            penalty = _penalty(objective, gradient=True).replace("@", f"^{l}")
            yield Line(penalty, layer.penalty_dW)
            yield Line(f"dC/dW^{l} + {penalty}", layer.dC_dW + layer.penalty_dW)
    if objective.penalties:
        yield "λ/n = " + ", ".join(f"{c:g} ({penalty.name})" for penalty, c in objective.penalties)


def _step(trace: Trace, objective: Objective, rule: Rule) -> Iterator[Line | str]:
    yield rule.words
    for l, layer in enumerate(trace.layers, start=1):
        dW, db = f"dC/dW^{l}", f"dC/db^{l}"
        if objective.penalties:
            dW = f"({dW} + {_penalty(objective, gradient=True).replace('@', f'^{l}')})"
        yield Line(_equation(f"ΔW^{l}", f"-eta {dW}" if rule.plain else ""), layer.new_W - layer.W)
        yield Line(f"W^{l} <- W^{l} + ΔW^{l}", layer.new_W)
        yield Line(_equation(f"Δb^{l}", f"-eta {db}" if rule.plain else ""), layer.new_b - layer.b)
        yield Line(f"b^{l} <- b^{l} + Δb^{l}", layer.new_b)
    whole = _whole(objective)
    yield Line(f"{whole} before the step", trace.value)
    yield Line(f"{whole} after the step", trace.new_value)


def _difference(trace: Trace, objective: Objective) -> Iterator[Line | str]:
    d = trace.difference
    yield f"eps = {d.eps:g}" + ("; C has its penalty in it, and so has dC/dw" if objective.penalties else "")
    yield Line(f"w = {d.at}", d.w, digits=COST_DIGITS)
    yield Line("C(w + eps)", d.above, digits=COST_DIGITS)
    yield Line("C(w - eps)", d.below, digits=COST_DIGITS)
    yield Line("(C(w + eps) - C(w - eps)) / 2 eps", d.quotient, digits=QUOTIENT_DIGITS)
    yield Line("dC/dw by back-propagation", d.derivative, digits=QUOTIENT_DIGITS)
    yield Line("relative error", d.error, digits=1)
    if d.crosses_kink:
        yield "between w - eps and w + eps there is a kink, where a difference tells nothing: take another weight"


def _equation(left: str, right: str) -> str:
    return f"{left} = {right}" if right else left


def _whole(objective: Objective) -> str:
    return "C + penalty" if objective.penalties else "C"


def _cost_formulas(objective: Objective) -> tuple[str, str]:
    """Return the cost of an example and its derivative as COSTS has them, empty for a cost that is not there."""
    cost, output = objective.cost, objective.network.activations[-1].name
    formulas = COSTS.get((cost.name, output)) or COSTS.get((cost.name, "")) or ("", "")
    value, delta = (formula.replace("@", f"^{len(objective.network.activations)}") for formula in formulas)
    if isinstance(cost, CrossEntropy):
        if cost.smoothing:
            value, delta = value.replace("y", "y'"), delta.replace("y", "y'")
        if cost.class_weights:
            value, delta = f"u · ({value})", f"u {delta}"
    return value, delta


def _penalty(objective: Objective, gradient: bool) -> str:
    several = len(objective.penalties) > 1
    terms = []
    for penalty, _ in objective.penalties:
        formulas = PENALTIES.get(penalty.name, (penalty.name, f"d {penalty.name}/dW@"))
        terms.append(formulas[gradient].replace("λ", f"λ_{penalty.name[-1]}") if several else formulas[gradient])
    return " + ".join(terms)


def numbers(value: Array | float, digits: int) -> list[list[str]]:
    """Return the rows of a number, a row or a matrix, as words with `digits` after the point.

    What is exactly 0 is a bare 0, and where all numbers are whole, all go without a point. Where even the largest would
    show but one digit that is not 0, or has more than six before the point, they are written with an exponent.
    """
    rows = np.atleast_2d(np.asarray(value, np.float64))
    finite = np.abs(rows[np.isfinite(rows)])
    largest = float(finite.max()) if finite.size else 0.0
    exponent = largest >= 1e6 or 0 < largest < 10 ** (2 - digits)
    form = f".{digits}e" if exponent else ".0f" if np.all(rows == np.round(rows)) else f".{digits}f"
    return [[_word(float(number), form) for number in row] for row in rows]


def _word(number: float, form: str) -> str:
    word = f"{number:{form}}" if number else "0"
    return word.removeprefix("-") if float(word) == 0 else word  # rounded to -0.0000
