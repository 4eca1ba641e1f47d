"""The toolbox through the command line: classics, regression, encodings, batch methods, stopping early, averages."""

import csv
import json
from pathlib import Path

import numpy as np
import pytest

from backprop_cli.data.cache import Cache
from backprop_cli.sources.digits import Digits
from tests.cli.helpers import numbers
from tests.conftest import ROOT

CLASSICS = ROOT / "configs" / "classics"


@pytest.fixture
def train(backprop, tmp_path):
    def run(config, *words, code=0):
        done = backprop("train", config, *words, "--json", "--name", "run", "--overwrite")
        assert done.code == code, done.err
        rows = list(csv.DictReader((tmp_path / "runs/run/metrics.csv").read_text().splitlines()))
        return json.loads(done.out), rows, done.err

    return run


def write(tmp_path, text):
    path = tmp_path / "c.yaml"
    path.write_text(text)
    return path


@pytest.mark.parametrize("gate", ["and", "or", "nand"])
def test_the_perceptron_learns_separable_problems_and_stops(train, gate):
    for seed in range(5):
        result, rows, _ = train(CLASSICS / f"{gate}.yaml", f"seed={seed}")
        assert result["status"] == "stopped_early"
        assert result["reason"] == "an epoch without a mistake"
        assert result["test"]["accuracy"] == 1
        assert rows[-1]["mistakes"] == "0"
        assert int(rows[0]["mistakes"]) > 0


def test_the_advice_for_xor_names_a_network_that_learns_it(train):
    result, rows, err = train(CLASSICS / "xor.yaml")
    assert result["status"] == "finished"
    assert len(rows) == 100
    assert "advice: no perceptron can learn this" in err
    advice = err.split("A hidden layer can: ")[1].split()
    assert advice[0] == "layers=2-8-1"
    for seed in range(5):
        result, _, _ = train(CLASSICS / "xor.yaml", *advice, f"seed={seed}")
        assert result["test"]["accuracy"] == 1


@pytest.mark.parametrize(
    ("words", "layers"),
    [
        (["dataset=parity", "layers=4-1"], "layers=4-16-1"),
        (["layers=2-2", "targets=one_hot"], "layers=2-8-2"),
    ],
)
def test_the_advice_has_as_many_outputs_as_the_problem_needs(train, words, layers):
    _, _, err = train(CLASSICS / "xor.yaml", *words)
    advice = err.split("A hidden layer can: ")[1].split()
    assert advice[0] == layers
    words = [word for word in words if not word.startswith("layers=")]
    result, _, _ = train(CLASSICS / "xor.yaml", *words, *advice)
    assert result["test"]["accuracy"] == 1


def test_a_perceptron_whose_cost_is_0_in_spite_of_mistakes_explains_it(train):
    _, rows, err = train(CLASSICS / "xor.yaml", "-v")
    zero = [row["epoch"] for row in rows if float(row["train_cost"]) == 0]
    lines = [line for line in err.splitlines() if "wrong outputs with z = 0, on the boundary, cost nothing" in line]
    assert len(zero) == len(lines) > 0


def test_the_advice_for_a_separable_problem_is_more_epochs(train):
    _, _, err = train(CLASSICS / "and.yaml", "epochs=1")
    assert "advice: the examples are linearly separable" in err


def test_a_perceptron_for_many_classes_learns_the_digits(train, tmp_path):
    config = write(tmp_path, "dataset: digits\nlayers: [64, 10]\nactivation: winner\ncost: perceptron\nbatch_size: 1\n")
    result, rows, _ = train(config, "eta=1", "epochs=20")
    assert result["test"]["accuracy"] > 0.85
    assert int(rows[-1]["mistakes"]) < int(rows[0]["mistakes"])


def test_a_network_with_two_hidden_units_learns_xor(train):
    result, _, _ = train(ROOT / "configs" / "xor.yaml")
    assert result["test"]["accuracy"] == 1


def test_adaline_learns_and(train):
    result, rows, _ = train(CLASSICS / "adaline.yaml")
    assert result["test"]["accuracy"] == 1
    # the least squares fit of and is x1/2 + x2/2 - 1/4, which leaves 1/2 · 1/16 an example; LMS hovers around it
    assert float(rows[-1]["train_cost"]) == pytest.approx(1 / 32, rel=0.02)


