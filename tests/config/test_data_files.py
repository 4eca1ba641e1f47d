"""Files and folders that stand for a config."""

from pathlib import Path

import pytest

from backprop_cli.config.data_files import dataset_of, stem_of


@pytest.mark.parametrize("name", ["t.csv", "T.CSV", "t.tsv", "t.csv.gz", "t.tsv.gz"])
def test_a_table_is_known_by_its_suffix(name):
    assert dataset_of(Path(name)) == {"name": "table", "file": name}


@pytest.mark.parametrize("name", ["c.yaml", "digits", "notes.txt", "csv", "labels-idx1-ubyte"])
def test_any_other_file_is_no_data(name):
    assert dataset_of(Path(name)) is None


def test_what_belongs_together_is_found_by_its_name(tmp_path):
    for name in ("train-images-idx3-ubyte.gz", "train-labels-idx1-ubyte.gz", "t10k-images-idx3-ubyte.gz"):
        (tmp_path / name).touch()
    images = tmp_path / "train-images-idx3-ubyte.gz"
    found = {"name": "idx", "images": str(images), "labels": str(tmp_path / "train-labels-idx1-ubyte.gz")}
    assert dataset_of(images) == found  # test images without labels are of no use
    (tmp_path / "t10k-labels-idx1-ubyte.gz").touch()
    test = {f"test_{what}": str(tmp_path / f"t10k-{what}-{kind}-ubyte.gz") for what, kind in
            (("images", "idx3"), ("labels", "idx1"))}  # fmt: skip
    assert dataset_of(images) == found | test
    (tmp_path / "y_train.npy").touch()
    x = tmp_path / "X_train.npy"
    assert dataset_of(x) == {"name": "arrays", "x": str(x), "y": str(tmp_path / "y_train.npy")}


def test_a_folder_is_data_if_its_folders_hold_images_and_it_is_no_run(tmp_path):
    (tmp_path / "train" / "cat").mkdir(parents=True)
    assert dataset_of(tmp_path) is None
    (tmp_path / "train" / "cat" / "1.JPG").touch()
    assert dataset_of(tmp_path) == {"name": "images", "folder": str(tmp_path)}
    (tmp_path / "config.yaml").touch()
    assert dataset_of(tmp_path) is None


@pytest.mark.parametrize(
    ("name", "stem"),
    [("a/churn.csv.gz", "churn"), ("c.yaml", "c"), ("train-images-idx3-ubyte", "train"), ("pets", "pets")],
)
def test_a_run_is_called_after_its_data(name, stem):
    assert stem_of(Path(name)) == stem
