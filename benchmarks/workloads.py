"""What is measured: small networks on MNIST, the same for every peer."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass


@dataclass(frozen=True)
class Workload:
    """An experiment: 50,000 training images, plain SGD, float32, `threads` BLAS threads.

    `epochs` are timed after one that is not; a peer should then reach `accuracy` on the test images.
    """

    name: str
    layers: tuple[int, ...]
    activation: str
    output: str
    cost: str
    eta: float
    batch_size: int
    lmbda: float = 0.0
    threads: int = 1
    epochs: int = 3
    accuracy: float = 0.9
    initializer: str = "scaled"

    def to_json(self) -> str:
        """Return it as the argument of a peer's process."""
        return json.dumps(asdict(self))

    @classmethod
    def from_json(cls, text: str) -> Workload:
        """Return the workload that `to_json` wrote."""
        values = json.loads(text)
        return cls(**{**values, "layers": tuple(values["layers"])})

    @property
    def title(self) -> str:
        """The network and its batch, in a line."""
        regularized = f", λ {self.lmbda:g}" if self.lmbda else ""
        return (
            f"{'-'.join(map(str, self.layers))} {self.activation}, {self.output} output, {self.cost}{regularized}, "
            f"batch {self.batch_size}, {self.threads} thread{'s' if self.threads > 1 else ''}"
        )


WORKLOADS = {
    w.name: w
    for w in (
        Workload("A", (784, 30, 10), "sigmoid", "sigmoid", "quadratic", 3.0, 10, accuracy=0.93),
        Workload("B", (784, 100, 10), "sigmoid", "sigmoid", "cross_entropy", 0.5, 10, lmbda=5.0, accuracy=0.95),
        Workload(
            "C",
            (784, 800, 800, 10),
            "relu",
            "softmax",
            "cross_entropy",
            0.1,
            128,
            threads=2,
            initializer="he",
            accuracy=0.95,
        ),
        Workload("D", (784, 30, 30, 30, 30, 10), "sigmoid", "sigmoid", "cross_entropy", 0.5, 10, accuracy=0.5),
        Workload("A1", (784, 30, 10), "sigmoid", "sigmoid", "quadratic", 0.3, 1, epochs=1, accuracy=0.9),
    )
}
"""Every workload that trains, by name."""

BARS = {
    ("A", "numpy_floor"): 1.10,
    ("A", "jax_scan"): 0.85,
    ("A", "torch_eager"): 0.16,
    ("A", "sklearn_mlp"): 0.20,
    ("A", "per_example"): 0.08,
    ("B", "jax_scan"): 0.85,
    ("B", "torch_eager"): 0.22,
    ("C", "jax_scan"): 1.00,
    ("C", "torch_eager"): 0.55,
    ("C", "sklearn_mlp"): 0.45,
    ("D", "jax_scan"): 1.00,
    ("D", "torch_eager"): 0.18,
    ("A1", "torch_eager"): 0.15,
}
"""What part of a peer's time ours is meant to take at most."""
