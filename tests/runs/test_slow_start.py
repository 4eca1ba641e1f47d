"""Nielsen, chapter 3: a neuron that starts far off learns slowly with the quadratic cost."""

import pytest

import backprop_cli as bp
from tests.conftest import ROOT

NEURON = ROOT / "configs/examples/neuron.yaml"


@pytest.fixture(scope="module")
def runs():
    return [bp.train(NEURON, runs_dir=None, diagnostics=True, cost=cost) for cost in ("quadratic", "cross_entropy")]


def test_the_neuron_starts_and_ends_with_the_outputs_of_the_book(runs):
    output = runs[0].table["train_rmse"]  # of one example with y = 0, the error is the output
    assert (output[0], output[-1]) == pytest.approx((0.98, 0.20), abs=0.005)


def test_the_output_hardly_falls_in_50_epochs_with_the_quadratic_cost_and_does_with_the_cross_entropy(runs):
    quadratic, cross_entropy = (run.table["train_rmse"] for run in runs)
    assert quadratic[50] > 0.97 * quadratic[0]
    assert cross_entropy[50] < 0.2 * cross_entropy[0]
