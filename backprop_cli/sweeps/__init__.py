"""Sweeps: many runs of one experiment with other settings, each trained exactly once."""
