import subprocess
import sys
from pathlib import Path

import pytest

from backprop_cli.config.load import load_experiment, override_experiment
from backprop_cli.errors import ConfigError
from backprop_cli.optim.optimizers import SGD, Momentum
from backprop_cli.sources.mnist import Mnist
from tests.conftest import ROOT

REFERENCE = """\
dataset: mnist
layers: [784, 30, 10]
activation: sigmoid
cost: quadratic
eta: 3.0
batch_size: 10
epochs: 30
lambda: 0.0
"""


@pytest.fixture
def write(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)

    def write(text, name="c.yaml"):
        path = Path(name)
        path.write_text(text, encoding="utf-8")
        return path

    return write


def problems(path, *overrides):
    with pytest.raises(ConfigError) as error:
        load_experiment(path, overrides)
    return error.value.problems


def test_eight_lines_are_an_experiment(write):
    e = load_experiment(write(REFERENCE))
    assert (e.dataset, e.sizes, e.activation, e.output) == (Mnist(), (784, 30, 10), "sigmoid", "sigmoid")
    assert (e.eta, e.batch_size, e.epochs, e.strengths) == (3.0, 10, 30, {})
    assert (e.train_size, e.validation, e.initializer.name, e.dtype) == (50_000, 10_000, "scaled", "float32")


def test_two_lines_are_an_experiment_with_the_textbook_defaults(write):
    assert load_experiment(write("dataset: mnist\nlayers: 784-30-10")) == load_experiment(write(REFERENCE))


def test_greek_letters_are_keys(write):
    e = load_experiment(write("dataset: mnist\nlayers: 784-30-10\nη: 0.5\nλ: 5.0"), ["λ=2"])
    assert (e.eta, e.strengths) == (0.5, {"l2": 2})


def test_aliases_are_keys_of_a_mapping_too():
    e = override_experiment({"dataset": "mnist", "layers": "784-30-10", "η": 0.5, "λ": 5}, [], "mapping")
    assert (e.eta, e.strengths) == (0.5, {"l2": 5})
    with pytest.raises(ConfigError, match="mapping: 'η' and 'eta' are the same key"):
        override_experiment({**e.to_dict(), "η": 1.0}, [], "mapping")


def test_precedence_is_defaults_extended_file_file_command_line(write):
    write(REFERENCE + "seed: 1\n", "base.yaml")
    e = load_experiment(write("extends: base.yaml\neta: 0.5\nepochs: 5\n"), ["epochs=7"])
    assert (e.seed, e.eta, e.epochs) == (1, 0.5, 7)


def test_extends_is_relative_to_the_extending_file(write, tmp_path):
    (tmp_path / "folder").mkdir()
    write(REFERENCE, "folder/base.yaml")
    write("extends: base.yaml\neta: 1.0", "folder/c.yaml")
    assert load_experiment(Path("folder/c.yaml")).eta == 1.0


def test_a_word_and_a_mapping_name_the_same_optimizer(write):
    word = load_experiment(write(REFERENCE + "optimizer: momentum"))
    mapping = load_experiment(write(REFERENCE + "optimizer: {name: momentum, mu: 0.9}"))
    assert word.optimizer == mapping.optimizer == Momentum(mu=0.9)


def test_a_dotted_override_sets_one_option(write):
    path = write(REFERENCE + "optimizer: momentum")
    assert load_experiment(path, ["optimizer.mu=0.5"]).optimizer == Momentum(mu=0.5)
    assert load_experiment(path, ["optimizer=momentum", "optimizer.mu=0.5"]).optimizer == Momentum(mu=0.5)


def test_another_name_drops_the_options_of_the_previous_one(write):
    path = write(REFERENCE + "optimizer: {name: momentum, mu: 0.5}")
    assert load_experiment(path, ["optimizer.name=sgd"]).optimizer == SGD()
    assert load_experiment(path, ["optimizer.name=momentum"]).optimizer == Momentum(mu=0.5)


