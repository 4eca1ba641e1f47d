"""Data sets from a user's files: arrays, files in the format of MNIST, folders of images."""

import gzip
import struct

import numpy as np
import pytest

from backprop_cli.data.cache import Cache
from backprop_cli.errors import DataError, UsageError
from backprop_cli.sources.arrays import Arrays, Idx
from backprop_cli.sources.image_folder import Images

RNG = np.random.default_rng(0)
N = 100
X = RNG.integers(0, 256, (N, 6, 5), dtype=np.uint8)
LABELS = RNG.integers(0, 3, N)
CACHE = Cache()


def split(source, validation=20, train_size=60):
    return source.splits(CACHE, validation, train_size)


def rows_of(part, x=X):
    """The rows of x that the examples are."""
    flat = x.reshape(len(x), -1)
    return [int(np.flatnonzero((flat == row).all(axis=1))[0]) for row in part.inputs]


def test_arrays_in_an_npz_file_are_split_and_described(tmp_path):
    np.savez(tmp_path / "d.npz", x=X, y=LABELS)
    source = Arrays(file=str(tmp_path / "d.npz"))
    spec = source.describe(None, None)
    assert (spec.inputs, spec.classes, spec.image, spec.pool, spec.test) == (30, 3, (6, 5), 80, 20)
    assert (spec.validation, spec.scale) == (12, 1 / 255)
    parts = split(source)
    assert sorted(row for part in parts for row in rows_of(part)) == list(range(N))
    for part in parts:
        assert np.array_equal(part.targets, LABELS[rows_of(part)])


def test_test_examples_of_their_own_are_the_test_split(tmp_path):
    np.savez(tmp_path / "d.npz", x=X[:80], y=LABELS[:80], x_test=X[80:], y_test=LABELS[80:])
    assert rows_of(split(Arrays(file=str(tmp_path / "d.npz")))[2]) == list(range(80, 100))


def test_floating_targets_are_values(tmp_path):
    np.savez(tmp_path / "d.npz", x=X / 255, y=RNG.normal(size=(N, 2)))
    spec = Arrays(file=str(tmp_path / "d.npz")).describe(None, None)
    assert (spec.classes, spec.values, spec.scale) == (0, 2, 1.0)


def test_files_without_shuffling_stay_on_disk(tmp_path):
    np.save(tmp_path / "x.npy", X)
    np.save(tmp_path / "y.npy", LABELS)
    parts = split(Arrays(x=str(tmp_path / "x.npy"), y=str(tmp_path / "y.npy"), shuffle=False))
    assert [rows_of(part) for part in parts] == [list(range(60)), list(range(60, 80)), list(range(80, 100))]
    assert all(isinstance(part.inputs, np.memmap) for part in parts)


@pytest.mark.parametrize(
    ("arrays", "message"),
    [
        ({"y": LABELS}, "there is no array 'x' in it, but y"),
        ({"x": X, "y": LABELS[:9]}, r"x \(100, 6, 5\) and y \(9,\)"),
        ({"x": X, "y": -LABELS - 1}, "labels must be 0, 1"),
        ({"x": np.where(X[3, 0, 0] == X, np.nan, 1.0), "y": LABELS}, "x has values that are not finite, first in row"),
        ({"x": X, "y": np.full(N, np.inf)}, "y has values that are not finite, first in row 0"),
        ({"x": X, "y": np.array(["a"] * N)}, "y: an array of type"),
        ({"x": X, "y": LABELS, "x_test": X[:, :2], "y_test": LABELS}, "do not fit"),
    ],
)
def test_arrays_that_do_not_fit_are_refused_with_the_file(tmp_path, arrays, message):
    np.savez(tmp_path / "d.npz", **arrays)
    with pytest.raises(DataError, match=message):
        Arrays(file=str(tmp_path / "d.npz")).describe(None, None)


def test_pickled_objects_are_never_read(tmp_path):
    np.savez(tmp_path / "d.npz", x=X, y=np.array([{}, {}], object))
    with pytest.raises(DataError, match="it contains Python objects instead of numbers"):
        Arrays(file=str(tmp_path / "d.npz")).describe(None, None)


@pytest.mark.parametrize("data", [b"", b"PK\3\4 no zip", b"\x93NUMPY"])
def test_what_is_no_archive_is_refused(tmp_path, data):
    (tmp_path / "d.npz").write_bytes(data)
    with pytest.raises(DataError, match="not a complete .npz file"):
        Arrays(file=str(tmp_path / "d.npz")).describe(None, None)


