"""Advice from the diagnostics of layers."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from backprop_cli.training.diagnostics import LayerState

SLOW, MANY = 0.01, 0.5
"""A gradient has vanished if the weights change, for their size, by less than this share of those that change most;
dead or saturated units are worth a word if they are more than this share of a layer."""


def advice_on_layers(
    layers: Sequence[LayerState], activations: Sequence[str], optimizer: str, learns_well: bool = False
) -> Iterator[str]:
    """Yield a line for each thing that keeps a layer from learning, and what may help that is not there already.

    Saturation is the aim of a network that classifies with confidence, so it is no problem if the network learns well.
    """
    quickest = max((layer.update_ratio or 0.0 for layer in layers), default=0.0)
    for number, (layer, activation) in enumerate(zip(layers, activations, strict=True), start=1):
        if layer.update_ratio is not None and layer.update_ratio < SLOW * quickest:
            much = "nothing, unlike"
            if layer.update_ratio:
                much = f"{quickest / layer.update_ratio:,.0f} times slower than"
            remedies = ["activation=relu"] * (activation != "relu") + ["fewer layers"]
            remedies += ["optimizer=adam"] * (optimizer != "adam")
            remedy = ", or ".join(remedies)
            yield f"layer {number} learns {much} the quickest layer: its gradient vanishes; try {remedy}"
        if layer.dead is not None and layer.dead > MANY:
            yield (
                f"layer {number}: {layer.dead:.0%} of its units are dead (0 for every example); try a smaller eta, "
                "initializer=he, or activation=leaky_relu"
            )
        if layer.saturated is not None and layer.saturated > MANY and number < len(layers) and not learns_well:
            yield (
                f"layer {number}: {layer.saturated:.0%} of its signals are saturated, where the slope is almost 0; try "
                "a smaller eta, or initializer=scaled if it is another"
            )
