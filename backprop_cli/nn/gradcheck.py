"""Gradient checking: back-propagation against differences of the cost, parameter by parameter, in float64."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from backprop_cli.nn.activations import ACTIVATIONS, HIDDEN, Dropout
from backprop_cli.nn.arrays import Array
from backprop_cli.nn.costs import COSTS, OUTPUT_PAIRS, CrossEntropy
from backprop_cli.nn.initializers import INITIALIZERS
from backprop_cli.nn.network import Network, forward
from backprop_cli.nn.objective import Objective
from backprop_cli.nn.penalties import PENALTIES

EPS = 1e-3
"""The default step. The error of the formula falls with eps⁴, that of rounding grows with 1/eps."""

TOLERANCE = 1e-7
"""The largest relative error that passes."""

DIFFERENCE = ((1, 8 / 12), (-1, -8 / 12), (2, -1 / 12), (-2, 1 / 12))
"""The central difference of fourth order, as (steps of eps, weight): its error is eps⁴/30 of the fifth
derivative, where the one with two points has eps²/6 of the third."""


@dataclass(frozen=True)
class Result:
    """What the check of some parameters found.

    `error` is the largest relative error, inf where a gradient is not a number, and `at` the parameter it is at, as
    mathematics writes it. `skipped` counts those all of whose steps crossed a kink, where a difference tells nothing
    about the derivative.
    """

    checked: int
    skipped: int
    error: float
    at: str


def check_gradient(
    objective: Objective,
    theta: Array,
    x: Array,
    y: Array,
    indices: Iterable[int] | None = None,
    eps: float = EPS,
    gradient: Callable[[Array, Array, Array], Array] | None = None,
) -> Result:
    """Compare the gradient at theta, float64, with central differences, for the batch x (m, n_0), y (m, n_L).

    `indices` names the parameters to check, all by default; `gradient(theta, x, y)` is back-propagation by
    default. The relative error of a parameter is |difference - gradient| / max(|difference|, |gradient|, r),
    where r is the `resolution`: below it the difference has no digits left to compare.
    """
    indices = range(theta.size) if indices is None else indices
    gradient = gradient or objective.gradient
    computed = gradient(theta, x, y)
    checked, skipped, error, at = 0, 0, 0.0, -1
    for index in indices:
        relative = _relative_error(objective, theta, x, y, index, float(computed[index]), eps)
        if relative is None:
            skipped += 1
            continue
        checked += 1
        if at < 0 or relative > error:
            error, at = relative, index
    return Result(checked, skipped, error, objective.network.name_of(at) if checked else "")


def _relative_error(
    objective: Objective, theta: Array, x: Array, y: Array, index: int, computed: float, eps: float
) -> float | None:
    """Return the relative error of one parameter's gradient, inf if it is not a number, None if all steps meet a kink.

    Where the function bends so much that eps is too long a step, or has a kink that near, shorter ones tell; a wrong
    gradient stays wrong.
    """
    errors = []
    for step in (eps, eps / 10, eps / 100):
        difference = _difference(objective, theta, x, y, index, step)
        if difference is None:
            continue
        scale = max(abs(difference), abs(computed), resolution(objective.value(theta, x, y), step))
        errors.append(abs(difference - computed) / scale)
        if errors[-1] <= TOLERANCE:
            return errors[-1]
    if not errors:
        return None
    return math.inf if math.isnan(errors[0]) else errors[0]


def resolution(cost: float, eps: float) -> float:
    """Return the gradient that differences of `cost` with step eps still know to a relative 1e-7.

    A float64 cost is right to a few units in the last place, its difference over eps to about 4 ulp(cost) / eps.
    """
    return 4 * float(np.spacing(max(abs(cost), 1.0))) / eps / TOLERANCE


def _difference(objective: Objective, theta: Array, x: Array, y: Array, index: int, eps: float) -> float | None:
    """Return the difference quotient in the direction of theta[index], or None if a step crosses a kink."""
    home, total, sides = theta[index], 0.0, None
    try:
        for steps, weight in DIFFERENCE:
            theta[index] = home + steps * eps
            z, a = forward(objective.network.layers(theta), x)
            side = sides_of_kinks(objective, theta, z, a, y)
            if sides is not None and any(not np.array_equal(p, q) for p, q in zip(side, sides, strict=True)):
                return None
            sides = side
            total += weight * (objective.cost_of(z[-1], a[-1], y) + objective.penalty_of(theta))
    finally:
        theta[index] = home
    return total / eps


def sides_of_kinks(objective: Objective, theta: Array, z: list[Array], a: list[Array], y: Array) -> list[Array]:
    """Return, for every kink of the layers, the cost and the penalties, on which side of it each number lies."""
    sides = [np.sign(z[l] - k) for l, f in enumerate(objective.network.activations, 1) for k in f.kinks]
    if (side := objective.cost.sides(z[-1], a[-1], y)) is not None:
        sides.append(side)
    weights = theta[: objective.network.n_weights]
    return sides + [np.sign(weights - k) for penalty, _ in objective.penalties for k in penalty.kinks]


Combination = tuple[tuple[str, str, str, str], Objective]
"""(hidden activation, output activation, cost, what else there is), and a small objective."""


def combinations() -> Iterator[Combination]:
    """Yield every hidden activation with every pair of cost and output, and every extra with each of these pairs.

    Extras are the penalties, dropout with a mask that is frozen, label smoothing and class weights. The networks are
    3-4-4-3.
    """
    sizes = (3, 4, 4, 3)
    for cost, output in OUTPUT_PAIRS:
        for hidden in HIDDEN.values():
            network = Network(sizes, (hidden, hidden, ACTIVATIONS[output]))
            yield (hidden.name, output, cost, ""), Objective(network, COSTS[cost]())
        for what, objective in _extras(Network(sizes, (HIDDEN["tanh"], HIDDEN["elu"], ACTIVATIONS[output])), cost):
            yield ("tanh, elu", output, cost, what), objective


def _extras(network: Network, cost: str) -> Iterator[tuple[str, Objective]]:
    for name, penalty in PENALTIES.items():
        yield name, Objective(network, COSTS[cost](), ((penalty, 0.1),))
    yield "l1 + l2", Objective(network, COSTS[cost](), tuple((penalty, 0.1) for penalty in PENALTIES.values()))
    keep = 0.5
    masks = (np.random.default_rng(1).random((EXAMPLES, units)) < keep for units in network.sizes[1:])
    dropped = [Dropout(f, mask / keep, keep) for f, mask in zip(network.activations[:-1], masks, strict=False)]
    yield "dropout", Objective(Network(network.sizes, (*dropped, network.activations[-1])), COSTS[cost]())
    if cost == CrossEntropy.name:
        yield "smoothing", Objective(network, CrossEntropy(smoothing=0.1))
        yield "class weights", Objective(network, CrossEntropy(class_weights=(0.5, 1.0, 3.0)))


EXAMPLES = 6
"""The batch that `example_of` makes."""


def example_of(objective: Objective) -> tuple[Array, Array, Array]:
    """Return a theta, inputs x (EXAMPLES, n_0) and one-hot targets y, in float64 and always the same."""
    rng = np.random.default_rng(0)
    network = objective.network
    theta = network.initialize(INITIALIZERS["scaled"], rng, "float64")
    x = rng.random((EXAMPLES, network.sizes[0]))
    y = np.eye(network.sizes[-1])[rng.integers(0, network.sizes[-1], EXAMPLES)]
    return theta, x, y


def worst_of(results: Sequence[Result]) -> Result:
    """Return the counts of all results together, and the error of the worst."""
    worst = max(results, key=lambda result: result.error)
    return Result(sum(r.checked for r in results), sum(r.skipped for r in results), worst.error, worst.at)
