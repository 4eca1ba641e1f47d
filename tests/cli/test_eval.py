import json

import numpy as np
import pytest

import backprop_cli
from backprop_cli.data.cache import Cache
from backprop_cli.data.tasks import Classification
from backprop_cli.sources.digits import Digits
from backprop_cli.sources.registry import load_dataset


@pytest.fixture
def runs(backprop, tiny):
    for seed in (1, 2, 3):
        assert backprop("train", tiny, f"seed={seed}", "--name", f"seed{seed}").code == 0


@pytest.fixture
def test_split(tmp_path):
    return load_dataset(Digits(), Classification(10), 300, 1197, Cache(tmp_path)).test


def by_hand(path, split):
    """Compute the outputs of a checkpoint with NumPy alone."""
    with np.load(path) as file:
        a = split.inputs / 16
        for l in (1, 2):
            a = 1 / (1 + np.exp(-(a @ file[f"W{l}"].T + file[f"b{l}"])))
    return a


def test_metrics_are_those_of_the_checkpoint(backprop, runs, test_split):
    done = backprop("eval", "runs/seed1/checkpoints/best.npz", "--json")
    result = json.loads(done.out)["results"][0]
    predictions = by_hand("runs/seed1/checkpoints/best.npz", test_split).argmax(axis=1)
    assert result["accuracy"] == np.mean(predictions == test_split.targets)
    confusion = np.zeros((10, 10), int)
    np.add.at(confusion, (test_split.targets, predictions), 1)
    assert result["confusion"] == confusion.tolist()
    assert result["recall"][3] == pytest.approx(confusion[3, 3] / confusion[3].sum())
    assert result["precision"][3] == pytest.approx(confusion[3, 3] / confusion[:, 3].sum())


def test_a_run_is_evaluated_by_name_and_agrees_with_its_record(backprop, runs, tmp_path):
    record = json.loads((tmp_path / "runs/seed2/run.json").read_text())
    result = json.loads(backprop("eval", "seed2", "--json").out)["results"][0]
    assert (result["accuracy"], result["cost"]) == (record["test"]["accuracy"], record["test"]["cost"])
    last = json.loads(backprop("eval", "seed2", "--checkpoint", "last", "--split", "val", "--json").out)["results"][0]
    assert last["accuracy"] == record["final"]["val_accuracy"]
    assert (
        last == json.loads(backprop("eval", "seed2", "--which", "last", "--split", "val", "--json").out)["results"][0]
    )


def test_text_shows_every_class_and_the_confusion_matrix(backprop, runs, test_split):
    predictions = by_hand("runs/seed1/checkpoints/best.npz", test_split).argmax(axis=1)
    confusion = np.zeros((10, 10), int)
    np.add.at(confusion, (test_split.targets, predictions), 1)
    correct = np.trace(confusion)
    blocks = [[line.split() for line in block.splitlines()] for block in backprop("eval", "seed1").out.split("\n\n")]
    assert blocks[0][1][:3] == ["test", "accuracy", f"{correct / 300:.2%}"]
    assert blocks[0][1][3:6] == [f"({correct}", "of", "300),"]
    assert blocks[1][0] == ["class", "precision", "recall", "examples"]
    with np.errstate(invalid="ignore"):
        shares = np.diag(confusion) / confusion.sum(axis=0), np.diag(confusion) / confusion.sum(axis=1)
    assert blocks[1][1:] == [
        [str(c), f"{shares[0][c]:.4f}", f"{shares[1][c]:.4f}", str(confusion[c].sum())] for c in range(10)
    ]
    assert blocks[2][2:] == [[str(c), *(str(n or ".") for n in confusion[c])] for c in range(10)]


def test_several_checkpoints_are_summarized_in_a_table(backprop, runs):
    lines = backprop("eval", "seed1", "seed2").out.splitlines()
    results = json.loads(backprop("eval", "seed1", "seed2", "--json").out)["results"]
    assert lines[0].split() == ["checkpoint", "epoch", "test", "accuracy", "test", "cost"]
    for line, result in zip(lines[1:3], results, strict=True):
        expected = [result["checkpoint"], str(result["epoch"]), f"{result['accuracy']:.2%}", f"{result['cost']:.6g}"]
        assert line.split() == expected
    assert lines[3] == ""
    assert "ensemble" not in "".join(lines)


def test_ensemble_is_the_mean_of_the_outputs(backprop, runs, test_split):
    words = ("eval", "seed1", "seed2", "seed3", "--ensemble")
    done = json.loads(backprop(*words, "--json").out)
    assert len(done["results"]) == 3
    outputs = [by_hand(f"runs/seed{seed}/checkpoints/best.npz", test_split) for seed in (1, 2, 3)]
    accuracy = np.mean(np.mean(outputs, axis=0).argmax(axis=1) == test_split.targets)
    assert done["ensemble"]["accuracy"] == accuracy
    assert f"ensemble (mean of the 3 outputs)\ntest accuracy {accuracy:.2%}" in backprop(*words).out
    assert backprop(*words, "-q").out == f"{accuracy:.4f}\n"
    assert "ensemble" not in json.loads(backprop(*words[:-1], "--json").out)


def test_min_accuracy_is_exit_4(backprop, runs):
    assert backprop("eval", "seed1", "--min-accuracy", 0.1).code == 0
    done = backprop("eval", "seed1", "--min-accuracy", 0.999)
    assert done.code == 4
    assert "below 0.999" in done.err


