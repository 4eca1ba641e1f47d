"""The optimizers, each with its whole rule. A field is an option of the config."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Annotated, ClassVar, Literal

import numpy as np
from annotated_types import Ge, Gt, Lt

from backprop_cli.frozen import frozen
from backprop_cli.nn.arrays import Array
from backprop_cli.optim.optimizer import Decay, Epsilon, Optimizer
from backprop_cli.optim.state import State, is_count


class _Normalized(Optimizer):
    """An optimizer whose first steps change each parameter by about eta, whatever the length of the gradient."""

    def usual_eta(self, descent: float, fan_in: int) -> float:
        """Return 1 / fan_in, but at most 0.1: eta times the inputs of a unit is what a step can change in its z.

        For 784 inputs that is the usual 0.001. Source: Yang et al. 2022, table 3 (Adam, hidden weights).
        """
        return min(0.1, 1 / fan_in)


ROUNDING = 2.0**-24
"""The relative error of rounding in single precision."""


@frozen
class SGD(Optimizer):
    """theta <- theta - eta g (Nielsen, eq. 20-21)."""

    name: ClassVar[str] = "sgd"
    plain: ClassVar[bool] = True

    def init(self, theta: Array) -> State:
        """Return an empty state."""
        return State()

    def step(self, theta: Array, g: Array, s: State, eta: Array) -> None:
        """Move theta."""
        theta -= eta * g


@frozen
class Momentum(Optimizer):
    """v <- mu v - eta g; theta <- theta + v (Sutskever et al. 2013, eq. 1-2).

    With `first`, mu is `first` in the first so many `epochs` (Hinton 2010, section 9.1), or grows from `first` in
    the first of them to mu in the last, by the same factor each time, with `change: geometric`.
    """

    name: ClassVar[str] = "momentum"
    mu: Decay = 0.9
    first: Annotated[float, Gt(0), Lt(1)] | None = None
    epochs: Annotated[int, Ge(1)] | None = None
    change: Literal["jump", "geometric"] | None = None

    def problems(self) -> Iterator[tuple[str, str]]:
        """Yield what is missing of the three options of a mu that changes."""
        if self.first is None:
            for option in ("epochs", "change"):
                if getattr(self, option) is not None:
                    yield option, "is for a momentum that changes; set optimizer.first, its value in the first epoch"
        elif self.epochs is None:
            yield "first", "needs optimizer.epochs, the number of epochs until momentum is mu"

    def mu_of(self, epoch: int) -> float:
        """Return mu of an epoch (from 1)."""
        if self.first is None or self.epochs is None or epoch > self.epochs:
            return self.mu
        if self.change != "geometric":
            return self.first
        return float(self.first * (self.mu / self.first) ** ((epoch - 1) / max(1, self.epochs - 1)))

    def usual_eta(self, descent: float, fan_in: int) -> float:
        """Return (1 - mu)/2 of that of gradient descent: gradients that stay alike add up to 1 / (1 - mu) of one."""
        return (1 - self.mu) / 2 * descent

    def init(self, theta: Array) -> State:
        """Return a velocity of zero, and mu of the first epoch if it changes."""
        v = State(v=np.zeros_like(theta))
        return v if self.first is None else State(**v, mu=np.array(self.mu_of(1), theta.dtype))

    def negligible(self, tiny: float) -> Mapping[str, float]:
        """Return the limit of velocities."""
        return {"v": tiny}

    def begin_epoch(self, s: State, epoch: int) -> None:
        """Write mu, if it changes."""
        if "mu" in s:
            s.mu = np.asarray(self.mu_of(epoch))

    def step(self, theta: Array, g: Array, s: State, eta: Array) -> None:
        """Move theta by its velocity."""
        mu = s.get("mu", self.mu)
        s.v = mu * s.v - eta * g
        theta += s.v


@frozen
class Nesterov(Momentum):
    """v <- mu v - eta g; theta <- theta + mu v - eta g (Bengio et al. 2013, section 3.5).

    theta is where the velocity is about to carry the parameters, which is where Nesterov's method takes the gradient
    (Sutskever et al. 2013, eq. 3-4, in that variable).
    """

    name: ClassVar[str] = "nesterov"

    def step(self, theta: Array, g: Array, s: State, eta: Array) -> None:
        """Move theta by the new velocity, shortened by mu, and by the gradient once more."""
        mu = s.get("mu", self.mu)
        s.v = mu * s.v - eta * g
        theta += mu * s.v - eta * g


@frozen
class Adagrad(_Normalized):
    """v <- v + g²; theta <- theta - eta g / (√v + eps) (Duchi et al. 2011, section 1.1).

    eps is outside the root, with PyTorch's default.
    """

    name: ClassVar[str] = "adagrad"
    eps: Epsilon = 1e-10

    def usual_eta(self, descent: float, fan_in: int) -> float:
        """Return up to ten times that of Adam, as the steps shrink with the root of their number."""
        return min(0.3, 10 / fan_in)

    def init(self, theta: Array) -> State:
        """Return a sum of zero."""
        return State(v=np.zeros_like(theta))

    def step(self, theta: Array, g: Array, s: State, eta: Array) -> None:
        """Move each parameter by its gradient, in units of the root of the sum of its squares so far."""
        s.v += g * g
        theta -= eta * g / (np.sqrt(s.v) + self.eps)


@frozen
class Adadelta(Optimizer):
    """v <- rho v + (1 - rho) g²; d = √(u + eps) / √(v + eps) g; theta <- theta - eta d; u <- rho u + (1 - rho) d².

    Zeiler 2012, algorithm 1, which has eta = 1; eps as in PyTorch and Keras.
    """

    name: ClassVar[str] = "adadelta"
    rho: Decay = 0.95
    eps: Epsilon = 1e-6

    def usual_eta(self, descent: float, fan_in: int) -> float:
        """Return 1: a step is as long as earlier steps, not as the gradient."""
        return 1.0

    def init(self, theta: Array) -> State:
        """Return means of zero."""
        return State(v=np.zeros_like(theta), u=np.zeros_like(theta))

    def negligible(self, tiny: float) -> Mapping[str, float]:
        """Return limits far below eps, to which both means are added."""
        limit = min(tiny, ROUNDING * self.eps)
        return {"v": limit, "u": limit}

    def step(self, theta: Array, g: Array, s: State, eta: Array) -> None:
        """Move each parameter by its gradient, times the ratio of the recent lengths of its steps and gradients."""
        s.v = self.rho * s.v + (1 - self.rho) * (g * g)
        d = np.sqrt(s.u + self.eps) / np.sqrt(s.v + self.eps) * g
        theta -= eta * d
        s.u = self.rho * s.u + (1 - self.rho) * (d * d)


@frozen
class RMSprop(_Normalized):
    """v <- rho v + (1 - rho) g²; theta <- theta - eta g / (√v + eps) (Hinton 2012, lecture 6e).

    rho is Hinton's; eps is outside the root and has the default of PyTorch (whose rho is 0.99).
    """

    name: ClassVar[str] = "rmsprop"
    rho: Decay = 0.9
    eps: Epsilon = 1e-8

    def init(self, theta: Array) -> State:
        """Return a mean of zero."""
        return State(v=np.zeros_like(theta))

    def negligible(self, tiny: float) -> Mapping[str, float]:
        """Return a limit whose root is far below eps, to which it is added."""
        return {"v": min(tiny, (ROUNDING * self.eps) ** 2)}

    def step(self, theta: Array, g: Array, s: State, eta: Array) -> None:
        """Move each parameter by its gradient, in units of the root of the recent mean of its squares."""
        s.v = self.rho * s.v + (1 - self.rho) * (g * g)
        theta -= eta * g / (np.sqrt(s.v) + self.eps)


@frozen
class Adam(_Normalized):
    """m <- β1 m + (1 - β1) g; v <- β2 v + (1 - β2) g²; theta <- theta - eta m̂ / (√v̂ + eps) (Kingma & Ba 2015, alg. 1).

    m̂ = m / (1 - β1^t) and v̂ = v / (1 - β2^t) are weighted means of the t gradients so far, and of their squares.
    """

    name: ClassVar[str] = "adam"
    beta1: Decay = 0.9
    beta2: Decay = 0.999
    eps: Epsilon = 1e-8

    def init(self, theta: Array) -> State:
        """Return moments of zero, after no steps; t is in double precision, as 1 - β2^t loses digits in single."""
        return State(m=np.zeros_like(theta), v=np.zeros_like(theta), t=np.zeros(()))

    def negligible(self, tiny: float) -> Mapping[str, float]:
        """Return limits far below eps: of first moments, which are divided by it, and of the squares of it."""
        return {"m": min(tiny, ROUNDING**2 * self.eps), "v": min(tiny, (ROUNDING * self.eps) ** 2)}

    def step(self, theta: Array, g: Array, s: State, eta: Array) -> Mapping[str, Array]:
        """Move each parameter by the mean of its gradients, in units of the root of the mean of their squares."""
        s.t += 1
        s.m = self.beta1 * s.m + (1 - self.beta1) * g
        s.v = self.beta2 * s.v + (1 - self.beta2) * (g * g)
        m_hat = s.m / (1 - self.beta1**s.t)
        v_hat = s.v / (1 - self.beta2**s.t)
        theta -= eta * m_hat / (np.sqrt(v_hat) + self.eps)
        return {"m_hat": m_hat, "v_hat": v_hat}

    def is_state(self, s: State, steps: int) -> bool:
        """Whether there is no NaN, and t is a number of steps."""
        return super().is_state(s, steps) and is_count(s.t, steps)


@frozen
class AdamW(Adam):
    """theta <- (1 - eta weight_decay) theta, then a step of Adam (Loshchilov & Hutter 2019, alg. 2).

    The decay acts on every parameter, biases too, as in PyTorch; `lambda` of the config is a penalty, which is not the
    same.
    """

    name: ClassVar[str] = "adamw"
    weight_decay: Annotated[float, Ge(0)] = 0.01

    def step(self, theta: Array, g: Array, s: State, eta: Array) -> Mapping[str, Array]:
        """Shrink theta, then move it."""
        theta *= 1 - eta * self.weight_decay
        return super().step(theta, g, s, eta)


@frozen
class Rprop(_Normalized):
    """theta <- theta - step sign(g), each parameter with a step of its own (Riedmiller & Braun 1993, as iRprop-).

    A step starts at eta, grows by eta_plus while the sign of its g stays, and shrinks by eta_minus when that changes;
    the parameter then waits once, which is the variant iRprop- (Igel & Hüsken 2000), as in PyTorch. The length of the
    gradient does not matter, so it has to be that of all examples: the noise of a batch would change signs.
    """

    name: ClassVar[str] = "rprop"
    full_batch: ClassVar[bool] = True
    eta_minus: Annotated[float, Gt(0), Lt(1)] = 0.5
    eta_plus: Annotated[float, Gt(1)] = 1.2
    smallest: Epsilon = 1e-6
    largest: Annotated[float, Gt(0)] = 50.0

    def problems(self) -> Iterator[tuple[str, str]]:
        """Yield that `smallest` is larger than `largest`, if it is."""
        if self.smallest > self.largest:
            yield "smallest", f"{self.smallest:g} is larger than optimizer.largest ({self.largest:g})"

    def init(self, theta: Array) -> State:
        """Return the state of a parameter that has not moved: no step, no sign."""
        return State(step=np.zeros_like(theta), sign=np.zeros_like(theta))

    def step(self, theta: Array, g: Array, s: State, eta: Array) -> None:
        """Change each step by what its sign did, and move by it."""
        stays = np.sign(g) * s.sign  # 1; -1 where the sign changed; 0 where there is or was none
        factor = np.where(stays > 0, self.eta_plus, np.where(stays < 0, self.eta_minus, 1))
        first = s.step == 0  # later steps are no smaller than `smallest`
        s.step = np.clip(np.where(first, eta, s.step * factor), self.smallest, self.largest)
        s.sign = np.where(stays < 0, 0, np.sign(g))
        theta -= s.step * s.sign


OPTIMIZERS: dict[str, type[Optimizer]] = {
    rule.name: rule for rule in (SGD, Momentum, Nesterov, Adagrad, Adadelta, RMSprop, Adam, AdamW, Rprop)
}
"""Every optimizer, by name."""
