"""Energy, likelihood and its gradient against brute force over all states, and against scikit-learn."""

import numpy as np
import pytest

from backprop_cli.boltzmann.annealing import Annealing
from backprop_cli.boltzmann.costs import LIKELIHOODS
from backprop_cli.boltzmann.likelihood import ExactLikelihood, log_partition
from backprop_cli.boltzmann.sampling import gibbs
from backprop_cli.errors import UsageError
from backprop_cli.objectives.gradcheck import check_gradient
from backprop_cli.objectives.objective import Objective
from backprop_cli.objectives.penalties import PENALTIES
from backprop_cli.optim.minimizers import LBFGS
from tests.boltzmann.helpers import energies, machine, network, probabilities, states

SIZES = [(4, 4), (3, 6), (6, 2), (1, 1)]


def bars_and_stripes(n, twice=True):
    """All n x n patterns of equal rows or of equal columns; the empty and the full one twice, or once."""
    stripes = np.repeat(states(n), n, axis=1)
    bars = np.tile(states(n), n)
    patterns = np.concatenate([stripes, bars])
    return patterns if twice else np.unique(patterns, axis=0)


@pytest.mark.parametrize("sizes", SIZES, ids=str)
def test_energies_and_free_energies_are_those_of_their_definition(sizes):
    rbm, p, _ = machine(*sizes)
    v, h = (states(n) for n in sizes)
    energy = energies(p, v, h)
    np.testing.assert_allclose(rbm.energy(p, v[:, None], h[None]), energy, rtol=1e-12, atol=1e-13)
    np.testing.assert_allclose(rbm.free_energy(p, v), -np.log(np.exp(-energy).sum(axis=1)), rtol=1e-12)
    np.testing.assert_allclose(rbm.hidden_free_energy(p, h), -np.log(np.exp(-energy).sum(axis=0)), rtol=1e-12)
    assert log_partition(rbm, p) == pytest.approx(np.log(np.exp(-energy).sum()), rel=1e-13)


def test_conditionals_are_those_of_the_joint_distribution():
    rbm, p, _ = machine(3, 2)
    joint, v, h = probabilities(p), states(3), states(2)
    np.testing.assert_allclose(rbm.hidden_mean(p, v), joint @ h / joint.sum(axis=1, keepdims=True), rtol=1e-12)
    np.testing.assert_allclose(rbm.visible_mean(p, h), joint.T @ v / joint.sum(axis=0)[:, None], rtol=1e-12)


@pytest.mark.parametrize("z", [-1000.0, 1000.0])
def test_the_free_energy_is_exact_for_huge_inputs_of_hidden_units(z):
    rbm, p, _ = machine(1, 1)
    p["W"][...], p["b"][...], p["a"][...] = z, 0.0, 0.25
    assert rbm.free_energy(p, np.ones((1, 1)))[0] == -0.25 - max(z, 0.0)
    assert log_partition(rbm, p) == pytest.approx(np.logaddexp.reduce([np.log(2), 0.25 + max(z, 0.0)]), abs=0)


def test_the_free_energy_of_linear_hidden_units_is_an_integral():
    rbm, p, _ = machine(3, 1, "identity", scale=0.5)
    grid = np.linspace(-12, 12, 20_001)[:, None]
    for v in states(3):
        weights = np.exp(-rbm.energy(p, np.broadcast_to(v, (len(grid), 3)), grid))
        integral = np.sum((weights[1:] + weights[:-1]) / 2 * np.diff(grid[:, 0]))
        assert rbm.free_energy(p, v[None])[0] == pytest.approx(-np.log(integral), rel=1e-9)


def test_differences_of_free_energies_are_the_logarithms_of_ratios_of_probabilities():
    rbm, p, _ = machine(4, 3, scale=2.0)
    of_v = probabilities(p).sum(axis=1)
    free_energy = rbm.free_energy(p, states(4))
    np.testing.assert_allclose(free_energy[0] - free_energy, np.log(of_v / of_v[0]), rtol=1e-11, atol=1e-12)


def test_the_sum_over_either_side_gives_the_same_ln_z():
    rbm, p, _ = machine(13, 14, scale=0.5)
    turned, q, _ = machine(14, 13)
    q["W"][...], q["b"][...], q["a"][...] = p.W.T, p.a, p.b
    assert log_partition(rbm, p) == pytest.approx(log_partition(turned, q), rel=1e-13)


@pytest.mark.parametrize(("sizes", "output"), [((21, 21), "sigmoid"), ((21, 3), "identity")])
def test_a_machine_too_large_to_be_summed_is_an_error(sizes, output):
    rbm, p, _ = machine(*sizes, output)
    with pytest.raises(UsageError, match="a layer of at most 20 binary units, not 21; use ais"):
        log_partition(rbm, p)


