import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.optimize import minimize, rosen, rosen_der

from backprop_cli.optim.line_search import MAX_EVALUATIONS
from backprop_cli.optim.minimizers import LBFGS, MINIMIZERS
from backprop_cli.optim.state import State
from tests.optim.landscapes import LOWEST, START, bowl, valley

every_rule = pytest.mark.parametrize("rule", MINIMIZERS.values(), ids=lambda rule: rule.name)
both_precisions = pytest.mark.parametrize("dtype", ["float32", "float64"])


class Counted:
    """A cost with its gradient in one array for all calls, as the protocol allows; it counts them."""

    def __init__(self, cost_and_gradient):
        self.cost_and_gradient, self.calls, self.g = cost_and_gradient, 0, None

    def __call__(self, theta):
        cost, g = self.cost_and_gradient(theta)
        self.calls += 1
        if self.g is None:
            self.g = np.empty_like(g)
        self.g[...] = g
        return cost, self.g


def long_valley(theta):
    return float(rosen(theta)), rosen_der(theta).astype(theta.dtype)


def landscape(seed, dtype, scale):
    """A cost of 7 parameters with many bottoms, walls of inf and NaN beyond |theta| = 3, and a rough last digit."""
    rng = np.random.default_rng(seed)
    A, b = rng.normal(size=(9, 7)).astype(dtype), rng.normal(size=9).astype(dtype)

    def cost_and_gradient(theta):
        z = A @ theta + b
        with np.errstate(all="ignore"):
            wall = np.log(9 - theta * theta)  # NaN outside, -inf on the border
            cost = scale * (np.sum(np.square(z)) / 20 + np.sum(np.sin(3 * z)) - np.sum(wall))
            g = scale * (A.T @ (z / 10 + 3 * np.cos(3 * z)) + 2 * theta / (9 - theta * theta))
        return float(cost), g.astype(dtype)

    return cost_and_gradient, rng.uniform(-1, 1, 7).astype(dtype)


@every_rule
@pytest.mark.parametrize(("landscape", "iterations"), [(bowl, 12), (valley, 40)])
def test_every_minimizer_finds_the_minimum_to_a_millionth(rule, landscape, iterations):
    minimizer, theta = rule(), np.array(START[landscape])
    state, count = minimizer.init(theta), Counted(landscape)
    for _ in range(iterations):
        minimizer.step(count, theta, state)
    np.testing.assert_allclose(theta, LOWEST[landscape], atol=1e-6)


@pytest.mark.parametrize(
    ("name", "scipy_name", "options"),
    [("cg", "CG", {"gtol": 1e-6}), ("lbfgs", "L-BFGS-B", {"gtol": 1e-6, "ftol": 0})],
)
def test_minimizers_need_about_as_many_evaluations_as_those_of_scipy(name, scipy_name, options):
    theta = np.tile([-1.2, 1.0], 10)
    expected = minimize(long_valley, theta, jac=True, method=scipy_name, options=options)
    minimizer, count = MINIMIZERS[name](), Counted(long_valley)
    state = minimizer.init(theta)
    while np.abs(rosen_der(theta)).max() > 1e-6 and count.calls < 2000:
        minimizer.step(count, theta, state)
    np.testing.assert_allclose(theta, expected.x, atol=1e-6)
    assert count.calls < 1.5 * expected.nfev


@every_rule
@both_precisions
@settings(max_examples=40, deadline=None)
@given(seed=st.integers(0, 10_000), scale=st.sampled_from([1e-12, 1e-3, 1.0, 1e9]))
def test_no_iteration_increases_the_cost(rule, dtype, seed, scale):
    cost_and_gradient, theta = landscape(seed, dtype, scale)
    minimizer, count = rule(), Counted(cost_and_gradient)
    state = minimizer.init(theta)
    first = last = cost_and_gradient(theta)[0]
    for _ in range(30):
        before = theta.copy()
        count.calls = 0
        minimizer.step(count, theta, state)
        cost, g = cost_and_gradient(theta)
        assert cost <= last
        assert cost < last or not np.array_equal(theta, before) or count.calls in (0, MAX_EVALUATIONS)
        assert count.calls <= MAX_EVALUATIONS + 1
        assert state["cost"] == cost
        np.testing.assert_array_equal(state["g"], g)
        last = cost
    assert last < first


@every_rule
def test_theta_stays_where_no_step_decreases_the_cost_and_the_next_direction_is_steepest_descent(rule):
    minimizer, theta = rule(), np.array(START[valley])
    state = minimizer.init(theta)
    for _ in range(3):
        minimizer.step(valley, theta, state)
    before, tried = theta.copy(), []

    def nowhere_lower(trial):
        tried.append(trial)
        return np.inf, np.zeros(2)

    minimizer.step(nowhere_lower, theta, state)
    assert theta.tobytes() == before.tobytes()
    assert len(tried) == MAX_EVALUATIONS
    tried.clear()
    minimizer.step(nowhere_lower, theta, state)
    g = valley(before)[1]
    direction = tried[0] - before
    np.testing.assert_allclose(direction, -g / np.linalg.norm(g), rtol=1e-6)
    minimizer.step(valley, theta, state)
    assert valley(theta)[0] < valley(before)[0]


@every_rule
@both_precisions
def test_theta_stays_where_the_gradient_is_zero(rule, dtype):
    minimizer, theta = rule(), np.ones(2, dtype)
    state, count = minimizer.init(theta), Counted(valley)
    for _ in range(3):
        minimizer.step(count, theta, state)
    np.testing.assert_array_equal(theta, 1)
    assert count.calls == 1


