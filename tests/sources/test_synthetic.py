import numpy as np
import pytest

from backprop_cli.data.cache import Cache
from backprop_cli.data.tasks import Classification, Regression
from backprop_cli.sources.registry import DATASETS, load_dataset

GENERATED = [source for source in DATASETS.values() if source.origin == "generated"]


def load(source, validation=None):
    spec = source.spec
    task = Classification(spec.classes) if spec.classes else Regression(spec.values)
    n = spec.validation if validation is None else validation
    return load_dataset(source, task, n, spec.pool - n, Cache("/nowhere", offline=True))


@pytest.mark.parametrize(
    ("name", "answers"),
    [("and", [0, 0, 0, 1]), ("or", [0, 1, 1, 1]), ("nand", [1, 1, 1, 0]), ("xor", [0, 1, 1, 0])],
)
def test_truth_tables_by_hand(name, answers):
    data = load(DATASETS[name]())
    np.testing.assert_array_equal(data.train.inputs, [[0, 0], [0, 1], [1, 0], [1, 1]])
    np.testing.assert_array_equal(data.train.targets, answers)
    np.testing.assert_array_equal(data.test.targets, answers)


def test_majority_and_parity_depend_on_the_number_of_ones():
    for name, answer in (("majority", lambda ones: ones >= 3), ("parity", lambda ones: ones % 2)):
        train = load(DATASETS[name](bits=5)).train
        assert len(train) == 32
        np.testing.assert_array_equal(train.targets, answer(train.inputs.sum(axis=1)))


@pytest.mark.parametrize("source", GENERATED, ids=lambda source: source.name)
def test_generated_data_agrees_with_its_spec_and_repeats(source):
    source = source()
    data, again = load(source), load(source)
    spec = source.spec
    assert (len(data.train), len(data.validation), len(data.test)) == (
        spec.pool - spec.validation,
        spec.validation,
        spec.test,
    )
    assert data.train.inputs.shape[1] == spec.inputs
    assert data.train.inputs.dtype == np.float32
    for name in ("train", "val", "test"):
        np.testing.assert_array_equal(data.split(name).inputs, again.split(name).inputs)
        np.testing.assert_array_equal(data.split(name).targets, again.split(name).targets)
    if spec.classes:
        assert set(np.unique(data.test.targets)) == set(range(spec.classes))
    else:
        assert data.test.targets.shape == (spec.test, spec.values)


@pytest.mark.parametrize("name", ["sine", "bump"])
def test_examples_of_different_seeds_are_uncorrelated(name):
    x, other = (load(DATASETS[name](seed=seed, n=10_000)).train.inputs[:, 0] for seed in (0, 1))
    assert abs(np.corrcoef(x, other)[0, 1]) < 0.05  # its standard deviation is 0.011


def test_points_without_noise_follow_the_formulas():
    blobs = load(DATASETS["blobs"](noise=0.0, classes=4)).train
    corner = np.array([[1, 0], [0, 1], [-1, 0], [0, -1]])
    np.testing.assert_allclose(blobs.inputs, corner[blobs.targets], atol=1e-6)
    spirals = load(DATASETS["spirals"](noise=0.0, turns=1.0)).train
    radius = np.hypot(*spirals.inputs.T)
    angle = 2 * np.pi * (radius + spirals.targets / 2)
    np.testing.assert_allclose(spirals.inputs, radius[:, None] * np.stack([np.cos(angle), np.sin(angle)], 1), atol=1e-5)
    for name, f in (("sine", lambda x: np.sin(2 * np.pi * x)), ("bump", lambda x: np.exp(-20 * x * x))):
        curve = load(DATASETS[name](noise=0.0)).test
        np.testing.assert_allclose(curve.targets, f(curve.inputs), atol=1e-5)


def test_moons_are_half_circles_of_radius_one_and_not_linearly_separable():
    from backprop_cli.advice.separability import separable

    moons = load(DATASETS["moons"](noise=0.0, n=400)).train
    side = 1 - 2.0 * moons.targets
    centres = np.stack([-side / 2, -side / 4], axis=1)
    np.testing.assert_allclose(np.hypot(*(moons.inputs - centres).T), 1, atol=1e-5)
    assert separable(moons.inputs, moons.targets[:, None].astype(float)) is False
