"""Make backprop_cli/data/digits.npz from the UCI file, once and for all.

    python scripts/make_digits.py digits.csv.gz

The file is the test set of "Optical Recognition of Handwritten Digits" (E. Alpaydin, C. Kaynak, 1998, CC BY 4.0):
1,797 rows of 64 pixels, 0 to 16, and the label. Its rows come writer by writer, so that the last ones are by hands
that the first ones never show. The rows are therefore put in an order in which every stretch holds all digits in the
proportions of the whole, at random within that; the program takes 1,197 / 300 / 300 of them. The order is stored
with the data, as `row`, and never computed again.
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
np.savez_compressed("backprop_cli/data/digits.npz", pixels=pixels[row], labels=labels[row], row=row)