@pytest.mark.parametrize(("dataset", "r2"), [("sine", 0.95), ("bump", 0.95)])
def test_one_hidden_layer_approximates_a_curve(backprop, train, tmp_path, dataset, r2):
    config = write(tmp_path, f"dataset: {dataset}\nlayers: [1, 30, 1]\nactivation: tanh\neta: 0.01\noptimizer: adam\n")
    result, rows, _ = train(config, "epochs=60")
    assert result["test"]["r2"] > r2
    assert "accuracy" not in result["test"]
    assert list(rows[0]) == (
        ["epoch", "train_cost", "train_rmse", "train_r2", "val_cost", "val_rmse", "val_r2", "eta", "seconds"]
    )
    assert float(rows[-1]["train_cost"]) == pytest.approx(float(rows[-1]["train_rmse"]) ** 2 / 2, rel=1e-4)
    best = min(rows, key=lambda row: float(row["val_cost"]))
    assert result["best"]["epoch"] == int(best["epoch"])
    done = json.loads(backprop("eval", "run", "--json").out)["results"][0]
    assert done["r2"] == result["test"]["r2"]
    assert "rmse" in backprop("eval", "run").out
    assert backprop("eval", "run", "--min-accuracy", 0.5).code == 2


def test_huber_and_absolute_costs_fit_curves_too(train, tmp_path):
    config = write(tmp_path, "dataset: sine\nlayers: [1, 30, 1]\nactivation: tanh\neta: 0.01\noptimizer: adam\n")
    for cost in ("absolute", "huber"):
        result, _, _ = train(config, "epochs=60", f"cost={cost}")
        assert result["test"]["r2"] > 0.9


@pytest.mark.parametrize(("targets", "outputs"), [("one_hot", 10), ("binary", 4), ("scalar", 1)])
def test_digits_can_be_encoded_in_three_ways_and_ten_outputs_win(train, tiny, targets, outputs):
    result, _, _ = train(tiny, f"targets={targets}", f"layers=64-30-{outputs}", "train_size=1197", "epochs=15")
    accuracy = result["test"]["accuracy"]
    assert accuracy > {"one_hot": 0.9, "binary": 0.8, "scalar": 0.2}[targets]
    assert targets == "one_hot" or accuracy < 0.93


@pytest.mark.parametrize("optimizer", ["cg", "lbfgs"])
def test_batch_methods_take_the_same_config_and_never_raise_the_cost(backprop, train, tiny, tmp_path, optimizer):
    _, rows, _ = train(tiny, f"optimizer={optimizer}", "epochs=15", "output=softmax", "cost=cross_entropy")
    costs = [float(row["train_cost"]) for row in rows]
    assert all(later <= earlier for earlier, later in zip(costs, costs[1:], strict=False))
    assert costs[-1] < 0.5 * costs[0]
    whole = (tmp_path / "runs/run/checkpoints/last.npz").read_bytes()
    train(tiny, f"optimizer={optimizer}", "epochs=6", "output=softmax", "cost=cross_entropy")
    assert backprop("resume", "run", "--epochs", 15).code == 0
    with np.load(tmp_path / "runs/run/checkpoints/last.npz") as file:
        resumed = {name: file[name] for name in file.files if name != "meta"}
    (tmp_path / "whole.npz").write_bytes(whole)
    with np.load(tmp_path / "whole.npz") as file:
        for name, array in resumed.items():
            np.testing.assert_array_equal(array, file[name], err_msg=name)


def test_a_minimizer_that_finds_nothing_lower_stops(train, tmp_path):
    config = write(tmp_path, "dataset: and\nlayers: [2, 1]\ncost: quadratic\nactivation: identity\noptimizer: lbfgs\n")
    result, rows, _ = train(config, "epochs=100", "dtype=float64")
    assert result["reason"] == "no lower cost was found"
    assert float(rows[-1]["train_cost"]) == pytest.approx(1 / 32, rel=1e-6)


