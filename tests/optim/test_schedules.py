import numpy as np
import pytest

from backprop_cli.optim.schedules import SCHEDULES, Constant, Cosine, Exponential, StepDecay, Warmup


def test_schedules_by_hand():
    t = np.array([0.0, 0.5, 2.0, 3.0, 4.0])
    np.testing.assert_array_equal(Constant().factors(t, 4), 1)
    np.testing.assert_allclose(StepDecay(every=2, gamma=0.5).factors(t, 4), [1, 1, 0.5, 0.5, 0.25])
    np.testing.assert_allclose(Exponential(gamma=0.25).factors(t, 4), [1, 0.5, 1 / 16, 1 / 64, 1 / 256])
    half_wave = [1, (1 + np.cos(np.pi / 8)) / 2, 0.5, (1 + np.cos(3 * np.pi / 4)) / 2, 0]
    np.testing.assert_allclose(Cosine().factors(t, 4), half_wave, atol=1e-15)
    np.testing.assert_allclose(Cosine(smallest=0.2).factors(t, 4), 0.2 + 0.8 * np.array(half_wave), atol=1e-15)


def test_warmup_rises_linearly_before_the_other_schedule_starts():
    t = np.arange(0, 4, 0.5)
    rising = Warmup(1.0, StepDecay(every=1, gamma=0.1)).factors(t, 4)
    np.testing.assert_allclose(rising, [0.5, 1, 1, 1, 0.1, 0.1, 0.01, 0.01])


def test_a_schedule_ends_with_training_however_late_it_starts():
    np.testing.assert_allclose(Warmup(9.5, Cosine()).factors(np.array([9.5, 9.75, 10.0]), 10), [1, 0.5, 0], atol=1e-12)


@pytest.mark.parametrize("rule", SCHEDULES.values(), ids=lambda rule: rule.name)
def test_every_schedule_starts_at_eta_and_never_exceeds_it(rule):
    factors = rule().factors(np.linspace(0, 30, 301)[:-1], 30)
    assert factors[0] == 1
    assert np.all(np.diff(factors) <= 0)
    assert np.all(factors > 0)
