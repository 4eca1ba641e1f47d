"""The digits that come with the program: 1,797 images of 8 x 8 pixels, in a fixed stratified order.

"Optical Recognition of Handwritten Digits", test set, E. Alpaydin and C. Kaynak, 1998, UCI Machine Learning
Repository, CC BY 4.0. `scripts/make_digits.py` tells how the order was made.
"""

from __future__ import annotations

import hashlib
import io
from pathlib import Path

import numpy as np

from backprop_cli.data.cache import Cache
from backprop_cli.data.dataset import Split
from backprop_cli.errors import DataError

FILE = Path(__file__).with_name("digits.npz")
SHA256 = "64bc742744ccf1c77d2765d131424d3cb2587c31af7d68aa4cd64d8ad1e31d0b"
N_TEST = 300


def load_digits(cache: Cache) -> tuple[Split, Split]:
    """Return the 1,497 examples to train and validate on, and the 300 test examples; 64 pixels of 0 to 16."""
    data = FILE.read_bytes()
    if hashlib.sha256(data).hexdigest() != SHA256:
        raise DataError(f"{FILE}: not the file that belongs to this version; install the program again")
    with np.load(io.BytesIO(data), allow_pickle=False) as file:
        everything = Split(file["pixels"], file["labels"])
    return everything[:-N_TEST], everything[-N_TEST:]
