"""The style of all plots: sizes for a paper, colour-blind safe colours; matplotlib's settings are left unchanged.

The first seven colours are those of Okabe and Ito (2008), the next three are from Tol (2021), in an order of
alternating lightness; the second ten are lighter or darker ones for many lines. Lines also differ by dashes or
markers, and the lightness of colour maps is monotonic, for prints in grey.
"""

from __future__ import annotations

import io
from collections.abc import Callable
from functools import wraps
from typing import Any, ParamSpec

import numpy.typing as npt
from matplotlib import style
from matplotlib.axes import Axes
from matplotlib.colors import LinearSegmentedColormap
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

Array = npt.NDArray[Any]
P = ParamSpec("P")

WIDTH = 6.8
"""Inches: two columns of a journal."""

COLOURS = (
    *("#0072B2", "#E69F00", "#009E73", "#56B4E9", "#D55E00", "#CC79A7", "#000000", "#DDCC77", "#882255", "#999933"),
    *("#00324F", "#A6CEE3", "#004D38", "#7FD6B8", "#6B2F00", "#FFB38A", "#5E2C4B", "#E8B8D4", "#666666", "#C9C96B"),
)
FIRST = 10
"""The colours that are easiest to tell apart; the markers of the others are hollow."""

MARKERS = ("o", "s", "^", "D", "v", "P", "X", "*")
"""Markers of lines and points; pairs of colour and marker are unique."""

SIGNED = LinearSegmentedColormap.from_list(
    "signed", [(0, "#001A4D"), (0.25, "#2166AC"), (0.5, "#A9B0B8"), (0.75, "#FFC061"), (1, "#FFF9DC")]
)
"""The colour map of numbers around 0: dark blue below, grey at 0, light yellow above; monotonic in grey."""

INK = "#222222"
FAINT = "#767676"

STYLE: dict[str, Any] = {
    "figure.dpi": 100,
    "savefig.dpi": 200,
    "figure.constrained_layout.use": True,
    "font.family": "DejaVu Sans",  # comes with matplotlib: the same on every machine
    "font.size": 8,
    "axes.titlesize": 9,
    "axes.titlelocation": "left",
    "axes.titleweight": "bold",
    "axes.labelsize": 8,
    "axes.edgecolor": FAINT,
    "axes.labelcolor": INK,
    "axes.linewidth": 0.7,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.grid": True,
    "axes.axisbelow": True,
    "axes.formatter.use_mathtext": True,
    "grid.color": "#E4E4E4",
    "grid.linewidth": 0.6,
    "lines.linewidth": 1.5,
    "lines.markersize": 4.5,
    "legend.fontsize": 8,
    "legend.frameon": False,
    "text.color": INK,
    "xtick.color": FAINT,
    "ytick.color": FAINT,
    "xtick.labelcolor": INK,
    "ytick.labelcolor": INK,
    "xtick.labelsize": 7.5,
    "ytick.labelsize": 7.5,
    "xtick.major.width": 0.7,
    "ytick.major.width": 0.7,
    "xtick.major.size": 3,
    "ytick.major.size": 3,
    "image.interpolation": "nearest",
    "image.composite_image": False,
    "pdf.fonttype": 42,  # journals refuse matplotlib's default, type 3
    "svg.fonttype": "path",  # looks the same without the font
    "svg.hashsalt": "backprop",
}

UNDATED: dict[str, dict[str, None]] = {"png": {"Software": None}, "svg": {"Date": None}, "pdf": {"CreationDate": None}}
"""Metadata that leave out the date, by format, so that the same run gives the same bytes."""


def styled(draw: Callable[P, Figure]) -> Callable[P, Figure]:
    """Draw in the style above, whatever the user's own matplotlibrc says."""

    @wraps(draw)
    def wrapper(*args: P.args, **kwargs: P.kwargs) -> Figure:
        with style.context(["default", STYLE]):
            return draw(*args, **kwargs)

    return wrapper


def to_bytes(figure: Figure, format: str) -> bytes:
    """Return a figure as the bytes of a file: png, svg or pdf."""
    file = io.BytesIO()
    with style.context(["default", STYLE]):
        figure.savefig(file, format=format, bbox_inches="tight", pad_inches=0.04, metadata=UNDATED[format])
    return file.getvalue()


def draw_with_style(draw: Callable[[], object]) -> None:
    """Draw a figure's canvas in the style above."""
    with style.context(["default", STYLE]):
        draw()


def plain(text: str) -> str:
    """Return text that matplotlib draws as it is: without mathematics, control characters replaced by `?`."""
    return "".join(c if c.isprintable() else "?" for c in text).replace("$", r"\$")


def title(figure: Figure, text: str) -> Figure:
    """Write a title at the top left of a figure; return the figure."""
    with style.context(["default", STYLE]):
        figure.suptitle(plain(text), x=0.01, ha="left", fontsize=9, color=INK)
    return figure


def by_epoch(axis: Axes) -> None:
    """Label the x axis with whole epochs."""
    axis.set_xlabel("epoch")
    axis.xaxis.set_major_locator(MaxNLocator(integer=True, nbins=6, min_n_ticks=1, steps=[1, 2, 5, 10]))


def in_percent(axis: Axes) -> None:
    """Label the y axis in percent, with as few digits as possible."""
    axis.yaxis.set_major_formatter(lambda share, _: f"{100 * share:.4g} %")


def bare(axis: Axes) -> None:
    """Hide ticks, grid and frame of an axis."""
    axis.set(xticks=[], yticks=[])
    axis.grid(False)
    axis.spines[:].set_visible(False)
