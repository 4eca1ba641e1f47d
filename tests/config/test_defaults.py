"""Defaults that depend on other keys: the learning rate, the initializer, the output activation, the optimizer."""

import numpy as np
import pytest

from backprop_cli import train
from backprop_cli.config.load import override_experiment


def load(dataset, layers, *words):
    return override_experiment({"dataset": dataset, "layers": layers}, words, "config")


@pytest.mark.parametrize(
    ("words", "eta"),
    [
        ([], 3.0),  # Nielsen, chapter 1
        (["cost=cross_entropy"], 0.5),  # chapter 3
        (["cost=cross_entropy", "output=softmax"], 0.5),
        (["activation=relu", "cost=cross_entropy", "output=softmax"], 0.1),
        (["activation=tanh"], 0.1),
        (["optimizer=adam"], 0.0013),  # 1 / 784
        (["optimizer.name=momentum", "optimizer.mu=0.5", "cost=cross_entropy"], 0.12),  # (1 - mu) / 2 of 0.5
        (["layers=784-400-10"], 0.5),  # 200 / 400
        (["output=identity"], 0.1),
        (["eta=7"], 7.0),
    ],
    ids=str,
)
def test_the_default_eta_follows_from_optimizer_cost_and_layers(words, eta):
    assert load("mnist", "784-30-10", *words).eta == eta


def test_the_default_initializer_and_output_follow_from_the_activation():
    relu, tanh = (load("mnist", "784-30-10", f"activation={name}") for name in ("relu", "tanh"))
    assert (relu.initializer.name, relu.output) == ("he", "sigmoid")  # a relu output can die, and its class with it
    assert (tanh.initializer.name, tanh.output) == ("scaled", "tanh")
    assert load("mnist", "784-30-10", "activation=relu", "output=relu", "initializer=normal").output == "relu"


def test_regression_uses_adam_unless_the_config_says_otherwise():
    assert load("sine", "1-20-1").optimizer.name == "adam"
    assert load("sine", "1-20-1", "optimizer=sgd").optimizer.name == "sgd"
    assert load("sine", "1-20-1", "eta=0.1").optimizer.name == "sgd"  # what a learning rate was written for
    assert load("moons", "2-16-1").optimizer.name == "sgd"


def test_a_resolved_experiment_resolves_to_itself():
    e = load("sine", "1-20-1", "activation=relu")
    assert override_experiment(e.to_dict(), [], "config") == e


WORDS = [
    {},
    {"activation": "relu"},
    {"activation": "tanh"},
    {"optimizer": "adam"},
    {"optimizer": "momentum"},
    {"optimizer": "rmsprop"},
]


@pytest.mark.parametrize("words", WORDS, ids=str)
@pytest.mark.parametrize(("dataset", "layers"), [("digits", [64, 30, 10]), ("blobs", [2, 8, 3]), ("moons", [2, 16, 1])])
def test_the_defaults_train_well_with_the_first_words_that_people_try(dataset, layers, words):
    run = train({"dataset": dataset, "layers": layers}, runs_dir=None, evaluate_every=30, **words)
    assert run.test["accuracy"] > 0.9


@pytest.mark.parametrize("words", [{}, {"activation": "tanh"}, {"activation": "relu"}], ids=str)
@pytest.mark.parametrize("dataset", ["sine", "bump"])
def test_the_defaults_fit_curves(dataset, words):
    run = train({"dataset": dataset, "layers": [1, 20, 1]}, runs_dir=None, evaluate_every=30, **words)
    assert run.test["r2"] > 0.75
    assert np.isfinite(run.best["val_cost"])
