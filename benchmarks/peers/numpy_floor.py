"""Plain NumPy written out by hand for one network: every buffer named, nothing allocated in the loop.

One hidden layer, sigmoid, quadratic cost. Something to hold the program against, not a design: it shows what the
calls of a step cost when there is nothing around them.
"""

from __future__ import annotations

import numpy as np

from benchmarks.peers.common import Peer, data_of, initial_layers, run
from benchmarks.workloads import Workload


def peer(w: Workload) -> Peer:
    assert len(w.layers) == 3
    assert w.activation == w.output == "sigmoid"
    assert w.cost == "quadratic"
    assert not w.lmbda
    f, m, (n_in, n_hidden, n_out) = np.float32, w.batch_size, w.layers
    data = data_of(w)
    pixels, y_all = data.train.inputs, data.task.encode(data.train.targets, "float32")
    assert len(pixels) % m == 0
    one, rate, scale = f(1), f(w.eta / m), f(data.scale)
    sizes = np.cumsum([n_hidden * n_in, n_hidden, n_out * n_hidden, n_out])
    theta, grad = np.zeros((2, sizes[-1]), f)
    w1, b1, w2, b2 = np.split(theta, sizes[:-1])
    g_w1, g_b1, g_w2, g_b2 = np.split(grad, sizes[:-1])
    w1, g_w1, w2, g_w2 = (v.reshape(-1, n) for v, n in ((w1, n_in), (g_w1, n_in), (w2, n_hidden), (g_w2, n_hidden)))
    for view, start in zip((w1, b1, w2, b2), (part for layer in initial_layers(w) for part in layer), strict=True):
        view[...] = start
    bytes0, a0 = np.empty((m, n_in), np.uint8), np.empty((m, n_in), f)
    a1, d1, s1 = np.empty((3, m, n_hidden), f)
    a2, d2, s2, y = np.empty((4, m, n_out), f)
    ones, w1_t, w2_t, d1_t, d2_t = np.ones(m, f), w1.T, w2.T, d1.T, d2.T
    matmul, add, subtract, multiply = np.matmul, np.add, np.subtract, np.multiply
    negative, exp, reciprocal = np.negative, np.exp, np.reciprocal
    rng = np.random.default_rng(0)

    def epoch() -> None:
        order = rng.permutation(len(pixels))
        with np.errstate(over="ignore"):
            for i in range(0, len(order), m):
                rows = order[i : i + m]
                pixels.take(rows, 0, bytes0, "clip")
                multiply(bytes0, scale, a0)
                y_all.take(rows, 0, y, "clip")
                matmul(a0, w1_t, a1)
                add(a1, b1, a1)
                negative(a1, a1)
                exp(a1, a1)
                add(a1, one, a1)
                reciprocal(a1, a1)
                matmul(a1, w2_t, a2)
                add(a2, b2, a2)
                negative(a2, a2)
                exp(a2, a2)
                add(a2, one, a2)
                reciprocal(a2, a2)
                subtract(a2, y, d2)
                subtract(one, a2, s2)
                multiply(s2, a2, s2)
                multiply(s2, rate, s2)
                multiply(d2, s2, d2)
                matmul(d2, w2, d1)
                subtract(one, a1, s1)
                multiply(s1, a1, s1)
                multiply(d1, s1, d1)
                matmul(d2_t, a1, g_w2)
                matmul(ones, d2, g_b2)
                matmul(d1_t, a0, g_w1)
                matmul(ones, d1, g_b1)
                subtract(theta, grad, theta)

    def accuracy() -> float:
        x = data.test.inputs * scale
        hidden = 1 / (1 + np.exp(-(x @ w1_t + b1)))
        return float(((hidden @ w2_t + b2).argmax(1) == data.test.targets).mean())

    return Peer(epoch, accuracy)


if __name__ == "__main__":
    run(peer)
