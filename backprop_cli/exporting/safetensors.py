"""safetensors: the parameters under the names of a torch.nn.Sequential, with the lines of PyTorch that load them."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from backprop_cli.errors import UsageError
from backprop_cli.exporting.description import Description, Step
from backprop_cli.nn.activations import LEAK
from backprop_cli.nn.arrays import Array

OPERATIONS: dict[str, tuple[str, dict[str, Any]]] = {
    "dense": ("Linear", {}),
    "flatten": ("Flatten", {}),
    "unflatten": ("Unflatten", {}),
    "conv2d": ("Conv2d", {}),
    "maxpool": ("MaxPool2d", {}),
    "meanpool": ("AvgPool2d", {}),
    "upsample": ("Upsample", {}),
    "identity": ("Identity", {}),
    "sigmoid": ("Sigmoid", {}),
    "tanh": ("Tanh", {}),
    "relu": ("ReLU", {}),
    "leaky_relu": ("LeakyReLU", {"negative_slope": LEAK}),
    "elu": ("ELU", {}),
    "selu": ("SELU", {}),
    "softplus": ("Softplus", {}),
    "gelu": ("GELU", {"approximate": "tanh"}),
    "silu": ("SiLU", {}),
    "softmax": ("Softmax", {"dim": -1}),
}
"""Each operation as a module of torch.nn and its options; torch.nn has none for `threshold` and `winner`."""


def _padding(step: Step) -> tuple[int, ...] | str:
    """Return the padding of a convolution in PyTorch. Raises UsageError if PyTorch cannot express it."""
    before, after = step.options["before"], step.options["after"]
    if before == after:
        return before
    if step.options["stride"] == (1, 1):
        return "same"
    raise UsageError(".safetensors files cannot express zeros on one side with a stride; use .onnx, or an odd size")


ARGUMENTS: dict[str, Callable[[Step], tuple[Any, ...]]] = {
    "dense": lambda step: (*step.in_shape, *step.out_shape),
    "unflatten": lambda step: (1, step.out_shape),
    "conv2d": lambda step: (
        step.in_shape[0],
        step.out_shape[0],
        step.options["size"],
        step.options["stride"],
        _padding(step),
    ),
    "maxpool": lambda step: (step.options["size"], step.options["stride"]),
    "meanpool": lambda step: (step.options["size"], step.options["stride"]),
    "upsample": lambda step: (None, step.options["size"]),
}
"""The positional arguments of the modules that have any."""

PREPARE: dict[str, tuple[tuple[str, ...], Callable[..., Any]]] = {
    "standardize": (
        ("x = torch.where(x.isnan(), {fill}, x)", "x = (x - {center}) / {scale}"),
        lambda x, fill, center, scale: (x.where(~x.isnan(), fill) - center) / scale,
    ),
    "cut": (("x = (x > {limit}).to(x)",), lambda x, limit: (x > limit).to(x)),
}
"""What is done to inputs x before the network: the lines of PyTorch, and their function of x and the arrays."""

NAMES = {"W": "weight", "b": "bias"}
"""What torch.nn calls the arrays."""

KEY = "backprop"
"""The one key of the metadata: the package writes several in an order that changes from process to process."""


def to_bytes(network: Description) -> bytes:
    """Return the file, with the parameters in the dtype of the run."""
    try:
        from safetensors.numpy import save
    except ImportError:
        raise UsageError(
            ".safetensors files need safetensors, which is not installed: pip install 'backprop-cli[export]'"
        ) from None
    tensors = {
        f"{k}.{NAMES[name]}": np.ascontiguousarray(array)
        for k, step in enumerate(network.steps)
        for name, array in step.arrays.items()
    }
    about = {
        "classes": network.classes,
        **network.facts(),
        "scale": network.scale,
        "pytorch": pytorch_lines(network),
    }
    return save(tensors, {KEY: json.dumps(about)})


def pytorch_lines(network: Description) -> str:
    """Return the lines of PyTorch that load the file and compute the outputs for inputs x."""
    lines = [
        "import torch",
        "from safetensors.torch import load_file",
        "from torch import nn",
        "",
        "network = nn.Sequential(",
        *(f"    {_text(step)}," for step in network.steps),
        f").to(torch.{network.dtype})",
        'network.load_state_dict(load_file("net.safetensors"))',
    ]
    applying = ["outputs = network(x)"] if network.prepare else [f"outputs = network(x * {network.scale!r})"]
    if step := network.prepare:
        numbers = {name: _tensor(array) for name, array in step.arrays.items()}
        applying = [*(line.format(**numbers) for line in PREPARE[step.operation][0]), *applying]
    applying[0] += f"  # x: (n, {network.inputs}), torch.{network.dtype}"
    lines += applying
    if network.rescale:
        center, scale = (_tensor(array) for array in network.rescale.arrays.values())
        lines.append(f"outputs = outputs * {scale} + {center}")
    if network.decoder:
        codes = network.decoder.arrays["W"].tolist()
        lines.append(f"labels = torch.cdist(outputs, torch.tensor({codes}).to(outputs)).argmin(1)")
    elif network.classes:
        lines.append("labels = outputs.argmax(1)")
    return "\n".join(lines) + "\n"


def _tensor(array: Array) -> str:
    """Return numbers as a tensor of the dtype of x, once if they are equal."""
    array = array[:1] if (array == array[0]).all() else array
    numbers = ", ".join("float('nan')" if np.isnan(number) else repr(number) for number in array.tolist())
    return f"torch.tensor([{numbers}]).to(x)"


def _module(step: Step) -> tuple[str, tuple[Any, ...], dict[str, Any]]:
    name, options = OPERATIONS[step.operation]
    arguments = ARGUMENTS.get(step.operation)
    return name, arguments(step) if arguments else (), options


def _text(step: Step) -> str:
    name, arguments, options = _module(step)
    return f"nn.{name}({', '.join([*map(repr, arguments), *(f'{key}={value!r}' for key, value in options.items())])})"


def run(path: Path, network: Description, x: Array) -> Array:
    """Return the outputs that PyTorch computes."""
    try:
        import torch
        from safetensors.torch import load_file
    except ImportError:
        raise UsageError(f"{path} was written, but not checked: PyTorch is not installed: pip install torch") from None
    parts = [getattr(torch.nn, name)(*arguments, **options) for name, arguments, options in map(_module, network.steps)]
    sequential = torch.nn.Sequential(*parts).to(getattr(torch, network.dtype))
    sequential.load_state_dict(load_file(path))
    inputs = torch.from_numpy(x).to(getattr(torch, network.dtype))
    if step := network.prepare:
        arrays = {name: torch.from_numpy(array).to(inputs) for name, array in step.arrays.items()}
        inputs = PREPARE[step.operation][1](inputs, **arrays)
    else:
        inputs = inputs * network.scale
    with torch.no_grad():
        outputs: Array = sequential(inputs).numpy()
    if network.rescale:
        outputs = outputs * network.rescale.arrays["scale"] + network.rescale.arrays["center"]
    return outputs
