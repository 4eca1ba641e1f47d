"""PyTorch training one network after the other, each with its own seed, in one process that has imported it once.

Each is monitored as ours: cost and accuracy on the training and the validation split after every epoch.
"""

from __future__ import annotations

import sys

import numpy as np
import torch
from torch import nn

from benchmarks.peers.common import data_of

EPOCHS, ETA, BATCH = 3, 3.0, 10


def train(seed: int, splits: list[tuple[torch.Tensor, torch.Tensor]]) -> float:
    """Train 784-30-10 with a seed; return the accuracy on the validation split."""
    torch.manual_seed(seed)
    model = nn.Sequential(nn.Linear(784, 30), nn.Sigmoid(), nn.Linear(30, 10), nn.Sigmoid())
    optimizer = torch.optim.SGD(model.parameters(), lr=ETA)
    (x, labels), *_ = splits
    y = nn.functional.one_hot(labels, 10).float()
    accuracy = 0.0
    for _ in range(EPOCHS):
        for rows in torch.randperm(len(x)).split(BATCH):
            optimizer.zero_grad(set_to_none=True)
            (0.5 / len(rows) * nn.functional.mse_loss(model(x[rows]), y[rows], reduction="sum")).backward()
            optimizer.step()
        with torch.no_grad():
            for inputs, targets in splits:
                outputs = model(inputs)
                nn.functional.mse_loss(outputs, nn.functional.one_hot(targets, 10).float(), reduction="sum").item()
                accuracy = float((outputs.argmax(1) == targets).float().mean())
    return accuracy


if __name__ == "__main__":
    torch.set_num_threads(1)
    data = data_of()
    splits = [
        (torch.from_numpy(s.inputs * np.float32(data.scale)), torch.from_numpy(s.targets.astype(np.int64)))
        for s in (data.train, data.validation)
    ]
    for seed in map(int, sys.argv[1:]):
        print(train(seed, splits))
