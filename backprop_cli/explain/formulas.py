r"""Formulas as text and as LaTeX, by the name of the activation, cost or penalty.

In both, @ stands for the superscript of layer l, @- for that of layer l - 1, @+ for that of layer l + 1. A superscript
is in parentheses, a⁽²⁾, so that it cannot be read as a power.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

from backprop_cli.frozen import frozen
from backprop_cli.objectives.costs import Cost

_SUPERSCRIPTS = str.maketrans("()0123456789", "⁽⁾⁰¹²³⁴⁵⁶⁷⁸⁹")


@frozen
class Formula:
    """A formula as text for a terminal and as LaTeX, which is the same unless given."""

    text: str
    latex: str = ""

    def __post_init__(self) -> None:
        object.__setattr__(self, "latex", self.latex or self.text)

    def __add__(self, other: Formula) -> Formula:
        return Formula(self.text + other.text, self.latex + other.latex)

    def replace(self, old: str, new: str) -> Formula:
        """Return the formula with another symbol."""
        return Formula(self.text.replace(old, new), self.latex.replace(old, new))

    def at(self, l: int) -> Formula:
        """Return the formula for layer l."""
        text, latex = self.text, self.latex
        for placeholder, layer in (("@-", l - 1), ("@+", l + 1), ("@", l)):
            superscript = f"({layer})"
            text = text.replace(placeholder, superscript.translate(_SUPERSCRIPTS))
            latex = latex.replace(placeholder, f"^{{{superscript}}}")
        return Formula(text, latex)

    def equals(self, right: Formula | None) -> Formula:
        """Return `self = right`, or the formula alone."""
        return self + Formula(" = ") + right if right else self

    def bracketed(self) -> Formula:
        """Return the formula in parentheses."""
        return Formula("(") + self + Formula(")")


NOTATION = Formula("a⁽²⁾", "a^{(2)}")
"""An example of a superscript, for those who read the formulas."""


def symbol_of(name: str) -> Formula:
    """Return the symbol of a quantity of an optimizer: `m_hat` is an m with a hat."""
    letter, _, hat = name.partition("_")
    latex = letter if len(letter) == 1 else rf"\text{{{letter}}}"
    return Formula(f"{letter}\u0302", rf"\hat{{{latex}}}") if hat else Formula(letter, latex)


SLOPES = {
    "sigmoid": Formula("a@ (1 - a@)"),
    "tanh": Formula("1 - (a@)²", "1 - (a@)^2"),
    "relu": Formula("1 where z@ > 0", r"1 \text{ where } z@ > 0"),
    "leaky_relu": Formula("1 where z@ > 0, else 0.01", r"1 \text{ where } z@ > 0, \text{ else } 0.01"),
    "elu": Formula("1 where z@ > 0, else 1 + a@", r"1 \text{ where } z@ > 0, \text{ else } 1 + a@"),
    "selu": Formula(
        "1.0507 where z@ > 0, else 1.7581 + a@", r"1.0507 \text{ where } z@ > 0, \text{ else } 1.7581 + a@"
    ),
    "softplus": Formula("sigmoid(z@)", r"\text{sigmoid}(z@)"),
    "gelu": Formula(
        "½ (1 + tanh u) + ½ z@ u' / cosh² u", r"\tfrac{1}{2} (1 + \tanh u) + \tfrac{1}{2} z@ u' / \cosh^2 u"
    ),
    "silu": Formula("s + a@ (1 - s)"),
    "identity": Formula("1"),
    "bernoulli": Formula("a@ (1 - a@)"),
    "threshold": Formula("0"),
    "winner": Formula("0"),
}
"""f'(z) by activation."""

JACOBIANS = {"softmax": Formula("a@ ⊙ (g - Σ g a@)", r"a@ \odot (g - \sum g a@)")}
"""delta from g = dC/da, where each output depends on every z of its example."""

ACTIVATION_NOTES = {
    "gelu": "u = sqrt(2/π) (z + 0.044715 z³)",
    "silu": "s = sigmoid(z)",
    "bernoulli": "a is the mean sigmoid(z); training draws 0 or 1 with this mean, and takes the slope of the mean",
    "softmax": "g = dC/da; the sum is over the outputs of an example, because each depends on all of its z",
}


@frozen
class LayerFormulas:
    """z of a layer, what its delta gives the layer below, and dC/dW; _ stands for the signal that the layer takes."""

    z: Formula
    back: Formula
    dC_dW: Formula
    note: str = ""


LAYERS = {
    "dense": LayerFormulas(
        Formula("_ (W@)ᵀ + b@", "_ (W@)^T + b@"),
        Formula("delta@ W@", r"\delta@ W@"),
        Formula("(delta@)ᵀ _", r"(\delta@)^T _"),
    ),
    "conv2d": LayerFormulas(
        Formula("W@ ∗ _ + b@", r"W@ \ast _ + b@"),
        Formula("delta@ ∗ᵀ W@", r"\delta@ \ast^T W@"),
        Formula("delta@ ∗ _", r"\delta@ \ast _"),
        "∗ moves a kernel over an image and sums the products at each position; ∗ᵀ sends delta back to all pixels "
        "under the kernel. dC/dW and dC/db are sums over the examples and the positions. z[i,j] is map j of example "
        "i, W[j,c] the kernel from channel c to map j",
    ),
}
"""By the operation of a layer with weights."""

