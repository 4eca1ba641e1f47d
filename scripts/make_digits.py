"""Create backprop_cli/sources/digits.npz from the UCI file. This was done once; the result is part of the package.

    python scripts/make_digits.py digits.csv.gz

The file is the test set of "Optical Recognition of Handwritten Digits" (E. Alpaydin, C. Kaynak, 1998, CC BY 4.0):
1,797 rows of 64 pixels, 0 to 16, and the label. The rows are sorted by writer, so the last writers do not occur among
the first rows. They are therefore shuffled with stratification: every contiguous range has about the class proportions
of the whole. The program splits them 1,197 / 300 / 300. The order is stored with the data, as `row`.
"""

from __future__ import annotations

import sys

import numpy as np

data = np.loadtxt(sys.argv[1], delimiter=",", dtype=np.uint8)
pixels, labels = data[:, :64], data[:, 64]
rng = np.random.default_rng(1998)
place = np.empty(len(labels))
for digit in range(10):
    rows = np.flatnonzero(labels == digit)
    place[rng.permutation(rows)] = (np.arange(len(rows)) + rng.random(len(rows))) / len(rows)
row = np.argsort(place, kind="stable").astype(np.uint16)
np.savez_compressed("backprop_cli/sources/digits.npz", pixels=pixels[row], labels=labels[row], row=row)
