"""Tables for a terminal."""

from backprop_cli.text import fitted, table, terminal_width

__all__ = ["fitted", "table", "terminal_width"]
