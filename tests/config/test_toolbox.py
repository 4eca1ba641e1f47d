"""Keys with options: valid values, defaults, and located errors."""

import json

import pytest
import yaml

from backprop_cli.config.load import load_experiment, override_experiment
from backprop_cli.errors import ConfigError
from backprop_cli.experiment.schema import Experiment
from backprop_cli.objectives.costs import CrossEntropy
from backprop_cli.sources.synthetic import Moons
from tests.conftest import ROOT

DIGITS = "dataset: digits\nlayers: [64, 30, 10]\noutput: softmax\ncost: cross_entropy\n"
SHIPPED = sorted((ROOT / "configs").rglob("*.yaml"))


@pytest.fixture
def load(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)

    def load(text, *overrides):
        path = tmp_path / "c.yaml"
        path.write_text(text, encoding="utf-8")
        return load_experiment(path.relative_to(tmp_path), overrides)

    return load


@pytest.fixture
def problems(load):
    def problems(text, *overrides):
        with pytest.raises(ConfigError) as error:
            load(text, *overrides)
        return error.value.problems

    return problems


@pytest.mark.parametrize("path", SHIPPED, ids=lambda path: path.stem)
def test_every_shipped_config_loads_again_from_what_it_writes(path):
    experiment = load_experiment(path)
    written = experiment.to_dict()
    assert override_experiment(json.loads(json.dumps(written)), [], "there") == experiment
    assert Experiment.model_validate(yaml.safe_load(yaml.safe_dump(written))).to_dict() == written


def test_a_layer_can_have_options(load):
    e = load(
        DIGITS + "activation: tanh\ndropout: 0.1\n", "layers=[64, {units: 20, activation: relu, dropout: 0.5}, 30, 10]"
    )
    assert e.sizes == (64, 20, 30, 10)
    assert e.activations == ("relu", "tanh", "softmax")
    assert e.dropouts == (0.0, 0.5, 0.1)
    assert e.to_dict()["layers"] == [64, {"units": 20, "activation": "relu", "dropout": 0.5}, 30, 10]


def test_options_can_be_set_from_the_command_line_one_by_one(load):
    e = load(
        DIGITS,
        "cost.smoothing=0.1",
        "cost.class_weights=[1, 1, 1, 1, 1, 1, 1, 1, 1, 2]",
        "early_stopping.patience=5",
        "early_stopping.monitor=cost",
        "augment.shift=1",
        "average=ema",
        "lambda.l1=0.5",
        "lambda.l2=2",
        "schedule.name=step",
        "schedule.every=3",
    )
    assert e.cost == CrossEntropy(smoothing=0.1, class_weights=(1, 1, 1, 1, 1, 1, 1, 1, 1, 2))
    assert (e.early_stopping.patience, e.monitor) == (5, "cost")
    assert (e.augment.shift, e.average.decay, e.schedule.every) == (1, 0.999, 3)
    assert e.strengths == {"l1": 0.5, "l2": 2.0}


def test_options_of_the_initializer_of_a_layer_can_be_set_one_by_one(load):
    uniform = ("layers.1.initializer=uniform", "layers.1.initializer.limit=0.25")
    assert load(DIGITS, *uniform).to_dict()["layers"][1]["initializer"] == {"name": "uniform", "limit": 0.25}
    of_all = load(DIGITS, "initializer=he", "layers.1.initializer.gain=2").to_dict()  # he is the layer's as well
    assert (of_all["initializer"], of_all["layers"][1]["initializer"]) == ("he", {"name": "he", "gain": 2.0})


@pytest.mark.parametrize(
    ("word", "problem"),
    [
        (
            "layers.1.initializer.limit=0.1",
            "unknown key 'limit'; it is an option of uniform (layers.1.initializer.name=uniform)",
        ),
        ("layers.1.initializer.name.x=1", "'layers.1.initializer.name.x' cannot be set on the command line"),
        ("layers.1.activation.x=1", "'layers.1.activation.x' cannot be set on the command line"),
        ("layers.1.dropout.x=1", "'layers.1.dropout.x' cannot be set on the command line"),
    ],
)
def test_a_wrong_option_of_an_option_of_a_layer_is_located(load, word, problem):
    with pytest.raises(ConfigError) as error:
        load(DIGITS, "initializer=he", word)
    assert error.value.problems == [f"command line: {word}: {problem}"]


def test_an_option_extends_a_number_or_the_default(load):
    assert load(DIGITS, "lambda=5", "lambda.l1=0.1").strengths == {"l1": 0.1, "l2": 5.0}
    assert load(DIGITS, "average.decay=0.9").average.decay == 0.9


def test_a_number_is_the_strength_of_the_penalty(load):
    assert load(DIGITS, "lambda=5").strengths == {"l2": 5.0}
    assert load(DIGITS, "lambda=5", "penalty=l1").strengths == {"l1": 5.0}
    assert load(DIGITS).strengths == {}