def test_early_stopping_keeps_the_best_epoch_and_ends_the_run(backprop, train, tiny):
    result, rows, _ = train(tiny, "early_stopping.patience=2", "epochs=200", "eta=5")
    assert result["status"] == "stopped_early"
    assert result["reason"] == "no improvement of validation accuracy in 2 epochs"
    assert len(rows) == result["best"]["epoch"] + 2
    again = backprop("resume", "run")
    assert (again.code, "no improvement of validation accuracy" in again.err) == (0, True)
    longer = backprop("resume", "run", "--epochs", 300)
    assert (longer.code, "it cannot be trained longer" in longer.err) == (2, True)


def test_a_run_killed_before_it_could_say_why_it_stopped_is_brought_to_its_end(backprop, train, tmp_path):
    result, rows, _ = train(CLASSICS / "and.yaml")
    record = json.loads((tmp_path / "runs/run/run.json").read_text())
    whole = dict(record)
    for key in ("test", "reason"):
        del record[key]
    (tmp_path / "runs/run/run.json").write_text(json.dumps({**record, "status": "running"}))
    assert backprop("resume", "run").code == 0
    after = json.loads((tmp_path / "runs/run/run.json").read_text())
    assert [after[key] for key in ("status", "test", "reason")] == [whole[key] for key in ("status", "test", "reason")]


def test_networks_that_saw_other_examples_are_not_averaged(backprop, tmp_path):
    config = write(tmp_path, "dataset: moons\nlayers: [2, 5, 2]\nepochs: 1\n")
    assert backprop("train", config, "--name", "moons").code == 0
    assert backprop("train", config, "dataset=spirals", "--name", "spirals").code == 0
    done = backprop("eval", "moons", "spirals")
    assert done.code == 2
    assert "another test split" in done.err


def test_the_average_is_in_the_checkpoint_and_is_what_eval_evaluates(backprop, train, tiny, tmp_path):
    result, _, _ = train(tiny, "average.name=ema", "average.decay=0.9")
    with np.load(tmp_path / "runs/run/checkpoints/best.npz") as file:
        average, W1 = file["average.theta"], file["W1"]
    assert not np.array_equal(average[: W1.size].reshape(W1.shape), W1)
    W1, W2, b1, b2 = np.split(average, np.cumsum([12 * 64, 10 * 12, 12]))
    _, test = Digits().load(Cache(tmp_path, offline=True))
    hidden = 1 / (1 + np.exp(-(test.inputs / 16 @ W1.reshape(12, 64).T + b1)))
    outputs = 1 / (1 + np.exp(-(hidden @ W2.reshape(10, 12).T + b2)))
    cost = np.sum((outputs - np.eye(10)[test.targets]) ** 2) / (2 * len(test))
    assert result["test"]["cost"] == pytest.approx(cost, rel=1e-5)
    done = json.loads(backprop("eval", "run", "--json").out)["results"][0]
    assert done["accuracy"] == result["test"]["accuracy"]
    assert done["cost"] == result["test"]["cost"]


def test_diagnostics_are_columns_for_each_layer_and_a_line_of_advice(train, tiny):
    _, rows, err = train(tiny, "layers=64-10-10-10-10-10-10", "diagnostics=true")
    assert [name for name in rows[0] if name.endswith("_6")] == [
        "delta_norm_6",
        "gradient_norm_6",
        "weight_norm_6",
        "update_ratio_6",
        "saturated_6",
    ]
    assert all(float(row["gradient_norm_1"]) > 0 for row in rows)
    assert "advice: layer 1 learns" in err


def test_epochs_between_evaluations_have_empty_cells_and_the_last_one_is_evaluated(backprop, tiny):
    assert backprop("train", tiny, "epochs=5", "evaluate_every=2", "--name", "run").code == 0
    rows = numbers(Path("runs/run/metrics.csv"))
    assert [bool(row["val_cost"]) for row in rows] == [False, True, False, True, True]
    assert [bool(row["train_accuracy"]) for row in rows] == [False, True, False, True, True]
    assert all(row["eta"] for row in rows)
    done = backprop("resume", "run", "--epochs", 8)
    assert done.code == 0
    assert "lost" not in done.err
    assert [bool(row["val_cost"]) for row in numbers(Path("runs/run/metrics.csv"))[5:]] == [True, False, True]
