"""The network: layers of W and b as views of one vector theta, signals forward, deltas backward."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from itertools import pairwise

import numpy as np

from backprop_cli.nn.activations import Activation
from backprop_cli.nn.arrays import Array
from backprop_cli.nn.initializers import Initializer


@dataclass(frozen=True)
class Dense:
    """One layer, a = f(z) with z = x W^T + b.

    W (n_out, n_in) and b (n_out,) are views of the network's theta, or of its gradient. Stacks of K networks have a
    leading axis: theta (K, n_parameters), W (K, n_out, n_in).
    """

    W: Array
    b: Array
    activation: Activation

    def weighted_input(self, x: Array) -> Array:
        """Return z = x W^T + b, of shape (m, n_out), for the inputs x (m, n_in)."""
        z = x @ self.W.mT
        z += self.b[..., None, :]
        return z


@dataclass(frozen=True)
class Network:
    """A feed-forward network: its sizes (n_0, …, n_L) and the activation of each layer 1 … L.

    It holds no parameters: they live in the vector theta that is passed in, all weights first
    (W1, …, WL, row by row), then all biases (b1, …, bL), so that a penalty acts on one slice.
    """

    sizes: tuple[int, ...]
    activations: tuple[Activation, ...]

    @cached_property
    def n_weights(self) -> int:
        """The number of weights: theta[:n_weights] are the W, the rest the b."""
        return sum(n_in * n_out for n_in, n_out in pairwise(self.sizes))

    @cached_property
    def n_parameters(self) -> int:
        """The length of theta."""
        return self.n_weights + sum(self.sizes[1:])

    def layers(self, theta: Array) -> list[Dense]:
        """Return layer 1 … L as views of theta (n_parameters,); nothing is copied."""
        views = [theta[..., indices.start : indices.stop] for _, indices in self.arrays()]
        return [
            Dense(W.reshape(*W.shape[:-1], n_out, n_in), b, activation)
            for W, b, (n_in, n_out), activation in zip(
                views[::2], views[1::2], pairwise(self.sizes), self.activations, strict=True
            )
        ]

    def initialize(self, initializer: Initializer, rng: np.random.Generator, dtype: str) -> Array:
        """Return a new theta, layer after layer drawn from rng."""
        theta = np.empty(self.n_parameters, dtype)
        for layer in self.layers(theta):
            initializer.fill(layer.W, layer.b, rng)
        return theta

    def arrays(self) -> list[tuple[str, range]]:
        """Return the name and the indices in theta of every array: W1, b1, …, WL, bL."""
        found, w, b = [], 0, self.n_weights
        for number, (n_in, n_out) in enumerate(pairwise(self.sizes), start=1):
            found.append((f"W{number}", range(w, w + n_in * n_out)))
            found.append((f"b{number}", range(b, b + n_out)))
            w, b = w + n_in * n_out, b + n_out
        return found

    def name_of(self, index: int) -> str:
        """Return what mathematics calls theta[index]: `W2[3,17]` or `b1[4]`, indices from 0."""
        name, indices = next((name, indices) for name, indices in self.arrays() if index in indices)
        offset = index - indices.start
        n_in = self.sizes[int(name[1:]) - 1]
        return f"{name}[{offset // n_in},{offset % n_in}]" if name[0] == "W" else f"{name}[{offset}]"


def forward(layers: list[Dense], x: Array) -> tuple[list[Array], list[Array]]:
    """Return z and a of all layers for the examples x (m, n_0).

    a[0] is x; z[l] and a[l], of shape (m, n_l), belong to layer l = 1 … L. (z[0] only keeps the count.)
    """
    z, a = [x], [x]
    for layer in layers:
        z.append(layer.weighted_input(a[-1]))
        a.append(layer.activation.value(z[-1]))
    return z, a


def deltas(layers: list[Dense], z: list[Array], a: list[Array], delta: Array) -> Iterator[tuple[int, Array]]:
    """Yield (l, delta^l) with delta^l = dC/dz^l of shape (m, n_l), for l = L … 1, given that of the output layer.

    z and a are what `forward` returned. A layer may be changed once its delta is there: the one below has been
    worked out by then. Source: Nielsen, chapter 2, equation BP2, with the examples of a batch as rows.
    """
    for l in range(len(layers), 0, -1):
        below = delta
        if l > 1:  # BP2: delta^l = (delta^{l+1} W^{l+1}) ⊙ f'(z^l)
            below = layers[l - 2].activation.pull_back(z[l - 1], a[l - 1], delta @ layers[l - 1].W)
        yield l, delta
        delta = below


def backward(layers: list[Dense], grads: list[Dense], z: list[Array], a: list[Array], delta: Array) -> None:
    """Carry delta = dC/dz of the output layer (m, n_L) back through the network; write dC/dW and dC/db into grads.

    Source: Nielsen, chapter 2, equations BP3 and BP4, over a batch.
    """
    ones = np.ones(delta.shape[-2], delta.dtype)
    for l, delta_l in deltas(layers, z, a, delta):
        np.matmul(delta_l.mT, a[l - 1], out=grads[l - 1].W)  # BP4: dC/dW = delta^T a
        np.matmul(ones, delta_l, out=grads[l - 1].b)  # BP3: dC/db = sum of delta over the batch
