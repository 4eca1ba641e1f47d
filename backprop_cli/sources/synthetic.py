"""Generated data sets: truth tables, points in the plane, curves. A field is an option of the config.

Points and curves are drawn from the option `seed`, not from the seed of the experiment, so that runs that differ by
seed see the same data.
"""

from __future__ import annotations

from typing import Annotated, Any

import numpy as np
import numpy.typing as npt
from annotated_types import Ge, Gt, Le

from backprop_cli.data.cache import Cache
from backprop_cli.data.dataset import DataSpec, Source, Split
from backprop_cli.frozen import frozen

Ones = npt.NDArray[np.intp]
"""The number of ones in each row of a truth table."""

Bits = Annotated[int, Ge(1), Le(16)]
Classes = Annotated[int, Ge(2), Le(100)]
Noise = Annotated[float, Ge(0), Le(1000)]


@frozen
class TruthTable(Source):
    """All 2^bits combinations of the inputs 0 and 1; training and test examples are the same."""

    origin = "generated"
    bits: Bits = 2

    @property
    def spec(self) -> DataSpec:
        """As many rows as there are combinations; none for validation."""
        return DataSpec(inputs=self.bits, classes=2, pool=1 << self.bits, validation=0, test=1 << self.bits)

    def load(self, cache: Cache) -> tuple[Split, Split]:
        """Return the table twice, counting from 00…0 to 11…1."""
        x = np.arange(1 << self.bits)[:, None] >> np.arange(self.bits)[::-1] & 1
        table = Split(x.astype(np.float32), np.asarray(self._label(x.sum(axis=1)), np.uint8))
        return table, table

    def _label(self, ones: Ones) -> Any:
        raise NotImplementedError


class And(TruthTable):
    """1 where every input is 1."""

    name = "and"

    def _label(self, ones: Ones) -> Any:
        return ones == self.bits


class Or(TruthTable):
    """1 where any input is 1."""

    name = "or"

    def _label(self, ones: Ones) -> Any:
        return ones > 0


class Nand(TruthTable):
    """1 unless every input is 1."""

    name = "nand"

    def _label(self, ones: Ones) -> Any:
        return ones < self.bits


class Xor(TruthTable):
    """1 where the number of ones is odd; for two inputs, where they differ. Not linearly separable."""

    name = "xor"

    def _label(self, ones: Ones) -> Any:
        return ones % 2


@frozen
class Majority(TruthTable):
    """1 where more than half of the inputs are 1."""

    name = "majority"
    bits: Bits = 5

    def _label(self, ones: Ones) -> Any:
        return 2 * ones > self.bits


@frozen
class Parity(Xor):
    """1 where the number of ones is odd: xor of more inputs."""

    name = "parity"
    bits: Bits = 4


@frozen
class _Sampled(Source):
    """n examples for training and validation (a fifth of them by default), and half as many for testing."""

    origin = "generated"
    inputs, classes, values = 2, 2, 0  # of points in the plane; a subclass may have `classes` as an option
    n: Annotated[int, Ge(10), Le(1_000_000)] = 1000
    seed: Annotated[int, Ge(0)] = 0

    @property
    def spec(self) -> DataSpec:
        """The numbers of examples follow from n."""
        return DataSpec(self.inputs, self.n, self.n // 5, self.n // 2, self.classes, self.values)

    def load(self, cache: Cache) -> tuple[Split, Split]:
        """Return the pool and the test split, drawn one after the other."""
        rng = np.random.default_rng(self.seed)

        def split(n: int) -> Split:
            x, targets = self._draw(n, rng)
            return Split(x.astype(np.float32), targets.astype(np.uint8 if self.classes else np.float32))

        return split(self.n), split(self.n // 2)

    def _draw(self, n: int, rng: np.random.Generator) -> tuple[Any, Any]:
        """Return inputs (n, n_0) and targets (n,) or (n, k)."""
        raise NotImplementedError


@frozen
class Blobs(_Sampled):
    """Gaussian clusters around points on the unit circle, one per class."""

    name = "blobs"
    classes: Classes = 3
    noise: Noise = 0.3

    def _draw(self, n: int, rng: np.random.Generator) -> tuple[Any, Any]:
        label = rng.integers(0, self.classes, n)
        angle = 2 * np.pi * label / self.classes
        return _around(np.cos(angle), np.sin(angle), self.noise, rng), label


@frozen
class Moons(_Sampled):
    """Two interleaving half circles."""

    name = "moons"
    noise: Noise = 0.15

    def _draw(self, n: int, rng: np.random.Generator) -> tuple[Any, Any]:
        label = rng.integers(0, 2, n)
        angle, side = np.pi * rng.random(n), 1 - 2 * label
        x, y = side * np.cos(angle) - side / 2, side * np.sin(angle) - side / 4
        return _around(x, y, self.noise, rng), label


@frozen
class Spirals(_Sampled):
    """Interleaving spiral arms, one per class."""

    name = "spirals"
    classes: Classes = 2
    turns: Annotated[float, Gt(0), Le(10)] = 1.5
    noise: Noise = 0.02

    def _draw(self, n: int, rng: np.random.Generator) -> tuple[Any, Any]:
        label, radius = rng.integers(0, self.classes, n), np.sqrt(rng.random(n))
        angle = 2 * np.pi * (self.turns * radius + label / self.classes)
        return _around(radius * np.cos(angle), radius * np.sin(angle), self.noise, rng), label


def _around(x: Any, y: Any, noise: float, rng: np.random.Generator) -> npt.NDArray[np.float64]:
    points = np.stack([x, y], axis=1)
    return points + noise * rng.standard_normal(points.shape)


@frozen
class _Curve(_Sampled):
    """One value for each x, uniform in -1 … 1."""

    inputs, classes, values = 1, 0, 1
    noise: Noise = 0.05

    def _draw(self, n: int, rng: np.random.Generator) -> tuple[Any, Any]:
        x = rng.uniform(-1, 1, (n, 1))
        return x, self._f(x) + self.noise * rng.standard_normal(x.shape)

    def _f(self, x: Any) -> Any:
        raise NotImplementedError


class Sine(_Curve):
    """y = sin(2 π x) for x in -1 … 1: two periods."""

    name = "sine"

    def _f(self, x: Any) -> Any:
        return np.sin(2 * np.pi * x)


class Bump(_Curve):
    """y = exp(-20 x²) for x in -1 … 1: a bump that two sigmoid units can approximate (Nielsen, chapter 4)."""

    name = "bump"

    def _f(self, x: Any) -> Any:
        return np.exp(-20 * x * x)


GENERATED: tuple[type[Source], ...] = (And, Or, Nand, Xor, Majority, Parity, Blobs, Moons, Spirals, Sine, Bump)
"""Every generated data set, in the order in which they are listed."""