def test_fractions_are_of_the_available_examples(write):
    e = load_experiment(write(REFERENCE), ["validation=0.1", "train_size=0.5"])
    assert (e.validation, e.train_size) == (6_000, 27_000)


def test_only_the_options_of_an_initializer_that_are_set_are_written(write):
    plain = load_experiment(write(REFERENCE + "initializer: {name: scaled, fan: in}"))
    assert plain.to_dict()["initializer"] == "scaled"
    e = load_experiment(write(REFERENCE + "initializer: scaled"), ["initializer.gain=2", "layers.2.initializer=zeros"])
    assert e.to_dict()["initializer"] == {"name": "scaled", "gain": 2.0}
    assert e.to_dict()["layers"][-1] == {"units": 10, "initializer": "zeros"}
    assert load_experiment(write(e.to_yaml(), "resolved.yaml")) == e


def test_a_resolved_experiment_is_a_config_of_the_same_experiment(write):
    e = load_experiment(write(REFERENCE + "optimizer: momentum\noutput: softmax\n"), ["cost=cross_entropy"])
    assert load_experiment(write(e.to_yaml(), "resolved.yaml")) == e
    assert override_experiment(e.to_dict(), [], "x") == e


@pytest.mark.parametrize("path", sorted((ROOT / "configs").glob("**/*.yaml")), ids=lambda path: path.name)
def test_shipped_configs_load(path):
    load_experiment(path)


@pytest.mark.parametrize(
    ("line", "problem"),
    [
        ("epoch: 3", "c.yaml:9:1: unknown key 'epoch'; did you mean 'epochs'?"),
        ("momentum: 3", "c.yaml:9:1: unknown key 'momentum'; use 'optimizer: {name: momentum, mu: 0.9}'"),
        ("lr: 0.1", "c.yaml:9:1: unknown key 'lr'; use 'eta'"),
        ("hidden: 30", "c.yaml:9:1: unknown key 'hidden'; use 'layers'"),
        ("initializer: glorot", "c.yaml:9:14: initializer: unknown name 'glorot'; use 'xavier'"),
        ("early_stopping: 5", "c.yaml:9:17: early_stopping must be a mapping such as {patience: …}, not 5"),
        ("lambda: x\n", "c.yaml:9:1: duplicate key 'lambda'"),
        ("seed: -1", "c.yaml:9:7: seed must be at least 0, not -1"),
        ("seed: 1.5", "c.yaml:9:7: seed must be an integer, not 1.5"),
        ("seed: true", "c.yaml:9:7: seed must be an integer, not true"),
        ("seed: '3'", "c.yaml:9:7: seed must be an integer, not '3'"),
        ("seed:", "c.yaml:9:6: seed must be an integer, not null"),
        (
            "dtype: float16",
            "c.yaml:9:8: dtype: unknown name 'float16'; did you mean 'float64'? (known: float32, float64)",
        ),
        ("initializer: hee", "c.yaml:9:14: initializer: unknown name 'hee'; did you mean 'he'?"),
        ("initializer: {name: normal, sigma: 0}", "c.yaml:9:36: initializer.sigma must be greater than 0, not 0"),
        ("initializer: {name: he, fan: out}", "c.yaml:9:25: unknown key 'fan'; it is an option of scaled"),
        ("penalty: [l1]", "c.yaml:9:10: penalty must be one name, not a list"),
        (
            "validation: -3",
            "c.yaml:9:13: validation must be a number of examples, or a fraction between 0 and 1, not -3",
        ),
        ("validation: 1.5", "c.yaml:9:13: validation must be a number of examples"),
        ("validation: 60000", "c.yaml:9:13: validation: 60,000 examples leave none for training; mnist has 60,000"),
        ("train_size: 0", "c.yaml:9:13: train_size: 0 leaves no training examples"),
        (
            "train_size: 50001",
            "c.yaml:9:13: train_size: 50,001 examples, but mnist has 60,000, of which 10,000 are for validation",
        ),
        ("train_size: 5", "c.yaml:6:13: batch_size: 10 is more than the 5 training examples; write at most 5"),
        ("threads: 0", "c.yaml:9:10: threads must be 'auto' or an integer from 1 to 1,024, not 0"),
        ("optimizer: momentun", "c.yaml:9:12: optimizer: unknown name 'momentun'; did you mean 'momentum'?"),
        ("optimizer: {name: adam2}", "c.yaml:9:19: optimizer: unknown name 'adam2'"),
        ("optimizer: {mu: 0.5}", "c.yaml:9:12: optimizer: 'name' is missing (known: momentum, nesterov)"),
        ("output: {a: 1}", "c.yaml:9:9: output must be one name, not a mapping"),
        ("optimizer: 3", "c.yaml:9:12: optimizer must be a name or a mapping such as {name: …}, not 3"),
        ("optimizer: {name: momentum, mu: 1}", "c.yaml:9:33: optimizer.mu must be less than 1, not 1"),
        ("optimizer: {name: momentum, first: 0.5}", "c.yaml:9:36: optimizer.first: needs optimizer.epochs"),
        ("optimizer: {name: momentum, epochs: 5}", "c.yaml:9:37: optimizer.epochs: is for a momentum that changes"),
        ("optimizer: {name: nesterov, first: 0}", "c.yaml:9:36: optimizer.first must be greater than 0, not 0"),
        (
            "optimizer: {name: momentum, nu: 1}",
            "c.yaml:9:29: unknown key 'nu'; known here: name, mu, ",
        ),
        ("output: softmax\nactivation: softmax", "c.yaml:10:1: duplicate key 'activation' (first defined"),
    ],
)
def test_an_invalid_line_is_located_and_explained(write, line, problem):
    found = problems(write(REFERENCE + line))
    assert len(found) == 1
    assert found[0].startswith(problem)


