"""Plots of runs: the registry of their kinds, and how the numbers of runs become figures.

What is here imports no matplotlib, which --help need not wait for.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from backprop_cli.frozen import frozen

if TYPE_CHECKING:
    from matplotlib.figure import Figure

KINDS = (
    *("curves", "heatmap", "parallel", "function", "confusion", "roc", "precision-recall", "calibration", "residuals"),
    *("importance", "mistakes", "reconstructions", "codes", "manifold", "weights", "maps", "maximal", "gradients"),
)
"""Every kind of plot that is drawn by default, in this order."""

ON_REQUEST = ("filters", "film")
"""Kinds of plot that are drawn only if they are asked for."""

FORMATS = ("png", "svg", "pdf")
"""Every file format of a plot."""

FILM_FORMATS = ("gif",)
"""Every file format of a film."""

SCALES = ("common", "each")
"""Whether the images of a plot have one scale, or each its own."""


@frozen
class View:
    """What the plots of a single run show: a split of its data, the number of an image in it, and one of SCALES."""

    split: str = "test"
    image: int = 0
    scale: str = SCALES[0]


@frozen
class PlotResult:
    """A figure, its caption, a description for readers who cannot see it, and notes about what is not drawn."""

    figure: Figure
    caption: str
    alt: str
    notes: tuple[str, ...] = ()

    def to_bytes(self, format: str) -> bytes:
        """Return the plot as the bytes of a file."""
        from backprop_cli.drawing import style

        return style.to_bytes(self.figure, format)
