"""Frozen layers and rates of layers, compared with the same mathematics done by hand."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from backprop_cli.engine.calls import Product
from backprop_cli.optim.averages import Ema
from backprop_cli.optim.max_norm import MaxNorm
from backprop_cli.optim.minimizers import MINIMIZERS
from backprop_cli.optim.optimizers import OPTIMIZERS
from backprop_cli.optim.rates import Freeze
from backprop_cli.training.loop import train
from backprop_cli.training.step import textbook_step
from tests.training.helpers import plan, start
from tests.training.test_step import PENALTIES, ROWS, Recorded, examples

RULES = {**OPTIMIZERS, **MINIMIZERS}


def places(p, *layers):
    """The indices in theta of the parameters of some layers."""
    return [i for e in p.objective.layout.entries if int(e.name[1:]) in layers for i in e.place]


def trained(p):
    state = start(p)
    for _ in train(p, state):
        pass
    return state


@pytest.mark.parametrize("rule", RULES.values(), ids=lambda rule: rule.name)
@pytest.mark.parametrize("frozen", [(1, 2), (1, 3), (2,), (3,)], ids=str)
def test_frozen_layers_keep_their_bytes_with_every_optimizer_penalty_average_and_norm(rule, frozen):
    more = {} if rule.line_search else {"max_norm": MaxNorm(0.3), "average": Ema(0.9)}
    batch = 37 if rule.full_batch else 10
    p = plan(
        penalty="l1 + l2", strength=0.01, optimizer=rule(), eta=0.1, batch_size=batch, freeze=Freeze(frozen), **more
    )
    state, before = trained(p), start(p).theta
    held = places(p, *frozen)
    assert state.theta[held].tobytes() == before[held].tobytes()
    assert state.evaluated_theta[held].tobytes() == before[held].tobytes()
    others = np.setdiff1d(np.arange(p.objective.layout.size), held)
    assert (state.theta[others] != before[others]).mean() > 0.9


@pytest.mark.parametrize("rule", OPTIMIZERS.values(), ids=lambda rule: rule.name)
@pytest.mark.parametrize("penalty", PENALTIES)
def test_recorded_steps_with_rates_and_frozen_layers_are_the_textbook_ones(rule, penalty):
    p = plan(
        penalty=penalty,
        strength=0.02,
        optimizer=rule(),
        eta=0.1,
        dtype="float64",
        rates=(0.1, 1.0, 3.0),
        freeze=Freeze((2,)),
    )
    state, recorded = start(p), Recorded(p)
    for rows in (ROWS, ROWS + 2):
        textbook_step(p, state, *examples(p, rows), np.asarray(0.1))
        np.testing.assert_allclose(recorded(rows).theta, state.theta, rtol=1e-9, atol=1e-12)


@pytest.mark.parametrize("rule", OPTIMIZERS.values(), ids=lambda rule: rule.name)
def test_the_rate_of_a_layer_gives_its_steps_of_another_eta(rule):
    # one step from the same state: layer 1 moves as with eta 0.05, layer 3 as with eta 0.3, layer 2 as with eta 0.1
    settings = {"strength": 0.02, "optimizer": rule(), "dtype": "float64"}
    p = plan(eta=0.1, rates=(0.5, 1.0, 3.0), **settings)
    theta = Recorded(p)(ROWS).theta
    for number, eta in enumerate((0.05, 0.1, 0.3), start=1):
        layer = places(p, number)
        np.testing.assert_allclose(theta[layer], Recorded(plan(eta=eta, **settings))(ROWS).theta[layer], rtol=1e-12)


def test_rates_of_1_leave_the_bits_of_no_rates():
    one, other = (trained(plan(strength=0.01, rates=rates)) for rates in ((), (1.0, 1.0, 1.0)))
    assert one.theta.tobytes() == other.theta.tobytes()


def test_a_layer_that_is_frozen_for_some_epochs_moves_afterwards():
    p = plan(freeze=Freeze((1,), epochs=2), optimizer=OPTIMIZERS["adam"](), eta=0.01)
    before, layer = start(p).theta, places(p, 1)
    state = start(p)
    moved = {e.epoch: bool(np.any(state.theta[layer] != before[layer])) for e in train(p, state) if hasattr(e, "train")}
    assert moved == {1: False, 2: False, 3: True, 4: True}


@pytest.mark.parametrize("steps", [3, 7, 9])  # in epoch 1, in epoch 2, in epoch 3 of four steps each
def test_training_that_was_stopped_inside_the_freeze_has_the_same_bits(steps):
    p = plan(freeze=Freeze((1, 2), epochs=2), optimizer=OPTIMIZERS["momentum"](), eta=0.1, dropouts=(0.0, 0.2, 0.0))
    whole, state, count = trained(p), start(p), iter(range(1, 1000))
    for _ in train(p, state, lambda: next(count) >= steps):
        pass
    assert (state.status.epoch, state.status.step) != (4, 0)
    for _ in train(p, state):
        pass
    assert state.theta.tobytes() == whole.theta.tobytes()


def test_nothing_is_computed_for_frozen_layers_at_the_bottom():
    p = plan(optimizer=OPTIMIZERS["adam"](), eta=0.1)
    recorded = (Recorded(q).step.recorded[1].recorded for q in (p, replace(p, freeze=Freeze((1, 2)))))
    products = [sum(isinstance(call, Product) for call in calls) for calls in recorded]
    assert products == [11, 5]  # forward 3 of each; back 2, and dC/dW and dC/db of each layer, or of the last alone
