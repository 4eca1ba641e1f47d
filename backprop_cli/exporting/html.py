"""One HTML page that runs the network in a browser: draw a digit, or set the inputs, and see every layer change."""

from __future__ import annotations

import base64
import hashlib
import json
import re
from importlib.resources import files
from pathlib import Path
from shutil import which
from typing import Any

import numpy as np

from backprop_cli.errors import UsageError
from backprop_cli.exporting.description import Description, Step, float32
from backprop_cli.exporting.programs import output_of
from backprop_cli.nn.activations import GELU_CUBE, GELU_SCALE, LEAK, SELU_ALPHA, SELU_SCALE
from backprop_cli.nn.arrays import Array

OPERATIONS = {
    "dense": """(x, { W, b }) => b.map((sum, j) => {
    const row = j * x.length;
    for (let i = 0; i < x.length; i++) sum += W[row + i] * x[i];
    return sum;
  })""",
    "standardize": """(x, { fill, center, scale }) =>
    Float32Array.from(x, (v, i) => ((Number.isNaN(v) ? fill[i] : v) - center[i]) / scale[i])""",
    "cut": "(x, { limit }) => x.map(v => (v > limit[0] ? 1 : 0))",
    "rescale": "(x, { center, scale }) => x.map((v, i) => v * scale[i] + center[i])",
    "identity": "x => x",
    "sigmoid": "x => x.map(z => 1 / (1 + Math.exp(-z)))",
    "tanh": "x => x.map(Math.tanh)",
    "relu": "x => x.map(z => Math.max(z, 0))",
    "leaky_relu": f"x => x.map(z => (z > 0 ? z : {LEAK} * z))",
    "elu": "x => x.map(z => (z > 0 ? z : Math.expm1(z)))",
    "selu": f"x => x.map(z => {SELU_SCALE} * (z > 0 ? z : {SELU_ALPHA} * Math.expm1(z)))",
    "softplus": "x => x.map(z => Math.max(z, 0) + Math.log1p(Math.exp(-Math.abs(z))))",
    "gelu": f"x => x.map(z => 0.5 * z * (1 + Math.tanh({GELU_SCALE} * (z + {GELU_CUBE} * z ** 3))))",
    "silu": "x => x.map(z => z / (1 + Math.exp(-z)))",
    "softmax": """x => {
    const largest = Math.max(...x), e = x.map(z => Math.exp(z - largest)), sum = e.reduce((s, v) => s + v, 0);
    return e.map(v => v / sum);
  }""",
    "threshold": "x => x.map(z => (z >= 0 ? 1 : 0))",
    "winner": "x => { const largest = Math.max(...x); return x.map(z => (z >= largest ? 1 : 0)); }",
}
"""Each operation as a JavaScript function from a Float32Array x, and its arrays, to another."""


def to_bytes(network: Description) -> bytes:
    """Return the page. Its content security policy allows its own scripts and nothing from elsewhere."""
    used = sorted({step.operation for step in network.all_steps})
    operations = "".join(f"  {name}: {OPERATIONS[name]},\n" for name in used)
    around = {"prepare": network.prepare, "rescale": network.rescale, "decoder": network.decoder}
    about = {
        "dataset": network.dataset,
        "sizes": network.sizes,
        "inputs": network.inputs,
        "scale": network.scale,
        "image": network.image,
        "classes": network.classes,
        "columns": network.columns,
        "targets": network.input_names if network.reconstructs else network.targets,
        "reconstructs": network.reconstructs,
        "steps": [_plain(step) for step in network.steps],
        **{name: step and _plain(step) for name, step in around.items()},
    }
    style, drawing, page = (_part(name) for name in ("page.css", "drawing.js", "page.js"))
    forward = _part("forward.js").replace("/* operations */", operations)
    parts = {
        "style": style,
        "network": json.dumps(about).replace("<", "\\u003c"),
        "forward": forward,
        "drawing": drawing,
        "page": page,
        "policy": f"default-src 'none'; style-src {_digest(style)}; "
        f"script-src {' '.join(map(_digest, (forward, drawing, page)))}",
    }
    return re.sub(r"\{\{ (\w+) \}\}", lambda found: parts[found[1]], _part("page.html")).encode()


def _part(name: str) -> str:
    return files("backprop_cli.exporting").joinpath("web", name).read_text(encoding="utf-8")


def _digest(source: str) -> str:
    """Return the hash of an inline script or style sheet for a content security policy."""
    return f"'sha256-{base64.b64encode(hashlib.sha256(source.encode()).digest()).decode()}'"


def _plain(step: Step) -> dict[str, Any]:
    arrays = {name: base64.b64encode(float32(array).tobytes()).decode() for name, array in step.arrays.items()}
    return {"operation": step.operation, "size": step.out_shape[0], "arrays": arrays}


def run_scripts(path: Path, call: str, data: bytes) -> bytes:
    """Return what node computes with the scripts of a page: `call` is JavaScript, a function of a Buffer.

    Raises UsageError if node is not installed.
    """
    node = which("node")
    if node is None:
        raise UsageError(f"{path} was written, but not checked: there is no Node.js (a program called node)")
    program = f"""
        const fs = require("fs"), html = fs.readFileSync({json.dumps(str(path))}, "utf8");
        const part = id => new RegExp(`<script id="${{id}}"[^>]*>([^]*?)</script>`).exec(html)[1];
        require("vm").runInThisContext(part("forward") + part("prepare"));
        const network = load(JSON.parse(part("network"))), input = fs.readFileSync(0);
        const data = input.buffer.slice(input.byteOffset, input.byteOffset + input.length);
        fs.writeSync(1, Buffer.from(({call})(data).buffer));"""
    return output_of([node, "-e", program], data)


def run(path: Path, network: Description, x: Array) -> Array:
    """Return the outputs that node computes with the scripts of the page."""
    call = f"""data => {{
        const x = new Float32Array(data), outputs = new Float32Array({len(x) * network.outputs});
        for (let k = 0; k < {len(x)}; k++) {{
            const example = x.subarray(k * {network.inputs}, (k + 1) * {network.inputs});
            outputs.set(forward(network, example).at(-1), k * {network.outputs});
        }}
        return outputs;
    }}"""
    return np.frombuffer(run_scripts(path, call, float32(x).tobytes()), np.float32).reshape(len(x), network.outputs)
