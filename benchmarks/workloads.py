"""What is measured: networks and how they are trained, the same for every peer."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from typing import Any, NamedTuple

KERNEL, POOL = 5, 2
"""The sides of the kernel of a convolution, and of the windows of the max-pool behind it."""


@dataclass(frozen=True)
class Workload:
    """An experiment: `train_size` training examples of a data set, float32, `threads` BLAS threads.

    `convolutions` are the filters of layers of 5 x 5 convolutions on MNIST, each with a max-pool 2 x 2 behind it;
    `layers` are then the numbers of units behind them, the first being those of the last pool.
    `epochs` are timed after one that is not; a peer should then reach `accuracy` on the test examples.
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
    optimizer: str = "sgd"
    dataset: str = "mnist"
    train_size: int = 50_000
    convolutions: tuple[int, ...] = ()

    def to_json(self) -> str:
        """Return it as the argument of a peer's process."""
        return json.dumps(asdict(self))

    @classmethod
    def from_json(cls, text: str) -> Workload:
        """Return the workload that `to_json` wrote."""
        values = json.loads(text)
        return cls(**{key: tuple(value) if isinstance(value, list) else value for key, value in values.items()})

    @property
    def entries(self) -> list[int | str]:
        """The layers of its config."""
        if not self.convolutions:
            return list(self.layers)
        images = [word for n in self.convolutions for word in (f"conv{n}x{KERNEL}", f"max{POOL}")]
        return ["28x28", *images, *self.layers[1:]]

    def to_config(self) -> dict[str, object]:
        """Return it as a config."""
        return {
            "dataset": self.dataset,
            "layers": self.entries,
            "activation": self.activation,
            "output": self.output,
            "cost": self.cost,
            "eta": self.eta,
            "batch_size": self.batch_size,
            "lambda": self.lmbda,
            "initializer": self.initializer,
            "optimizer": self.optimizer,
            "train_size": self.train_size,
            "threads": self.threads,
            "epochs": 1 + self.epochs,
        }

    @property
    def title(self) -> str:
        """The network and its batch, in a line."""
        data = "" if self.train_size == 50_000 else f"{self.train_size:,} examples of {self.dataset}, "
        regularized = f", λ {self.lmbda:g}" if self.lmbda else ""
        optimizer = "" if self.optimizer == "sgd" else f", {self.optimizer}"
        return (
            f"{data}{'-'.join(map(str, self.entries))} {self.activation}, {self.output} output, {self.cost}"
            f"{regularized}{optimizer}, batch {self.batch_size}, {self.threads} thread{'s' if self.threads > 1 else ''}"
        )


class Bar(NamedTuple):
    """What part of a peer's time ours is meant to take at most, and what it should take."""

    most: float
    aim: float | None = None

    def verdict(self, share: float) -> str:
        """Return whether a share meets it."""
        aim = "" if self.aim is None else f", aim {self.aim:.2f} {'met' if share <= self.aim else 'missed'}"
        return f"≤ {self.most:.2f} {'met' if share <= self.most else '**missed**'}{aim}"


def _sigmoid(name: str, *layers: int, cost: str = "cross_entropy", batch_size: int = 10, **more: Any) -> Workload:
    return Workload(name, layers, "sigmoid", "sigmoid", cost, batch_size=batch_size, **more)


def _relu(name: str, *layers: int, **more: Any) -> Workload:
    return Workload(name, layers, "relu", "softmax", "cross_entropy", initializer="he", **more)


def _adam(name: str, *layers: int, **more: Any) -> Workload:
    return _relu(name, *layers, optimizer="adam", eta=0.001, **more)


def _images(network: str, batch_size: int, threads: int = 1) -> Workload:
    """Return N1 or N2. A fifth of MNIST takes long enough to be timed."""
    convolutions, layers = {"N1": ((20,), (2880, 100, 10)), "N2": ((20, 40), (640, 100, 10))}[network]
    eta, accuracy = (0.03, 0.92) if batch_size < 100 else (0.1, 0.7)  # the latter after 237 steps
    return _relu(
        f"{network}-{batch_size}" + f"-{threads}t" * (threads > 1),
        *layers,
        convolutions=convolutions,
        eta=eta,
        batch_size=batch_size,
        lmbda=1.0,
        threads=threads,
        epochs=2,
        accuracy=accuracy,
        train_size=10_000,
    )


WORKLOADS = {
    w.name: w
    for w in (
        _sigmoid("A", 784, 30, 10, cost="quadratic", eta=3.0, accuracy=0.93),
        _sigmoid("B", 784, 100, 10, eta=0.5, lmbda=5.0, accuracy=0.95),
        _relu("C", 784, 800, 800, 10, eta=0.1, batch_size=128, threads=2, accuracy=0.95),
        _sigmoid("D", 784, 30, 30, 30, 30, 10, eta=0.5, accuracy=0.5),
        _sigmoid("A1", 784, 30, 10, cost="quadratic", eta=0.3, batch_size=1, epochs=1),
        _adam("E", 784, 100, 10, batch_size=200, accuracy=0.95),
        _adam("E32", 784, 100, 10, batch_size=32, epochs=5, accuracy=0.95),  # moments decay after three epochs
        _adam("H", 784, 512, 512, 10, batch_size=128, threads=2, accuracy=0.95),
        _adam("G", 64, 100, 10, batch_size=32, epochs=40, dataset="digits", train_size=1_197),
        *(_images(name, m, t) for m, t in ((10, 1), (128, 1), (128, 2)) for name in ("N1", "N2")),
    )
}
"""Every workload, by name."""

BARS = {
    ("A", "numpy_floor"): Bar(1.10),
    ("A", "jax_scan"): Bar(0.60, 0.50),
    ("A", "torch_eager"): Bar(0.16),
    ("A", "sklearn_mlp"): Bar(0.20),
    ("A", "per_example"): Bar(0.08),
    ("B", "jax_scan"): Bar(0.60, 0.50),
    ("B", "torch_eager"): Bar(0.22),
    ("C", "jax_scan"): Bar(1.00, 0.90),
    ("C", "torch_eager"): Bar(0.95),
    ("C", "sklearn_mlp"): Bar(0.45),
    ("D", "jax_scan"): Bar(0.60, 0.50),
    ("D", "torch_eager"): Bar(0.18),
    ("A1", "jax_scan"): Bar(1.20, 1.00),
    ("A1", "torch_eager"): Bar(0.15),
    ("E", "torch_eager"): Bar(0.50, 0.40),
    ("E32", "torch_eager"): Bar(0.35, 0.25),
    ("H", "torch_eager"): Bar(0.95, 0.80),
    ("H", "jax_scan"): Bar(1.00, 0.85),
    ("N1-10", "torch_eager"): Bar(0.40),
    ("N1-128", "torch_eager"): Bar(0.80),
    ("N1-128-2t", "torch_eager"): Bar(0.85),
    ("N2-10", "torch_eager"): Bar(0.70),
    ("N2-128", "torch_eager"): Bar(0.95),
    ("N2-128-2t", "torch_eager"): Bar(1.05),
}
"""What part of a peer's training time ours is meant to take."""

EVALUATION_BARS = {
    (name, "torch_eager"): bar
    for net, bar in (("N1", Bar(0.80)), ("N2", Bar(1.10)))
    for name in (f"{net}-10", f"{net}-128")
}
"""What part of a peer's time to evaluate images ours is meant to take, on one thread."""
