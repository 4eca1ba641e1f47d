"""Linear autoencoders against principal components, which no autoencoder with a linear code of that size can beat."""

import numpy as np
import pytest
from scipy.linalg import subspace_angles

import backprop_cli as bp

CODE = 8


@pytest.fixture(scope="module")
def pixels():
    run = bp.train(
        {"dataset": "digits", "layers": "64-64", "targets": "inputs", "epochs": 1, "validation": 0}, runs_dir=None
    )
    return np.asarray(run.data.train.inputs) / 16


@pytest.fixture(scope="module")
def components(pixels):
    return np.linalg.svd(pixels - pixels.mean(axis=0), full_matrices=False)[2][:CODE]


@pytest.fixture(scope="module")
def run():
    config = {"dataset": "digits", "layers": f"64-{CODE}-64", "targets": "inputs", "activation": "identity"}
    config |= {
        "dtype": "float64",
        "evaluate_every": 800,
        "output": "identity",
        "optimizer": "lbfgs",
        "initializer": "xavier",
        "epochs": 800,
        "validation": 0,
    }
    return bp.train(config, runs_dir=None)


def test_the_error_is_that_of_principal_components_to_a_thousandth(run, pixels, components):
    centred = pixels - pixels.mean(axis=0)
    best = np.mean(np.sum((centred - centred @ components.T @ components) ** 2, axis=1))
    found = run.evaluate("train").metrics["squared_error"]
    assert found == pytest.approx(best, rel=1e-3)
    assert found > best


def test_the_weights_span_the_principal_components(run, components):
    assert np.rad2deg(subspace_angles(run.parameters["W2"], components.T)).max() < 3