@pytest.mark.parametrize(
    ("word", "problem"),
    [
        ("epochs=0", "epochs must be at least 1, not 0"),
        ("epochs=yes", "epochs must be an integer, not 'yes'"),
        ("eta=-1", "eta must be greater than 0, not -1"),
        ("eta=fast", "eta must be a number, not 'fast'"),
        ("eta=1e999", "1e999 is not a finite number"),
        ("epoch=3", "unknown key 'epoch'; did you mean 'epochs'?"),
        ("activation=softmax", "activation: softmax is for the output layer only; use 'output: softmax'"),
        ("layers=780-30-10", "layers: the first layer has 780 units, but mnist has 784 inputs; write 784"),
        ("layers=784-30-9", "layers: the last layer has 9 units, but mnist has 10 classes; write 10"),
        ("layers=784", "layers must be a list such as [784, 30, 10], or 784-30-10, not 784"),
        ("layers=[784]", "layers must have at least 2 entries, not 1"),
        ("layers=784-0-10", "layers[1] must be 'auto' or an integer from 1 to 100,000,000, not 0"),
        (
            "layers=[784, many, 10]",
            "layers[1] must be a number of units, 'auto', or a word such as conv20x5, max2, mean2 or up2, not 'many'",
        ),
        ("layers=784-3000000-10", "layers: training 2,385,000,010 parameters needs about"),
        ("batch_size=50001", "batch_size: 50,001 is more than the 50,000 training examples; write at most 50000"),
        ("optimizer.mu=0.5", "unknown key 'mu'; it is an option of momentum, nesterov"),
        ("cost=MSE", "cost: unknown name 'MSE'; use 'quadratic'"),
        ("dataset=iris", "dataset: unknown name 'iris' (known: mnist, digits, "),
        ("lambda=much", "lambda must be a number or a mapping such as {l1: …}, not 'much'"),
        ("optimizer.name=nothing", "optimizer: unknown name 'nothing'"),
        ("eta.x=1", "eta has no options"),
        ("sweep.trials=5", "unknown key 'sweep'; many settings are trained by: backprop sweep CONFIG"),
        ("lmbda=3", "unknown key 'lmbda'; did you mean 'lambda'?"),
        ("eta=1e300", "eta: 1e+300 underflows or overflows float32"),
        ("eta=1e-50", "eta: 1e-50 underflows or overflows float32"),
        ("eta", "expected KEY=VALUE, such as eta=0.5"),
        ("=3", "expected KEY=VALUE"),
        ("layers=784,30,10", "layers must be written 784-30-10 or [784, 30, 10], not '784,30,10'"),
        ("layers=784 x 30 x 10", "layers must be written 784-30-10 or [784, 30, 10], not '784 x 30 x 10'"),
        ("learning_rate=0.1", "unknown key 'learning_rate'; use 'eta'"),
        (
            "momentum=0.9",
            "unknown key 'momentum'; use 'optimizer: {name: momentum, mu: 0.9}', or optimizer=momentum optimizer.mu",
        ),
        ("optimizer.momentum=0.9", "unknown key 'momentum'; use 'optimizer: {name: momentum, mu: 0.9}'"),
        ("optimizer.lr=0.1", "unknown key 'lr'; use 'eta'"),
        ("optimizer.mu=0.9", "unknown key 'mu'; it is an option of momentum, nesterov (optimizer.name=momentum)"),
        ("loss=mse", "unknown key 'loss'; use 'cost'"),
        ("hidden=30", "unknown key 'hidden'; use 'layers' with all sizes, such as 784-30-10"),
        ("shuffle=true", "unknown key 'shuffle'; the order of the examples is random in each epoch"),
        ("device=cuda", "unknown key 'device'; training uses the CPU"),
        (
            "early_stopping=5",
            "early_stopping must be a mapping such as {patience: …}, not 5; write 'early_stopping: {patience: 5}', or "
            "early_stopping.patience=5",
        ),
        *(
            (f"cost={name}", f"cost: unknown name '{name}'; use '{ours}'")
            for ours, names in {
                "quadratic": ("mse", "MSE", "mean_squared_error"),
                "cross_entropy": ("bce", "nll", "categorical_crossentropy", "categorical-crossentropy"),
                "absolute": ("mae",),
            }.items()
            for name in names
        ),
        ("extends=a.yaml", "'extends' cannot be set on the command line"),
    ],
)
def test_an_invalid_override_is_located_and_explained(write, word, problem):
    found = problems(write(REFERENCE), word)
    assert any(line.startswith(f"command line: {word}: {problem}") for line in found), found


