"""Drawing: functions from arrays to matplotlib Figures. They know no runs, files or console.

The names are here, so that --help need not load matplotlib.
"""

KINDS = ("curves", "function", "confusion", "mistakes", "weights", "gradients")
"""Every kind of picture, in the order in which they are drawn."""

FORMATS = ("png", "svg", "pdf")
"""Every format of a picture."""
