"""The textbook's own way: every example alone, as columns, in a Python loop; gradients summed over the batch."""

from __future__ import annotations

import numpy as np

from benchmarks.peers.common import Peer, floats, initial_layers, run
from benchmarks.workloads import Workload


def sigmoid(z):
    return 1.0 / (1.0 + np.exp(-z))


def peer(w: Workload) -> Peer:
    assert w.activation == w.output == "sigmoid"
    assert w.cost == "quadratic"
    assert not w.lmbda
    x, labels, x_test, labels_test = floats(w)
    y = np.eye(w.layers[-1], dtype=np.float32)[labels]
    weights = [W for W, _ in initial_layers(w)]
    biases = [b[:, None] for _, b in initial_layers(w)]
    rng = np.random.default_rng(0)

    def gradient(x, y):
        a, steps = x, [x]
        for W, b in zip(weights, biases, strict=True):
            a = sigmoid(W @ a + b)
            steps.append(a)
        delta = (a - y) * a * (1 - a)
        nabla = [(delta @ steps[-2].T, delta)]
        for l in range(2, len(w.layers)):
            a = steps[-l]
            delta = (weights[1 - l].T @ delta) * a * (1 - a)
            nabla.insert(0, (delta @ steps[-l - 1].T, delta))
        return nabla

    def epoch() -> None:
        order = rng.permutation(len(x))
        rate = np.float32(w.eta / w.batch_size)
        for i in range(0, len(x), w.batch_size):
            sums = [(np.zeros_like(W), np.zeros_like(b)) for W, b in zip(weights, biases, strict=True)]
            for row in order[i : i + w.batch_size]:
                nabla = gradient(x[row][:, None], y[row][:, None])
                sums = [(sW + dW, sb + db) for (sW, sb), (dW, db) in zip(sums, nabla, strict=True)]
            for k, (dW, db) in enumerate(sums):
                weights[k] = weights[k] - rate * dW
                biases[k] = biases[k] - rate * db

    def accuracy() -> float:
        a = x_test.T
        for W, b in zip(weights, biases, strict=True):
            a = sigmoid(W @ a + b)
        return float((a.argmax(0) == labels_test).mean())

    return Peer(epoch, accuracy)


if __name__ == "__main__":
    run(peer)
