"""Plots: drawing functions from arrays to matplotlib Figures, and the registry of the plots of a run.

What is here imports no matplotlib, which --help need not wait for.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from matplotlib.figure import Figure

KINDS = ("curves", "heatmap", "parallel", "function", "confusion", "mistakes", "weights", "gradients")
"""Every kind of plot, in the order in which they are drawn."""

FORMATS = ("png", "svg", "pdf")
"""Every file format of a plot."""


@dataclass(frozen=True)
class PlotResult:
    """A figure, its caption, a description for readers who cannot see it, and notes about what is not drawn."""

    figure: Figure
    caption: str
    alt: str
    notes: tuple[str, ...] = ()
