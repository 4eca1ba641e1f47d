import json

import pytest
import yaml
from jsonschema import Draft202012Validator

from backprop_cli.config.json_schema import json_schema, schema_text
from backprop_cli.experiment.keys import KEYS, choices_of, options_of
from backprop_cli.nn.activations import ACTIVATIONS
from backprop_cli.optim.minimizers import MINIMIZERS
from backprop_cli.optim.optimizers import OPTIMIZERS
from backprop_cli.optim.stopping import EarlyStopping
from tests.conftest import ROOT

CONFIGS = sorted((ROOT / "configs").glob("*.yaml"))


@pytest.fixture(scope="module")
def validator():
    Draft202012Validator.check_schema(json_schema())
    return Draft202012Validator(json_schema())


@pytest.mark.parametrize("path", CONFIGS, ids=lambda path: path.name)
def test_shipped_configs_satisfy_the_schema_and_point_to_it(validator, path):
    text = path.read_text(encoding="utf-8")
    assert list(validator.iter_errors(yaml.safe_load(text))) == []
    assert text.startswith("# yaml-language-server: $schema=backprop.schema.json\n")


@pytest.mark.parametrize(
    "change",
    [
        {"epoch": 3},
        {"eta": "fast"},
        {"eta": 0},
        {"layers": [784]},
        {"layers": "784"},
        {"activation": "sigmod"},
        {"optimizer": {"name": "momentum", "mu": 2}},
        {"optimizer": {"name": "sgd", "mu": 0.5}},
        {"validation": 1.5},
        {"threads": "many"},
    ],
    ids=str,
)
def test_the_schema_rejects_what_the_program_rejects(validator, change):
    experiment = {"dataset": "mnist", "layers": "784-30-10"}
    assert validator.is_valid(experiment)
    assert not validator.is_valid({**experiment, **change})


@pytest.mark.parametrize(
    "change",
    [
        {"η": 0.5},
        {"λ": 1},
        {"optimizer": "momentum"},
        {"optimizer": {"name": "momentum", "mu": 0.5}},
        {"validation": 0.1},
    ],
    ids=str,
)
def test_the_schema_accepts_what_the_program_accepts(validator, change):
    assert validator.is_valid({"extends": "base.yaml", **change})


@pytest.mark.parametrize(
    ("sweep", "valid"),
    [
        ({"over": {"eta": [0.1, 1], "layers.1": "10..30"}, "trials": 5, "sampler": "tpe", "keep": "best 20"}, True),
        ({"trial": 5}, False),
        ({"sampler": "bayes"}, False),
        ({"keep": "best"}, False),
        ({"seeds": 0}, False),
    ],
    ids=str,
)
def test_the_schema_describes_sweeps(validator, sweep, valid):
    assert validator.is_valid({"extends": "base.yaml", "sweep": sweep}) == valid


def test_the_schema_knows_every_key_and_every_registered_name():
    properties = json_schema()["properties"]
    assert set(KEYS) <= set(properties)
    assert properties["activation"]["enum"] == list(ACTIVATIONS)
    assert properties["optimizer"]["anyOf"][0]["enum"] == [*OPTIMIZERS, *MINIMIZERS]
    assert all("description" in properties[key] for key in KEYS)


def test_the_schema_file_beside_the_configs_is_up_to_date():
    path = ROOT / "configs" / "backprop.schema.json"
    assert json.loads(path.read_text(encoding="utf-8")) == json_schema()
    assert path.read_text(encoding="utf-8") == schema_text(), "run: backprop schema > configs/backprop.schema.json"


def test_choices_and_options_of_keys():
    assert choices_of("optimizer") == {**OPTIMIZERS, **MINIMIZERS}
    assert choices_of("early_stopping") == {"": EarlyStopping}
    assert choices_of("eta") == choices_of("layers") == choices_of("unknown") == {}
    assert options_of("optimizer", "momentum") == ["name", "mu", "first", "epochs", "change"]
    assert options_of("early_stopping") == ["patience", "monitor", "min_delta"]
    assert {"units", "conv", "size", "max", "activation", "dropout"} < set(options_of("layers"))
