"""Data sets as arrays: downloads, formats, splits, and the digits that come with the program."""
