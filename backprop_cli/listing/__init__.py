"""Tables of many runs: their settings and metrics in summary, conditions on them, groups of seeds, comparisons."""
