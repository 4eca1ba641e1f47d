"""Sparsity of a layer: the terms that CS294A and activity regularizers add to the cost."""

from dataclasses import replace

import numpy as np
import pytest

import backprop_cli as bp
from backprop_cli.objectives.gradcheck import TOLERANCE, check_gradient
from backprop_cli.objectives.sparsity import Divergence, L1Activity
from backprop_cli.optim.minimizers import MINIMIZERS
from backprop_cli.optim.optimizers import OPTIMIZERS
from backprop_cli.training.gradient import AccumulatedGradient
from backprop_cli.training.step import textbook_step
from backprop_cli.training.streams import Streams
from tests.conftest import Backprop
from tests.training.helpers import plan, start
from tests.training.test_loop import After, copy, run
from tests.training.test_step import ROWS, Recorded, examples

TERMS = {"divergence": Divergence(0.1, 3.0), "l1": L1Activity(0.05)}


def sparse(term, layer=2, **more):
    p = plan(dtype="float64", **more)
    estimator = replace(p.objective.estimator, sparsity=TERMS[term], sparse_layer=layer)
    return replace(p, objective=replace(p.objective, estimator=estimator))


def everything(p):
    return examples(p, np.arange(37))


@pytest.mark.parametrize("term", TERMS)
@pytest.mark.parametrize("layer", [1, 2])
@pytest.mark.parametrize("cost", [("quadratic", "sigmoid"), ("cross_entropy", "softmax")])
def test_the_gradient_agrees_with_central_differences(term, layer, cost):
    p = sparse(term, layer, output=cost[1], cost=cost[0], strength=0.1)
    found = check_gradient(p.objective, start(p).theta, *everything(p))
    assert found.checked == p.objective.layout.size
    assert found.error < TOLERANCE


def test_the_gradient_of_l1_keeps_away_from_its_kink():
    p = sparse("l1", hidden="tanh")
    found = check_gradient(p.objective, start(p).theta, *everything(p))
    assert found.checked + found.skipped == p.objective.layout.size
    assert found.error < TOLERANCE


def test_the_value_is_the_cost_and_the_term_written_out():
    for term in TERMS:
        p = sparse(term)
        theta, (x, y) = start(p).theta, everything(p)
        plain = replace(p.objective, estimator=p.objective.estimator.measured)
        a = p.objective.estimator.activities(theta, x)
        if term == "l1":
            expected = 0.05 * np.mean(np.sum(np.abs(a), axis=1))
        else:
            r = a.mean(axis=0)
            expected = 3 * np.sum(0.1 * np.log(0.1 / r) + 0.9 * np.log(0.9 / (1 - r)))
        assert p.objective.value(theta, x, y) - plain.value(theta, x, y) == pytest.approx(expected, rel=1e-12)


@pytest.mark.parametrize("term", TERMS)
@pytest.mark.parametrize("rule", OPTIMIZERS.values(), ids=lambda rule: rule.name)
def test_a_recorded_step_equals_the_textbook_step(term, rule):
    p = sparse(term, optimizer=rule(), eta=0.5, strength=0.1)
    recorded, state = Recorded(p), start(p)
    for rows in (ROWS, ROWS + 2):
        recorded(rows)
        textbook_step(p, state, *examples(p, rows), np.asarray(0.5))
    np.testing.assert_allclose(recorded.state.theta, state.theta, rtol=1e-10, atol=1e-13)


@pytest.mark.parametrize("term", TERMS)
def test_micro_batches_give_the_cost_and_the_gradient_of_the_whole_batch(term, monkeypatch):
    monkeypatch.setattr("backprop_cli.training.gradient.MAX_BATCH", 10)
    monkeypatch.setattr("backprop_cli.training.gradient.MICRO_BATCH", 8)
    p = sparse(term, optimizer=MINIMIZERS["lbfgs"]())
    state = start(p)
    grad = np.zeros_like(state.theta)
    cost = AccumulatedGradient(p, state, grad, 37, Streams(p.seed))(np.arange(37))
    x, y = everything(p)
    assert cost == pytest.approx(float(p.objective.value(state.theta, x, y)), rel=1e-12)
    np.testing.assert_allclose(grad, p.objective.gradient(state.theta, x, y), rtol=1e-10, atol=1e-14)


def test_resuming_inside_an_epoch_of_micro_batches_with_dropout_gives_the_same_bits(monkeypatch):
    monkeypatch.setattr("backprop_cli.training.gradient.MAX_BATCH", 4)
    monkeypatch.setattr("backprop_cli.training.gradient.MICRO_BATCH", 3)
    p = sparse("divergence", dropouts=(0.2, 0.5, 0.0), optimizer=OPTIMIZERS["adam"](), eta=0.01)
    whole, _ = run(p)
    state, _ = run(p, stop=After(6))
    np.testing.assert_array_equal(run(p, copy(state))[0].theta, whole.theta)


def test_the_cost_that_is_reported_is_without_sparsity(tmp_path):
    config = {"dataset": "digits", "layers": "64-20-64", "targets": "inputs", "epochs": 2, "sparsity": {"target": 0.1}}
    run = bp.train(config, runs_dir=tmp_path / "runs")
    assert run.test["cost"] == pytest.approx(run.test["squared_error"] / 2, rel=1e-6)


def test_the_mean_activity_comes_near_its_target(tmp_path):
    config = {"dataset": "digits", "layers": "64-30-64", "targets": "inputs", "epochs": 60, "optimizer": "lbfgs"}
    config |= {"sparsity": {"target": 0.1, "beta": 3.0}, "initializer": "xavier"}
    run = bp.train(config, runs_dir=tmp_path / "runs")
    codes = bp.predict(run, np.asarray(run.data.train.inputs), layer=1).values
    assert np.mean(codes) == pytest.approx(0.1, abs=0.02)


def test_the_layer_is_the_narrowest_hidden_one_by_default(tmp_path):
    config = {"dataset": "digits", "layers": "64-30-9-30-64", "targets": "inputs", "epochs": 1}
    run = bp.train(config, runs_dir=tmp_path / "runs", sparsity={"l1": 0.01})
    assert run.config.sparsity.layer == 2


@pytest.mark.parametrize(
    ("word", "message"),
    [
        ("sparsity={}", "sparsity: needs target or l1"),
        ("sparsity={target: 0.1, l1: 0.1}", "sparsity: needs target or l1, one of the two"),
        ("sparsity={target: 0.1, layer: 2}", "sparsity.layer: 2 is no hidden layer of units; write 1"),
        ("sparsity={target: 1.5}", "sparsity.target must be less than 1"),
        ("activation=relu", "sparsity.target: needs activities between 0 and 1, but layer 1 is relu"),
    ],
)
def test_what_does_not_fit_is_a_config_error(backprop: Backprop, tmp_path, word, message):
    (tmp_path / "c.yaml").write_text("dataset: digits\nlayers: 64-9-64\ntargets: inputs\nsparsity: {target: 0.1}\n")
    outcome = backprop("train", "c.yaml", word)
    assert outcome.code == 2
    assert message in outcome.err
