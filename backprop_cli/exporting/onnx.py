"""ONNX, for onnxruntime and many other programs: IR version 8, operator set 13."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from backprop_cli.errors import UsageError
from backprop_cli.exporting.description import Description, Step, float32
from backprop_cli.nn.activations import GELU_CUBE, GELU_SCALE, LEAK, SELU_ALPHA, SELU_SCALE
from backprop_cli.nn.arrays import Array

OPERATIONS = {
    "dense": "{y} = Gemm <transB = 1> ({x}, {W}, {b})",
    "flatten": "{y} = Flatten <axis = 1> ({x})",
    "unflatten": """
        {y}_shape = Constant <value_ints = [0, {out_shape}]> ()
        {y} = Reshape ({x}, {y}_shape)""",
    "conv2d": "{y} = Conv <strides = [{stride}], pads = [{before}, {after}]> ({x}, {W}, {b})",
    "maxpool": "{y} = MaxPool <kernel_shape = [{size}], strides = [{stride}]> ({x})",
    "meanpool": "{y} = AveragePool <kernel_shape = [{size}], strides = [{stride}]> ({x})",
    "upsample": """
        {y}_size = Constant <value_floats = [1.0, 1.0, {size}]> ()
        {y} = Resize <mode = "nearest", nearest_mode = "floor", coordinate_transformation_mode = "asymmetric">
            ({x}, , {y}_size)""",
    "standardize": """
        {y}_missing = IsNaN ({x})
        {y}_filled = Where ({y}_missing, {fill}, {x})
        {y}_centered = Sub ({y}_filled, {center})
        {y} = Div ({y}_centered, {scale})""",
    "cut": """
        {y}_is_one = Greater ({x}, {limit})
        {y} = Cast <to = 1> ({y}_is_one)""",
    "rescale": """
        {y}_scaled = Mul ({x}, {scale})
        {y} = Add ({y}_scaled, {center})""",
    "identity": "{y} = Identity ({x})",
    "sigmoid": "{y} = Sigmoid ({x})",
    "tanh": "{y} = Tanh ({x})",
    "relu": "{y} = Relu ({x})",
    "leaky_relu": f"{{y}} = LeakyRelu <alpha = {LEAK}> ({{x}})",
    "elu": "{y} = Elu <alpha = 1.0> ({x})",
    "selu": f"{{y}} = Selu <alpha = {SELU_ALPHA}, gamma = {SELU_SCALE}> ({{x}})",
    "softplus": "{y} = Softplus ({x})",
    "gelu": f"""
        {{y}}_half = Constant <value_float = 0.5> ()
        {{y}}_one = Constant <value_float = 1.0> ()
        {{y}}_scale = Constant <value_float = {GELU_SCALE}> ()
        {{y}}_cube = Constant <value_float = {GELU_CUBE}> ()
        {{y}}_z2 = Mul ({{x}}, {{x}})
        {{y}}_z3 = Mul ({{y}}_z2, {{x}})
        {{y}}_part = Mul ({{y}}_z3, {{y}}_cube)
        {{y}}_sum = Add ({{x}}, {{y}}_part)
        {{y}}_inner = Mul ({{y}}_sum, {{y}}_scale)
        {{y}}_tanh = Tanh ({{y}}_inner)
        {{y}}_gate = Add ({{y}}_tanh, {{y}}_one)
        {{y}}_z_half = Mul ({{x}}, {{y}}_half)
        {{y}} = Mul ({{y}}_z_half, {{y}}_gate)""",
    "silu": """
        {y}_gate = Sigmoid ({x})
        {y} = Mul ({x}, {y}_gate)""",
    "softmax": "{y} = Softmax <axis = -1> ({x})",
    "threshold": """
        {y}_zero = Constant <value_float = 0.0> ()
        {y}_is_one = GreaterOrEqual ({x}, {y}_zero)
        {y} = Cast <to = 1> ({y}_is_one)""",
    "winner": """
        {y}_largest = ReduceMax <axes = [-1], keepdims = 1> ({x})
        {y}_is_one = GreaterOrEqual ({x}, {y}_largest)
        {y} = Cast <to = 1> ({y}_is_one)""",
}
"""Each operation from {x} to {y} with its arrays, as nodes in the text format of the onnx package."""


def to_bytes(network: Description) -> bytes:
    """Return the file: inputs `input` (n, n_0); `output` (n, n_L), and with classes `label` (n,), the class from 0."""
    try:
        import onnx.checker
        import onnx.numpy_helper
        import onnx.parser
    except ImportError:
        raise UsageError(".onnx files need onnx, which is not installed: pip install 'backprop-cli[export]'") from None

    arrays: dict[str, Array] = {}
    nodes = [f"scale = Constant <value_float = {network.scale!r}> ()", "s0 = Mul (input, scale)"]
    if network.prepare:
        nodes = [_node(network.prepare, "input", "s0", "input", arrays)]
    signals = [*(f"s{k}" for k in range(len(network.steps))), "scaled" if network.rescale else "output"]
    for k, step in enumerate(network.steps):
        nodes.append(_node(step, signals[k], signals[k + 1], str(k), arrays))
    if network.rescale:
        nodes.append(_node(network.rescale, "scaled", "output", "value", arrays))
    outputs = [f"float[n, {network.outputs}] output"]
    if network.classes:
        scores = "output"
        if network.decoder:
            scores = "scores"
            nodes.append(_node(network.decoder, "output", scores, "code", arrays))
        nodes.append(f"label = ArgMax <axis = 1, keepdims = 0> ({scores})")
        outputs.append("int64[n] label")
    body = "\n".join(nodes)
    text = f"""<ir_version: 8, opset_import: ["" : 13], producer_name: "backprop">
        network (float[n, {network.inputs}] input) => ({", ".join(outputs)}) {{ {body} }}"""
    model: Any = onnx.parser.parse_model(text)
    model.graph.initializer.extend(onnx.numpy_helper.from_array(float32(a), name) for name, a in arrays.items())
    for key, value in network.facts().items():
        model.metadata_props.add(key=key, value=value if key == "dataset" else json.dumps(value))
    onnx.checker.check_model(model, full_check=True)
    content: bytes = model.SerializeToString(deterministic=True)
    return content


def _node(step: Step, x: str, y: str, suffix: str, arrays: dict[str, Array]) -> str:
    """Return the nodes of a step from x to y, after its arrays were added to `arrays`."""
    names = {name: f"{name}_{suffix}" for name in step.arrays}
    arrays.update((names[name], array) for name, array in step.arrays.items())
    numbers = {"out_shape": step.out_shape, **step.options}
    lists = {name: ", ".join(map(str, values)) for name, values in numbers.items()}
    return OPERATIONS[step.operation].format(x=x, y=y, **names, **lists)


def run(path: Path, network: Description, x: Array) -> Array:
    """Return the outputs that onnxruntime computes."""
    try:
        import onnxruntime
    except ImportError:
        raise UsageError(
            f"{path} was written, but not checked: onnxruntime is not installed: pip install onnxruntime"
        ) from None
    session = onnxruntime.InferenceSession(str(path), providers=["CPUExecutionProvider"])
    (output,) = session.run(["output"], {"input": x})
    return output
