"""A C header: C99, nothing but <math.h>, no memory allocation, the parameters as constants."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from shutil import which
from tempfile import TemporaryDirectory

import numpy as np

from backprop_cli.errors import UsageError
from backprop_cli.exporting.description import Description, Step, float32
from backprop_cli.exporting.programs import output_of
from backprop_cli.nn.activations import GELU_CUBE, GELU_SCALE, LEAK, SELU_ALPHA, SELU_SCALE
from backprop_cli.nn.arrays import Array


def _each(value: str) -> str:
    """Return a function that applies an expression in z to each of n numbers."""
    return f"""(const float *x, float *y, int n) {{
    for (int i = 0; i < n; i++) {{
        const float z = x[i];
        y[i] = {value};
    }}
}}"""


OPERATIONS = {
    "dense": """(const float *W, const float *b, const float *x, float *y, int n_in, int n) {
    for (int j = 0; j < n; j++) {
        float z = b[j];
        for (int i = 0; i < n_in; i++) z += W[j * n_in + i] * x[i];
        y[j] = z;
    }
}""",
    "standardize": """(
    const float *fill, const float *center, const float *scale, const float *x, float *y, int n_in, int n) {
    (void)n_in;
    for (int i = 0; i < n; i++) y[i] = ((isnan(x[i]) ? fill[i] : x[i]) - center[i]) / scale[i];
}""",
    "cut": """(const float *limit, const float *x, float *y, int n_in, int n) {
    (void)n_in;
    for (int i = 0; i < n; i++) y[i] = x[i] > *limit ? 1.0f : 0.0f;
}""",
    "rescale": """(const float *center, const float *scale, const float *x, float *y, int n_in, int n) {
    (void)n_in;
    for (int i = 0; i < n; i++) y[i] = x[i] * scale[i] + center[i];
}""",
    "identity": _each("z"),
    "sigmoid": _each("1.0f / (1.0f + expf(-z))"),
    "tanh": _each("tanhf(z)"),
    "relu": _each("z > 0.0f ? z : 0.0f"),
    "leaky_relu": _each(f"z > 0.0f ? z : {LEAK}f * z"),
    "elu": _each("z > 0.0f ? z : expm1f(z)"),
    "selu": _each(f"{SELU_SCALE}f * (z > 0.0f ? z : {SELU_ALPHA}f * expm1f(z))"),
    "softplus": _each("(z > 0.0f ? z : 0.0f) + log1pf(expf(-fabsf(z)))"),
    "gelu": _each(f"0.5f * z * (1.0f + tanhf({GELU_SCALE}f * (z + {GELU_CUBE}f * (z * z * z))))"),
    "silu": _each("z / (1.0f + expf(-z))"),
    "softmax": """(const float *x, float *y, int n) {
    float largest = x[0], sum = 0.0f;
    for (int i = 1; i < n; i++) if (x[i] > largest) largest = x[i];
    for (int i = 0; i < n; i++) sum += y[i] = expf(x[i] - largest);
    for (int i = 0; i < n; i++) y[i] /= sum;
}""",
    "threshold": _each("z >= 0.0f ? 1.0f : 0.0f"),
    "winner": """(const float *x, float *y, int n) {
    float largest = x[0];
    for (int i = 1; i < n; i++) if (x[i] > largest) largest = x[i];
    for (int i = 0; i < n; i++) y[i] = x[i] >= largest ? 1.0f : 0.0f;
}""",
}
"""Each operation as the parameters and the body of a C function from x to y (n,)."""


def to_bytes(network: Description) -> bytes:
    """Return the header. Its function backprop_predict returns the class, from 0, or nothing for a regression."""
    constants: list[str] = []
    calls: list[str] = []
    if network.prepare:
        calls.append(_call(network.prepare, "x", "p", "input", constants))
    else:
        scale = _number(np.float32(network.scale))
        calls.append(f"for (int i = 0; i < {network.inputs}; i++) p[i] = x[i] * {scale};")
    here = "p"
    for k, step in enumerate(network.steps):
        there = "y" if k == len(network.steps) - 1 and not network.rescale else "pq"[here == "p"]
        calls.append(_call(step, here, there, str(k), constants))
        here = there
    if network.rescale:
        calls.append(_call(network.rescale, here, "y", "value", constants))
    if network.decoder:
        calls.append(_call(network.decoder, "y", "p", "code", constants))
    scores, count = ("p" if network.decoder else "y"), len(network.classes)
    if count:
        calls += ["int label = 0;", f"for (int i = 1; i < {count}; i++) if ({scores}[i] > {scores}[label]) label = i;"]
        calls.append("return label;")
    width = max(network.inputs, *(step.out_shape[0] for step in network.all_steps))
    functions = [
        f"static inline void backprop_{name}{OPERATIONS[name]}"
        for name in sorted({step.operation for step in network.all_steps})
    ]
    names = _names("class", "label", network.classes) + _names("input", "i", network.input_names)
    names += _names("target", "k", network.targets)
    returned = "Returns the predicted class, from 0." if count else "Returns nothing."
    about = _TABLE if network.columns else ""
    body = "\n    ".join(calls)
    text = f"""/* A trained network, {network.sizes}: exported by backprop. C99; link with -lm.

   backprop_predict reads x, {network.inputs} numbers in the units of the data set, and writes
   the outputs to y, {network.outputs} numbers. {returned} It allocates no
   memory and may be called by several threads at once.{about} */
