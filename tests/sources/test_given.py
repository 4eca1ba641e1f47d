"""Examples and initial parameters that are written in a config."""

import json
import math

import numpy as np
import pytest

from backprop_cli import load_run, train
from backprop_cli.config.load import load_experiment
from backprop_cli.errors import ConfigError
from tests.conftest import ROOT

NEURON = ROOT / "configs/examples/neuron.yaml"
PAIR = """\
dataset:
  name: given
  x: [[0, 1], [1, 1]]
  y: [[1], [0.5]]
layers: [2, 3, 1]
initial:
  W2: [[1, 2, 3]]
"""


@pytest.fixture
def problems(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)

    def problems(old, new, *overrides):
        assert old in PAIR
        (tmp_path / "c.yaml").write_text(PAIR.replace(old, new))
        with pytest.raises(ConfigError) as error:
            load_experiment((tmp_path / "c.yaml").relative_to(tmp_path), overrides)
        return error.value.problems

    return problems


def neuron(a_minus_y_times, epochs):
    """The output of the neuron w = b = 2 for x = 1, after training it for y = 0."""
    w = b = 2.0
    for _ in range(epochs):
        a = 1 / (1 + math.exp(-(w + b)))
        delta = a_minus_y_times(a)
        w, b = w - 0.15 * delta, b - 0.15 * delta
    return 1 / (1 + math.exp(-(w + b)))


def test_the_saturated_neuron_of_nielsen_learns_as_calculated_by_hand():
    run = train(NEURON, runs_dir=None, dtype="float64")
    by_hand = neuron(lambda a: a * a * (1 - a), 300)
    assert run.outputs(np.array([[1.0]])).item() == pytest.approx(by_hand, rel=1e-9)
    assert round(by_hand, 2) == 0.20  # the output that Nielsen gives
    faster = train(NEURON, runs_dir=None, dtype="float64", cost="cross_entropy")
    assert faster.outputs(np.array([[1.0]])).item() == pytest.approx(neuron(lambda a: a, 300), rel=1e-9)


def test_parameters_that_are_not_given_are_drawn_as_before(tmp_path):
    path = tmp_path / "c.yaml"
    path.write_text(PAIR + "epochs: 1\nvalidation: 0\n")
    run = train(path, runs_dir=tmp_path, eta=1e-30)
    drawn = train(path, runs_dir=tmp_path, eta=1e-30, initial={"b2": 7})
    assert run.parameters["W2"].tolist() == [[1, 2, 3]]
    assert drawn.parameters["b2"].tolist() == [7]
    assert np.array_equal(run.parameters["W1"], drawn.parameters["W1"])
    again = load_run(run.path)
    assert again.config == run.config
    assert json.loads((run.path / "run.json").read_text())["experiment"]["initial"] == {"W2": [[1, 2, 3]]}


def test_other_initial_parameters_can_be_set_from_the_command_line_one_by_one(tmp_path):
    (tmp_path / "c.yaml").write_text(PAIR)
    experiment = load_experiment(tmp_path / "c.yaml", ["initial.b2=0.5", "dataset.x=[[3, 4], [5, 6]]"])
    assert experiment.initial == {"W2": ((1, 2, 3),), "b2": 0.5}
    assert experiment.dataset.x == ((3, 4), (5, 6))


@pytest.mark.parametrize(
    ("old", "new", "problem"),
    [
        ("W2: [[1, 2, 3]]", "W2: [[1, 2]]", "c.yaml:7:7: initial.W2 must have the shape (1, 3)"),
        ("W2: [[1, 2, 3]]", "W2: [[1], [2], [3]]", "c.yaml:7:7: initial.W2 must have the shape (1, 3)"),
        ("W2: [[1, 2, 3]]", "b2: 1e39", "c.yaml:7:7: initial.b2 has a number that overflows float32"),
        ("W2:", "W3:", "c.yaml:7:7: initial: unknown parameter 'W3'; this network has W1, b1, W2, b2"),
        ("[[1, 2, 3]]", "[[1, 2], 3]", "c.yaml:7:7: initial.W2: all rows must have the same number of entries"),
        ("[[1, 2, 3]]", "[[1, 2, .nan]]", "c.yaml:7:15: .nan is not a finite number"),
        ("[[1, 2, 3]]", "[[1, 2, three]]", "c.yaml:7:7: initial.W2: must be a number, or a list of numbers"),
        ("[[1, 2, 3]]", "[]", "c.yaml:7:7: initial.W2: must be a number, or a list of numbers"),
        ("x: [[0, 1], [1, 1]]", "x: [[0, 1], [1]]", "c.yaml:3:6: dataset.x: all rows must have the same number"),
        ("x: [[0, 1], [1, 1]]", "x: [0, 1]", "c.yaml:2:3: dataset has 1 example in x, but 2 examples in y"),
        ("x: [[0, 1], [1, 1]]", "x: [[[0]]]", "c.yaml:2:3: dataset has lists in lists of lists in x"),
        ("  y: [[1], [0.5]]\n", "", "c.yaml:2:3: dataset.y is missing"),
        ("[2, 3, 1]", "[3, 3, 1]", "c.yaml:5:10: layers: the first layer has 3 units, but given has 2 inputs; write 2"),
        ("[0.5]", "[1.5]", "cost: cross_entropy needs classes, but given is a regression data set"),
    ],
)
def test_errors_are_located(problems, old, new, problem):
    cost = ["cost=cross_entropy", "output=sigmoid"] if "1.5" in new else []
    found = problems(old, new, *cost)
    assert len(found) == 1
    assert problem in found[0]