def test_cross_entropy_with_tanh_outputs_is_located_at_the_cost(write):
    found = problems(write(REFERENCE.replace("quadratic", "cross_entropy").replace("sigmoid", "tanh")))
    assert found == [
        "c.yaml:4:7: cost: cross_entropy cannot be used with tanh outputs; use 'output: sigmoid' or "
        "'output: softmax', or 'cost: quadratic', 'cost: absolute', 'cost: huber'"
    ]


def test_errors_of_all_kinds_are_reported_together(write):
    found = problems(write(REFERENCE + "epoch: 3\n"), "layers=784-30-9", "seed=x", "batch_size=60000")
    assert len(found) == 4


def test_a_missing_key_is_located_at_the_top_of_the_file(write):
    assert problems(write("layers: 784-30-10\n")) == ["c.yaml:1:1: key 'dataset' is missing"]
    assert len(problems(write(""))) == 2


def test_a_key_and_its_alias_cannot_both_be_given(write):
    assert problems(write(REFERENCE + "η: 1.0"))[0].startswith("c.yaml:9:1: 'η' and 'eta' are the same key")


def test_errors_of_an_extended_file_are_located_in_it(write):
    write(REFERENCE.replace("eta: 3.0", "eta: 3,0"), "base.yaml")
    assert problems(write("extends: base.yaml\n")) == ["base.yaml:5:6: eta must be a number, not '3,0'"]


