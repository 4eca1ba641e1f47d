"""The layers of a network: each in one file, forward and backward side by side."""
