"""Data sets as arrays: splits, tasks, augmentation, the cache and its downloads."""
