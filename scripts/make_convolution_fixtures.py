"""Write tests/nn/torch_images.json: what PyTorch computes for convolution, pooling and upsampling. Needs torch.

All numbers are small integers, so that every result is exact. Run it in an environment with torch:

    python scripts/make_convolution_fixtures.py
"""

from __future__ import annotations

import json
from pathlib import Path

import torch
import torch.nn.functional as F

CASES = {
    "conv": ({"filters": 3, "size": 3}, (2, 5, 6)),
    "conv 1x1": ({"filters": 2, "size": 1}, (3, 4, 3)),
    "conv stride": ({"filters": 2, "size": 2, "stride": 2}, (1, 5, 7)),
    "conv same": ({"filters": 2, "size": 3, "same": True}, (2, 4, 5)),
    "conv same, even size": ({"filters": 1, "size": 2, "same": True}, (2, 4, 5)),
    "max": ({"size": 2}, (2, 4, 6)),
    "max, remainder": ({"size": 2}, (1, 5, 7)),
    "max, overlapping": ({"size": 3, "stride": 2}, (2, 7, 5)),
    "mean": ({"size": 2}, (2, 4, 6)),
    "mean, overlapping": ({"size": 2, "stride": 1}, (1, 4, 3)),
    "up": ({"size": 3}, (2, 2, 3)),
}


def forward(name: str, x: torch.Tensor, W: torch.Tensor | None, b: torch.Tensor | None, options: dict) -> torch.Tensor:
    size, stride = options["size"], options.get("stride")
    if W is not None:
        return F.conv2d(x, W, b, stride or 1, "same" if options.get("same") else 0)
    if name.startswith("max"):
        return F.max_pool2d(x, size, stride)
    if name.startswith("mean"):
        return size**2 * F.avg_pool2d(x, size, stride)  # the sum, which is an integer
    return F.interpolate(x, scale_factor=size)


def integers(*shape: int, requires_grad: bool = True) -> torch.Tensor:
    return torch.randint(-3, 4, shape, dtype=torch.float64).requires_grad_(requires_grad)


def numbers(tensor: torch.Tensor) -> list:
    return tensor.detach().to(torch.int64).tolist()


def main() -> None:
    torch.manual_seed(0)
    found = {}
    for name, (options, shape) in CASES.items():
        x, W, b = integers(2, *shape), None, None
        if name.startswith("conv"):
            W = integers(options["filters"], shape[0], options["size"], options["size"])
            b = integers(options["filters"])
        y = forward(name, x, W, b, options)
        delta = integers(*y.shape, requires_grad=False)
        y.backward(delta)
        case = {"options": options, "x": numbers(x), "y": numbers(y), "delta": numbers(delta), "dx": numbers(x.grad)}
        if W is not None:
            case |= {"W": numbers(W), "b": numbers(b), "dW": numbers(W.grad), "db": numbers(b.grad)}
        found[name] = case
    path = Path(__file__).parents[1] / "tests" / "nn" / "torch_images.json"
    lines = (f"{json.dumps(name)}: {json.dumps(case, separators=(',', ':'))}" for name, case in found.items())
    path.write_text("{\n" + ",\n".join(lines) + "\n}\n")


if __name__ == "__main__":
    main()
