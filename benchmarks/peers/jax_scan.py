"""JAX on the CPU: the whole epoch is one compiled function, a lax.scan over its batches."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

import jax
import jax.numpy as jnp

from benchmarks.peers.common import floats, initial_layers, mnist, run
from benchmarks.workloads import Workload

ACTIVATIONS = {"sigmoid": jax.nn.sigmoid, "relu": jax.nn.relu}


def peer(w: Workload) -> tuple[Callable[[], None], Callable[[], float]]:
    x, labels, x_test, labels_test = (jnp.asarray(array) for array in floats(mnist()))
    y = jax.nn.one_hot(labels, w.layers[-1])
    params: Any = [(jnp.asarray(W.T), jnp.asarray(b)) for W, b in initial_layers(w)]
    f, n, m = ACTIVATIONS[w.activation], len(x), w.batch_size

    def logits(params: Any, x: Any) -> Any:
        for W, b in params[:-1]:
            x = f(x @ W + b)
        W, b = params[-1]
        return x @ W + b

    def loss(params: Any, x: Any, y: Any) -> Any:
        z = logits(params, x)
        if w.cost == "quadratic":
            return 0.5 * jnp.mean(jnp.sum((jax.nn.sigmoid(z) - y) ** 2, axis=1))
        if w.output == "softmax":
            return -jnp.mean(jnp.sum(y * jax.nn.log_softmax(z), axis=1))
        return jnp.mean(jnp.sum(jax.nn.softplus(z) - y * z, axis=1))

    shrink = 1 - w.eta * w.lmbda / n

    def step(params: Any, rows: Any) -> Any:
        grads = jax.grad(loss)(params, x[rows], y[rows])
        return [(shrink * W - w.eta * dW, b - w.eta * db) for (W, b), (dW, db) in zip(params, grads, strict=True)], None

    @partial(jax.jit, donate_argnums=0)
    def epoch_of(params: Any, key: Any) -> Any:
        order = jax.random.permutation(key, n)
        params, _ = jax.lax.scan(step, params, order[: n - n % m].reshape(-1, m))
        return step(params, order[n - n % m :])[0] if n % m else params

    state = {"params": params, "key": jax.random.key(0)}

    def epoch() -> None:
        state["key"], key = jax.random.split(state["key"])
        state["params"] = jax.block_until_ready(epoch_of(state["params"], key))

    def accuracy() -> float:
        return float((logits(state["params"], x_test).argmax(1) == labels_test).mean())

    return epoch, accuracy


if __name__ == "__main__":
    run(peer)
