"""Checkpoints of single epochs, and the row of epoch 0, before training."""

import csv
import json
from pathlib import Path

import numpy as np
import pytest

import backprop_cli as bp
from backprop_cli.config.load import override_experiment
from backprop_cli.listing.summary import best_row

CONFIG = {"dataset": "digits", "layers": [64, 12, 10], "eta": 1.0, "epochs": 4, "train_size": 195}


def rows(run):
    with (run.path / "metrics.csv").open() as file:
        return [{k: v for k, v in row.items() if k != "seconds"} for row in csv.DictReader(file)]


def kept(run):
    return sorted(path.name for path in Path(run.path).glob("checkpoints/epoch-*"))


def interrupted(name, epochs, **overrides):
    """Train and raise KeyboardInterrupt after the given number of epochs, as a kill would end it."""

    def stop(event):
        if getattr(event, "epoch", None) == epochs and hasattr(event, "is_best"):
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        bp.train(CONFIG, name=name, on_event=stop, **overrides)


@pytest.fixture(autouse=True)
def _in_an_empty_folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)


def test_the_checkpoints_of_the_chosen_epochs_are_kept_and_have_the_weights_of_these_epochs():
    run = bp.train(CONFIG, keep_epochs=[0, 2, 9])
    assert kept(run) == ["epoch-0000.npz", "epoch-0002.npz"]
    two = bp.train(CONFIG, epochs=2)
    W1 = bp.load_run(run.path, checkpoint="2").parameters["W1"]
    np.testing.assert_array_equal(W1, bp.load_run(two.path, checkpoint="last").parameters["W1"])
    assert bp.evaluate(run.path / "checkpoints/epoch-0002.npz").metrics == bp.evaluate(two, checkpoint="last").metrics
    assert bp.evaluate(str(run.path), checkpoint="0").epoch == 0


def test_every_kth_epoch_is_kept():
    assert kept(bp.train(CONFIG, keep_epochs={"every": 2})) == [f"epoch-000{n}.npz" for n in (0, 2, 4)]
    assert kept(bp.train(CONFIG, keep_epochs={"every": 3, "at": [1]})) == [f"epoch-000{n}.npz" for n in (0, 1, 3)]


def test_an_experiment_with_kept_epochs_is_written_and_read_again():
    e = override_experiment(CONFIG, ["keep_epochs=[0, 5]"], "config")
    assert override_experiment(e.to_dict(), [], "config") == e
    assert "keep_epochs" not in override_experiment(CONFIG, [], "config").to_dict()


def test_an_epoch_that_was_not_kept_is_an_error_that_names_those_that_were(backprop, tiny):
    assert backprop("train", tiny, "keep_epochs=[0, 2]", "--name", "run").code == 0
    assert "epoch 2" in backprop("eval", "run", "--checkpoint", 2).out
    assert backprop("eval", "runs/run/checkpoints/epoch-0000.npz").code == 0
    done = backprop("eval", "run", "--checkpoint", 1)
    assert (done.code, "'best' or 'last', or a kept epoch (0, 2)" in done.err) == (2, True)
    assert backprop("train", tiny, "--name", "other").code == 0
    done = backprop("eval", "other", "--checkpoint", 1)
    assert (done.code, "train with keep_epochs" in done.err) == (2, True)
    assert backprop("eval", "run", "--checkpoint", "first").code == 2
    assert backprop("runs", "rm", "run", "--yes").code == 0
    assert not Path("runs/run").exists()


@pytest.mark.parametrize("value", ["5", "[-1]", "[1.5]", "{every: 0}", "all"])
def test_what_are_not_epochs_is_an_error(backprop, tiny, value):
    done = backprop("check", tiny, f"keep_epochs={value}")
    assert (done.code, "keep_epochs" in done.err) == (2, True)


