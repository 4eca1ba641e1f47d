"""Files and folders with data that stand for a config. Imports nothing heavy, for completion."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from backprop_cli.errors import DataError

Options = dict[str, str]
"""A data set as a config has it: its name and its options."""

IMAGES = (".png", ".jpg", ".jpeg", ".gif", ".bmp", ".webp", ".tif", ".tiff", ".ppm", ".pgm")
"""Suffixes of the images that make a folder a data set."""


KINDS_OF_DATA = (
    "expected a table (.csv, .tsv, these with .gz, or .parquet), .npz, .npy, images in IDX, or a folder of images"
)


def dataset_of(path: Path) -> Options | None:
    """Return the data set in a file, known by its name, or in a folder of images; None for any other path."""
    if path.is_dir():
        return {"name": "images", "folder": str(path)} if _holds_images(path) else None
    return next((options(path) for suffix, options in FORMATS.items() if path.name.lower().endswith(suffix)), None)


def stem_of(path: Path) -> str:
    """Return the name of a config or of data without its suffix: churn for churn.csv.gz."""
    suffix = next((suffix for suffix in FORMATS if path.name.lower().endswith(suffix)), path.suffix)
    return path.name[: len(path.name) - len(suffix)]


def column_names(path: Path) -> tuple[str, ...]:
    """Return the names of the columns of a table. Raises DataError if the file is not a table."""
    from backprop_cli.tables.columns import reader_of

    with reader_of(path) as file:
        return file.names


def columns_for_keys(path: Path) -> dict[str, list[str]]:
    """Return the columns of a table for the keys that name one; nothing if the file is no table."""
    try:
        names = list(column_names(path)) if "file" in (dataset_of(path) or {}) else []
    except DataError:
        names = []
    keys = ("target", "dataset.target", "dataset.group", "dataset.split")
    return dict.fromkeys(keys, names) if names else {}


def _table(path: Path) -> Options:
    return {"name": "table", "file": str(path)}


def _archive(path: Path) -> Options:
    return {"name": "arrays", "file": str(path)}


def _array(path: Path) -> Options:
    """Return x.npy with y.npy beside it, or X_train.npy with y_train.npy."""
    return {"name": "arrays", "x": str(path), **_existing(y=path.with_name("y" + path.name[1:]))}


def _idx(path: Path) -> Options:
    """Return images with the labels beside them, and with the test images, which are called as those of MNIST."""
    labels = path.name.replace("images", "labels").replace("idx3", "idx1")
    test = [name.replace("train", "t10k") for name in (path.name, labels)]
    tests = _existing(test_images=path.with_name(test[0]), test_labels=path.with_name(test[1]))
    both = tests if len(tests) == 2 and test[0] != path.name else {}
    return {"name": "idx", "images": str(path), **_existing(labels=path.with_name(labels)), **both}


FORMATS: dict[str, Callable[[Path], Options]] = {
    **dict.fromkeys((".csv", ".tsv", ".csv.gz", ".tsv.gz", ".parquet"), _table),
    ".npz": _archive,
    ".npy": _array,
    **dict.fromkeys(("-images-idx3-ubyte", "-images-idx3-ubyte.gz"), _idx),
}
"""What makes a data set of a file, by the end of its name."""


def _existing(**files: Path) -> Options:
    return {option: str(path) for option, path in files.items() if path.is_file()}


def _holds_images(folder: Path) -> bool:
    """Whether folders in a folder, or in its folder `train`, hold images; a run, which has plots, is not data."""
    found = (path for pattern in ("*/*", "train/*/*") for path in folder.glob(pattern))
    return not (folder / "config.yaml").exists() and any(path.suffix.lower() in IMAGES for path in found)
