import math
import re

import numpy as np
import pytest

from backprop_cli.explain.formulas import (
    COST_NOTES,
    COSTS,
    JACOBIANS,
    PENALTIES,
    SLOPES,
    Formula,
    formulas_of,
    penalty_formula,
)
from backprop_cli.explain.trace import trace
from backprop_cli.nn.activations import ACTIVATIONS
from backprop_cli.nn.network import dense_network
from backprop_cli.objectives import costs, penalties
from backprop_cli.objectives.gradcheck import example_of
from backprop_cli.objectives.objective import Backpropagation, Objective


def test_every_activation_and_penalty_has_a_formula():
    assert {*SLOPES, *JACOBIANS} == set(ACTIVATIONS)
    assert set(PENALTIES) == set(penalties.PENALTIES)


@pytest.mark.parametrize(("cost", "output"), costs.OUTPUT_PAIRS)
def test_every_pair_of_cost_and_output_has_formulas(cost, output):
    formulas = formulas_of(costs.COSTS[cost](), output)
    assert formulas.value.text
    assert formulas.derivative.text
    objective = Objective(Backpropagation(dense_network((3, 3), [ACTIVATIONS[output]]), costs.COSTS[cost]()))
    example = example_of(objective)
    (layer,) = trace(objective, *example, new=example[0]).layers
    assert (layer.dC_da is None) == (cost in COST_NOTES)


def test_the_latex_of_a_formula_has_balanced_braces_and_only_ascii_characters():
    pairs = [*COSTS.values(), *PENALTIES.values()]
    for formula in (*SLOPES.values(), *JACOBIANS.values(), *(formula for pair in pairs for formula in pair)):
        latex = formula.at(12).latex
        assert latex.isascii()
        assert latex.count("{") == latex.count("}")
        assert "@" not in latex + formula.at(12).text


@pytest.mark.parametrize("name", [name for name in SLOPES if name != "gelu"])
@pytest.mark.parametrize("z", [-1.5, -0.2, 0.3, 2.0])
def test_the_text_of_a_slope_is_the_slope(name, z):
    f = ACTIVATIONS[name]
    text = SLOPES[name].text.replace("@", "").replace("²", "**2")
    text = re.sub(r"(.*) where (.*), else (.*)", r"\1 if \2 else \3", text)
    text = re.sub(r"(.*) where (.*)", r"\1 if \2 else 0", text)
    text = re.sub(r"\ba \(", "a * (", text)

    def sigmoid(z):
        return 1 / (1 + math.exp(-z))

    a = f.value(np.array([z]))
    names = {"z": z, "a": a.item(), "s": sigmoid(z), "sigmoid": sigmoid}
    assert eval(text, names) == pytest.approx(float(f.slope(np.array([z]), a).item()), rel=1e-4)


def test_layer_numbers_replace_the_placeholders():
    formula = Formula("z@ = a@- (W@)^T + d@+").at(2)
    assert (formula.text, formula.latex) == ("z⁽²⁾ = a⁽¹⁾ (W⁽²⁾)^T + d⁽³⁾", "z^{(2)} = a^{(1)} (W^{(2)})^T + d^{(3)}")


def test_layers_beyond_nine_have_two_digits():
    assert Formula("a@-").at(13).text == "a⁽¹²⁾"


def test_options_of_the_cost_change_its_formula():
    cost = costs.CrossEntropy(smoothing=0.1, class_weights=(1.0, 2.0))
    formulas = formulas_of(cost, "softmax")
    assert formulas.value.text == "u · (-Σ y' ln a@)"
    assert formulas.derivative.latex == "u (a@ - y') / m"
    assert [note.partition(" ")[0] for note in formulas.notes] == ["y'", "u:"]


def test_several_penalties_have_different_lambdas():
    assert penalty_formula(["l2", "l1"], gradient=False).text == "λ_2/2n Σ w² + λ_1/n Σ |w|"
    assert penalty_formula(["l1"], gradient=True).latex == r"\frac{\lambda}{n} \text{sign}(W@)"
