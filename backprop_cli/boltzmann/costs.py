"""The costs `cd` and `pcd` of a config, which make its two layers a restricted Boltzmann machine."""

from __future__ import annotations

from collections.abc import Callable
from typing import Annotated, ClassVar, Literal

import numpy as np
from annotated_types import Ge, Le

from backprop_cli.boltzmann.divergence import ContrastiveDivergence, PersistentContrastiveDivergence
from backprop_cli.boltzmann.rbm import RBM
from backprop_cli.boltzmann.units import HIDDEN_UNITS, Bernoulli
from backprop_cli.frozen import frozen
from backprop_cli.nn.activations import Activation
from backprop_cli.nn.arrays import Array
from backprop_cli.nn.network import Network
from backprop_cli.objectives.costs import Cost
from backprop_cli.objectives.objective import GradientEstimator

Steps = Annotated[int, Ge(1), Le(10_000)]
Visible = Literal["means", "samples"]
VisibleBias = Literal["initializer", "logit"]


@frozen
class Likelihood(Cost):
    """Minus the log-likelihood of the inputs, of which training follows an estimate of the gradient.

    `visible_bias: logit` starts the visible biases at ln(p/(1 - p)) for the mean p of each input, kept between 0.001
    and 0.999 (Hinton 2010, section 8.1).
    """

    outputs: ClassVar[tuple[str, ...]] = tuple(HIDDEN_UNITS)
    smooth: ClassVar[bool] = False
    unsupervised: ClassVar[bool] = True
    initializer: ClassVar[str] = "xavier"
    visible_bias: VisibleBias = "initializer"

    def usual_eta(self, output: Activation, fan_in: int) -> float:
        """Return 0.05, or 0.001 for linear hidden units, which nothing bounds (Hinton 2010, section 13.2)."""
        return 0.05 if output.squashes else 0.001

    def initial(self, mean: Callable[[], Array]) -> dict[str, Array]:
        """Return the visible biases that are given."""
        if self.visible_bias == "initializer":
            return {}
        p = np.clip(mean(), 0.001, 0.999)
        return {"a1": np.log(p / (1 - p))}

    def layer(self, units: int, output: Activation) -> RBM:
        """Return the RBM with so many hidden units, whose mean is the output activation."""
        return RBM(units, HIDDEN_UNITS.get(output.name, Bernoulli()))  # other outputs are an error elsewhere


@frozen
class CD(Likelihood):
    """Contrastive divergence with k steps of Gibbs sampling; see `ContrastiveDivergence`."""

    name: ClassVar[str] = "cd"
    k: Steps = 1
    visible: Visible = "means"

    def estimator(self, network: Network) -> GradientEstimator:
        """Return the estimator."""
        return ContrastiveDivergence(network, self.k, self.visible == "means")


@frozen
class PCD(Likelihood):
    """Persistent contrastive divergence with k steps on each of some chains; see `PersistentContrastiveDivergence`."""

    name: ClassVar[str] = "pcd"
    k: Steps = 1
    chains: Annotated[int, Ge(1), Le(100_000)] = 100
    visible: Visible = "samples"

    def estimator(self, network: Network) -> GradientEstimator:
        """Return the estimator."""
        return PersistentContrastiveDivergence(network, self.k, self.visible == "means", self.chains)


LIKELIHOODS: dict[str, type[Likelihood]] = {cost.name: cost for cost in (CD, PCD)}
"""The costs of restricted Boltzmann machines, by name."""
