"""What drawing a plot returns."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from matplotlib.figure import Figure


@dataclass(frozen=True)
class PlotResult:
    """A figure, its caption, and a description for readers who cannot see it.

    `notes` are lines for the user about what is not drawn.
    """

    figure: Figure
    caption: str
    alt: str
    notes: tuple[str, ...] = ()