@pytest.mark.parametrize("word", ["lambda={l1: 5}", "lambda.l1=5", "lambda={l1: 0.5, l2: 5}", "lambda={l2: 5}"])
def test_a_config_with_strengths_by_name_loads_again_from_what_it_writes(load, word):
    e = load(DIGITS, word)
    assert override_experiment(e.to_dict(), [], "written") == e


def test_the_strength_of_a_single_penalty_is_written_as_a_number(load):
    written = load(DIGITS, "lambda={l1: 5}").to_dict()
    assert (written["lambda"], written["penalty"]) == (5.0, "l1")


def test_a_written_config_of_an_older_version_with_one_strength_of_two_loads(load):
    written = load(DIGITS).to_dict() | {"lambda": {"l1": 5.0, "l2": 0.0}, "penalty": "l2"}
    assert override_experiment(written, [], "old").strengths == {"l1": 5.0}


def test_the_best_epoch_is_chosen_by_accuracy_for_classes_and_by_cost_for_values(load):
    assert load(DIGITS).monitor == "accuracy"
    assert load(DIGITS, "monitor=cost").monitor == "cost"
    assert load("dataset: sine\nlayers: 1-8-1\nactivation: tanh\n").monitor == "cost"


def test_early_stopping_monitor_is_an_alias_of_monitor(load):
    e = load(DIGITS, "early_stopping.monitor=cost")
    assert e.monitor == "cost"
    assert e.to_dict()["monitor"] == "cost"
    assert "monitor" not in e.to_dict()["early_stopping"]
    assert load(DIGITS, "early_stopping.monitor=cost", "monitor=cost") == e


def test_metrics_are_evaluated_every_epoch_by_default(load):
    assert load(DIGITS).evaluate_every == 1
    assert load(DIGITS, "evaluate_every=5").to_dict()["evaluate_every"] == 5


def test_data_sets_have_options(load):
    e = load("dataset: {name: moons, noise: 0.3, n: 500}\nlayers: 2-8-2\n")
    assert e.dataset == Moons(n=500, noise=0.3)
    assert (e.train_size, e.validation, e.targets) == (400, 100, "one_hot")
    assert load("dataset: moons\nlayers: 2-8-2\n", "dataset.seed=3").dataset == Moons(seed=3)


def test_two_classes_with_one_output_are_encoded_as_0_and_1(load):
    assert load("dataset: xor\nlayers: 2-2-1\n").targets == "scalar"


def test_regression_has_identity_outputs_by_default(load):
    assert load("dataset: sine\nlayers: 1-8-1\nactivation: tanh\n").output == "identity"
    assert load("dataset: sine\nlayers: 1-8-1\nactivation: tanh\noutput: tanh\n").output == "tanh"


def test_full_batch_optimizers_get_all_examples(load):
    for optimizer in ("rprop", "cg", "lbfgs"):
        assert load(DIGITS, f"optimizer={optimizer}").batch_size == "full"
    assert load("dataset: xor\nlayers: 2-2-1\n").batch_size == "full"  # there are only four