@every_rule
@pytest.mark.parametrize("cost", [np.nan, np.inf, -np.inf])
@pytest.mark.parametrize("slope", [1.0, np.nan, np.inf])
def test_theta_stays_where_the_cost_or_slope_is_not_finite(rule, cost, slope):
    minimizer, theta = rule(), np.ones(2)
    state = minimizer.init(theta)
    for _ in range(2):
        minimizer.step(lambda _: (cost, np.full(2, slope)), theta, state)
    np.testing.assert_array_equal(theta, 1)


@every_rule
def test_minimizing_an_unbounded_cost_ends(rule):
    minimizer, theta = rule(), np.zeros(2)
    state = minimizer.init(theta)
    for _ in range(50):
        before = theta.sum()
        minimizer.step(lambda t: (-float(t.sum()), np.full(2, -1.0)), theta, state)
        assert theta.sum() >= before
    assert np.isfinite(theta).all()


@every_rule
@both_precisions
def test_a_saved_state_continues_with_the_same_bits_and_no_further_evaluation(rule, dtype):
    minimizer, theta = rule(), np.tile(np.array([-1.2, 1.0], dtype), 4)
    state, whole, rest = minimizer.init(theta), Counted(long_valley), Counted(long_valley)
    for _ in range(13):
        minimizer.step(whole, theta, state)
    later_theta, later = theta.copy(), State((name, array.copy()) for name, array in state.items())
    whole.calls = 0
    for _ in range(15):
        minimizer.step(whole, theta, state)
        rule().step(rest, later_theta, later)
    assert later_theta.tobytes() == theta.tobytes()
    assert {name: array.tobytes() for name, array in later.items()} == {n: a.tobytes() for n, a in state.items()}
    assert rest.calls == whole.calls


@every_rule
def test_a_minimizer_restarts_if_theta_was_changed(rule):
    minimizer, theta = rule(), np.array(START[valley])
    state = minimizer.init(theta)
    for _ in range(5):
        minimizer.step(valley, theta, state)
    theta[...] = fresh = np.array([2.0, 0.5])
    minimizer.step(valley, theta, state)
    minimizer.step(valley, fresh, minimizer.init(fresh))
    np.testing.assert_array_equal(theta, fresh)


@every_rule
@both_precisions
def test_the_arrays_of_a_state_keep_their_shapes_and_dtypes(rule, dtype):
    minimizer, theta = rule(), np.tile(np.array([-1.2, 1.0], dtype), 4)
    state = minimizer.init(theta)
    arrays = dict(state)
    forms = {name: (array.shape, array.dtype) for name, array in state.items()}
    for _ in range(25):
        minimizer.step(long_valley, theta, state)
    assert theta.dtype == dtype
    assert forms == {name: (array.shape, array.dtype) for name, array in state.items()}
    assert all(state[name] is array and array.dtype.kind == "f" for name, array in arrays.items())


@both_precisions
def test_the_direction_of_lbfgs_is_that_of_its_explicit_matrix(dtype):
    # H <- (I - ρ s y^T) H (I - ρ y s^T) + ρ s s^T for each pair, oldest first, written out as a matrix
    minimizer, theta = LBFGS(history=3), np.tile(np.array([-1.2, 1.0], dtype), 3)
    state = minimizer.init(theta)
    for _ in range(8):  # the rings have gone round more than twice
        minimizer.step(long_valley, theta, state)
    count = int(state["count"])
    assert count > 6
    pairs = [(state["s"][i % 3].astype(float), state["y"][i % 3].astype(float)) for i in range(count - 3, count)]
    s, y = pairs[-1]
    H, unit = np.eye(6) * (s @ y) / (y @ y), np.eye(6)
    for s, y in pairs:
        rho = 1 / (s @ y)
        H = (unit - rho * np.outer(s, y)) @ H @ (unit - rho * np.outer(y, s)) + rho * np.outer(s, s)
    expected = -H @ state["g"]
    tried, before = [], theta.astype(float)
    minimizer.step(lambda trial: (tried.append(trial.astype(float)), long_valley(trial))[1], theta, state)
    accuracy = 1e-9 if dtype == "float64" else 1e-3
    np.testing.assert_allclose(tried[0] - before, expected, rtol=accuracy, atol=accuracy * np.abs(expected).max())


def test_conjugate_gradients_minimize_a_quadratic_of_n_dimensions_in_about_n_steps():
    # with exact line searches it would be n (Nocedal & Wright, theorem 5.1); straight down takes hundreds
    curvature = np.linspace(1, 1000, 5)
    minimizer, theta = MINIMIZERS["cg"](c2=1.1e-4), np.ones(5)
    state = minimizer.init(theta)
    for _ in range(6):
        minimizer.step(lambda t: (float(t @ (curvature * t)) / 2, curvature * t), theta, state)
    np.testing.assert_allclose(theta, 0, atol=1e-6)


@every_rule
@pytest.mark.parametrize("scale", [1e-165, 1e-155, 1e-140, 1e140, 1e165])
def test_gradients_whose_squares_overflow_or_underflow_are_handled(rule, scale):
    minimizer, theta = rule(), np.array(START[valley])
    state, last = minimizer.init(theta), np.inf
    for _ in range(30):
        minimizer.step(lambda t: (scale * valley(t)[0], scale * valley(t)[1]), theta, state)
        assert valley(theta)[0] <= last
        last = valley(theta)[0]
