"""PyTorch, eager, on the CPU: layers and optimizers of torch, batches indexed from resident tensors.

Adam is the fused one; convolutions have their images channels-last. Both are the fastest that PyTorch has for them.
"""

from __future__ import annotations

import torch
from torch import nn

from benchmarks.peers.common import Peer, floats, initial_layers, run
from benchmarks.workloads import KERNEL, POOL, Workload

ACTIVATIONS = {"sigmoid": nn.Sigmoid, "relu": nn.ReLU}
CHUNK = 100
"""Images that are evaluated at a time, where there are convolutions."""


def peer(w: Workload) -> Peer:
    torch.set_num_threads(w.threads)
    torch.manual_seed(0)
    x, labels, x_test, labels_test = (torch.from_numpy(array) for array in floats(w))
    y = torch.nn.functional.one_hot(labels, w.layers[-1]).float()
    model = network(w)
    if w.convolutions:
        x, x_test = (some.reshape(-1, 1, 28, 28).to(memory_format=torch.channels_last) for some in (x, x_test))
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

    weights = [p for p in model.parameters() if p.ndim > 1]
    biases = [p for p in model.parameters() if p.ndim == 1]
    groups = [{"params": weights, "weight_decay": w.lmbda / len(x)}, {"params": biases}]
    parameters = groups if w.lmbda else model.parameters()
    adam = w.optimizer == "adam"
    optimizer = torch.optim.Adam(parameters, w.eta, fused=True) if adam else torch.optim.SGD(parameters, w.eta)

    def epoch() -> None:
        order = torch.randperm(len(x))
        for rows in order.split(w.batch_size):
            optimizer.zero_grad(set_to_none=True)
            loss(model(x[rows]), targets[rows]).backward()
            optimizer.step()

    def accuracy() -> float:
        with torch.inference_mode():
            parts = x_test.split(CHUNK if w.convolutions else len(x_test))
            predicted = torch.cat([model(part).argmax(1) for part in parts])
            return float((predicted == labels_test).float().mean())

    return Peer(epoch, accuracy)


def network(w: Workload) -> nn.Sequential:
    """Return the network of a workload, with the initial parameters of all peers; without its output activation."""
    modules: list[nn.Module] = []
    for W, b in initial_layers(w):
        n_out, n_in, *kernel = W.shape
        layer = nn.Conv2d(n_in, n_out, KERNEL) if kernel else nn.Linear(n_in, n_out)
        layer.weight.data, layer.bias.data = torch.from_numpy(W), torch.from_numpy(b)
        modules += [layer, nn.MaxPool2d(POOL), ACTIVATIONS[w.activation]()] if kernel else [layer]
        if kernel and len(modules) == 3 * len(w.convolutions):
            modules.append(nn.Flatten())
        if not kernel:
            modules.append(ACTIVATIONS[w.activation]())
    model = nn.Sequential(*modules[:-1])
    return model.to(memory_format=torch.channels_last) if w.convolutions else model


if __name__ == "__main__":
    run(peer)
