"""The data set `images`: a folder with a subfolder of images for each class."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Annotated, Any, Literal

import numpy as np
import numpy.typing as npt
from annotated_types import Ge, Le

from backprop_cli.data.images import read_image
from backprop_cli.data.npy import MAX_BYTES
from backprop_cli.errors import DataError, UnreadableError
from backprop_cli.frozen import frozen
from backprop_cli.sources.own import TEST, Examples, File, OwnSource, Seed, Share
from backprop_cli.sources.pixels import Pixels
from backprop_cli.tables.kinds import natural_order

SHOWN = 5
"""Files that are named in an error."""

Side = Annotated[int, Ge(1), Le(4096)]


@frozen
class Images(Pixels, OwnSource):
    """A folder with a subfolder of images for each class, or such folders called train and test.

    Images are scaled to `height` x `width` pixels, grey or in colour; pixels are divided by 255.
    """

    name = "images"
    folder: File = ""
    height: Side = 28
    width: Side = 28
    colour: Literal["grey", "rgb"] = "grey"
    test: Share = TEST
    shuffle: bool = True
    split_seed: Seed = 0

    def files(self) -> list[Path]:
        """Return all images, in natural order; hidden files and folders are left out."""
        return [path for part in self._parts() for paths in _classes(part).values() for path in paths]

    def _parts(self) -> list[Path]:
        root = Path(self.folder)
        apart = [root / "train", root / "test"]
        return apart if all(part.is_dir() for part in apart) else [root]

    def read(self) -> Examples:
        """Return the images. Raises DataError, with the first of them, if some cannot be read."""
        parts = [_classes(part) for part in self._parts()]
        names = tuple(sorted(parts[0], key=natural_order))
        if len(names) < 2:
            raise DataError(f"{self.folder}: expected a folder of images for each of at least two classes")
        if len(parts) == 2 and (unknown := sorted(set(parts[1]) - set(names))):
            raise DataError(f"{self.folder}/test: class '{unknown[0]}' is not in {self.folder}/train")
        size = self.height * self.width * (3 if self.colour == "rgb" else 1)
        if (number := sum(len(paths) for part in parts for paths in part.values())) * size > MAX_BYTES:
            raise DataError(
                f"{self.folder}: {number:,} images of {size:,} numbers take more than 2 GB; scale them down"
            )
        bad, digest = list[str](), hashlib.sha256()
        splits = [self._read(part, names, bad, digest) for part in parts]
        if bad:
            more = f" (and {len(bad) - SHOWN} more)" if len(bad) > SHOWN else ""
            raise DataError("\n".join([f"images that cannot be read{more}; remove or replace them:", *bad[:SHOWN]]))
        x, y = splits[0]
        x_test, y_test = splits[1] if len(splits) == 2 else (None, None)
        image = (self.height, self.width) if self.colour == "grey" else None
        return Examples(x, y, x_test, y_test, names, image, {Path(self.folder).name: digest.hexdigest()})

    def _read(
        self, classes: dict[str, list[Path]], names: tuple[str, ...], bad: list[str], digest: Any
    ) -> tuple[npt.NDArray[np.uint8], npt.NDArray[np.uint8]]:
        shape = (self.height, self.width) if self.colour == "grey" else (self.height, self.width, 3)
        paths = [(label, path) for label, name in enumerate(names) for path in classes.get(name, [])]
        x = np.zeros((len(paths), *shape), np.uint8)
        for k, (_, path) in enumerate(paths):
            try:
                x[k] = read_image(path, lambda image: _scaled(image, self.width, self.height, self.colour))
            except (UnreadableError, OSError) as error:
                bad.append(f"  {path}: {getattr(error, 'strerror', None) or error}")
        for label, path in paths:
            digest.update(f"{label} {path.name}\0".encode(errors="surrogateescape"))
        digest.update(x.tobytes())
        return x, np.array([label for label, _ in paths], np.uint8 if len(names) <= 256 else np.intp)


def _classes(folder: Path) -> dict[str, list[Path]]:
    """Return the images of each class: the files in each folder, hidden ones left out."""
    try:
        found = {
            part.name: sorted(
                (path for path in part.iterdir() if path.is_file() and not path.name.startswith(".")),
                key=lambda path: natural_order(path.name),
            )
            for part in folder.iterdir()
            if part.is_dir() and not part.name.startswith(".")
        }
    except OSError as error:
        raise DataError(f"{folder}: cannot be read: {error.strerror}") from error
    return {name: paths for name, paths in found.items() if paths}


def _scaled(image: Any, width: int, height: int, colour: str) -> npt.NDArray[np.uint8]:
    from PIL import ImageOps

    image = ImageOps.exif_transpose(image).convert("L" if colour == "grey" else "RGB")
    return np.asarray(image.resize((width, height), resample=4 if width < image.width else 3))  # box, or cubic
