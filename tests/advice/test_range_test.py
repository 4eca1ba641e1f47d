import json

import numpy as np
import pytest

from backprop_cli import find_eta, train
from backprop_cli.advice.range_test import range_test
from backprop_cli.errors import UsageError
from backprop_cli.optim.minimizers import LBFGS
from backprop_cli.optim.optimizers import Adam
from tests.conftest import ROOT
from tests.training.helpers import plan, start


@pytest.mark.parametrize("optimizer", [None, Adam()], ids=str)
def test_a_range_test_is_deterministic_and_changes_nothing(optimizer):
    p = plan(optimizer=optimizer)
    theta = start(p).theta
    before = theta.copy()
    first, second = range_test(p, theta), range_test(p, theta)
    np.testing.assert_array_equal(theta, before)
    np.testing.assert_array_equal(first.costs, second.costs)
    assert first.suggestion == second.suggestion


@pytest.mark.parametrize(
    "words",
    [{"activation": "relu"}, {"activation": "tanh"}, {"optimizer": "adam"}, {"cost": "cross_entropy"}, {"eta": 1e9}],
    ids=str,
)
def test_the_suggested_eta_trains_well(words):
    config = {"dataset": "digits", "layers": [64, 30, 10]}
    found = find_eta(config, **words)
    run = train(config, runs_dir=None, **{**words, "eta": found.suggestion})
    assert run.test["accuracy"] > 0.9


def test_an_optimizer_with_a_line_search_needs_no_eta():
    with pytest.raises(UsageError, match="needs no eta"):
        range_test(plan(optimizer=LBFGS()), start(plan()).theta)


def test_check_prints_the_test_and_its_suggestion(backprop):
    config = ROOT / "configs/digits.yaml"
    done = backprop("check", config, "--eta")
    assert done.code == 0
    assert "(eta of the config: 0.1)" in done.out
    facts = json.loads(backprop("check", config, "--eta", "--json").out)
    assert f"suggested: eta={facts['suggestion']:g}" in done.out
    assert len(facts["etas"]) == len(facts["costs"])
    assert 0.01 < facts["suggestion"] < 1
    assert backprop("check", config, "--eta", "optimizer=cg").code == 2
