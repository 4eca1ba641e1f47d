import numpy as np
import pytest

from backprop_cli.optim.line_search import MAX_EVALUATIONS, Point, dot, search

STRICT = 0.1


def along_a_line(cost, slope):
    """Return a search from 0 to the right of a function of one number, and the places it looks at."""
    looked = []

    def cost_and_gradient(theta):
        looked.append(float(theta[0]))
        return cost(looked[-1]), np.array([slope(looked[-1])])

    def run(first, c2=STRICT):
        start = Point(0.0, cost(0.0), slope(0.0), np.array([slope(0.0)]))
        return search(cost_and_gradient, np.zeros(1), np.ones(1), start, first, c2)

    return run, looked


@pytest.mark.parametrize("first", [1e-8, 1e-3, 0.9, 40.0, 1e4])
@pytest.mark.parametrize(
    ("cost", "slope"),
    [
        (lambda x: (x - 1) ** 2, lambda x: 2 * (x - 1)),
        (lambda x: -x / (x * x + 2), lambda x: (x * x - 2) / (x * x + 2) ** 2),  # Moré & Thuente 1994, eq. 5.1
        (lambda x: (x + 0.1) ** 5 - 2 * (x + 0.1) ** 4, lambda x: 5 * (x + 0.1) ** 4 - 8 * (x + 0.1) ** 3),
    ],
    ids=["parabola", "bowl with a brim", "almost level at first"],
)
def test_search_finds_a_lower_and_flatter_point_from_first_steps_of_any_size(cost, slope, first):
    run, _ = along_a_line(cost, slope)
    found = run(first)
    assert found.cost < cost(0.0)
    assert abs(found.slope) <= STRICT * abs(slope(0.0))
    assert (found.cost, found.slope) == (cost(found.alpha), slope(found.alpha))


def test_a_parabola_takes_two_evaluations_since_a_cubic_through_two_points_is_exact():
    run, looked = along_a_line(lambda x: (x - 1) ** 2, lambda x: 2 * (x - 1))
    assert run(3.0).alpha == pytest.approx(1)
    assert len(looked) == 2


@pytest.mark.parametrize("nothing", [np.nan, np.inf, -np.inf])
@pytest.mark.parametrize("where", ["cost", "slope"])
def test_search_returns_from_points_without_a_finite_cost_or_slope(nothing, where):
    run, _ = along_a_line(
        lambda x: nothing if where == "cost" and x > 1 else (x - 0.5) ** 2,
        lambda x: nothing if where == "slope" and x > 1 else 2 * (x - 0.5),
    )
    found = run(1e12)
    assert found.alpha == pytest.approx(0.5, abs=0.05)


def test_the_lowest_point_is_returned_at_a_kink_where_no_point_is_flat():
    run, looked = along_a_line(lambda x: abs(x - 0.3), lambda x: float(np.sign(x - 0.3)))
    found = run(1.0)
    assert len(looked) == MAX_EVALUATIONS
    assert found.alpha == min(looked, key=lambda x: abs(x - 0.3))


def test_search_approaches_a_kink_between_a_slope_and_a_jump():
    # a cubic through both ends has its minimum next to the one on the slope: by itself it would hardly get on
    run, _ = along_a_line(lambda x: -x if x < 0.3 else 1e4 * (x - 0.3) - 0.3, lambda x: -1.0 if x < 0.3 else 1e4)
    assert run(1.0).alpha == pytest.approx(0.3, abs=1e-3)


def test_search_ends_when_no_floating_point_number_lies_between_the_bounds():
    run, looked = along_a_line(lambda x: -x if x <= 1 else np.nan, lambda x: -1.0)
    assert run(1.0).alpha == pytest.approx(1)
    assert len(looked) < MAX_EVALUATIONS


def test_search_returns_none_if_no_point_is_lower():
    run, looked = along_a_line(lambda x: abs(x), lambda x: -1.0)  # a slope that lies
    assert run(1.0) is None
    assert len(looked) == MAX_EVALUATIONS


def test_slopes_decide_where_costs_are_equal_after_rounding():
    run, _ = along_a_line(lambda x: 1.0, lambda x: 1e-9 * (x - 1))
    assert run(0.95).alpha == 0.95


def test_dot_products_of_float32_are_summed_in_float64():
    a = np.full(3, 2.0**100, np.float32)
    assert dot(a, a) == 3 * 2.0**200
