"""Optimizers: each an `init`, which returns its state, and a `step`, which moves theta in place.

theta and g have shape (n_parameters,), or (K, n_parameters) for K networks at once; eta is an array of no
dimensions. A field is an option of the config.

A step is a handful of passes over theta and little else, so the rules are written to need few of them: averages are
kept as sums, and what would scale them is gathered into numbers of no dimensions. Those have the dtype of theta, since
a double among them would make single precision run in double.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Annotated, ClassVar, Protocol, runtime_checkable

import numpy as np
from annotated_types import Ge, Gt, Lt

from backprop_cli.nn.arrays import Array

State = dict[str, Array]
"""What an optimizer remembers between steps; a checkpoint holds each array under its name."""

Share = Annotated[float, Ge(0), Lt(1)]
"""What is left of the past after a step."""

Tiny = Annotated[float, Ge(1e-30)]
"""More than zero in single precision as well."""


@runtime_checkable
class Optimizer(Protocol):
    """A rule for one step down the gradient.

    `plain` says that a step is theta <- theta - eta g and nothing else, so that a matrix product can take it by itself;
    `full_batch` that g should be the gradient over all training examples; `line_search` that it is a Minimizer. The
    arrays of the state keep their shapes and dtypes.
    """

    name: ClassVar[str]
    plain: ClassVar[bool] = False
    full_batch: ClassVar[bool] = False
    line_search: ClassVar[bool] = False

    def problems(self) -> Iterator[tuple[str, str]]:
        """Yield what is wrong with its options: the option, and what is wrong with it."""
        yield from ()

    def init(self, theta: Array) -> State:
        """Return the state before the first step."""

    def step(self, theta: Array, g: Array, state: State, eta: Array) -> None:
        """Change theta, and the arrays in state, in place by one step with gradient g."""


@dataclass(frozen=True)
class SGD(Optimizer):
    """theta <- theta - eta g (Nielsen, eq. 20-21)."""

    name: ClassVar[str] = "sgd"
    plain: ClassVar[bool] = True

    def init(self, theta: Array) -> State:
        """Return an empty state."""
        return {}

    def step(self, theta: Array, g: Array, state: State, eta: Array) -> None:
        """Move theta."""
        theta -= eta * g


@dataclass(frozen=True)
class Momentum(Optimizer):
    """v <- mu v - eta g; theta <- theta + v (Sutskever et al. 2013, eq. 1-2)."""

    name: ClassVar[str] = "momentum"
    mu: Share = 0.9

    def init(self, theta: Array) -> State:
        """Return a velocity of zero."""
        return {"v": np.zeros_like(theta)}

    def step(self, theta: Array, g: Array, state: State, eta: Array) -> None:
        """Move theta by its velocity."""
        v = state["v"]
        v *= self.mu
        v -= eta * g
        theta += v


@dataclass(frozen=True)
class Nesterov(Optimizer):
    """v <- mu v - eta g; theta <- theta + mu v - eta g (Bengio et al. 2013, section 3.5).

    theta is where the velocity is about to carry the parameters, which is where Nesterov's method wants the gradient
    (Sutskever et al. 2013, eq. 3-4, in that variable).
    """

    name: ClassVar[str] = "nesterov"
    mu: Share = 0.9

    def init(self, theta: Array) -> State:
        """Return a velocity of zero."""
        return {"mu_v": np.zeros_like(theta)}

    def step(self, theta: Array, g: Array, state: State, eta: Array) -> None:
        """Move theta by the velocity to come and by the gradient once more."""
        mu_v = state["mu_v"]  # mu v in place of v saves a pass
        change = eta * g
        mu_v -= change
        mu_v *= self.mu
        theta += mu_v
        theta -= change


@dataclass(frozen=True)
class Adagrad(Optimizer):
    """v <- v + g²; theta <- theta - eta g / (√v + eps) (Duchi et al. 2011, section 1.1).

    eps stands outside the root, with PyTorch's default.
    """

    name: ClassVar[str] = "adagrad"
    eps: Tiny = 1e-10

    def init(self, theta: Array) -> State:
        """Return a sum of zero."""
        return {"v": np.zeros_like(theta)}

    def step(self, theta: Array, g: Array, state: State, eta: Array) -> None:
        """Move theta by the gradient in units of the length that it has had so far, each parameter by itself."""
        v = state["v"]
        square = np.square(g)
        v += square
        change = _ratio(g, v, self.eps, out=square)
        change *= eta
        theta -= change


@dataclass(frozen=True)
class RMSprop(Optimizer):
    """v <- rho v + (1 - rho) g²; theta <- theta - eta g / (√v + eps) (Hinton 2012, lecture 6e).

    rho is Hinton's; eps stands outside the root and has the default of PyTorch (whose rho is 0.99).
    """

    name: ClassVar[str] = "rmsprop"
    rho: Share = 0.9
    eps: Tiny = 1e-8

    def init(self, theta: Array) -> State:
        """Return a sum of zero."""
        return {"v_sum": np.zeros_like(theta)}

    def step(self, theta: Array, g: Array, state: State, eta: Array) -> None:
        """Move theta by the gradient in units of its recent length, each parameter by itself."""
        v_sum = state["v_sum"]  # v / (1 - rho), the sum of all rho^i g²
        root = 1 / math.sqrt(1 - self.rho)
        square = np.square(g)
        v_sum *= self.rho
        v_sum += square
        change = _ratio(g, v_sum, self.eps * root, out=square)
        change *= eta * root
        theta -= change


@dataclass(frozen=True)
class Adam(Optimizer):
    """m <- β1 m + (1 - β1) g; v <- β2 v + (1 - β2) g²; theta <- theta - eta m̂ / (√v̂ + eps) (Kingma & Ba 2015, alg. 1).

    m̂ = m / (1 - β1^t) and v̂ = v / (1 - β2^t) are weighted means of the t gradients so far, and of their squares.
    """

    name: ClassVar[str] = "adam"
    beta1: Share = 0.9
    beta2: Share = 0.999
    eps: Tiny = 1e-8

    def init(self, theta: Array) -> State:
        """Return sums of zero, after no steps."""
        return {"m_sum": np.zeros_like(theta), "v_sum": np.zeros_like(theta), "t": np.zeros((), theta.dtype)}

    def step(self, theta: Array, g: Array, state: State, eta: Array) -> None:
        """Move theta by the mean gradient in units of the mean length, each parameter by itself."""
        m_sum, v_sum, t = state["m_sum"], state["v_sum"], state["t"]  # m / (1 - β1), v / (1 - β2)
        t += 1
        m_sum *= self.beta1
        m_sum += g
        square = np.square(g)
        v_sum *= self.beta2
        v_sum += square
        root = np.sqrt(_sum_of_powers(self.beta2, t))
        change = _ratio(m_sum, v_sum, self.eps * root, out=square)
        change *= eta * root / _sum_of_powers(self.beta1, t)
        theta -= change


@dataclass(frozen=True)
class AdamW(Adam):
    """theta <- (1 - eta weight_decay) theta, then a step of Adam (Loshchilov & Hutter 2019, alg. 2).

    That is every parameter, biases too, as PyTorch has it; `lambda` of the config is another thing, a penalty.
    """

    name: ClassVar[str] = "adamw"
    weight_decay: Annotated[float, Ge(0)] = 0.01

    def step(self, theta: Array, g: Array, state: State, eta: Array) -> None:
        """Shrink theta, then move it."""
        theta *= 1 - eta * self.weight_decay
        super().step(theta, g, state, eta)


@dataclass(frozen=True)
class Rprop(Optimizer):
    """theta <- theta - step sign(g), each parameter with a step of its own (Riedmiller & Braun 1993, as iRprop-).

    A step starts at eta, grows by eta_plus while the sign of its g stays, and shrinks by eta_minus when that turns;
    the parameter then waits once, which is the variant iRprop- (Igel & Hüsken 2000), PyTorch's too. The gradient's
    length plays no part, so it has to be that of all examples: the noise of a batch would turn signs.
    """

    name: ClassVar[str] = "rprop"
    full_batch: ClassVar[bool] = True
    eta_minus: Annotated[float, Gt(0), Lt(1)] = 0.5
    eta_plus: Annotated[float, Gt(1)] = 1.2
    smallest: Tiny = 1e-6
    largest: Annotated[float, Gt(0)] = 50.0

    def problems(self) -> Iterator[tuple[str, str]]:
        """Yield whether the smallest step is larger than the largest."""
        if self.smallest > self.largest:
            yield "smallest", f"{self.smallest:g} is larger than optimizer.largest ({self.largest:g})"

    def init(self, theta: Array) -> State:
        """Return the state of a parameter that has not moved: no step, no sign."""
        return {"step": np.zeros_like(theta), "sign": np.zeros_like(theta)}

    def step(self, theta: Array, g: Array, state: State, eta: Array) -> None:
        """Change each step by what its sign did, and go it."""
        step, sign = state["step"], state["sign"]
        step += (step == 0) * eta  # before the first step only: later ones are no smaller than `smallest`
        now = np.sign(g)
        stays = now * sign  # 1, -1 where the sign turned, 0 where there is or was none
        factor = np.maximum(self.eta_plus * stays, -self.eta_minus * stays)
        factor += stays == 0
        step *= factor
        np.maximum(step, self.smallest, out=step)
        np.minimum(step, self.largest, out=step)
        np.multiply(now, stays >= 0, out=sign)
        theta -= step * sign


def _ratio(mean: Array, v: Array, eps: Array | float, out: Array) -> Array:
    """Write mean / (√v + eps) into out, and return that."""
    np.sqrt(v, out=out)
    out += eps
    np.divide(mean, out, out=out)
    return out


def _sum_of_powers(beta: float, t: Array) -> Array:
    """Return 1 + beta + … + beta^(t-1) = (1 - beta^t) / (1 - beta).

    By way of expm1, since in single precision 1 - 0.999^t has lost four of its seven digits while t is small.
    """
    log_beta = math.log(beta) if beta > 0 else -math.inf
    total: Array = np.expm1(t * log_beta) / (beta - 1)
    return total


OPTIMIZERS: dict[str, type[Optimizer]] = {
    rule.name: rule for rule in (SGD, Momentum, Nesterov, Adagrad, RMSprop, Adam, AdamW, Rprop)
}
"""Every optimizer, by name."""
