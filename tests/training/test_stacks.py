from dataclasses import replace

import numpy as np
import pytest

from backprop_cli.data.augment import Augment
from backprop_cli.data.dataset import Dataset, Split
from backprop_cli.data.tasks import Classification
from backprop_cli.errors import DivergedError
from backprop_cli.nn.activations import HIDDEN
from backprop_cli.objectives.costs import OUTPUT_PAIRS
from backprop_cli.optim.averages import Ema
from backprop_cli.optim.max_norm import MaxNorm
from backprop_cli.optim.minimizers import LBFGS
from backprop_cli.optim.optimizers import SGD, Adagrad, Adam, AdamW, Momentum, Nesterov, RMSprop, Rprop
from backprop_cli.optim.schedules import Cosine, Exponential, Plateau
from backprop_cli.optim.stopping import EarlyStopping
from backprop_cli.training.loop import EpochResult, Stopped, train
from backprop_cli.training.stacks import StackedStepper, stacks_of, train_together
from tests.training.helpers import dataset, plan
from tests.training.helpers import start as initial
from tests.training.test_loop import After, copy

DATA = dataset()
SEEDS = [{"seed": 7}, {"seed": 8, "eta": 0.5}, {"seed": 9, "eta": 0.1}, {"seed": 10}, {"seed": 11}]
ETAS = [{"eta": 1.0}, {"eta": 0.5}, {"eta": 0.01}]


def weighted():
    rng = np.random.default_rng(1)
    train, *others = (DATA.train, DATA.validation, DATA.test)
    weights = rng.uniform(0.5, 2, len(train)).astype(np.float32)
    return Dataset("weighted", DATA.task, DATA.scale, Split(train.inputs, train.targets, weights), *others)


def images():
    rng = np.random.default_rng(2)
    every = Split(rng.integers(0, 255, (30, 6)).astype(np.uint8), rng.integers(0, 3, 30).astype(np.uint8))
    return Dataset("images", Classification(3), 1 / 255, every[:20], every[20:25], every[25:], image=(2, 3))


def optimizers(*rules):
    return [{"optimizer": rule, "eta": eta} for rule, eta in zip(rules, (0.1, 0.01, 0.05), strict=True)]


TABLE = {
    "the seed and η": ({}, SEEDS),
    "η, with the same batches": ({}, ETAS),
    "double precision": ({"dtype": "float64"}, SEEDS),
    "L2": ({}, [{"strength": 0.1}, {"strength": 0.01}, {"strength": 0.3, "eta": 0.2}]),
    "L1 and L2": ({"penalty": "l1 + l2"}, [{"strength": 0.01}, {"strength": 0.02, "seed": 1}]),
    "L1": ({"penalty": "l1"}, [{"strength": 0.01}, {"strength": 0.02}]),
    "batches of one": ({"batch_size": 1}, SEEDS),
    "all examples": ({"batch_size": 37}, SEEDS),
    "momentum": ({}, optimizers(Momentum(0.9), Momentum(0.5), Momentum(0.0))),
    "nesterov": ({}, optimizers(Nesterov(0.9), Nesterov(0.5), Nesterov(0.99))),
    "adagrad": ({}, optimizers(Adagrad(), Adagrad(1e-3), Adagrad())),
    "rmsprop": ({}, optimizers(RMSprop(), RMSprop(rho=0.5), RMSprop(eps=1e-3))),
    "adam": ({}, optimizers(Adam(), Adam(beta1=0.5), Adam(beta2=0.9))),
    "adam in double precision": ({"dtype": "float64"}, optimizers(Adam(), Adam(beta1=0.5), Adam(beta2=0.9))),
    "adamw": ({"strength": 0.1}, optimizers(AdamW(), AdamW(weight_decay=0.5), AdamW())),
    "rprop": ({"batch_size": 37}, optimizers(Rprop(), Rprop(0.3), Rprop(0.5, 1.5))),
    "dropout": ({}, [{"dropouts": (0.0, p, 0.5)} for p in (0.1, 0.3)] + [{"dropouts": (0.0, 0.2, 0.5), "seed": 1}]),
    "dropout of inputs": ({"dropouts": (0.3, 0.5, 0.0), "optimizer": Momentum()}, SEEDS),
    "augmentation": ({"data": images(), "augment": Augment(shift=1, rotation=10)}, SEEDS),
    "weights of examples": ({"data": weighted()}, [*SEEDS, *ETAS]),
    "schedules": ({"warmup": 1.5}, [{"schedule": s} for s in (Cosine(), Exponential(0.5), Exponential(0.9))]),
    "plateau": ({"epochs": 9, "schedule": Plateau(patience=1)}, SEEDS),
    "averages": ({"dropouts": (0.0, 0.2, 0.0)}, [{"average": Ema(decay)} for decay in (0.9, 0.99)]),
    "max-norm": ({}, [{"max_norm": MaxNorm(c)} for c in (0.5, 1.0, 3.0)]),
    "diagnostics": ({"diagnostics": True}, SEEDS),
    "epochs": ({}, [{"epochs": epochs} for epochs in (1, 4, 2, 6)]),
    "early stopping": ({"epochs": 30}, [{"early_stopping": EarlyStopping(n), **s} for n, s in enumerate(SEEDS, 1)]),
    "a perceptron": (
        {"hidden": "identity", "output": "winner", "cost": "perceptron", "count_mistakes": True, "epochs": 9},
        SEEDS,
    ),
    **{f"hidden {name}": ({"hidden": name, "eta": 0.1}, [{"seed": 7}, {"seed": 8}]) for name in HIDDEN},
    **{
        f"{cost} of {output}": ({"output": output, "cost": cost, "strength": 0.01}, [{"eta": 0.1}, {"eta": 0.2}])
        for cost, output in OUTPUT_PAIRS
    },
}