@pytest.mark.parametrize(
    ("more", "problem"),
    [
        (
            ["layers=[64, {units: 0}, 10]"],
            "command line: layers=[64, {units: 0}, 10]: layers[1].units must be 'auto' or an integer",
        ),
        (
            ["layers=[64, {units: 9, activation: softmax}, 10]"],
            "layers[1].activation: softmax is for the output layer only",
        ),
        (["layers=[64, {units: 9, drop: 0.5}, 10]"], "unknown key 'drop'; did you mean 'dropout'?"),
        (["layers=[{units: 64, dropout: 0.2}, 10]"], "for dropout of inputs use 'input_dropout'"),
        (["layers=[64, {units: 10, dropout: 0.2}]"], "the output layer cannot have dropout"),
        (["dropout=1"], "command line: dropout=1: dropout must be at most 0.99, not 1"),
        (["lambda.l3=1"], "unknown key 'l3'"),
        (["lambda=-1"], "lambda must be at least 0, not -1"),
        (["eta.l3=1"], "command line: eta.l3=1: eta has no options"),
        (["batch_size=all"], "batch_size must be 'full' or an integer of at least 1, not 'all'"),
        (["nothing.x=1"], "command line: nothing.x=1: unknown key 'nothing'"),
        (["cost.class_weights=[1, 2]"], "cost.class_weights: has 2 numbers, but there are 10 classes"),
        (["cost.class_weights=[-1, 2]"], "cost.class_weights[0] must be at least 0, not -1"),
        (
            ["targets=binary"],
            "layers: the last layer has 10 units, but digits has 10 classes, encoded by 4 outputs",
        ),
        (
            ["targets=binary", "layers=64-4"],
            "targets: one output per class is needed for softmax outputs; use 10 outputs",
        ),
        (["early_stopping={}", "validation=0"], "early_stopping: needs a validation split"),
        (["schedule=plateau", "validation=0"], "schedule: needs a validation split"),
        (["early_stopping.patience=0"], "early_stopping.patience must be at least 1, not 0"),
        (["early_stopping.monitor=loss"], "early_stopping.monitor: unknown name 'loss'"),
        (
            ["optimizer=lbfgs", "dropout=0.5"],
            "dropout: cannot be combined with lbfgs, which needs a deterministic cost",
        ),
        (["optimizer=cg", "augment.shift=1"], "augment: cannot be combined with cg"),
        (
            ["monitor=accuracy", "early_stopping.monitor=cost"],
            "early_stopping.monitor: cost contradicts 'monitor: accuracy'",
        ),
        (["monitor=loss"], "monitor: unknown name 'loss'; use 'cost' (known: accuracy, cost, "),
        (["evaluate_every=0"], "evaluate_every must be at least 1, not 0"),
        (["warmup=30"], "warmup: must be less than the 30 epochs of training, not 30"),
        (["schedule=cosin"], "schedule: unknown name 'cosin'; did you mean 'cosine'?"),
        (["dataset.noise=1"], "unknown key 'noise'"),
        (["layers=64-10", "dropout=0.5"], "dropout: applies to hidden layers, but there are none"),
        (["layers=8x8-conv4x3-max2-10", "dropout=0.5"], "dropout: applies to hidden layers of units"),
        (["layers=64-10", "max_norm=3"], "max_norm: applies to hidden layers, but there are none"),
        (["penalty=l1", "lambda={l2: 5}"], "penalty: l1 has no strength in 'lambda', which sets l2"),
        (["augment={smoothness: 2}"], "augment: changes nothing; set shift, rotation or elastic"),
        (["optimizer=lbfgs", "schedule=cosine"], "schedule: has no effect on lbfgs, which adapts its step size"),
        (
            ["optimizer=rprop", "optimizer.smallest=100"],
            "smallest: 100 is larger than optimizer.largest (50)",
        ),
        (["cost.class_weights=[0, 0, 0, 0, 0, 0, 0, 0, 0, 0]"], "cost.class_weights: all are 0"),
        (
            ["layers=64-4", "output=sigmoid", "targets=binary", "cost.smoothing=0.1"],
            "one output per class is needed for smoothing",
        ),
        (["layers=64-99999-10", "optimizer=lbfgs", "optimizer.history=100"], "GiB, but this machine has"),
    ],
    ids=lambda value: value[-1] if isinstance(value, list) else "",
)
def test_contradictions_between_keys_are_located(problems, more, problem):
    found = problems(DIGITS, *more)
    assert len(found) == 1, found
    assert problem in found[0]
    assert found[0].startswith(("command line: ", "c.yaml:"))


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        (
            "dataset: moons\nlayers: 2-5-2\naugment: {shift: 1}\n",
            "c.yaml:3:10: augment: needs images, but the examples of moons are not images",
        ),
        (
            "dataset: sine\nlayers: 1-5-1\ntargets: scalar\n",
            "c.yaml:3:10: targets: sine is a regression data set without classes",
        ),
        (
            "dataset: sine\nlayers: 1-5-1\ncost: cross_entropy\noutput: sigmoid\n",
            "c.yaml:3:7: cost: cross_entropy needs classes, but sine is a regression data set",
        ),
        (
            "dataset: sine\nlayers: 1-5-2\n",
            "c.yaml:2:9: layers: the last layer has 2 units, but sine has 1 value to predict",
        ),
        (
            "dataset: sine\nlayers: 1-5-1\nearly_stopping: {monitor: accuracy}\n",
            "c.yaml:3:27: early_stopping.monitor: sine is a regression data set without accuracy; use 'cost'",
        ),
        (
            "dataset: sine\nlayers: 1-5-1\nmonitor: accuracy\n",
            "c.yaml:3:10: monitor: sine is a regression data set without accuracy; use 'cost'",
        ),
        ("dataset: {name: moons, n: 5}\nlayers: 2-2\n", "c.yaml:1:27: dataset.n must be at least 10, not 5"),
        (
            "dataset: and\nlayers: 2-1\nactivation: threshold\n",
            "c.yaml:1:1: cost: quadratic cannot be used with threshold outputs",
        ),
        (
            "dataset: digits\nlayers: 64-1\nactivation: threshold\ncost: perceptron\ntargets: scalar\n",
            "c.yaml:5:10: targets: perceptron outputs are 0 or 1, so scalar targets need exactly two classes",
        ),
        (
            "dataset: xor\nlayers: 2-1\nactivation: threshold\ncost: perceptron\noptimizer: cg\n",
            "c.yaml:4:7: cost: perceptron cannot be combined with cg",
        ),
        (
            "dataset: sine\nlayers: 1-5-1\noutput: softmax\n",
            "c.yaml:3:9: output: softmax needs classes",
        ),
        (
            "dataset: and\nlayers: 2-3-1\nactivation: threshold\ncost: perceptron\n",
            "c.yaml:3:13: activation: threshold is for the output layer only",
        ),
    ],
    ids=lambda value: "",
)
def test_keys_must_fit_the_data_set(problems, text, problem):
    assert any(found.startswith(problem) for found in problems(text)), problems(text)