@pytest.mark.parametrize("epochs", [0, 1, 3])
def test_a_resumed_run_has_the_same_rows_and_kept_epochs(epochs):
    whole = bp.train(CONFIG, name="whole", diagnostics=True, keep_epochs={"every": 1})
    interrupted("part", epochs, diagnostics=True, keep_epochs={"every": 1})
    part = Path("runs/part")
    (part / "checkpoints/epoch-0004.npz").write_bytes(b"of a later epoch than the last checkpoint")
    resumed = bp.resume("part")
    assert rows(resumed) == rows(whole)
    assert [row["epoch"] for row in rows(whole)] == ["0", "1", "2", "3", "4"]
    assert kept(resumed) == kept(whole)
    for epoch in range(5):
        ours, theirs = (bp.load_run(run.path, checkpoint=str(epoch)) for run in (resumed, whole))
        np.testing.assert_array_equal(ours.theta, theirs.theta)


def test_kept_epochs_after_the_checkpoint_are_removed_before_training_continues():
    bp.train(CONFIG, name="run", keep_epochs=[2])
    stray = Path("runs/run/checkpoints/epoch-0005.npz")
    stray.write_bytes(b"")
    present = []
    bp.resume("run", epochs=5, on_event=lambda event: present.append(stray.exists()))
    assert not any(present)
    assert kept(bp.load_run("run")) == ["epoch-0002.npz"]


def test_epoch_0_is_the_untrained_network_and_not_a_finished_epoch():
    run = bp.train(CONFIG, diagnostics=True, keep_epochs=[0])
    first = rows(run)[0]
    untrained = bp.evaluate(str(run.path), "val", checkpoint="0")
    assert float(first["val_accuracy"]) == pytest.approx(untrained.metrics["accuracy"], rel=1e-5)
    assert float(first["val_cost"]) == pytest.approx(untrained.cost, rel=1e-5)
    assert first["eta"] == ""
    assert run.epochs.tolist() == [1, 2, 3, 4]
    assert run.table["epoch"].tolist() == [0, 1, 2, 3, 4]
    assert json.loads((run.path / "run.json").read_text())["epochs"] == 4


def test_epoch_0_is_never_the_best():
    worse = [{"epoch": 0, "val_accuracy": 0.9, "train_accuracy": 1}, {"epoch": 1, "val_accuracy": 0.1}]
    assert best_row(worse, {})["epoch"] == 1
    assert best_row(worse[:1], {}) == {}
    run = bp.train(CONFIG | {"dataset": "xor", "layers": [2, 2, 1], "train_size": 4}, diagnostics=True, eta=1e-9)
    assert run.best_epoch == 4


def test_a_run_of_an_older_version_has_the_new_columns_from_its_next_epoch_on(backprop):
    bp.train(CONFIG, name="whole", diagnostics=True)
    old = bp.train(CONFIG, name="old", epochs=2, diagnostics=True)
    names = [name for name in rows(old)[0] if not name.startswith("delta_norm")] + ["seconds"]
    with (old.path / "metrics.csv").open() as file:
        lines = [row for row in csv.DictReader(file) if row["epoch"] != "0"]
    with (old.path / "metrics.csv").open("w", newline="") as file:
        writer = csv.DictWriter(file, names, extrasaction="ignore", lineterminator="\n")
        writer.writeheader()
        writer.writerows(lines)
    resumed = bp.resume("old", epochs=4)
    new = rows(bp.load_run("whole"))[1:]
    found = rows(resumed)
    assert [{name: row[name] for name in names if name != "seconds"} for row in found] == [
        {name: row[name] for name in names if name != "seconds"} for row in new
    ]
    assert [row["delta_norm_1"] for row in found] == ["", "", *(row["delta_norm_1"] for row in new[2:])]
    assert backprop("plot", "old", "--kind", "gradients").code == 0


def test_the_run_list_counts_finished_epochs_of_a_killed_run(backprop):
    interrupted("part", 0, diagnostics=True)
    record = json.loads(Path("runs/part/run.json").read_text())
    Path("runs/part/run.json").write_text(json.dumps(record | {"status": "running"}))
    (row,) = json.loads(backprop("runs", "list", "--json").out)["runs"]
    assert (row["epochs"], row.get("best_epoch")) == (0, None)
