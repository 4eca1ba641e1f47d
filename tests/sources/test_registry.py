"""A data set with a required option, and one with several values, registered for a test only."""

from dataclasses import dataclass
from typing import ClassVar

import numpy as np
import pytest

from backprop_cli.config.load import override_experiment
from backprop_cli.data.cache import Cache
from backprop_cli.data.dataset import DataSpec, Source, Split
from backprop_cli.errors import ConfigError, UsageError
from backprop_cli.experiment.schema import Experiment
from backprop_cli.runs.build import load_data
from backprop_cli.sources.registry import DATASETS, data_folder, get_dataset

OPTIONS = next(m for m in Experiment.model_fields["dataset"].metadata if hasattr(m, "kinds"))


@dataclass(frozen=True)
class Circle(Source):
    """Points on a circle of a given radius, predicted from their angle: two values per example."""

    name: ClassVar[str] = "circle"
    origin: ClassVar[str] = "generated"
    radius: float

    @property
    def spec(self) -> DataSpec:
        return DataSpec(inputs=1, values=2, pool=100, validation=20, test=50)

    def load(self, cache: Cache) -> tuple[Split, Split]:
        angle = np.linspace(0, 2 * np.pi, 100, dtype=np.float32)[:, None]
        split = Split(angle, self.radius * np.concatenate([np.cos(angle), np.sin(angle)], axis=1))
        return split, split[:50]


@pytest.fixture
def circle(monkeypatch):
    assert OPTIONS.kinds is DATASETS
    monkeypatch.setitem(DATASETS, "circle", Circle)


def test_get_dataset_names_the_required_options(circle):
    with pytest.raises(UsageError, match="data set 'circle' needs options; set them in a config: .*radius: …"):
        get_dataset("circle")


@pytest.mark.parametrize("words", [("fetch",), ("show",), ("verify",)], ids=lambda words: words[0])
def test_data_commands_name_the_required_option(circle, backprop, words):
    outcome = backprop("data", *words, "circle")
    assert outcome.code == 2
    assert outcome.err.startswith("error: data set 'circle' needs options")
    assert "radius" in outcome.err


@pytest.mark.parametrize("dataset", ["circle", {"name": "circle"}], ids=str)
def test_a_missing_option_is_located(circle, dataset):
    with pytest.raises(ConfigError) as error:
        override_experiment({"dataset": dataset, "layers": [1, 5, 2]}, [], "c.yaml:1:1")
    assert error.value.problems == ["c.yaml:1:1: dataset.radius is missing"]


def test_several_values_are_predicted_by_as_many_outputs(circle, tmp_path):
    values = {"dataset": {"name": "circle", "radius": 2.0}, "layers": [1, 5, 2]}
    experiment = override_experiment(values, [], "x")
    assert (experiment.task.outputs, experiment.output, experiment.monitor) == (2, "identity", "cost")
    data = load_data(experiment, Cache(tmp_path))
    y = data.task.encode(data.train.targets, "float64")
    np.testing.assert_allclose(np.hypot(*y.T), 2, rtol=1e-6)
    with pytest.raises(ConfigError, match="circle has 2 values to predict; write 2"):
        override_experiment({**values, "layers": [1, 5, 1]}, [], "x")


def test_unknown_data_sets_are_refused_with_the_known_ones():
    with pytest.raises(UsageError, match="there is no data set 'minst'; choose one of: mnist, digits, "):
        get_dataset("minst")


def test_inputs_are_scaled_in_the_dtype_of_training(tmp_path):
    data = load_data(override_experiment({"dataset": "digits", "layers": [64, 10]}, [], "x"), Cache(tmp_path))
    x = data.x(data.train.inputs[:5], "float32")
    assert x.dtype == np.float32
    np.testing.assert_array_equal(x, data.train.inputs[:5] / np.float32(16))


def test_only_data_sets_with_files_have_a_folder(tmp_path):
    cache = Cache(tmp_path)
    assert data_folder(get_dataset("mnist"), cache) == tmp_path / "mnist"
    assert (data_folder(get_dataset("digits"), cache) / "digits.npz").is_file()
    assert data_folder(get_dataset("xor"), cache) is None
