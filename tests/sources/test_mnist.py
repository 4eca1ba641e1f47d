import numpy as np

from backprop_cli.data.cache import Cache
from backprop_cli.data.tasks import Classification
from backprop_cli.sources.mnist import Mnist
from backprop_cli.sources.registry import load_dataset


def test_mnist_is_downloaded_from_a_mirror(serve, mnist_folder, tmp_path):
    mirror = serve(mnist_folder)
    data = load_dataset(Mnist(), Classification(10), 10_000, 50_000, Cache(tmp_path, mirror=mirror.url))
    assert [len(data.split(name)) for name in ("train", "val", "test")] == [50_000, 10_000, 10_000]
    # published facts: the first labels, and how often each digit occurs among the test images
    np.testing.assert_array_equal(data.train.targets[:8], [5, 0, 4, 1, 9, 2, 1, 3])
    np.testing.assert_array_equal(
        np.bincount(data.test.targets), [980, 1135, 1032, 1010, 982, 892, 958, 1028, 974, 1009]
    )
    assert data.train.inputs.dtype == np.uint8
    assert data.train.inputs.max() * data.scale == 1.0
    assert len(mirror.requests) == 4
    load_dataset(Mnist(), Classification(10), 10_000, 50_000, Cache(tmp_path, offline=True))


def test_shuffled_mnist_is_split_in_the_order_of_its_seed(mnist_cache):
    def digits(**options):
        return load_dataset(Mnist(**options), Classification(10), 10, 90, Cache(mnist_cache, offline=True))

    plain, first, again, second = (
        digits(),
        digits(shuffle=True),
        digits(shuffle=True),
        digits(shuffle=True, split_seed=1),
    )
    np.testing.assert_array_equal(first.train.inputs, again.train.inputs)
    assert len({data.train.targets.tobytes() for data in (plain, first, second)}) == 3
    np.testing.assert_array_equal(plain.test.targets, second.test.targets)
    everything = [np.asarray(Mnist(**o).load(Cache(mnist_cache))[0].targets) for o in ({}, {"shuffle": True})]
    np.testing.assert_array_equal(*map(np.bincount, everything))
