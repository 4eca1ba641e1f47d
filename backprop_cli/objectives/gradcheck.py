"""Gradient checking: a gradient against finite differences of the cost, parameter by parameter, in float64."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Iterator, Sequence
from functools import cached_property

import numpy as np

from backprop_cli.frozen import frozen
from backprop_cli.nn.activations import ACTIVATIONS, HIDDEN
from backprop_cli.nn.arrays import Array, Noise
from backprop_cli.nn.initializers import Scaled
from backprop_cli.nn.layers.convolution import Conv2D
from backprop_cli.nn.layers.dense import Dense
from backprop_cli.nn.layers.dropout import Dropout
from backprop_cli.nn.layers.layer import Layer
from backprop_cli.nn.layers.pooling import MaxPool, MeanPool
from backprop_cli.nn.layers.upsampling import Upsample
from backprop_cli.nn.network import Network, Stage, dense_network, network_of, tied
from backprop_cli.objectives.costs import COSTS, OUTPUT_PAIRS, Cost, CrossEntropy
from backprop_cli.objectives.objective import Backpropagation, Objective
from backprop_cli.objectives.penalties import PENALTIES, Penalty
from backprop_cli.objectives.sparsity import Divergence, L1Activity, Sparsity

EPS = 1e-3
"""The default step. The error of the formula falls with eps⁴, that of rounding grows with 1/eps."""

TOLERANCE = 1e-7
"""The largest relative error that passes."""

DIFFERENCE = ((1, 8 / 12), (-1, -8 / 12), (2, -1 / 12), (-2, 1 / 12))
"""The central difference of fourth order, as (steps of eps, weight): its error is eps⁴/30 of the fifth
derivative, where the one with two points has eps²/6 of the third."""


@frozen
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
    noise: Callable[[], Noise | None] = lambda: None,
) -> Result:
    """Compare the gradient at theta, float64, with central differences, for the batch x (m, n_0), y (m, n_L).

    `indices` are the parameters to check, all by default; `gradient(theta, x, y)` is the objective's own by default;
    `noise` makes the source of random numbers, the same in every call. The relative error of a parameter is
    |difference - gradient| / max(|difference|, |gradient|, r), where r is the `resolution`: below it the difference
    has no digits left to compare.
    """
    indices = range(theta.size) if indices is None else indices
    computed = gradient(theta, x, y) if gradient else objective.gradient(theta, x, y, noise())
    point = _Point(objective, theta, x, y, noise)
    checked, skipped, error, at = 0, 0, 0.0, -1
    for index in indices:
        relative = point.relative_error(index, float(computed[index]), eps)
        if relative is None:
            skipped += 1
            continue
        checked += 1
        if at < 0 or relative > error:
            error, at = relative, index
    return Result(checked, skipped, error, objective.layout.name_of(at) if checked else "")


@frozen
class _Point:
    """The objective around theta, for one batch."""

    objective: Objective
    theta: Array
    x: Array
    y: Array
    noise: Callable[[], Noise | None]

    def relative_error(self, index: int, computed: float, eps: float) -> float | None:
        """Return the relative error of one derivative, inf if it is not a number, None if all steps cross a kink.

        Where eps is too long a step, because the function is strongly curved or a kink is near, shorter ones are
        tried; a wrong gradient stays wrong.
        """
        errors = []
        for step in (eps, eps / 10, eps / 100):
            difference = self.difference(index, step)
            if difference is None:
                continue
            cost = float(self.objective.value(self.theta, self.x, self.y, self.noise()))
            scale = max(abs(difference), abs(computed), resolution(cost, step))
            errors.append(abs(difference - computed) / scale)
            if errors[-1] <= TOLERANCE:
                return errors[-1]
        if not errors:
            return None
        return math.inf if math.isnan(errors[0]) else errors[0]

    @cached_property
    def sides(self) -> list[Array]:
        """The sides of all kinks at theta itself; empty for a smooth objective."""
        return self.objective.sides(self.theta, self.x, self.y, self.noise())

    def difference(self, index: int, eps: float) -> float | None:
        """Return the difference quotient in the direction of theta[index], or None if a step crosses a kink."""
        total = 0.0
        for steps, weight in DIFFERENCE:
            theta = self.theta.copy()
            theta[index] += steps * eps
            if self.sides:
                there = self.objective.sides(theta, self.x, self.y, self.noise())
                if not all(np.array_equal(p, q) for p, q in zip(there, self.sides, strict=True)):
                    return None
            total += weight * float(self.objective.value(theta, self.x, self.y, self.noise()))
        return total / eps


def resolution(cost: float, eps: float) -> float:
    """Return the gradient that differences of `cost` with step eps still know to a relative 1e-7.

    A float64 cost is right to a few units in the last place, its difference over eps to about 4 ulp(cost) / eps.
    """
    return 4 * float(np.spacing(max(abs(cost), 1.0))) / eps / TOLERANCE


@frozen
class Combination:
    """A small objective: hidden activation, output activation, cost and what else there is, by name.

    Without noise, units are not dropped, and random ones have their means.
    """

    hidden: str
    output: str
    cost: str
    extra: str
    objective: Objective
    noisy: bool = True

    def check(self, eps: float = EPS) -> Result:
        """Check all parameters of it; the masks of dropout are the same in every evaluation."""
        return check_gradient(self.objective, *example_of(self.objective), eps=eps, noise=self._noise)

    def _noise(self) -> Noise | None:
        return np.random.default_rng(1) if self.noisy else None


def combinations() -> Iterator[Combination]:
    """Yield every hidden activation with every pair of cost and output, and every extra with each of these pairs.

    Extras are the penalties, sample weights, dropout, tied weights, sparsity, smoothing and class weights. Networks are
    3-4-4-3, with tied weights 3-4-2-4-3.
    Convolution and pooling come with every hidden activation, on images of 6x5 pixels with two channels.
    """
    for cost, output in OUTPUT_PAIRS:
        for hidden in HIDDEN:
            yield Combination(
                hidden, output, cost, "", _objective((hidden, hidden, output), COSTS[cost]()), noisy=False
            )
        names = ("tanh", "elu", output)
        for extra, objective in _extras(names, cost):
            yield Combination("tanh, elu", output, cost, extra, objective)
    for hidden in HIDDEN:
        objective = _of_images(hidden, MaxPool(2))
        yield Combination(hidden, "softmax", "cross_entropy", f"conv, max, {hidden}", objective, noisy=False)
    for extra, stages in _IMAGE_LAYERS.items():
        yield Combination("tanh", "softmax", "cross_entropy", extra, _of_images("tanh", *stages))


def _extras(names: tuple[str, ...], cost: str) -> Iterator[tuple[str, Objective]]:
    for name, penalty in PENALTIES.items():
        yield name, _objective(names, COSTS[cost](), (penalty,))
    yield "l1 + l2", _objective(names, COSTS[cost](), tuple(PENALTIES.values()))
    weighted = _objective(names, COSTS[cost]()).weighing(np.array([0.0, 0.5, 1.0, 2.0, 0.1, 2.4]))
    yield "sample weights", weighted
    yield "dropout", _objective(names, COSTS[cost](), dropouts=(0.0, 0.5, 0.5))
    yield "tied", _tied((*names[:2], "tanh", names[-1]), COSTS[cost]())
    for extra, term in _SPARSITY.items():
        yield extra, _objective(("tanh", "sigmoid", names[-1]), COSTS[cost](), sparsity=term)
    if cost == CrossEntropy.name:
        yield "smoothing", _objective(names, CrossEntropy(smoothing=0.1))
        yield "class weights", _objective(names, CrossEntropy(class_weights=(0.5, 1.0, 3.0)))


def _objective(
    names: tuple[str, ...],
    cost: Cost,
    penalties: tuple[Penalty, ...] = (),
    dropouts: tuple[float, ...] = (),
    sparsity: Sparsity | None = None,
) -> Objective:
    network = dense_network((3, 4, 4, 3), [ACTIVATIONS[name] for name in names], dropouts)
    estimator = Backpropagation(network, cost, sparsity=sparsity, sparse_layer=2)
    return Objective(estimator, tuple((penalty, 0.1) for penalty in penalties))


def _tied(names: tuple[str, ...], cost: Cost) -> Objective:
    sizes = (3, 4, 2, 4, 3)
    stages = [Stage(Dense(n), ACTIVATIONS[name]) for n, name in zip(sizes[1:], names, strict=True)]
    penalties = tuple((penalty, 0.1) for penalty in PENALTIES.values())
    return Objective(Backpropagation(network_of((3,), tied(stages, sizes)), cost), penalties)


_SPARSITY: dict[str, Sparsity] = {"sparsity, KL": Divergence(0.1, 3.0), "sparsity, L1": L1Activity(0.1)}
"""Terms of the activities of a hidden layer."""

_IMAGE_LAYERS: dict[str, tuple[Layer, ...]] = {
    "conv same, mean": (Conv2D(2, 3, same=True), MeanPool(2)),
    "conv stride, overlapping max": (Conv2D(2, 3, stride=2, same=True), MaxPool(2, stride=1)),
    "mean, conv, upsampling": (MeanPool(3, stride=2), Conv2D(2, 1), Upsample(2)),
    "max same": (MaxPool(3, same=True),),
    "max, dropout of maps": (MaxPool(3, stride=2), Dropout(0.5)),
}
"""What the gradient check puts behind a convolution."""


def _of_images(hidden: str, *layers: Layer) -> Objective:
    f, output = ACTIVATIONS[hidden], ACTIVATIONS["softmax"]
    network = Network((2, 6, 5), (Conv2D(2, 2), f, *layers, Dense(3)), output)
    return Objective(Backpropagation(network, CrossEntropy()))


def example_of(objective: Objective) -> tuple[Array, Array, Array]:
    """Return a theta, inputs x (6, *in_shape) and one-hot targets y (6, 3), in float64 and always the same."""
    rng = np.random.default_rng(0)
    theta = np.empty(objective.layout.size)
    for entry in objective.layout.entries:
        theta[entry.place.start : entry.place.stop] = Scaled().draw(entry.parameter, rng).ravel()
    return theta, rng.random((6, *objective.estimator.in_shape)), np.eye(3)[rng.integers(0, 3, 6)]


def worst_of(results: Sequence[Result]) -> Result:
    """Return the counts of all results together, and the error of the worst."""
    worst = max(results, key=lambda result: result.error)
    return Result(sum(r.checked for r in results), sum(r.skipped for r in results), worst.error, worst.at)
