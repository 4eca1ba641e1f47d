"""The digits that come with the program: 1,797 images of 8 x 8 pixels, in a fixed stratified order.

"Optical Recognition of Handwritten Digits", test set, E. Alpaydin and C. Kaynak, 1998, UCI Machine Learning
Repository, CC BY 4.0. `scripts/make_digits.py` tells how the order was made.
"""

from __future__ import annotations

import hashlib
import io
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

import numpy as np

from backprop_cli.data.cache import Cache
from backprop_cli.data.dataset import Split
from backprop_cli.errors import DataError

FILE = Path(__file__).with_name("digits.npz")
SHA256 = "64bc742744ccf1c77d2765d131424d3cb2587c31af7d68aa4cd64d8ad1e31d0b"
N_TEST = 300


@dataclass(frozen=True)
class Digits:
    """1,497 images to train and validate on, 300 of them for validation, and 300 to test on."""

    name: ClassVar[str] = "digits"
    home: ClassVar[str] = "embedded"
    image: ClassVar[tuple[int, int] | None] = (8, 8)
    inputs: ClassVar[int] = 64
    classes: ClassVar[int] = 10
    pool: ClassVar[int] = 1_497
    validation: ClassVar[int] = 300
    test: ClassVar[int] = N_TEST
    scale: ClassVar[float] = 1 / 16
    sha256: ClassVar[Mapping[str, str]] = {"digits.npz": SHA256}

    def load(self, cache: Cache) -> tuple[Split, Split]:
        """Return the images, 64 pixels of 0 to 16."""
        data = FILE.read_bytes()
        if hashlib.sha256(data).hexdigest() != SHA256:
            raise DataError(f"{FILE}: not the file that belongs to this version; install the program again")
        with np.load(io.BytesIO(data), allow_pickle=False) as file:
            everything = Split(file["pixels"], file["labels"])
        return everything[:-N_TEST], everything[-N_TEST:]
