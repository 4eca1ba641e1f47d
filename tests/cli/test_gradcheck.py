import json

import pytest

from backprop_cli.nn.activations import HIDDEN
from backprop_cli.nn.costs import COSTS, Quadratic


def test_without_an_argument_every_combination_is_checked(backprop):
    done = backprop("gradcheck", "--json")
    result = json.loads(done.out)
    assert done.code == 0
    dense = len(HIDDEN) * len(COSTS) + sum(6 + 2 * (cost == "cross_entropy") for cost in COSTS)
    assert len(result["rows"]) == dense + len(HIDDEN) + 5  # of images
    assert result["largest_error"] < 1e-7


def test_an_experiment_is_checked_parameter_by_parameter(backprop, tiny):
    done = backprop("gradcheck", tiny, "--json", "activation=tanh", "lambda=1")
    result = json.loads(done.out)
    assert [row["parameters"] for row in result["rows"]] == ["W1", "b1", "W2", "b2"]
    assert [row["checked"] for row in result["rows"]] == [64 * 12, 12, 120, 10]
    assert result["rows"][0]["at"].startswith("W1[")
    for row in result["rows"]:
        assert list(row) == ["parameters", "checked", "skipped", "error", "at", "ok"]
        assert 0 <= row["error"] < 1e-7
        assert row["ok"] is True
    assert backprop("gradcheck", tiny).out.count("ok") == 4


def test_samples_bound_the_work(backprop, tiny):
    result = json.loads(backprop("gradcheck", tiny, "--samples", 7, "--json").out)
    assert [row["checked"] for row in result["rows"]] == [7, 7, 7, 7]


def test_a_wrong_gradient_is_exit_4_and_shown(backprop, tiny, monkeypatch):
    right = Quadratic.delta
    monkeypatch.setattr(Quadratic, "delta", lambda *args: 1.001 * right(*args))
    done = backprop("gradcheck", tiny)
    assert done.code == 4
    assert "WRONG" in done.out
    assert "error: the gradient is wrong in 4 of 4 checks" in done.err
    result = json.loads(backprop("gradcheck", tiny, "--json").out)
    assert result["ok"] is False
    assert [row["ok"] for row in result["rows"]] == [False] * 4
    assert all(row["error"] > 1e-4 for row in result["rows"])


def test_a_tolerance_that_cannot_be_met_is_exit_4(backprop, tiny):
    assert backprop("gradcheck", tiny, "--tol", "1e-15").code == 4


@pytest.mark.parametrize("words", [("--samples", 0), ("--eps", -1), ("--tol", "x")])
def test_options_out_of_range_are_exit_2(backprop, tiny, words):
    assert backprop("gradcheck", tiny, *words).code == 2
