"""Data sets as arrays: splits, tasks, file formats, the cache and its downloads."""
