"""Layers of images as they are recorded."""
