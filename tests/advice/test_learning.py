"""Networks that learn nothing are found, with the cause and a learning rate that works; others are not accused."""

import json
import warnings

import numpy as np
import pytest

from backprop_cli import train
from backprop_cli.advice.learning import lowest_constant_cost
from tests.conftest import ROOT
from tests.training.helpers import plan

DIGITS = {"dataset": "digits", "layers": [64, 30, 10], "epochs": 12}


@pytest.mark.parametrize(
    ("words", "cause"),
    [
        ({"activation": "relu", "output": "relu", "eta": 30}, "All units of layer 2 are dead"),
        ({"optimizer": "adam", "eta": 3}, "saturated"),
        ({"activation": "relu", "output": "softmax", "cost": "cross_entropy", "eta": 3}, "layer 1 are dead"),
        ({"eta": 1e10}, "saturated"),
        ({"eta": 1e-8}, "eta=1"),
    ],
    ids=str,
)
def test_a_network_that_learns_nothing_is_reported_with_the_cause_and_an_eta_that_works(words, cause):
    with pytest.warns(UserWarning, match="the network has learned nothing"):
        run = train(DIGITS, runs_dir=None, **words)
    (warning,) = run.warnings
    assert cause in warning
    eta = float(warning.partition("Try eta=")[2].partition(",")[0])
    assert train(DIGITS, runs_dir=None, **{**words, "eta": eta}).test["accuracy"] > 0.7


@pytest.mark.parametrize("words", [{}, {"activation": "relu"}, {"optimizer": "adam"}, {"eta": 0.01}], ids=str)
def test_a_network_that_learns_is_not(words):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert train(DIGITS, runs_dir=None, **words).warnings == []


def test_a_slow_start_is_not_reported_while_it_may_still_learn():
    with warnings.catch_warnings():
        warnings.simplefilter("error")  # 1,000 epochs on a plateau at 50 %, then all four examples are learned
        run = train(ROOT / "configs" / "xor.yaml", runs_dir=None)
    assert (run.warnings, run.test["accuracy"]) == ([], 1)
    assert run.metrics["train_accuracy"][:100].max() <= 0.75


def test_the_command_warns_while_it_runs_at_the_end_and_in_the_record(backprop, tmp_path):
    words = (
        "eta=1e10",
        "epochs=3",
        "layers=64-30-10",
        "activation=sigmoid",
        "output=sigmoid",
        "cost=quadratic",
        "lambda=0",
        "--name",
        "wild",
    )
    done = backprop("train", ROOT / "configs/digits.yaml", *words)
    assert done.code == 0
    first, second = done.err.index("epoch 1/3"), done.err.index("epoch 2/3")
    assert "warning: the network has learned nothing" in done.err[first:second]
    assert "warning     the network has learned nothing" in done.out
    record = json.loads((tmp_path / "runs/wild/run.json").read_text())
    assert len(record["warnings"]) == 1
    done = backprop("train", ROOT / "configs/digits.yaml", *words[:-1], "again", "--json", "-q")
    assert json.loads(done.out)["warnings"] == record["warnings"]
    assert "warning: runs/again: the network has learned nothing" in done.err


def test_training_that_is_too_short_says_so_in_the_record():
    run = train({"dataset": "xor", "layers": [2, 2, 1], "epochs": 5}, runs_dir=None)
    assert "Training had only 5 steps: try more epochs" in run.warnings[0]


@pytest.mark.parametrize(
    ("cost", "output", "expected"),
    [
        ("quadratic", "sigmoid", 0.5 * (0.25 * 0.75 * 2)),  # half of the sum of the variances of two outputs
        ("cross_entropy", "softmax", -(0.75 * np.log(0.75) + 0.25 * np.log(0.25))),  # the entropy
        ("cross_entropy", "sigmoid", -2 * (0.75 * np.log(0.75) + 0.25 * np.log(0.25))),
    ],
)
def test_the_lowest_constant_cost_is_that_of_the_class_frequencies(cost, output, expected):
    codes, share = np.eye(2), np.array([0.75, 0.25])
    assert lowest_constant_cost(plan(output=output, cost=cost), codes, share) == pytest.approx(expected, rel=1e-4)


def test_a_deep_sigmoid_network_is_told_that_its_gradient_vanishes(backprop, tmp_path):
    done = backprop("train", ROOT / "configs/course/vanishing.yaml", "--name", "deep")
    assert "The gradient of layer 1 is" in done.err
    assert "it vanishes. Try activation=relu" in done.err
    assert "Try eta=" not in done.err
    assert "finished (warning)" in backprop("runs", "list").out
    assert backprop("runs", "list", "--where", "warnings=0").out.strip() == ""
    assert "it vanishes" in backprop("runs", "show", "deep").out


def test_weights_that_are_all_zero_are_named(backprop, tmp_path):
    done = backprop("train", ROOT / "configs/digits.yaml", "initializer=zeros", "epochs=2", "eta=1e-9", "-q")
    assert "The weights of layer 1 are 0: choose another initializer" in done.err
    assert "dead" not in done.err
