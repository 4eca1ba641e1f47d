"""How fast is it, next to its peers? `python -m benchmarks --help` tells how to find out."""
