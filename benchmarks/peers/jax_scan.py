"""JAX on the CPU: the whole epoch is one compiled function, a lax.scan over its batches; update rules are optax's.

In training, a convolution is a product with patches, which are slices of the images: XLA's own convolution takes 2 to
14 times as long on a CPU. Evaluation uses XLA's own, which is three times as fast there.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import optax

from benchmarks.peers.common import Peer, floats, initial_layers, run
from benchmarks.workloads import KERNEL, POOL, Workload

ACTIVATIONS = {"sigmoid": jax.nn.sigmoid, "relu": jax.nn.relu}
OPTIMIZERS = {"sgd": optax.sgd, "adam": optax.adam}
CHUNK = 250
"""Images that are evaluated at a time, where there are convolutions."""


class Training(NamedTuple):
    """The pure functions of a workload: state of a seed, state after an epoch whose order has a key, test accuracy."""

    initial: Callable[[int], Any]
    epoch: Callable[[Any, Any], Any]
    accuracy: Callable[[Any], Any]


def patches_times(x: Any, W: Any) -> Any:
    """Return the convolution of images x (m, rows, columns, c) with W (rows · columns · c, filters) as one product."""
    side = x.shape[1] - KERNEL + 1
    corners = [(i, j) for i in range(KERNEL) for j in range(KERNEL)]
    return jnp.concatenate([x[:, i : i + side, j : j + side] for i, j in corners], -1) @ W


def convolution(x: Any, W: Any) -> Any:
    """Return the same by XLA's convolution."""
    W = W.reshape(KERNEL, KERNEL, x.shape[-1], -1)
    return jax.lax.conv_general_dilated(x, W, (1, 1), "VALID", dimension_numbers=("NHWC", "HWIO", "NHWC"))


def training(w: Workload) -> Training:
    x, labels, x_test, labels_test = (jnp.asarray(array) for array in floats(w))
    y = jax.nn.one_hot(labels, w.layers[-1])
    f, n, m = ACTIVATIONS[w.activation], len(x), w.batch_size
    rule = OPTIMIZERS[w.optimizer](w.eta)
    if w.lmbda:
        weights = partial(jax.tree.map, lambda p: p.ndim > 1)
        rule = optax.chain(optax.add_decayed_weights(w.lmbda / n, weights), rule)

    def logits(params: Any, x: Any, convolve: Callable[[Any, Any], Any] = patches_times) -> Any:
        images, dense = params[: len(w.convolutions)], params[len(w.convolutions) :]
        if images:
            x = x.reshape(-1, 28, 28, 1)
        for W, b in images:
            z = convolve(x, W)
            side = z.shape[1] // POOL
            x = f(z.reshape(len(z), side, POOL, side, POOL, -1).max((2, 4)) + b)
        x = x.reshape(len(x), -1)
        for W, b in dense[:-1]:
            x = f(x @ W + b)
        W, b = dense[-1]
        return x @ W + b

    def loss(params: Any, x: Any, y: Any) -> Any:
        z = logits(params, x)
        if w.cost == "quadratic":
            return 0.5 * jnp.mean(jnp.sum((jax.nn.sigmoid(z) - y) ** 2, axis=1))
        if w.output == "softmax":
            return -jnp.mean(jnp.sum(y * jax.nn.log_softmax(z), axis=1))
        return jnp.mean(jnp.sum(jax.nn.softplus(z) - y * z, axis=1))

    def initial(seed: int) -> Any:
        layers = initial_layers(w, seed)
        if w.convolutions:  # those behind them take images as rows, columns, channels
            W, b = layers[len(w.convolutions)]
            side = round((w.layers[0] / w.convolutions[-1]) ** 0.5)
            layers[len(w.convolutions)] = W.reshape(len(W), -1, side, side), b
        layers = [(W.transpose(*range(2, W.ndim), 1, 0), b) for W, b in layers]  # outputs last
        params = [(jnp.asarray(W.reshape(-1, W.shape[-1])), jnp.asarray(b)) for W, b in layers]
        return params, rule.init(params)

    def step(state: Any, rows: Any) -> Any:
        params, memory = state
        updates, memory = rule.update(jax.grad(loss)(params, x[rows], y[rows]), memory, params)
        return (optax.apply_updates(params, updates), memory), None

    def epoch(state: Any, key: Any) -> Any:
        order = jax.random.permutation(key, n)
        state, _ = jax.lax.scan(step, state, order[: n - n % m].reshape(-1, m))
        return step(state, order[n - n % m :])[0] if n % m else state

    def accuracy(state: Any) -> Any:
        chunks = x_test.reshape(-1, CHUNK, x_test.shape[1]) if w.convolutions else x_test[None]
        predicted = jax.lax.map(lambda x: logits(state[0], x, convolution).argmax(1), chunks)
        return (predicted.reshape(-1) == labels_test).mean()

    return Training(initial, epoch, accuracy)


def peer(w: Workload) -> Peer:
    t = training(w)
    epoch_of, accuracy_of = jax.jit(t.epoch, donate_argnums=0), jax.jit(t.accuracy)
    state, key = t.initial(0), jax.random.key(0)

    def epoch() -> None:
        nonlocal state, key
        key, now = jax.random.split(key)
        state = jax.block_until_ready(epoch_of(state, now))

    return Peer(epoch, lambda: float(accuracy_of(state)))


if __name__ == "__main__":
    run(peer)