#ifndef BACKPROP_NETWORK_H
#define BACKPROP_NETWORK_H

#include <math.h>

#define BACKPROP_INPUTS {network.inputs}
#define BACKPROP_OUTPUTS {network.outputs}
#define BACKPROP_CLASSES {count}

{"".join(constants)}
{chr(10).join(functions)}

static inline {"int" if count else "void"} backprop_predict(const float *x, float *y) {{
    float p[{width}], q[{width}];
    {body}
}}
{names}
#endif
"""
    return text.encode()


_TABLE = """

   backprop_input_name tells what each input is. An input `column` is the number in that
   column, or NAN for no value. An input `column=word` is 1 if that is the word in the
   column, and 0 otherwise."""


def _names(what: str, index: str, names: Sequence[str]) -> str:
    """Return a C function that gives the name of a class, an input or a target; nothing if they have no names."""
    if not names:
        return ""
    strings = ", ".join(map(_string, names))
    return f"""
/* The name of {"an" if what == "input" else "a"} {what}. */
static inline const char *backprop_{what}_name(int {index}) {{
    static const char *const names[{len(names)}] = {{{strings}}};
    return names[{index}];
}}
"""


def _call(step: Step, x: str, y: str, suffix: str, constants: list[str]) -> str:
    """Return the call of a step from x to y, after its arrays were added to the constants."""
    sizes = (step.in_shape[0], step.out_shape[0]) if step.arrays else step.out_shape
    names = [f"backprop_{name}_{suffix}" for name in step.arrays]
    constants += (_constant(name, array) for name, array in zip(names, step.arrays.values(), strict=True))
    return f"backprop_{step.operation}({', '.join([*names, x, y, *map(str, sizes)])});"


def _constant(name: str, array: Array) -> str:
    numbers = [_number(value) for value in float32(array).ravel()]
    rows = (", ".join(numbers[start : start + 8]) for start in range(0, len(numbers), 8))
    return f"static const float {name}[{len(numbers)}] = {{\n    " + ",\n    ".join(rows) + "\n};\n"


def _number(value: np.float32) -> str:
    """Return the shortest literal that reads back to the same bits."""
    return "NAN" if np.isnan(value) else f"{value!s}f"


def _string(text: str) -> str:
    """Return text as a C string in ASCII, with escapes for all but plain characters."""
    plain = "".join(
        chr(b) if chr(b).isalnum() and b < 128 or b in b" -_.,:;()" else f"\\{b:03o}" for b in text.encode()
    )
    return f'"{plain}"'


_MAIN = """
#include <stdio.h>
#include "network.h"
int main(void) {
    float x[BACKPROP_INPUTS], y[BACKPROP_OUTPUTS];
    while (fread(x, sizeof x, 1, stdin) == 1) {
        backprop_predict(x, y);
        if (fwrite(y, sizeof y, 1, stdout) != 1) return 1;
    }
    return 0;
}
"""


def run(path: Path, network: Description, x: Array) -> Array:
    """Return the outputs of a program that the C compiler `cc` makes of the header; warnings are errors."""
    compiler = which("cc")
    if compiler is None:
        raise UsageError(f"{path} was written, but not checked: there is no C compiler called cc")
    with TemporaryDirectory() as name:
        folder = Path(name)
        (folder / "main.c").write_text(_MAIN)
        (folder / "network.h").write_bytes(path.read_bytes())
        flags = ("-std=c99", "-O2", "-Wall", "-Wextra", "-Werror", "-pedantic")
        output_of([compiler, *flags, "main.c", "-o", "program", "-lm"], folder=folder)
        outputs = output_of([folder / "program"], float32(x).tobytes())
    return np.frombuffer(outputs, np.float32).reshape(len(x), network.outputs)
