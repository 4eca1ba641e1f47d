"""PyTorch, eager, on the CPU: layers from torch.nn, torch.optim.SGD, batches indexed from resident tensors."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import nn

from benchmarks.peers.common import floats, initial_layers, mnist, run
from benchmarks.workloads import Workload

ACTIVATIONS = {"sigmoid": nn.Sigmoid, "relu": nn.ReLU}


def peer(w: Workload) -> tuple[Callable[[], None], Callable[[], float]]:
    torch.set_num_threads(w.threads)
    torch.manual_seed(0)
    x, labels, x_test, labels_test = (torch.from_numpy(array) for array in floats(mnist()))
    y = torch.nn.functional.one_hot(labels, w.layers[-1]).float()
    modules: list[nn.Module] = []
    for i, (W, b) in enumerate(initial_layers(w)):
        layer = nn.Linear(W.shape[1], W.shape[0])
        layer.weight.data, layer.bias.data = torch.from_numpy(W), torch.from_numpy(b)
        modules += [layer, ACTIVATIONS[w.activation]()] if i < len(w.layers) - 2 else [layer]
    model = nn.Sequential(*modules)
    if w.cost == "quadratic":
        model.append(nn.Sigmoid())
        targets = y

        def loss(a: torch.Tensor, y: torch.Tensor) -> torch.Tensor:
            return 0.5 / len(a) * torch.nn.functional.mse_loss(a, y, reduction="sum")

    elif w.output == "softmax":
        targets, loss = labels, torch.nn.functional.cross_entropy
    else:
        targets = y

        def loss(a: torch.Tensor, y: torch.Tensor) -> torch.Tensor:
            return torch.nn.functional.binary_cross_entropy_with_logits(a, y, reduction="sum") / len(a)

    weights = [p for p in model.parameters() if p.ndim == 2]
    biases = [p for p in model.parameters() if p.ndim == 1]
    groups = [{"params": weights, "weight_decay": w.lmbda / len(x)}, {"params": biases}]
    optimizer = torch.optim.SGD(groups if w.lmbda else model.parameters(), lr=w.eta)

    def epoch() -> None:
        order = torch.randperm(len(x))
        for rows in order.split(w.batch_size):
            optimizer.zero_grad(set_to_none=True)
            loss(model(x[rows]), targets[rows]).backward()
            optimizer.step()

    def accuracy() -> float:
        with torch.no_grad():
            return float((model(x_test).argmax(1) == labels_test).float().mean())

    return epoch, accuracy


if __name__ == "__main__":
    run(peer)
