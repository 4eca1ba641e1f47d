"""Learning-rate schedules: the factor by which η is multiplied in the course of training.

Time t is counted in epochs from the start of training, with fractions inside an epoch. A field is an option of the
config.
"""

from __future__ import annotations

import math
from typing import Annotated, ClassVar, Protocol

import numpy as np
from annotated_types import Ge, Gt, Le, Lt

from backprop_cli.frozen import frozen
from backprop_cli.nn.arrays import Array


class Schedule(Protocol):
    """η as a multiple of the config's.

    `depends_on_epochs` says whether the factors change with the number of epochs, `needs_validation` whether the rule
    looks at the validation split.
    """

    name: ClassVar[str]
    depends_on_epochs: ClassVar[bool] = False
    needs_validation: ClassVar[bool] = False

    def factors(self, t: Array, epochs: float) -> Array:
        """Return the factor at each of the times t (steps,), for a training of so many epochs."""

    def halves(self, waited: int) -> bool:
        """Whether η is halved after so many epochs without improvement, and as many since it was last halved."""
        return False

    def ends(self, halvings: int) -> bool:
        """Whether training is over once η has been halved so often."""
        return False


@frozen
class Constant(Schedule):
    """1: the same η from the first step to the last."""

    name: ClassVar[str] = "constant"

    def factors(self, t: Array, epochs: float) -> Array:
        """Return ones."""
        return np.ones_like(t)


@frozen
class StepDecay(Schedule):
    """gamma^⌊t / every⌋: a jump down every so many epochs."""

    name: ClassVar[str] = "step"
    every: Annotated[int, Ge(1)] = 10
    gamma: Annotated[float, Gt(0), Le(1)] = 0.1

    def factors(self, t: Array, epochs: float) -> Array:
        """Return gamma^⌊t / every⌋."""
        return self.gamma ** np.floor(t / self.every)


@frozen
class Exponential(Schedule):
    """gamma^t: an exponential decay, step by step."""

    name: ClassVar[str] = "exponential"
    gamma: Annotated[float, Gt(0), Le(1)] = 0.95

    def factors(self, t: Array, epochs: float) -> Array:
        """Return gamma^t."""
        return self.gamma**t


@frozen
class Cosine(Schedule):
    """smallest + (1 - smallest) (1 + cos(π t / epochs)) / 2: slow, fast, slow (Loshchilov and Hutter 2017, eq. 5)."""

    name: ClassVar[str] = "cosine"
    depends_on_epochs: ClassVar[bool] = True
    smallest: Annotated[float, Ge(0), Lt(1)] = 0.0

    def factors(self, t: Array, epochs: float) -> Array:
        """Return the half wave."""
        wave = (1 + np.cos(math.pi * t / epochs)) / 2
        return self.smallest + (1 - self.smallest) * wave


@frozen
class Plateau(Constant):
    """Halve η when validation has not improved for `patience` epochs; stop when it has come down to η / stop_at.

    Source: Nielsen, chapter 3, "How to choose a neural network's hyper-parameters", and its exercise. The factors are
    those of a constant, as the halvings depend on the course of training.
    """

    name: ClassVar[str] = "plateau"
    needs_validation: ClassVar[bool] = True
    patience: Annotated[int, Ge(1)] = 10
    stop_at: Annotated[int, Gt(1)] = 128

    def halves(self, waited: int) -> bool:
        """Whether patience is at an end."""
        return waited >= self.patience

    def ends(self, halvings: int) -> bool:
        """Whether η has come down to η / stop_at."""
        return 2**halvings >= self.stop_at


@frozen
class Warmup(Schedule):
    """A linear increase from (almost) 0 over the first so many epochs, and then another schedule."""

    name: ClassVar[str] = "warmup"
    epochs: float
    then: Schedule

    def factors(self, t: Array, epochs: float) -> Array:
        """Return the line, and after it the factors of the other schedule, whose time begins there."""
        step = 1.0 if len(t) < 2 else float(t[1] - t[0])  # so that the first step is not made with η = 0
        rising = np.minimum((t + step) / self.epochs, 1)
        return rising * self.then.factors(np.maximum(t - self.epochs, 0), epochs - self.epochs)


SCHEDULES: dict[str, type[Schedule]] = {rule.name: rule for rule in (Constant, StepDecay, Exponential, Cosine, Plateau)}
"""Every schedule, by name."""