def plans_of(base, differences):
    return [plan(**{"data": DATA, **base, **difference}) for difference in differences]


def alone(p, state, events, stepper=None, stop=lambda: False):
    """The loop of a run; what happened is noted in events."""
    try:
        for event in train(p, state, stop, stepper):
            events.append(event)
            yield event
    except DivergedError as error:
        events.append(error)


def stacked(plans, states, stop=lambda: False, groups=1):
    """Train runs as so many stacks, and return what happened in each."""
    steppers = [StackedStepper(p, state) for p, state in zip(plans, states, strict=True)]
    events = [[] for _ in plans]
    loops = {alone(*run, stop): run[-1] for run in zip(plans, states, events, steppers, strict=True)}
    stacks = stacks_of(loops)
    assert (len(stacks), sum(map(len, stacks))) == (groups, len(plans))
    for together in stacks:
        train_together(together)
    return events


def facts(events):
    """What was found in a run, without times, as text, as a cost may be NaN."""
    kept = [event for event in events if isinstance(event, EpochResult | Stopped | DivergedError)]
    return [repr(replace(event, seconds=0) if isinstance(event, EpochResult) else event) for event in kept]


def assert_same(state, other):
    assert state.theta.tobytes() == other.theta.tobytes()
    assert {name: a.tobytes() for name, a in state.arrays.items()} == {n: a.tobytes() for n, a in other.arrays.items()}
    assert replace(state.status, seconds=0) == replace(other.status, seconds=0)


def check(plans, states=None, groups=1):
    states = states or [initial(p) for p in plans]
    singles = [copy(state) for state in states]
    found = stacked(plans, states, groups=groups)
    for p, state, single, events in zip(plans, states, singles, found, strict=True):
        expected = []
        list(alone(p, single, expected))
        assert facts(events) == facts(expected)
        assert_same(state, single)
    return singles


@pytest.mark.parametrize("name", TABLE)
def test_runs_of_a_stack_have_the_bits_of_runs_alone(name):
    check(plans_of(*TABLE[name]))


@pytest.mark.parametrize("name", [name for name in TABLE if not name.startswith("hidden ")])
def test_sums_of_vectors_by_blas_have_the_same_bits_in_a_stack(monkeypatch, name):
    monkeypatch.setattr("backprop_cli.engine.fusion.VECTOR", 1)
    check(plans_of(*TABLE[name]))


def test_runs_that_stop_early_leave_the_stack():
    base, differences = TABLE["early stopping"]
    epochs = {state.status.epoch for state in check(plans_of(base, differences))}
    assert len(epochs) > 2


@pytest.mark.parametrize("diverging", [[0], [1, 3], [0, 1, 2]])
def test_a_run_that_diverges_changes_no_other(diverging):
    base = {"hidden": "relu", "output": "identity", "epochs": 6}
    etas = [1e30 if k in diverging else 0.01 * (k + 1) for k in range(4)]
    singles = check(plans_of(base, [{"eta": eta} for eta in etas]))
    assert [not np.isfinite(single.theta).all() for single in singles] == [k in diverging for k in range(4)]


@pytest.mark.parametrize("steps", [0, 1, 3, 9])
@pytest.mark.parametrize("base", [{}, {"dropouts": (0.2, 0.3, 0.0), "optimizer": Adam(), "average": Ema(0.9)}])
def test_an_interrupted_stack_continues_to_the_bit_also_with_other_runs(base, steps):
    plans = plans_of({"epochs": 5, **base}, SEEDS)
    states = [initial(p) for p in plans]
    stacked(plans, states, stop=After(6 * steps))  # it is asked by the stack and by each of the five runs
    middle = [copy(state) for state in states]
    assert {4 * state.status.epoch + state.status.step for state in states} == {steps + 1}
    singles = check(plans[1:4], middle[1:4])  # from the middle, in a smaller stack
    for p, single in zip(plans[1:4], singles, strict=True):
        whole = initial(p)
        list(train(p, whole))
        assert_same(single, whole)


def test_runs_may_be_at_different_epochs():
    plans = plans_of({"epochs": 6, "optimizer": Adam(), "eta": 0.01}, [{}] * 4)
    states = [initial(p) for p in plans]
    for epochs, p, state in zip((0, 1, 3, 3), plans, states, strict=True):
        list(train(replace(p, epochs=epochs), state))
    check(plans, states)


def test_runs_of_several_forms_make_several_stacks():
    kinds = [{"hidden": "tanh"}, {"hidden": "relu"}, {"hidden": "tanh", "seed": 1}, {"hidden": "relu", "seed": 1}]
    check(plans_of({}, kinds), groups=2)
    check(plans_of({}, [{"strength": s, "seed": seed} for s in (0.0, 0.1) for seed in (0, 1)]), groups=2)


@pytest.mark.parametrize(
    "base",
    [{"optimizer": LBFGS(), "batch_size": 37}, {"data": dataset(6000), "batch_size": 5990}],
    ids=["lbfgs", "large"],
)
def test_what_is_no_single_recording_is_not_stacked(base):
    plans = plans_of(base, SEEDS)
    assert stacks_of({object(): StackedStepper(p, initial(p)) for p in plans}) == []


def test_the_time_of_a_stack_is_shared_among_its_runs():
    plans = plans_of({"epochs": 3, "optimizer": SGD()}, SEEDS)
    events = stacked(plans, [initial(p) for p in plans])
    seconds = [[e.seconds for e in run if isinstance(e, EpochResult)] for run in events]
    assert all(all(time > 0 for time in run) for run in seconds)
    np.testing.assert_allclose(seconds, np.broadcast_to(seconds[0], np.shape(seconds)), rtol=1e-9)
