import numpy as np
import pytest

from backprop_cli.data.cache import Cache
from backprop_cli.data.tasks import Classification
from backprop_cli.sources.digits import FILE, Digits
from backprop_cli.sources.registry import load_dataset
from tests.conftest import SHARED


@pytest.fixture(scope="module")
def digits(tmp_path_factory):
    return load_dataset(Digits(), Classification(10), 300, 1197, Cache(tmp_path_factory.mktemp("empty")))


def test_digits_are_1197_300_and_300_images_of_64_pixels(digits):
    assert [len(digits.split(name)) for name in ("train", "val", "test")] == [1197, 300, 300]
    assert {digits.split(name).inputs.shape[1] for name in ("train", "val", "test")} == {64}
    assert digits.train.inputs.dtype == np.uint8
    assert digits.train.inputs.max() * digits.scale == 1.0


def test_the_splits_are_stratified(digits):
    for name in ("train", "val", "test"):
        counts = np.bincount(digits.split(name).targets, minlength=10)
        assert counts.max() - counts.min() <= 0.05 * counts.sum() / 2


def test_the_rows_are_those_of_the_original_file_in_the_stored_order():
    source = SHARED / "data" / "digits" / "digits.csv.gz"
    if not source.exists():
        pytest.skip("the original file is not beside this checkout (../shared/data/digits)")
    rows = np.loadtxt(source, delimiter=",", dtype=np.uint8)
    with np.load(FILE) as file:
        assert sorted(file["row"]) == list(range(1797))
        np.testing.assert_array_equal(file["pixels"], rows[file["row"], :64])
        np.testing.assert_array_equal(file["labels"], rows[file["row"], 64])


def test_train_size_takes_the_first_examples_and_validation_the_last_of_the_pool(digits, tmp_path):
    small = load_dataset(Digits(), Classification(10), 100, 50, Cache(tmp_path))
    np.testing.assert_array_equal(small.train.inputs, digits.train.inputs[:50])
    np.testing.assert_array_equal(small.validation.inputs, digits.validation.inputs[-100:])
    np.testing.assert_array_equal(small.test.targets, digits.test.targets)
