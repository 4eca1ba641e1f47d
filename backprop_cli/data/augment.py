"""Augmentation: random shifts, rotations and elastic distortions, drawn anew for every batch of images."""

from __future__ import annotations

import math
from functools import cached_property
from typing import Annotated, Any

import numpy as np
import numpy.typing as npt
from annotated_types import Ge, Le

from backprop_cli.frozen import frozen

Images = npt.NDArray[Any]


@frozen
class Augment:
    """Random distortions of images.

    shift: with probability 1/5 none, else up, down, left or right by 1 to `shift` pixels; 1 is the textbook's expanded
    data (Nielsen, chapter 3, `expand_mnist.py`). rotation: by up to so many degrees. elastic: displacements of strength
    α, uniform in -1 … 1 and smoothed by a Gaussian of `smoothness` σ pixels (Simard et al. 2003, section 2, with
    α = 34 and σ = 4).
    """

    shift: Annotated[int, Ge(0), Le(10)] = 0
    rotation: Annotated[float, Ge(0), Le(180)] = 0.0
    elastic: Annotated[float, Ge(0), Le(1000)] = 0.0
    smoothness: Annotated[float, Ge(0.1), Le(100)] = 4.0


class Augmenter:
    """Applies an Augment to batches of images of a given (height, width)."""

    def __init__(self, augment: Augment, image: tuple[int, int]) -> None:
        self._augment, self._image = augment, image

    def __call__(self, pixels: Images, rng: np.random.Generator) -> None:
        """Change the images in pixels (m, height · width) in place."""
        if self._augment.shift:
            self._shift(pixels, rng)
        if self._augment.rotation or self._augment.elastic:
            self._distort(pixels, rng)

    def _shift(self, pixels: Images, rng: np.random.Generator) -> None:
        m, size = pixels.shape
        which = rng.integers(0, 5 * self._augment.shift, m)
        padded = np.zeros((m, size + 1), pixels.dtype)  # the pixel beyond the last is the background
        padded[:, :size] = pixels
        sources = self._sources[which]
        sources += (size + 1) * np.arange(m)[:, None]
        padded.take(sources, out=pixels, mode="clip")

    @cached_property
    def _sources(self) -> npt.NDArray[np.intp]:
        """For each move (five for every distance), the index of the pixel that each pixel is taken from."""
        height, width = self._image
        row, column = np.indices(self._image)
        found = []
        for distance in range(1, self._augment.shift + 1):
            for down, right in ((0, 0), (1, 0), (-1, 0), (0, 1), (0, -1)):
                y, x = row - distance * down, column - distance * right
                inside = (y >= 0) & (y < height) & (x >= 0) & (x < width)
                found.append(np.where(inside, y * width + x, height * width).ravel())
        return np.array(found)

    def _distort(self, pixels: Images, rng: np.random.Generator) -> None:
        """Take each pixel from its rotated and displaced position, by bilinear interpolation."""
        height, width = self._image
        m = len(pixels)
        y, x = (axis.astype(np.float32) for axis in np.indices(self._image))
        y, x = y - (height - 1) / 2, x - (width - 1) / 2
        angle = math.radians(self._augment.rotation) * rng.uniform(-1, 1, (m, 1, 1)).astype(np.float32)
        from_y, from_x = np.cos(angle) * y - np.sin(angle) * x, np.sin(angle) * y + np.cos(angle) * x
        if self._augment.elastic:
            field = rng.random((2, m, height, width), dtype=np.float32) * 2 - 1
            vertical, horizontal = self._smoothing
            field = self._augment.elastic * (vertical @ field @ horizontal)
            from_y += field[0]
            from_x += field[1]
        pixels[...] = np.rint(self._interpolate(pixels, from_y + (height - 1) / 2, from_x + (width - 1) / 2))

    @cached_property
    def _smoothing(self) -> tuple[Images, Images]:
        """The Gaussian filter as a matrix for each axis, (height, height) and (width, width); each row sums to 1."""
        matrices = []
        for length in self._image:
            place = np.arange(length, dtype=np.float32)
            weight = np.exp(-(((place[:, None] - place) / self._augment.smoothness) ** 2) / 2)
            matrices.append(weight / weight.sum(axis=1, keepdims=True))
        return matrices[0], matrices[1].T

    def _interpolate(self, pixels: Images, y: Images, x: Images) -> Images:
        """Return the images (m, height · width) at positions y and x (m, height, width), interpolated bilinearly."""
        height, width = self._image
        m = len(pixels)
        padded = np.zeros((m, height + 2, width + 2), np.float32)  # a border of background
        padded[:, 1:-1, 1:-1] = pixels.reshape(m, height, width)
        y, x = np.clip(y + 1, 0, height + 1), np.clip(x + 1, 0, width + 1)
        top, left = np.minimum(y.astype(np.intp), height), np.minimum(x.astype(np.intp), width)
        down, right = y - top, x - left
        first = (np.arange(m)[:, None, None] * (height + 2) + top) * (width + 2) + left
        corner = [padded.take(first + step) for step in (0, 1, width + 2, width + 3)]
        upper = corner[0] + right * (corner[1] - corner[0])
        lower = corner[2] + right * (corner[3] - corner[2])
        return np.asarray(upper + down * (lower - upper)).reshape(m, height * width)