@pytest.mark.parametrize("output", ["sigmoid", "identity"])
@pytest.mark.parametrize("penalty", [(), ((PENALTIES["l2"], 0.1),)], ids=["plain", "l2"])
def test_the_gradient_of_the_likelihood_agrees_with_central_differences(output, penalty):
    net = network(6, 4, output)
    objective = Objective(ExactLikelihood(net), penalty)
    rng = np.random.default_rng(2)
    theta, x = 0.5 * rng.standard_normal(net.layout.size), rng.random((5, 6))
    result = check_gradient(objective, theta, x, x)
    assert result.checked == net.layout.size
    assert result.error < 1e-7


def test_the_gradient_check_finds_a_wrong_gradient_of_the_likelihood():
    net = network(4, 3)
    objective, rng = Objective(ExactLikelihood(net)), np.random.default_rng(2)
    theta, x = 0.5 * rng.standard_normal(net.layout.size), rng.random((5, 4))
    result = check_gradient(objective, theta, x, x, gradient=lambda *point: objective.gradient(*point) * 1.001)
    assert result.error > 1e-4


OPTIMA = {2: -1.732868, 3: -2.599302, 4: -3.379093, 5: -4.115561}


@pytest.mark.parametrize("n", OPTIMA)
def test_the_optimum_of_bars_and_stripes_is_the_entropy_of_the_patterns(n):
    for twice in (True, False):
        patterns = bars_and_stripes(n, twice)
        _, counts = np.unique(patterns, axis=0, return_counts=True)
        share = counts / len(patterns)
        expected = OPTIMA[n] if twice else -np.log(2 ** (n + 1) - 2)
        assert np.sum(share * np.log(share)) == pytest.approx(expected, abs=1e-6)


def test_training_on_bars_and_stripes_by_the_exact_gradient_reaches_the_optimum_and_never_more():
    patterns, net = bars_and_stripes(2), network(4, 4)
    objective = Objective(ExactLikelihood(net))
    likelihoods = []
    for seed in range(8):  # some starts end in a machine that lacks a pattern
        theta = np.random.default_rng(seed).standard_normal(net.layout.size)
        rule = LBFGS()
        s = rule.init(theta)
        for _ in range(150):
            rule.step(
                lambda t: (float(objective.value(t, patterns, patterns)), objective.gradient(t, patterns, patterns)),
                theta,
                s,
            )
            likelihoods.append(-float(objective.value(theta, patterns, patterns)))
    assert -1.734 < max(likelihoods) <= -1.7328679513998633 + 1e-12


# A machine for 2 x 2 bars and stripes of the PyDeep library (J. Melchior, test_estimator.py), with what it should give
PYDEEP_W = np.array(
    [
        [0.12179488, 2.95950177, 0.33513356, 35.05380642],
        [0.20318085, -28.62372894, 26.52611278, 28.41793445],
        [-0.19105386, -28.58530584, -26.52747507, 28.78447320],
        [0.08953740, -59.82556859, -0.06665933, -27.71723459],
    ]
).T
PYDEEP_A = np.array([-19.24399659, -13.26258696, 13.25909850, 43.74408543])
PYDEEP_B = np.array([-0.11155958, 57.02097584, -0.13331758, -32.25991501])


def pydeep():
    rbm, p, _ = machine(4, 4)
    p["W"][...], p["a"][...], p["b"][...] = PYDEEP_W, PYDEEP_A, PYDEEP_B
    return rbm, p


def test_a_published_machine_has_its_published_ln_z_and_likelihood():
    rbm, p = pydeep()
    assert log_partition(rbm, p) == pytest.approx(59.67490196521, abs=1e-9)
    likelihood = np.mean(-rbm.free_energy(p, bars_and_stripes(2)) - log_partition(rbm, p))
    assert likelihood == pytest.approx(-1.7328699078, abs=1e-9)


@pytest.mark.parametrize(("temperatures", "within"), [(100, 0.5), (1000, 0.05), (10_000, 0.005)])
def test_annealing_of_the_published_machine_is_as_close_as_published(temperatures, within):
    rbm, p = pydeep()
    rng = np.random.default_rng(0)
    annealing = Annealing(rbm, p, np.zeros(4), temperatures)
    of_v = np.exp(-rbm.free_energy(p, states(4)) - log_partition(rbm, p))
    start = states(4)[rng.choice(16, 100, p=of_v / of_v.sum())]
    for estimate in (annealing.forward(100, rng), annealing.reverse(start, rng)):
        assert estimate.value == pytest.approx(59.67490196521, abs=within)


@pytest.mark.parametrize("cost", LIKELIHOODS)
def test_the_pseudo_likelihood_is_that_of_all_conditionals_when_averaged_over_the_units(cost):
    rbm, p, theta = machine(4, 3)
    estimator = LIKELIHOODS[cost]().estimator(network(4, 3))
    of_v = probabilities(p).sum(axis=1)
    for v, probability in zip(states(4), of_v, strict=True):
        flipped = [of_v[np.flatnonzero((states(4) == np.abs(v - unit)).all(axis=1))[0]] for unit in np.eye(4)]
        expected = sum(np.log(probability / (probability + other)) for other in flipped)
        found = estimator.evaluate(theta, np.tile(v, (4, 1)), np.eye(4))
        assert np.mean(found.outputs[:, 0]) == pytest.approx(expected, rel=1e-11)
        np.testing.assert_allclose(found.outputs[:, 2], rbm.free_energy(p, v[None])[0])
        np.testing.assert_allclose(found.costs, -found.outputs[:, 0])


