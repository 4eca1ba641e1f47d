"""Trained networks as files for other programs: each format in one file, written from the same description."""
