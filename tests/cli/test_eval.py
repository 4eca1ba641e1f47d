import json

import numpy as np
import pytest

from backprop_cli.data.cache import Cache
from backprop_cli.data.catalogue import load_dataset
from backprop_cli.data.digits import Digits
from backprop_cli.data.tasks import Classification


@pytest.fixture
def runs(backprop, tiny):
    for seed in (1, 2, 3):
        assert backprop("train", tiny, f"seed={seed}", "--name", f"seed{seed}").code == 0


@pytest.fixture
def test_split(tmp_path):
    return load_dataset(Digits(), Classification(10), 300, 1197, Cache(tmp_path)).test


def by_hand(path, split):
    """The outputs of a checkpoint, with NumPy alone."""
    with np.load(path) as file:
        a = split.inputs / 16
        for l in (1, 2):
            a = 1 / (1 + np.exp(-(a @ file[f"W{l}"].T + file[f"b{l}"])))
    return a


def test_the_figures_are_those_of_the_checkpoint(backprop, runs, test_split):
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
    last = json.loads(backprop("eval", "seed2", "--which", "last", "--split", "val", "--json").out)["results"][0]
    assert last["accuracy"] == record["final"]["val_accuracy"]


def test_the_table_shows_every_class_and_the_confusion_matrix(backprop, runs):
    out = backprop("eval", "seed1").out
    assert "test accuracy" in out
    assert "class  precision  recall  examples" in out
    assert out.count("\n") > 24


def test_several_checkpoints_are_evaluated_alone_and_as_their_average(backprop, runs, test_split):
    done = json.loads(backprop("eval", "seed1", "seed2", "seed3", "--json").out)
    assert len(done["results"]) == 3
    outputs = [by_hand(f"runs/seed{seed}/checkpoints/best.npz", test_split) for seed in (1, 2, 3)]
    predictions = np.mean(outputs, axis=0).argmax(axis=1)
    assert done["average"]["accuracy"] == np.mean(predictions == test_split.targets)


def test_min_accuracy_is_exit_4(backprop, runs):
    assert backprop("eval", "seed1", "--min-accuracy", 0.1).code == 0
    done = backprop("eval", "seed1", "--min-accuracy", 0.999)
    assert done.code == 4
    assert "below 0.999" in done.err


def test_eval_needs_nothing_but_the_checkpoint(backprop, runs, tmp_path):
    path = tmp_path / "elsewhere.npz"
    (tmp_path / "runs/seed1/checkpoints/best.npz").rename(path)
    assert backprop("eval", path, "--runs-dir", tmp_path / "none").code == 0


def test_what_cannot_be_evaluated_is_said_in_a_line(backprop, runs, tiny, tmp_path):
    (tmp_path / "x.npz").write_bytes(b"PK hello")
    backprop("train", tiny, "validation=0", "--name", "no-validation")
    for words, code, message in (
        (("x.npz",), 1, "x.npz: not a whole checkpoint"),
        (("nothing",), 2, "named 'nothing'"),
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
        (tmp_path / "x.npz").write_bytes(to_bytes(Checkpoint(meta, good.layers, good.memory)))
        done = backprop("eval", "x.npz")
        assert done.code == 1
        assert message in done.err