def test_the_sampler_draws_from_the_distribution_of_the_machine():
    """χ² of 400 independent chains after each of their last steps; 15 degrees of freedom, so below 37.7 (p = 0.001)."""
    rbm, p, _ = machine(4, 4, scale=0.8)
    rng = np.random.default_rng(3)
    chains = gibbs(rbm, p, np.zeros((4000, 4)), rng)
    for _, (v, _) in zip(range(40), chains, strict=False):
        last = v
    counts = np.array([np.sum((last == state).all(axis=1)) for state in states(4)])
    expected = 4000 * probabilities(p).sum(axis=1)
    assert np.sum((counts - expected) ** 2 / expected) < 37.7


def test_a_step_of_the_sampler_is_in_detailed_balance():
    """π(v) T(v, v') = π(v') T(v', v), T being read off the conditionals that the sampler uses."""
    rbm, p, _ = machine(4, 3)
    v, h = states(4), states(3)

    def bits(mean, rows):
        return np.prod(np.where(rows[None] == 1, mean[:, None], 1 - mean[:, None]), axis=-1)

    transition = bits(rbm.hidden_mean(p, v), h) @ bits(rbm.visible_mean(p, h), v)
    flow = np.exp(-rbm.free_energy(p, v) - log_partition(rbm, p))[:, None] * transition
    np.testing.assert_allclose(transition.sum(axis=1), 1, rtol=1e-12)
    np.testing.assert_allclose(flow, flow.T, rtol=1e-10, atol=1e-15)


@pytest.mark.parametrize("temperatures", [100, 1000])
@pytest.mark.parametrize("output", ["sigmoid", "identity"])
def test_annealed_importance_sampling_finds_ln_z_within_three_standard_errors(temperatures, output):
    rbm, p, _ = machine(10, 8, output, scale=0.5)
    exact, rng = log_partition(rbm, p), np.random.default_rng(0)
    annealing = Annealing(rbm, p, np.zeros(10), temperatures)
    forward = annealing.forward(200, rng)
    start = rng.random((200, 10)).round()
    for _, (v, _) in zip(range(300), gibbs(rbm, p, start, rng), strict=False):
        start = v
    backward = annealing.reverse(start, rng)
    for estimate in (forward, backward):
        assert abs(estimate.value - exact) < 3 * estimate.error
        assert estimate.error < 0.1


def test_annealing_underestimates_ln_z_and_reverse_annealing_overestimates_it_on_average():
    rbm, p, _ = machine(6, 5, scale=1.5)
    exact, rng = log_partition(rbm, p), np.random.default_rng(1)
    of_v = probabilities(p).sum(axis=1)
    annealing = Annealing(rbm, p, np.zeros(6), 5)
    pairs = []
    for _ in range(300):
        start = states(6)[rng.choice(64, 2, p=of_v)]
        pairs.append((annealing.forward(2, rng).value, annealing.reverse(start, rng).value))
    forward, backward = np.mean(pairs, axis=0)
    assert forward < exact < backward


def test_annealing_of_a_machine_without_weights_is_exact():
    rbm, p, _ = machine(5, 3)
    p["W"][...] = 0
    estimate = Annealing(rbm, p, p.a.copy(), 10).forward(20, np.random.default_rng(0))
    assert estimate.value == pytest.approx(np.sum(np.log1p(np.exp(p.a))) + np.sum(np.log1p(np.exp(p.b))), rel=1e-12)
    assert estimate.error < 1e-12


def test_scikit_learn_agrees_to_twelve_digits():
    neural_network = pytest.importorskip("sklearn.neural_network", reason="needs the extra 'sklearn'")
    rbm, p, theta = machine(7, 5)
    theirs = neural_network.BernoulliRBM(5)
    theirs.components_, theirs.intercept_hidden_, theirs.intercept_visible_ = p.W, p.b, p.a
    theirs.n_features_in_ = 7
    v = np.random.default_rng(0).random((20, 7)).round()
    np.testing.assert_allclose(rbm.free_energy(p, v), theirs._free_energy(v), rtol=1e-12)
    np.testing.assert_allclose(rbm.hidden_mean(p, v), theirs._mean_hiddens(v), rtol=1e-12)

    theirs.random_state = 0  # the same bits for score_samples and for us
    bits = np.random.RandomState(0).randint(0, 7, len(v))  # noqa: NPY002 - what scikit-learn draws
    found = LIKELIHOODS["cd"]().estimator(network(7, 5)).evaluate(theta, v, np.eye(7)[bits])
    np.testing.assert_allclose(found.outputs[:, 0], theirs.score_samples(v), rtol=1e-12)