def test_min_accuracy_is_required_of_every_network_or_of_the_ensemble(backprop, tiny):
    backprop("train", tiny, "--name", "good", "epochs=10")
    backprop("train", tiny, "--name", "bad", "epochs=1", "eta=0.001")
    good, bad = (r["accuracy"] for r in json.loads(backprop("eval", "good", "bad", "--json").out)["results"])
    between = (good + bad) / 2
    assert backprop("eval", "good", "--min-accuracy", between).code == 0
    done = backprop("eval", "good", "bad", "--min-accuracy", between)
    assert (done.code, "runs/bad/checkpoints/best.npz: the accuracy" in done.err) == (4, True)
    ensemble = json.loads(backprop("eval", "good", "bad", "--ensemble", "--json").out)["ensemble"]["accuracy"]
    assert ensemble > bad
    assert backprop("eval", "good", "bad", "--ensemble", "--min-accuracy", ensemble).code == 0
    assert backprop("eval", "good", "bad", "--ensemble", "--min-accuracy", ensemble + 0.001).code == 4


def test_networks_with_different_test_splits_are_not_compared(backprop, runs, tmp_path):
    (tmp_path / "xor.yaml").write_text("dataset: xor\nlayers: 2-2-1\nepochs: 1\n")
    backprop("train", "xor.yaml", "--name", "other")
    done = backprop("eval", "seed1", "other")
    assert (done.code, "has another test split than" in done.err) == (2, True)


@pytest.mark.parametrize("words", [("eval", "@last"), ("predict", "@last", "x.csv")])
def test_a_run_that_diverged_at_once_has_no_best_checkpoint(backprop, tmp_path, words):
    config = "dataset: sine\nlayers: 1-20-1\neta: 1e20\nactivation: relu\n"
    (tmp_path / "wild.yaml").write_text(config)
    assert backprop("train", "wild.yaml").code == 3
    done = backprop(*words)
    reason = "no epoch was completed (training diverged in the first epoch), so there is no best.npz"
    assert (done.code, done.err) == (1, f"error: runs/wild-001: {reason}\n")


def test_eval_needs_only_the_checkpoint(backprop, runs, tmp_path):
    path = tmp_path / "elsewhere.npz"
    (tmp_path / "runs/seed1/checkpoints/best.npz").rename(path)
    assert backprop("eval", path, "--runs-dir", tmp_path / "none").code == 0


def test_errors_are_one_line(backprop, runs, tiny, tmp_path):
    (tmp_path / "x.npz").write_bytes(b"PK hello")
    backprop("train", tiny, "validation=0", "--name", "no-validation")
    for words, code, message in (
        (("x.npz",), 1, "x.npz: not a whole checkpoint"),
        (("nothing",), 2, "no checkpoint, run folder or run named 'nothing' found"),
        (("no-validation", "--split", "val"), 2, "no validation split"),
        ((), 2, "Missing argument"),
    ):
        done = backprop("eval", *words)
        assert done.code == code
        assert message in done.err
        assert done.err.startswith("error: ")


def test_a_checkpoint_of_a_changed_experiment_is_refused(backprop, runs, tmp_path):
    from backprop_cli.runs.checkpoint import Checkpoint, read_checkpoint, to_bytes

    good = read_checkpoint(tmp_path / "runs/seed1/checkpoints/best.npz")
    for change, message in (
        ({"layers": [64, 13, 10]}, "its arrays are not those of a network 64-13-10"),
        ({"layers": [63, 12, 10]}, "has 63 units, but digits has 64 inputs"),
    ):
        meta = good.meta.model_copy(update={"experiment": {**good.meta.experiment, **change}})
        (tmp_path / "x.npz").write_bytes(to_bytes(Checkpoint(meta, good.parameters, good.arrays)))
        done = backprop("eval", "x.npz")
        assert done.code == 1
        assert message in done.err


def test_the_error_of_a_denoising_autoencoder_may_be_that_with_noise(backprop, tiny):
    words = ("targets=inputs", "layers=64-20-64", "corrupt=0.4", "output=sigmoid")
    assert backprop("train", tiny, *words, "--name", "dae").code == 0
    clean, noise, again = (
        json.loads(backprop("eval", "dae", "--json", *more).out)["results"][0]
        for more in ((), ("--corrupt",), ("--corrupt",))
    )
    run = backprop_cli.load_run("dae")
    x = run.data.test.inputs / 16

    def error(inputs):  # always of the clean images
        a = 1 / (1 + np.exp(-(inputs @ run.parameters["W1"].T + run.parameters["b1"])))
        a = 1 / (1 + np.exp(-(a @ run.parameters["W2"].T + run.parameters["b2"])))
        return np.square(a - x).sum(axis=1).mean()

    rng = np.random.default_rng(1)
    draws = [error(x * (rng.random(x.shape) >= 0.4)) for _ in range(50)]
    assert clean["squared_error"] == pytest.approx(error(x), rel=1e-5)
    assert abs(noise["squared_error"] - np.mean(draws)) < 5 * np.std(draws)
    assert (noise["corrupt"], again) == (True, noise)
    assert "; inputs with noise\n" in backprop("eval", "dae", "--corrupt").out
    assert backprop_cli.evaluate(run, corrupt=True).metrics["squared_error"] == noise["squared_error"]
    assert backprop("train", tiny, "--name", "plain").code == 0
    assert "trained without 'corrupt'" in backprop("eval", "plain", "--corrupt").err
