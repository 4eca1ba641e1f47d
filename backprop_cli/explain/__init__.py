"""One training step and the gradient check of an experiment, explained: numbers beside their formulas."""
