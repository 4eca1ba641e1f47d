import numpy as np

from backprop_cli.advice.layers import advice_on_layers
from backprop_cli.advice.separability import separable
from backprop_cli.training.diagnostics import LayerState


def test_advice_names_the_layer_and_a_remedy():
    fine = LayerState(1.0, 1.0, 0.01, saturated=0.1)
    names = ("sigmoid", "sigmoid")
    assert list(advice_on_layers([fine, fine], names, "sgd")) == []
    slow = LayerState(1e-5, 1.0, 1e-5)
    (line,) = advice_on_layers([slow, fine], names, "sgd")
    assert line.startswith("layer 1 learns 1,000 times slower than the quickest layer: its gradient vanishes")
    assert line.endswith("try activation=relu, or fewer layers, or optimizer=adam")
    (line,) = advice_on_layers([slow, fine], ("relu", "sigmoid"), "adam")
    assert line.endswith("try fewer layers")
    (line,) = advice_on_layers([LayerState(1.0, 1.0, 0.01, dead=0.75), fine], names, "sgd")
    assert line.startswith("layer 1: 75% of its units are dead")
    (line,) = advice_on_layers([LayerState(1.0, 1.0, 0.01, saturated=0.9), fine], names, "sgd")
    assert line.startswith("layer 1: 90% of its signals are saturated")


def test_saturated_layers_of_a_network_that_learns_well_are_no_problem():
    layers = [LayerState(1.0, 1.0, 0.01, saturated=0.9), LayerState(1.0, 1.0, 0.01, saturated=0.1)]
    assert list(advice_on_layers(layers, ("sigmoid", "sigmoid"), "sgd", learns_well=True)) == []


def test_and_is_linearly_separable_and_xor_is_not():
    x = np.array([[0, 0], [0, 1], [1, 0], [1, 1]], float)
    assert separable(x, np.array([[0], [0], [0], [1]], float)) is True
    assert separable(x, np.array([[0], [1], [1], [0]], float)) is False
    assert separable(x, np.array([[0, 0], [0, 1], [0, 1], [1, 0]], float)) is False  # one of two outputs is enough
    assert separable(np.zeros((1_000_001, 1)), np.zeros((1_000_001, 1))) is None
