"""Train feed-forward neural networks from a YAML file, with back-propagation in plain NumPy."""

__version__ = "0.2.0"
