"""File formats of examples: IDX, NPY and NPZ, and images."""
