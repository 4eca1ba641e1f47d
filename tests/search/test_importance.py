import itertools
import sys

import numpy as np
import pytest
from scipy.stats import f_oneway

from backprop_cli.search.importance import importance, variance_ratio

GRID = [{"a": a, "b": b, "c": c} for a, b, c in itertools.product(range(6), ["x", "y"], range(4))]


def effect(setting):
    """The variance of 4 a is 16 · 35/12, that of the choice b 1 · 16, and c has none."""
    return 4.0 * setting["a"] + 8.0 * (setting["b"] == "y")


@pytest.fixture(params=["fANOVA", "variance ratio"])
def method(request, monkeypatch):
    if request.param == "fANOVA":
        pytest.importorskip("optuna")
        pytest.importorskip("sklearn")
    else:
        monkeypatch.setattr("backprop_cli.search.importance.find_spec", lambda name: None)
    return request.param


def test_shares_are_those_of_the_variance_of_independent_effects(method):
    found = importance(GRID, [effect(setting) for setting in GRID])
    a, b = 16 * 35 / 12, 16
    assert found.method == method
    assert list(found.shares) == ["a", "b", "c"]
    assert list(found.shares.values()) == pytest.approx([a / (a + b), b / (a + b), 0], abs=0.06)


def test_a_range_is_recognized_among_noise(method):
    rng = np.random.default_rng(0)
    settings = [{"eta": 10 ** rng.uniform(-3, 1), "lambda": rng.uniform(0, 1)} for _ in range(2000)]
    values = [-abs(np.log10(setting["eta"]) + 1) + rng.normal(0, 0.1) for setting in settings]
    found = importance(settings, values)
    assert found.shares["eta"] > 0.7 > 0.1 > found.shares["lambda"]


def test_keys_that_not_all_settings_have_are_left_out_of_fanova(method):
    settings = [{"a": i % 3, "d": i % 2, **({"o": i % 5} if i % 3 else {})} for i in range(60)]
    assert ("o" in importance(settings, [i % 3 for i in range(60)]).shares) == (method == "variance ratio")


def test_nothing_can_be_said_of_equal_values_or_of_two_settings(method):
    assert importance(GRID, [1.0] * len(GRID)).shares == {}
    assert importance(GRID[:2], [1.0, 2.0]).shares == {}


def test_the_variance_ratio_is_that_of_an_analysis_of_variance():
    rng = np.random.default_rng(1)
    groups, y = [i % 5 for i in range(40)], rng.normal(size=40)
    y += np.array(groups)
    F = f_oneway(*(y[np.array(groups) == group] for group in range(5))).statistic
    between, within = 4, 35
    share = F * between / (F * between + within)
    assert variance_ratio(groups, y) == pytest.approx(1 - (1 - share) * 39 / 35)


def test_the_variance_ratio_of_chance_is_about_nothing():
    rng = np.random.default_rng(2)
    found = [variance_ratio([i % 20 for i in range(60)], rng.normal(size=60)) for _ in range(50)]
    assert np.mean(found) < 0.1


def test_optuna_is_loaded_only_where_it_is_used(monkeypatch):
    for name in [name for name in sys.modules if name.split(".")[0] == "optuna"]:
        monkeypatch.delitem(sys.modules, name)
    variance_ratio([1, 2, 1], np.ones(3) * [1, 2, 3])
    assert "optuna" not in sys.modules
