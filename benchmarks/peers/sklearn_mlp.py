"""scikit-learn's MLPClassifier, one pass over the data at a time.

Its output is always softmax with cross-entropy, so where the workload has another cost it is the same amount of
work, not the same experiment, and an η above 0.5 is too much for it.
"""

from __future__ import annotations

import numpy as np
from sklearn.neural_network import MLPClassifier

from backprop_cli.threads import limit_threads
from benchmarks.peers.common import Peer, floats, run
from benchmarks.workloads import Workload

ACTIVATIONS = {"sigmoid": "logistic", "relu": "relu"}


def peer(w: Workload) -> Peer:
    x, labels, x_test, labels_test = floats(w)
    model = MLPClassifier(
        hidden_layer_sizes=w.layers[1:-1],
        activation=ACTIVATIONS[w.activation],
        solver=w.optimizer,
        momentum=0.0,  # this and the next are of sgd alone
        nesterovs_momentum=False,
        alpha=w.lmbda / len(x) * w.batch_size,  # its penalty is divided by the batch, not by the training examples
        batch_size=w.batch_size,
        learning_rate_init=min(w.eta, 0.5),
        random_state=0,
    )
    classes = np.arange(w.layers[-1])

    def epoch() -> None:
        with limit_threads(w.threads):
            model.partial_fit(x, labels, classes=classes)  # one pass over all of x, shuffled, in batches

    def accuracy() -> float:
        return float(model.score(x_test, labels_test))

    return Peer(epoch, accuracy)


if __name__ == "__main__":
    run(peer)