PASSES = {
    "maxpool": (
        Formula("max of each window", r"\text{max of each window}"),
        "p is the largest number of each window; dC/da is dC/dp there, else 0",
    ),
    "meanpool": (
        Formula("mean of each window", r"\text{mean of each window}"),
        "p is the mean of each window; dC/da is an equal share of dC/dp",
    ),
    "upsample": (
        Formula("each pixel repeated", r"\text{each pixel repeated}"),
        "p repeats each pixel; dC/da is the sum of dC/dp over its copies",
    ),
}
"""By the operation of a layer without weights: what it computes, and a note on the way forward and back."""

_DIFFERENCE = Formula("(a@ - y) / m")
_SIGN = Formula("sign(a@ - y) / m", r"\text{sign}(a@ - y) / m")

COSTS = {
    ("quadratic", ""): (Formula("½ ‖a@ - y‖²", r"\tfrac{1}{2} \Vert a@ - y \Vert^2"), _DIFFERENCE),
    ("cross_entropy", "sigmoid"): (
        Formula("-Σ [y ln a@ + (1 - y) ln(1 - a@)]", r"-\sum [y \ln a@ + (1 - y) \ln(1 - a@)]"),
        _DIFFERENCE,
    ),
    ("cross_entropy", "softmax"): (Formula("-Σ y ln a@", r"-\sum y \ln a@"), _DIFFERENCE),
    ("absolute", ""): (Formula("Σ |a@ - y|", r"\sum \vert a@ - y \vert"), _SIGN),
    ("huber", ""): (Formula("Σ h(a@ - y)", r"\sum h(a@ - y)"), Formula("h'(a@ - y) / m")),
    ("perceptron", ""): (Formula("Σ (a@ - y) z@", r"\sum (a@ - y) z@"), _DIFFERENCE),
}
"""By cost and, if it matters, output activation: the cost of an example, and dC/da, or delta if the cost defines it."""

COST_NOTES = {
    "cross_entropy": "the slope f' of the output cancels: delta is a - y for cross-entropy with sigmoid or softmax",
    "perceptron": "this cost is a function of z, so delta needs no f'(z)",
}
"""Why a cost gives delta without dC/da and f'."""

PENALTIES = {
    "l2": (Formula("λ/2n Σ w²", r"\frac{\lambda}{2n} \sum w^2"), Formula("λ/n W@", r"\frac{\lambda}{n} W@")),
    "l1": (
        Formula("λ/n Σ |w|", r"\frac{\lambda}{n} \sum \vert w \vert"),
        Formula("λ/n sign(W@)", r"\frac{\lambda}{n} \text{sign}(W@)"),
    ),
}
"""Each penalty and its gradient."""


@frozen
class CostFormulas:
    """The cost of an example, its derivative, and notes that explain symbols."""

    value: Formula
    derivative: Formula
    notes: tuple[str, ...] = ()


def formulas_of(cost: Cost, output: str) -> CostFormulas:
    """Return the formulas of a cost, with its options, for an output activation."""
    formulas = CostFormulas(*(COSTS.get((cost.name, "")) or COSTS[cost.name, output]))
    for option, value in vars(cost).items():
        formulas = OPTIONS[option](formulas, value) if value else formulas
    return formulas


def _with_width(formulas: CostFormulas, width: float) -> CostFormulas:
    return replace(formulas, notes=(f"h(e) = ½ e² for |e| <= {width:g}, and linear beyond",))


def _with_smoothing(formulas: CostFormulas, s: float) -> CostFormulas:
    note = f"y' = {1 - s:g} y + {s:g}/n, the smoothed targets of n outputs"
    return CostFormulas(formulas.value.replace("y", "y'"), formulas.derivative.replace("y", "y'"), (note,))


def _with_class_weights(formulas: CostFormulas, weights: Sequence[float]) -> CostFormulas:
    note = f"u: the weight of the class of the example; weights: {', '.join(f'{u:g}' for u in weights)}"
    value = Formula("u · ", r"u \cdot ") + formulas.value.bracketed()
    return CostFormulas(value, Formula("u ") + formulas.derivative, (*formulas.notes, note))


OPTIONS: dict[str, Callable[[CostFormulas, Any], CostFormulas]] = {
    "width": _with_width,
    "smoothing": _with_smoothing,
    "class_weights": _with_class_weights,
}
"""What each option of a cost changes in its formulas."""


def penalty_formula(names: list[str], gradient: bool) -> Formula:
    """Return the sum of penalties, or of their gradients; if there are several, each has a λ of its own."""
    total = Formula("")
    for name in names:
        formula = PENALTIES[name][gradient]
        if len(names) > 1:
            formula = formula.replace("λ", f"λ_{name[-1]}").replace(r"\lambda", rf"\lambda_{name[-1]}")
        total = total + Formula(" + ") + formula if total.text else formula
    return total
