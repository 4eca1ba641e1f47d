"""Diagnostics of each layer from epoch 0, before training: vanishing gradients, saturated and dead units."""

from __future__ import annotations

from collections.abc import Mapping

import matplotlib as mpl
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from backprop_cli.drawing.style import MARKERS, WIDTH, Array, by_epoch, in_percent, styled

PANELS = {
    "delta_norm": "speed of learning, $\\|\\delta\\|$",
    "gradient_norm": "gradient norm",
    "update_ratio": "relative update",
    "saturated": "saturated",
    "dead": "dead",
}


@styled
def draw_layers(epochs: Array, quantities: Mapping[str, Mapping[int, Array]]) -> Figure:
    """Draw a panel for each available quantity of PANELS, with a line (epochs,) for each layer, numbered from 1.

    The colours of the layers are in order, from dark for the first to light for the last. The norm of dC/dW, which
    grows with the number of inputs, is drawn only for older runs without that of delta.
    """
    hidden = {"gradient_norm"} if quantities.get("delta_norm") else set()
    present = [name for name in PANELS if quantities.get(name) and name not in hidden]
    last = max(max(quantities[name]) for name in present)
    figure = Figure(figsize=(WIDTH, 2.7 if last <= 8 else 3.1))
    axes: list[Axes] = list(figure.subplots(1, len(present), squeeze=False)[0])
    colours = mpl.colormaps["viridis"](np.linspace(0, 0.88, last))
    for axis, name in zip(axes, present, strict=True):
        for layer, values in quantities[name].items():
            axis.plot(
                epochs,
                values,
                color=colours[layer - 1],
                marker=MARKERS[(layer - 1) % len(MARKERS)],
                markevery=max(1, len(epochs) // 6),
                label=f"layer {layer}",
                gid=f"{name}_{layer}",
            )
        axis.set_title(PANELS[name])
        by_epoch(axis)
        if name in ("saturated", "dead"):
            axis.set_ylim(-0.03, 1.03)
            in_percent(axis)
        elif any(np.any(values > 0) for values in quantities[name].values()):
            axis.set_yscale("log", nonpositive="mask")
    handles, labels = axes[0].get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside lower center", ncols=8)
    return figure
