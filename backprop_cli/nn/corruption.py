"""Corruption: noise on the inputs of training examples, which a denoising autoencoder learns to remove.

Inputs x (m, n_0) are those that the network is fed. A field is an option of the config. With `fixed`, an example has
the same noise in every epoch.
"""

from __future__ import annotations

from typing import Annotated, ClassVar

import numpy as np
from annotated_types import Ge, Lt

from backprop_cli.frozen import frozen
from backprop_cli.nn.arrays import Array, Noise

Share = Annotated[float, Ge(0), Lt(1)]


class Corruption:
    """Noise on inputs."""

    name: ClassVar[str]
    fixed: bool = False

    def of(self, x: Array, noise: Noise) -> Array:
        """Return x with noise."""
        raise NotImplementedError


@frozen
class Masking(Corruption):
    """A `share` of the numbers becomes 0; the others are not rescaled (Vincent et al. 2008, section 2.3)."""

    name: ClassVar[str] = "masking"
    share: Share = 0.3
    fixed: bool = False

    def of(self, x: Array, noise: Noise) -> Array:
        """Return x ⊙ mask."""
        return x * (noise.random(x.shape) >= np.float32(self.share))


@frozen
class Gaussian(Corruption):
    """Normal numbers of standard deviation `sigma` are added (Vincent et al. 2010, section 3.3)."""

    name: ClassVar[str] = "gaussian"
    sigma: Annotated[float, Ge(0)] = 0.5
    fixed: bool = False

    def of(self, x: Array, noise: Noise) -> Array:
        """Return x + sigma ε."""
        return x + x.dtype.type(self.sigma) * noise.standard_normal(x.shape)


@frozen
class Salt(Corruption):
    """A `share` of the numbers becomes 0 or 1, each with probability ½ (Vincent et al. 2010, section 3.3)."""

    name: ClassVar[str] = "salt"
    share: Share = 0.1
    fixed: bool = False

    def of(self, x: Array, noise: Noise) -> Array:
        """Return x with pepper (0) and salt (1)."""
        u = noise.random(x.shape)
        return x * (u >= np.float32(self.share)) + (u < np.float32(self.share / 2))


CORRUPTIONS: dict[str, type[Corruption]] = {kind.name: kind for kind in (Masking, Gaussian, Salt)}
"""Every corruption, by name."""
