"""Explanations of an experiment: its summary, training steps with every number, and its gradient check."""