@pytest.mark.parametrize(
    "options",
    [{}, {"x": "x.npy", "y": "y.npy", "x_test": "x.npy"}, {"file": "a.npz", "x": "x.npy", "y": "y.npy"}],
)
def test_arrays_without_their_files_are_refused(tmp_path, monkeypatch, options):
    monkeypatch.chdir(tmp_path)
    for name in ("a.npz", "x.npy", "y.npy"):
        (tmp_path / name).write_text("")
    with pytest.raises(UsageError, match="needs file: FILE.npz, or x: FILE.npy and y: FILE.npy"):
        Arrays(**options).describe(None, None)


def idx(array):
    return struct.pack(f">HBB{array.ndim}I", 0, 8, array.ndim, *array.shape) + array.astype(np.uint8).tobytes()


def test_files_in_the_format_of_mnist_are_read_plain_or_gzipped(tmp_path):
    (tmp_path / "images").write_bytes(idx(X))
    (tmp_path / "labels.gz").write_bytes(gzip.compress(idx(LABELS)))
    source = Idx(images=str(tmp_path / "images"), labels=str(tmp_path / "labels.gz"))
    spec = source.describe(None, None)
    assert (spec.inputs, spec.classes, spec.image, spec.scale) == (30, 3, (6, 5), 1 / 255)
    for part in split(source):
        assert np.array_equal(part.targets, LABELS[rows_of(part)])


@pytest.mark.parametrize("damage", [b"\0\0\x08\x03\0\0", b"\x1f\x8b no gzip"])
def test_damaged_files_are_refused_with_their_name(tmp_path, damage):
    (tmp_path / "images.gz").write_bytes(gzip.compress(damage) if damage[:1] == b"\0" else damage)
    (tmp_path / "labels").write_bytes(idx(LABELS))
    with pytest.raises(DataError, match=r"images\.gz"):
        Idx(images=str(tmp_path / "images.gz"), labels=str(tmp_path / "labels")).describe(None, None)


@pytest.fixture
def folder(tmp_path):
    image = pytest.importorskip("PIL.Image")

    def make(root, classes, number=10):
        for k, name in enumerate(classes):
            (tmp_path / root / name).mkdir(parents=True)
            for i in range(number):
                pixels = np.full((8, 12), 40 * k + i, np.uint8)
                image.fromarray(pixels).save(tmp_path / root / name / f"{i}.png")
        return tmp_path / root

    return make


def test_a_folder_of_images_has_its_subfolders_as_classes(folder):
    root = folder("shapes", ["item10", "item2", "item1"])
    (root / ".hidden").mkdir()
    (root / ".hidden" / "x.png").write_text("")
    (root / "item1" / ".DS_Store").write_text("")
    source = Images(folder=str(root), height=4, width=6)
    spec = source.describe(None, None)
    assert (spec.inputs, spec.class_names, spec.image) == (24, ("item1", "item2", "item10"), (4, 6))
    train, held_out, test = source.splits(CACHE, 6, 18)
    assert [len(part) for part in (train, held_out, test)] == [18, 6, 6]
    assert np.bincount(test.targets).tolist() == [2, 2, 2]
    grey = {"item10": 0, "item2": 40, "item1": 80}
    for row, label in zip(train.inputs, train.targets, strict=True):
        assert 0 <= int(row[0]) - grey[spec.class_names[label]] < 10


def test_folders_called_train_and_test_are_the_splits(folder):
    folder("shapes/train", ["a", "b"], 10)
    root = folder("shapes/test", ["a", "b"], 3).parent
    spec = Images(folder=str(root), height=4, width=6, colour="rgb").describe(None, None)
    assert (spec.pool, spec.test, spec.inputs, spec.image) == (20, 6, 72, None)


def test_images_that_cannot_be_read_are_all_named(folder):
    root = folder("shapes", ["a", "b"])
    for name in ("0.png", "3.png"):
        (root / "b" / name).write_bytes(b"no image")
    with pytest.raises(DataError) as caught:
        Images(folder=str(root)).describe(None, None)
    assert "images that cannot be read; remove or replace them:" in str(caught.value)
    assert all(str(root / "b" / name) in str(caught.value) for name in ("0.png", "3.png"))


@pytest.mark.parametrize("classes", [[], ["only"]])
def test_a_folder_without_two_classes_is_refused(folder, tmp_path, classes):
    root = folder("shapes", classes)
    root.mkdir(exist_ok=True)
    with pytest.raises(DataError, match="expected a folder of images for each of at least two classes"):
        Images(folder=str(root)).describe(None, None)


def test_a_missing_file_is_named(tmp_path):
    with pytest.raises(DataError, match="none.npz: cannot be read: No such file"):
        Arrays(file=str(tmp_path / "none.npz")).describe(None, None)
    with pytest.raises(DataError, match="none: cannot be read: No such file"):
        Images(folder=str(tmp_path / "none")).describe(None, None)