def test_extends_must_name_an_existing_file_and_cannot_be_circular(write):
    assert "No such file" in problems(write("extends: none.yaml\n"))[1]
    assert "circular 'extends'" in "".join(problems(write("extends: c.yaml\n")))
    assert problems(write("extends: 3\n")) == ["c.yaml:1:10: extends must be the path of a file, not 3"]


@pytest.mark.parametrize("words", ["eta = 0.5", "eta= 0.5", "eta =0.5"])
def test_an_override_with_spaces_around_the_equals_sign_is_one_error(write, words):
    assert problems(write(REFERENCE), *words.split()) == [
        f"command line: {words}: write KEY=VALUE without spaces around '='"
    ]


@pytest.mark.parametrize(
    "words", [("eta=0.1", "eta=0.2"), ("lambda=1", "λ=2"), ("optimizer.mu=0.1", "optimizer.mu=0.2")]
)
def test_a_key_that_is_given_twice_on_the_command_line_is_an_error(write, words):
    name = words[1].partition("=")[0]
    both = ",".join(word.partition("=")[2] for word in words)
    assert problems(write(REFERENCE + "optimizer: momentum\n"), *words) == [
        f"command line: {words[1]}: duplicate key '{name}'; remove one, or try both: "
        f"backprop sweep CONFIG {name}={both}"
    ]


def test_a_value_can_be_empty(write):
    assert load_experiment(write(REFERENCE + "max_norm: 2\n"), ["max_norm=", "seed=1"]).max_norm is None


def test_lists_in_configs_of_earlier_runs_are_read(write):
    assert load_experiment(write(REFERENCE.replace("[784, 30, 10]", "[784,30,10]"))).sizes == (784, 30, 10)


def test_errors_of_overrides_name_their_source(write):
    with pytest.raises(ConfigError) as error:
        load_experiment(write(REFERENCE), ["eta=-1"], "keyword argument")
    assert error.value.problems == ["keyword argument: eta=-1: eta must be greater than 0, not -1"]


@pytest.mark.parametrize("layers", ["784-30-10", "[784, 30, 10]", "[784,30,10]"])
def test_layers_can_be_written_in_short(write, layers):
    assert load_experiment(write(REFERENCE), [f"layers={layers}"]).sizes == (784, 30, 10)


@pytest.mark.parametrize(
    ("base", "reason"), [("x" * 5000, "File name too long"), ("locked/base.yaml", "Permission denied")]
)
def test_an_extended_file_that_cannot_be_accessed_is_located(write, tmp_path, base, reason, monkeypatch):
    is_fifo = Path.is_fifo

    def refuse(path):
        if path.parent.name == "locked":  # permissions do not stop root
            raise PermissionError(13, "Permission denied", str(path))
        return is_fifo(path)

    monkeypatch.setattr(Path, "is_fifo", refuse)
    (found,) = problems(write(f"extends: {base}\n"))
    assert found.startswith("c.yaml:1:10: extends ")
    assert found.endswith(reason)
    assert len(found) < 200


def test_configs_load_without_docstrings():
    code = "from pathlib import Path; from backprop_cli.config.load import load_experiment as load; "
    code += "load(Path('configs/digits.yaml'), ['average=ema'])"
    subprocess.run([sys.executable, "-OO", "-c", code], cwd=ROOT, check=True)


def test_the_memory_of_the_examples_counts(write, monkeypatch):
    monkeypatch.setattr("backprop_cli.config.checks._physical_memory", lambda: 6e7)
    load_experiment(write("dataset: {name: blobs, n: 1000}\nlayers: 2-5-3\n"))
    found = problems(write("dataset: {name: blobs, n: 1000000}\nlayers: 2-5-3\n"))  # 24 MB as float64
    assert found[0].startswith(
        "c.yaml:1:10: dataset: training on 1,000,000 examples needs about 0.1 GiB, but this machine"
    )
