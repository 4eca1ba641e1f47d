"""Plots: drawing functions from arrays to matplotlib Figures, and the registry of the plots of a run.

The names are here, so that --help need not import matplotlib.
"""

KINDS = ("curves", "function", "confusion", "mistakes", "weights", "gradients")
"""Every kind of plot, in the order in which they are drawn."""

FORMATS = ("png", "svg", "pdf")
"""Every file format of a plot."""
