import math

import numpy as np
import pytest

from backprop_cli.experiment.sweep import PRUNERS as PRUNER_NAMES
from backprop_cli.experiment.sweep import SAMPLERS as SAMPLER_NAMES
from backprop_cli.search.pruning import PRUNERS
from backprop_cli.search.samplers import SAMPLERS
from backprop_cli.search.spaces import parse_space

SPACES = [
    parse_space("eta", "0.01..10:log", "here"),
    parse_space("layers.1", "10..300", "here"),
    parse_space("lambda", "0,0.1..10:log", "here"),
    parse_space("optimizer", "sgd,momentum", "here"),
    parse_space("optimizer.mu", "0.5..0.99", "here"),
]
DRAWING = ("random", "sobol", "tpe")


def settings(sampler, numbers, known=(), seed=0):
    return list(SAMPLERS[sampler].settings(SPACES, seed, numbers, known))


def loss(setting):
    """A landscape whose lowest place is eta = 0.1, 100 units, without a penalty."""
    return abs(1 + math.log10(setting["eta"])) + abs(setting["layers.1"] - 100) / 100 + setting["lambda"] / 10


def test_the_config_knows_every_sampler_and_every_pruner():
    assert tuple(SAMPLERS) == SAMPLER_NAMES
    assert tuple(PRUNERS) == PRUNER_NAMES


@pytest.mark.parametrize("sampler", DRAWING)
def test_a_setting_depends_on_its_number_and_the_seed_alone(sampler):
    known = [(setting, loss(setting)) for setting in settings("random", range(16))]
    whole = settings(sampler, range(16, 24), known)
    assert settings(sampler, range(16, 24), known) == whole
    assert settings(sampler, range(16, 24), known, seed=1) != whole
    if not SAMPLERS[sampler].adaptive:
        assert settings(sampler, range(20, 24)) == whole[4:]


@pytest.mark.parametrize("sampler", DRAWING)
def test_settings_are_inside_their_spaces(sampler):
    known = [(setting, loss(setting)) for setting in settings("random", range(20))]
    for setting in settings(sampler, range(20, 120), known):
        assert 0.01 <= setting["eta"] <= 10
        assert setting["layers.1"] in range(10, 301)
        assert setting["lambda"] == 0 or 0.1 <= setting["lambda"] <= 10
        assert ("optimizer.mu" in setting) == (setting["optimizer"] == "momentum")


@pytest.mark.parametrize("sampler", ["random", "sobol"])
def test_every_part_of_a_space_has_its_share(sampler):
    found = settings(sampler, range(1024))
    logarithms = np.log10([setting["eta"] for setting in found])
    assert np.histogram(logarithms, [-2, -1, 0, 1])[0] == pytest.approx([341, 341, 341], abs=60)
    assert sum(setting["lambda"] == 0 for setting in found) == pytest.approx(512, abs=60)


def test_a_sobol_sequence_covers_a_range_more_evenly_than_random_numbers():
    def largest_gap(sampler):
        return np.diff(np.sort(np.log10([setting["eta"] for setting in settings(sampler, range(64))]))).max()

    assert largest_gap("sobol") < largest_gap("random") / 2


def test_tpe_finds_better_settings_than_random_numbers():
    known = [(setting, loss(setting)) for setting in settings("random", range(8))]
    while len(known) < 64:
        batch = settings("tpe", range(len(known), len(known) + 8), known)
        known += [(setting, loss(setting)) for setting in batch]
    random = [loss(setting) for setting in settings("random", range(64))]
    assert np.median([found for _, found in known[32:]]) < np.quantile(random, 0.25)


def test_diverged_settings_are_the_worst_and_failed_ones_are_left_out():
    drawn = settings("random", range(40))
    known = [(s, math.inf if s["eta"] > 1 else loss(s)) for s in drawn]
    low = sum(setting["eta"] <= 1 for setting in settings("tpe", range(40, 60), known))
    assert low > 15
    failed = [(setting, None) for setting in drawn]
    assert settings("tpe", range(40, 48), [*known, *failed]) == settings("tpe", range(40, 48), known)


def test_settings_of_spaces_without_ranges_are_drawn_too():
    spaces = [parse_space("activation", "relu,tanh", "here")]
    found = {s["activation"] for s in SAMPLERS["tpe"].settings(spaces, 0, range(8), [])}
    assert found == {"relu", "tanh"}
    assert list(SAMPLERS["sobol"].settings([], 0, range(2), [])) == [{}, {}]
