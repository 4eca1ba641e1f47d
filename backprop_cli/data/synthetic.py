"""Data sets made on the spot: truth tables, points in the plane, curves. A field is an option of the config.

The points and curves are drawn from the option `seed`, not from that of the experiment: runs that differ by seed see
the same data.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated, Any, ClassVar

import numpy as np
import numpy.typing as npt
from annotated_types import Ge, Gt, Le

from backprop_cli.data.cache import Cache
from backprop_cli.data.dataset import Split

Ones = npt.NDArray[np.intp]


@dataclass(frozen=True)
class _Made:
    home: ClassVar[str] = "made"
    image: ClassVar[tuple[int, int] | None] = None
    scale: ClassVar[float] = 1.0
    sha256: ClassVar[Mapping[str, str]] = {}


@dataclass(frozen=True)
class TruthTable(_Made):
    """All 2^bits combinations of inputs 0 and 1, to train on and to test on: there are no others."""

    bits: Annotated[int, Ge(1), Le(16)] = 2
    classes: ClassVar[int] = 2
    validation: ClassVar[int] = 0

    @property
    def inputs(self) -> int:
        """As many as there are bits."""
        return self.bits

    @property
    def pool(self) -> int:
        """The rows of the table."""
        return 1 << self.bits

    @property
    def test(self) -> int:
        """The same rows."""
        return self.pool

    def answer(self, ones: Ones) -> Any:
        """Return where the answer is 1, given the number of ones in each row."""
        raise NotImplementedError

    def load(self, cache: Cache) -> tuple[Split, Split]:
        """Return the table twice, counting from 00…0 to 11…1."""
        x = np.arange(self.pool)[:, None] >> np.arange(self.bits)[::-1] & 1
        table = Split(x.astype(np.float32), np.asarray(self.answer(x.sum(axis=1)), np.uint8))
        return table, table


class And(TruthTable):
    """1 where every input is 1."""

    name: ClassVar[str] = "and"

    def answer(self, ones: Ones) -> Any:
        """Return where all are ones."""
        return ones == self.bits


class Or(TruthTable):
    """1 where any input is 1."""

    name: ClassVar[str] = "or"

    def answer(self, ones: Ones) -> Any:
        """Return where there are ones."""
        return ones > 0


class Nand(TruthTable):
    """1 unless every input is 1."""

    name: ClassVar[str] = "nand"

    def answer(self, ones: Ones) -> Any:
        """Return where not all are ones."""
        return ones < self.bits


class Xor(TruthTable):
    """1 where the number of ones is odd; for two inputs, where they differ. No line separates that."""

    name: ClassVar[str] = "xor"

    def answer(self, ones: Ones) -> Any:
        """Return where the number is odd."""
        return ones % 2


@dataclass(frozen=True)
class Majority(TruthTable):
    """1 where more than half of the inputs are 1."""

    name: ClassVar[str] = "majority"
    bits: Annotated[int, Ge(1), Le(16)] = 5

    def answer(self, ones: Ones) -> Any:
        """Return where most are ones."""
        return 2 * ones > self.bits


@dataclass(frozen=True)
class Parity(Xor):
    """xor of more inputs: to change any one of them changes the answer."""

    name: ClassVar[str] = "parity"
    bits: Annotated[int, Ge(1), Le(16)] = 4


@dataclass(frozen=True)
class _Drawn(_Made):
    """n examples to train and validate on (a fifth of them by default), and half as many to test on."""

    n: Annotated[int, Ge(10), Le(1_000_000)] = 1000
    seed: Annotated[int, Ge(0)] = 0

    @property
    def pool(self) -> int:
        """As many as were asked for."""
        return self.n

    @property
    def validation(self) -> int:
        """A fifth."""
        return self.n // 5

    @property
    def test(self) -> int:
        """Half as many."""
        return self.n // 2

    def draw(self, n: int, rng: np.random.Generator) -> tuple[Any, Any]:
        """Return inputs (n, n_0) and targets (n,) or (n, k)."""
        raise NotImplementedError

    def load(self, cache: Cache) -> tuple[Split, Split]:
        """Return the pool and the test split, drawn one after the other."""
        rng = np.random.default_rng(self.seed)
        pool, test = (self.draw(n, rng) for n in (self.pool, self.test))
        dtype = np.uint8 if pool[1].ndim == 1 else np.float32
        return Split(pool[0].astype(np.float32), pool[1].astype(dtype)), Split(
            test[0].astype(np.float32), test[1].astype(dtype)
        )


@dataclass(frozen=True)
class _Plane(_Drawn):
    inputs: ClassVar[int] = 2


@dataclass(frozen=True)
class Blobs(_Plane):
    """Normal clouds around points on the unit circle, one for each class."""

    name: ClassVar[str] = "blobs"
    classes: Annotated[int, Ge(2), Le(100)] = 3
    noise: Annotated[float, Ge(0), Le(1000)] = 0.3

    def draw(self, n: int, rng: np.random.Generator) -> tuple[Any, Any]:
        """Return points and their clouds."""
        label = rng.integers(0, self.classes, n)
        angle = 2 * np.pi * label / self.classes
        return _around(np.cos(angle), np.sin(angle), self.noise, rng), label


@dataclass(frozen=True)
class Moons(_Plane):
    """Two half circles, each with its end between the ends of the other."""

    name: ClassVar[str] = "moons"
    classes: ClassVar[int] = 2
    noise: Annotated[float, Ge(0), Le(1000)] = 0.15

    def draw(self, n: int, rng: np.random.Generator) -> tuple[Any, Any]:
        """Return points and their half circles."""
        label = rng.integers(0, 2, n)
        angle, side = np.pi * rng.random(n), 1 - 2 * label
        x, y = side * np.cos(angle) - side / 2, side * np.sin(angle) - side / 4
        return _around(x, y, self.noise, rng), label


@dataclass(frozen=True)
class Spirals(_Plane):
    """Arms that wind around each other, one for each class."""

    name: ClassVar[str] = "spirals"
    classes: Annotated[int, Ge(2), Le(100)] = 2
    turns: Annotated[float, Gt(0), Le(10)] = 1.5
    noise: Annotated[float, Ge(0), Le(1000)] = 0.02

    def draw(self, n: int, rng: np.random.Generator) -> tuple[Any, Any]:
        """Return points and their arms."""
        label, radius = rng.integers(0, self.classes, n), np.sqrt(rng.random(n))
        angle = 2 * np.pi * (self.turns * radius + label / self.classes)
        return _around(radius * np.cos(angle), radius * np.sin(angle), self.noise, rng), label


def _around(x: Any, y: Any, noise: float, rng: np.random.Generator) -> npt.NDArray[np.float64]:
    points = np.stack([x, y], axis=1)
    return points + noise * rng.standard_normal(points.shape)


@dataclass(frozen=True)
class _Curve(_Drawn):
    inputs: ClassVar[int] = 1
    classes: ClassVar[int] = 0
    noise: Annotated[float, Ge(0), Le(1000)] = 0.05

    def f(self, x: Any) -> Any:
        """Return the curve at x, in -1 … 1."""
        raise NotImplementedError

    def draw(self, n: int, rng: np.random.Generator) -> tuple[Any, Any]:
        """Return x, uniform in -1 … 1, and the curve there, with noise."""
        x = rng.uniform(-1, 1, (n, 1))
        return x, self.f(x) + self.noise * rng.standard_normal(x.shape)


@dataclass(frozen=True)
class Sine(_Curve):
    """y = sin(2 π x) for x in -1 … 1: two whole waves."""

    name: ClassVar[str] = "sine"

    def f(self, x: Any) -> Any:
        """Return the sine."""
        return np.sin(2 * np.pi * x)


@dataclass(frozen=True)
class Bump(_Curve):
    """y = exp(-20 x²) for x in -1 … 1: what two sigmoids can build between them (Nielsen, chapter 4)."""

    name: ClassVar[str] = "bump"

    def f(self, x: Any) -> Any:
        """Return the bump."""
        return np.exp(-20 * x * x)
