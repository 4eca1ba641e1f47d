"""Explanations of an experiment: its summary, one training step with every number, and its gradient check."""
