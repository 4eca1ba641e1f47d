"""The digits included in the package: 1,797 images of 8 x 8 pixels, in a fixed stratified order.

"Optical Recognition of Handwritten Digits", test set, E. Alpaydin and C. Kaynak, 1998, UCI Machine Learning
Repository, CC BY 4.0. `scripts/make_digits.py` makes the order.
"""

from __future__ import annotations

import hashlib
import io
from pathlib import Path

import numpy as np

from backprop_cli.data.cache import Cache
from backprop_cli.data.dataset import DataSpec, Split
from backprop_cli.errors import DataError
from backprop_cli.frozen import frozen
from backprop_cli.sources.pixels import Pixels

FILE = Path(__file__).with_name("digits.npz")
SHA256 = "64bc742744ccf1c77d2765d131424d3cb2587c31af7d68aa4cd64d8ad1e31d0b"
N_TEST = 300


@frozen
class Digits(Pixels):
    """1,497 images for training and validation (300 by default), and 300 for testing."""

    name = "digits"
    origin = "embedded"
    spec = DataSpec(
        inputs=64,
        classes=10,
        pool=1_497,
        validation=300,
        test=N_TEST,
        image=(8, 8),
        scale=1 / 16,
        sha256={FILE.name: SHA256},
    )

    def load(self, cache: Cache) -> tuple[Split, Split]:
        """Return the images, 64 pixels of 0 to 16."""
        data = FILE.read_bytes()
        if hashlib.sha256(data).hexdigest() != SHA256:
            raise DataError(f"{FILE}: damaged, or not the file of this version; reinstall backprop-cli")
        with np.load(io.BytesIO(data), allow_pickle=False) as file:
            examples = Split(file["pixels"], file["labels"])
        return examples[:-N_TEST], examples[-N_TEST:]
