from copy import deepcopy
from itertools import islice

import numpy as np
import pytest

from backprop_cli.config.load import load_experiment
from backprop_cli.data.cache import Cache
from backprop_cli.errors import UsageError
from backprop_cli.explain.gradient_check import check_experiment
from backprop_cli.explain.start import Start
from backprop_cli.explain.step import explain, parse_rows
from backprop_cli.explain.steps import take_steps
from backprop_cli.runs.build import build_plan, initial_theta, load_data
from backprop_cli.training.loop import train
from tests.conftest import ROOT


@pytest.fixture
def xor(tmp_path):
    experiment = load_experiment(ROOT / "configs/xor.yaml", ())
    return experiment, load_data(experiment, Cache(tmp_path, offline=True))


def test_a_step_can_be_explained_without_the_command_line(xor):
    experiment, data = xor
    found = explain(Start.of_config(experiment), data, [1, 2], weight="b2[0]")
    assert found.title == "2-2-1 on xor, training examples 1, 2 (counted from 0)"
    assert [section.title for section in found.sections][2:6] == ["Forward", "Cost", "Backward", "Gradient"]
    trace, numbers = found.steps[0].trace, found.to_dict()["layers"][0]
    np.testing.assert_allclose(numbers["z"], trace.x @ trace.layers[0].W.T + trace.layers[0].b)
    assert found.to_dict()["difference"]["error"] < 1e-6
    assert "BP4" in found.to_text(digits=3)
    assert r"\tag{BP4}" in found.to_markdown(digits=3)


@pytest.mark.parametrize(("text", "rows"), [("2", [2]), ("0,3", [0, 3]), ("0-2", [0, 1, 2]), ("1-2,0", [1, 2, 0])])
def test_rows_are_numbers_and_ranges(text, rows):
    assert parse_rows(text, 4) == rows


@pytest.mark.parametrize("text", ["4", "2-1", "-1", "1,", "0-99999999999999999999"])
def test_rows_out_of_range_are_usage_errors(text):
    with pytest.raises(UsageError, match="--rows"):
        parse_rows(text, 4)


def test_the_gradient_of_an_experiment_can_be_checked_without_the_command_line(xor):
    check = check_experiment(*xor, samples=None, eps=1e-3, tolerance=1e-7)
    assert (check.checked, check.failed) == (9, 0)
    assert check.to_dict()["ok"] is True
    assert "9 parameters checked" in check.to_text()


def test_steps_continue_inside_an_epoch(tmp_path):
    words = ("batch_size=1", "optimizer=adam", "eta=0.1", "epochs=2", "dtype=float64", "schedule=cosine")
    experiment = load_experiment(ROOT / "configs/xor.yaml", words)
    plan = build_plan(experiment, load_data(experiment, Cache(tmp_path, offline=True)))
    state = plan.initial_state(initial_theta(experiment))
    calls = []

    def stop():
        calls.append(None)
        return state.status.epoch == 0 and len(calls) >= 3

    list(train(plan, state, stop))
    assert (state.status.epoch, state.status.step) == (0, 2)
    trained = deepcopy(state)
    list(train(plan, trained))
    steps = list(islice(take_steps(plan, state, None), 6))
    assert [(step.epoch, step.batch) for step in steps] == [(1, 3), (1, 4), (2, 1), (2, 2), (2, 3), (2, 4)]
    np.testing.assert_allclose(state.theta, trained.theta, rtol=1e-12)
