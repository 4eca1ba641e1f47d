"""Generated data sets: truth tables, points in the plane, curves. A field is an option of the config.

Points and curves are drawn from the option `seed`, not from the seed of the experiment, so that runs that differ by
seed see the same data.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Any, ClassVar

import numpy as np
import numpy.typing as npt
from annotated_types import Ge, Gt, Le

from backprop_cli.data.cache import Cache
from backprop_cli.data.dataset import DataSpec, Source, Split

Ones = npt.NDArray[np.intp]


@dataclass(frozen=True)
class TruthTable(Source):
    """All 2^bits combinations of the inputs 0 and 1; training and test examples are the same."""

    origin: ClassVar[str] = "generated"
    bits: Annotated[int, Ge(1), Le(16)] = 2

    @property
    def spec(self) -> DataSpec:
        """As many rows as there are combinations; none for validation."""
        return DataSpec(inputs=self.bits, classes=2, pool=1 << self.bits, validation=0, test=1 << self.bits)

    def label(self, ones: Ones) -> Any:
        """Return the label of each row, given its number of ones."""
        raise NotImplementedError

    def load(self, cache: Cache) -> tuple[Split, Split]:
        """Return the table twice, counting from 00…0 to 11…1."""
        x = np.arange(1 << self.bits)[:, None] >> np.arange(self.bits)[::-1] & 1
        table = Split(x.astype(np.float32), np.asarray(self.label(x.sum(axis=1)), np.uint8))
        return table, table


class And(TruthTable):
    """1 where every input is 1."""

    name: ClassVar[str] = "and"

    def label(self, ones: Ones) -> Any:
        """Return whether all inputs are 1."""
        return ones == self.bits


class Or(TruthTable):
    """1 where any input is 1."""

    name: ClassVar[str] = "or"

    def label(self, ones: Ones) -> Any:
        """Return whether any input is 1."""
        return ones > 0


class Nand(TruthTable):
    """1 unless every input is 1."""

    name: ClassVar[str] = "nand"

    def label(self, ones: Ones) -> Any:
        """Return whether any input is 0."""
        return ones < self.bits


class Xor(TruthTable):
    """1 where the number of ones is odd; for two inputs, where they differ. Not linearly separable."""

    name: ClassVar[str] = "xor"

    def label(self, ones: Ones) -> Any:
        """Return the parity."""
        return ones % 2


@dataclass(frozen=True)
class Majority(TruthTable):
    """1 where more than half of the inputs are 1."""

    name: ClassVar[str] = "majority"
    bits: Annotated[int, Ge(1), Le(16)] = 5

    def label(self, ones: Ones) -> Any:
        """Return whether most inputs are 1."""
        return 2 * ones > self.bits


@dataclass(frozen=True)
class Parity(Xor):
    """1 where the number of ones is odd: xor of more inputs."""

    name: ClassVar[str] = "parity"
    bits: Annotated[int, Ge(1), Le(16)] = 4


@dataclass(frozen=True)
class _Sampled(Source):
    """n examples for training and validation (a fifth of them by default), and half as many for testing."""

    origin: ClassVar[str] = "generated"
    n: Annotated[int, Ge(10), Le(1_000_000)] = 1000
    seed: Annotated[int, Ge(0)] = 0

    def _spec(self, inputs: int, classes: int = 0, values: int = 0) -> DataSpec:
        n = self.n
        return DataSpec(inputs, pool=n, validation=n // 5, test=n // 2, classes=classes, values=values)

    def draw(self, n: int, rng: np.random.Generator) -> tuple[Any, Any]:
        """Return inputs (n, n_0) and targets (n,) or (n, k)."""
        raise NotImplementedError

    def load(self, cache: Cache) -> tuple[Split, Split]:
        """Return the pool and the test split, drawn one after the other."""
        rng = np.random.default_rng(self.seed)
        pool, test = (self.draw(n, rng) for n in (self.n, self.n // 2))
        dtype = np.uint8 if pool[1].ndim == 1 else np.float32
        return Split(pool[0].astype(np.float32), pool[1].astype(dtype)), Split(
            test[0].astype(np.float32), test[1].astype(dtype)
        )


@dataclass(frozen=True)
class Blobs(_Sampled):
    """Gaussian clusters around points on the unit circle, one per class."""

    name: ClassVar[str] = "blobs"
    classes: Annotated[int, Ge(2), Le(100)] = 3
    noise: Annotated[float, Ge(0), Le(1000)] = 0.3

    @property
    def spec(self) -> DataSpec:
        """Points in the plane."""
        return self._spec(inputs=2, classes=self.classes)

    def draw(self, n: int, rng: np.random.Generator) -> tuple[Any, Any]:
        """Return points and their clusters."""
        label = rng.integers(0, self.classes, n)
        angle = 2 * np.pi * label / self.classes
        return _around(np.cos(angle), np.sin(angle), self.noise, rng), label


@dataclass(frozen=True)
class Moons(_Sampled):
    """Two interleaving half circles."""

    name: ClassVar[str] = "moons"
    noise: Annotated[float, Ge(0), Le(1000)] = 0.15

    @property
    def spec(self) -> DataSpec:
        """Points in the plane."""
        return self._spec(inputs=2, classes=2)

    def draw(self, n: int, rng: np.random.Generator) -> tuple[Any, Any]:
        """Return points and their half circles."""
        label = rng.integers(0, 2, n)
        angle, side = np.pi * rng.random(n), 1 - 2 * label
        x, y = side * np.cos(angle) - side / 2, side * np.sin(angle) - side / 4
        return _around(x, y, self.noise, rng), label


@dataclass(frozen=True)
class Spirals(_Sampled):
    """Interleaving spiral arms, one per class."""

    name: ClassVar[str] = "spirals"
    classes: Annotated[int, Ge(2), Le(100)] = 2
    turns: Annotated[float, Gt(0), Le(10)] = 1.5
    noise: Annotated[float, Ge(0), Le(1000)] = 0.02

    @property
    def spec(self) -> DataSpec:
        """Points in the plane."""
        return self._spec(inputs=2, classes=self.classes)

    def draw(self, n: int, rng: np.random.Generator) -> tuple[Any, Any]:
        """Return points and their arms."""
        label, radius = rng.integers(0, self.classes, n), np.sqrt(rng.random(n))
        angle = 2 * np.pi * (self.turns * radius + label / self.classes)
        return _around(radius * np.cos(angle), radius * np.sin(angle), self.noise, rng), label


def _around(x: Any, y: Any, noise: float, rng: np.random.Generator) -> npt.NDArray[np.float64]:
    points = np.stack([x, y], axis=1)
    return points + noise * rng.standard_normal(points.shape)


@dataclass(frozen=True)
class _Curve(_Sampled):
    noise: Annotated[float, Ge(0), Le(1000)] = 0.05

    @property
    def spec(self) -> DataSpec:
        """One value for each x."""
        return self._spec(inputs=1, values=1)

    def f(self, x: Any) -> Any:
        """Return the curve at x, in -1 … 1."""
        raise NotImplementedError

    def draw(self, n: int, rng: np.random.Generator) -> tuple[Any, Any]:
        """Return x, uniform in -1 … 1, and the curve there, with noise."""
        x = rng.uniform(-1, 1, (n, 1))
        return x, self.f(x) + self.noise * rng.standard_normal(x.shape)


@dataclass(frozen=True)
class Sine(_Curve):
    """y = sin(2 π x) for x in -1 … 1: two periods."""

    name: ClassVar[str] = "sine"

    def f(self, x: Any) -> Any:
        """Return the sine."""
        return np.sin(2 * np.pi * x)


@dataclass(frozen=True)
class Bump(_Curve):
    """y = exp(-20 x²) for x in -1 … 1: a bump that two sigmoid units can approximate (Nielsen, chapter 4)."""

    name: ClassVar[str] = "bump"

    def f(self, x: Any) -> Any:
        """Return the bump."""
        return np.exp(-20 * x * x)
