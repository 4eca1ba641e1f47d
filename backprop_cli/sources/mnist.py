"""MNIST: 70,000 handwritten digits of 28 x 28 pixels (LeCun, Cortes, Burges), downloaded on first use."""

from __future__ import annotations

import numpy as np

from backprop_cli.data.cache import Cache, RemoteFile
from backprop_cli.data.dataset import DataSpec, Split
from backprop_cli.formats.idx import parse_idx
from backprop_cli.frozen import frozen
from backprop_cli.sources.own import Seed
from backprop_cli.sources.pixels import Pixels

MIRRORS = (
    "https://ossci-datasets.s3.amazonaws.com/mnist/",
    "https://storage.googleapis.com/cvdf-datasets/mnist/",
)

TRAIN_IMAGES = RemoteFile(
    "train-images-idx3-ubyte.gz",
    9_912_422,
    "440fcabf73cc546fa21475e81ea370265605f56be210a4024d2ca8f203523609",
    47_040_016,
    "ba891046e6505d7aadcbbe25680a0738ad16aec93bde7f9b65e87a2fc25776db",
)
TRAIN_LABELS = RemoteFile(
    "train-labels-idx1-ubyte.gz",
    28_881,
    "3552534a0a558bbed6aed32b30c495cca23d567ec52cac8be1a0730e8010255c",
    60_008,
    "65a50cbbf4e906d70832878ad85ccda5333a97f0f4c3dd2ef09a8a9eef7101c5",
)
TEST_IMAGES = RemoteFile(
    "t10k-images-idx3-ubyte.gz",
    1_648_877,
    "8d422c7b0a1c1c79245a5bcf07fe86e33eeafee792b84584aec276f5a2dbc4e6",
    7_840_016,
    "0fa7898d509279e482958e8ce81c8e77db3f2f8254e26661ceb7762c4d494ce7",
)
TEST_LABELS = RemoteFile(
    "t10k-labels-idx1-ubyte.gz",
    4_542,
    "f7ae60f92e00ec6debd23a6088c31dbd2371eca3ffa0defaefb259924204aec6",
    10_008,
    "ff7bcfd416de33731a308c3f266cc351222c34898ecbeaf847f06e48f7ec33f2",
)
FILES = (TRAIN_IMAGES, TRAIN_LABELS, TEST_IMAGES, TEST_LABELS)


@frozen
class Mnist(Pixels):
    """60,000 images for training and validation (10,000 by default), and 10,000 for testing.

    With `shuffle`, the 60,000 are put into an order that `split_seed` decides before they are split.
    """

    name = "mnist"
    origin = "cache"
    spec = DataSpec(
        inputs=784,
        classes=10,
        pool=60_000,
        validation=10_000,
        test=10_000,
        image=(28, 28),
        scale=1 / 255,
        sha256={file.unpacked_name: file.unpacked_sha256 for file in FILES},
    )
    shuffle: bool = False
    split_seed: Seed = 0

    def load(self, cache: Cache) -> tuple[Split, Split]:
        """Return the training and the test images, 784 pixels each, 0 (paper) to 255 (ink)."""
        images, labels, test_images, test_labels = (
            parse_idx(data, file.unpacked_name)
            for data, file in zip(cache.fetch_all(FILES, self.name, MIRRORS), FILES, strict=True)
        )
        pool, test = Split(images.reshape(-1, 784), labels), Split(test_images.reshape(-1, 784), test_labels)
        return pool[np.random.default_rng(self.split_seed).permutation(len(pool))] if self.shuffle else pool, test
