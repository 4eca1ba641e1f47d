"""Nielsen, chapter 3: a neuron that starts far off learns slowly with the quadratic cost."""

import pytest

import backprop_cli as bp
from tests.conftest import ROOT


@pytest.fixture(scope="module")
def runs():
    files = (f"slow-start-{cost}.yaml" for cost in ("quadratic", "cross-entropy"))
    return [bp.train(ROOT / "configs/classics" / file, runs_dir=None, diagnostics=True) for file in files]


def test_the_neuron_starts_with_w_and_b_of_2_and_the_output_of_the_book(runs):
    start = bp.train(ROOT / "configs/classics/slow-start-quadratic.yaml", runs_dir=None, eta=1e-12, epochs=1)
    assert [float(start.parameters[name].item()) for name in ("W1", "b1")] == pytest.approx([2, 2], abs=0.005)
    assert start.outputs([[1.0]]).item() == pytest.approx(0.98, abs=0.005)


def test_it_ends_with_the_output_of_the_book(runs):
    assert runs[0].outputs([[1.0]]).item() == pytest.approx(0.20, abs=0.005)


def test_the_quadratic_cost_hardly_falls_in_50_epochs_and_the_cross_entropy_does(runs):
    quadratic, cross_entropy = (run.table["train_cost"] for run in runs)
    assert quadratic[50] > 0.95 * quadratic[0]
    assert cross_entropy[50] < 0.05 * cross_entropy[0]
