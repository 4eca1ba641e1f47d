"""Cross-validation: runs of folds, through the command and from Python."""

import json
from pathlib import Path

import numpy as np
import pytest

import backprop_cli
from backprop_cli.data.cache import Cache
from backprop_cli.errors import ConfigError
from backprop_cli.sources.digits import Digits

TINY = {"dataset": "digits", "layers": [64, 12, 10], "eta": 1.0, "epochs": 2}


def test_the_folds_of_the_command_are_runs_with_mean_and_deviation(backprop, tiny):
    done = backprop("train", tiny, "--folds", 3, "train_size=0.9", "--json")
    found = json.loads(done.out)
    assert [one["run"] for one in found["folds"]] == [f"runs/tiny-fold-{i}" for i in (1, 2, 3)]
    accuracies = [json.loads(Path(f"runs/tiny-fold-{i}/run.json").read_text())["test"]["accuracy"] for i in (1, 2, 3)]
    assert found["accuracy"] == pytest.approx({"mean": np.mean(accuracies), "std": np.std(accuracies, ddof=1)})
    lines = backprop("train", tiny, "--folds", 3, "train_size=0.9").out.splitlines()
    assert [line.split()[0] for line in lines[1:4]] == [one["run"] for one in found["folds"]]
    mean, std = 100 * np.mean(accuracies), 100 * np.std(accuracies, ddof=1)
    assert f"{mean:.2f} ± {std:.2f}%" in lines[4]
    assert backprop("train", tiny, "--folds", 3, "train_size=0.9", "-q").out == f"{np.mean(accuracies):.4f}\n"


def test_the_same_command_continues_where_it_was_stopped(backprop, tiny):
    backprop("train", tiny, "--folds", 3, "--name", "whole", "-q")
    backprop("train", tiny, "fold.k=3", "fold.i=1", "--name", "part-fold-1", "-q")
    stopped = backprop_cli.load_run("part-fold-1")
    done = backprop("train", tiny, "--folds", 3, "--name", "part")
    assert "runs/part-fold-1 is already finished (3 epochs)" in done.err
    assert backprop_cli.load_run("part-fold-1").record == stopped.record
    for i in (1, 2, 3):
        whole, part = (backprop_cli.load_run(f"{name}-fold-{i}") for name in ("whole", "part"))
        np.testing.assert_array_equal(whole.theta, part.theta)


def test_the_config_of_a_fold_repeats_it_and_runs_list_has_mean_and_deviation(backprop, tiny):
    backprop("train", tiny, "--folds", 2, "-q")
    backprop("train", "runs/tiny-fold-2/config.yaml", "--name", "again", "-q")
    first, again = (backprop_cli.load_run(name) for name in ("tiny-fold-2", "again"))
    np.testing.assert_array_equal(first.theta, again.theta)
    assert first.test == again.test
    groups = json.loads(backprop("runs", "list", "--group-by-seed", "--json").out)["groups"]
    assert [group["n"] for group in groups] == [2]


def test_folds_do_not_touch_the_test_split_and_hold_out_each_other_example_once():
    found = backprop_cli.cross_validate(TINY, folds=4, runs_dir=None)
    pool, test = Digits().load(Cache(None))
    held_out = np.concatenate([run.data.test.inputs for run in found.runs])
    key = [tuple(row) for row in held_out.tolist()]
    assert sorted(key) == sorted(tuple(row) for row in pool.inputs.tolist())
    for run in found.runs:
        parts = [{tuple(row) for row in split.inputs.tolist()} for split in (run.data.train, run.data.validation)]
        assert not (parts[0] | parts[1]) & {tuple(row) for row in run.data.test.inputs.tolist()}
    assert not set(key) & {tuple(row) for row in test.inputs.tolist()}
    assert len(found.metrics["accuracy"]) == 4


@pytest.fixture
def table(tmp_path):
    rng = np.random.default_rng(0)
    x, patient = rng.normal(size=(200, 2)), rng.integers(0, 40, 200)
    cells = [f"{a},{b},{p},{'ab'[int(a + b > 0.5)]}" for (a, b), p in zip(x, patient, strict=True)]
    path = tmp_path / "patients.csv"
    path.write_text("\n".join(["a,b,patient,y", *cells]) + "\n")
    dataset = {"name": "table", "file": str(path), "target": "y"}
    return {"dataset": dataset, "layers": ["auto", 4, "auto"], "output": "softmax", "cost": "cross_entropy"}, x, patient


def test_statistics_of_a_table_are_those_of_the_training_rows_of_each_fold(table):
    config, x, _ = table
    found = backprop_cli.cross_validate(config, folds=3, runs_dir=None, epochs=2)
    for run in found.runs:
        column = run.config.data.preprocessing.columns[0]
        values = np.sort(run.data.train.inputs[:, 0] * column.scale + column.center)
        assert column.center == pytest.approx(values.mean(), abs=1e-5)
        assert np.abs(values[:, None] - x[:, 0]).min(axis=1).max() < 1e-5
        assert len(run.data.train) + len(run.data.validation) + len(run.data.test) == 160  # 40 rows are for testing


def test_the_rows_of_a_group_are_in_one_fold(table):
    config, x, patient = table
    config["dataset"] |= {"group": "patient", "test": 0}
    found = backprop_cli.cross_validate(config, folds=4, runs_dir=None, epochs=1)
    who = {round(float(a), 4): p for (a, _), p in zip(x, patient, strict=True)}
    folds = []
    for run in found.runs:
        column = run.config.data.preprocessing.columns[0]
        folds.append({who[round(float(a), 4)] for a in run.data.test.inputs[:, 0] * column.scale + column.center})
    assert sum(map(len, folds)) == len(set.union(*folds)) == len(set(patient))


def test_arrays_in_order_are_cross_validated_forward_in_time(tmp_path):
    x = np.arange(120, dtype=np.float32)[:, None]
    np.savez(tmp_path / "series.npz", x=x, y=x * 2)
    dataset = {"name": "arrays", "file": str(tmp_path / "series.npz"), "shuffle": False, "test": 0}
    for run in backprop_cli.cross_validate(
        {"dataset": dataset, "layers": [1, 1], "epochs": 1, "eta": 1e-6}, folds=3, runs_dir=None
    ).runs:
        train, validation, test = (split.inputs for split in (run.data.train, run.data.validation, run.data.test))
        assert train.max() < validation.min() < validation.max() < test.min()
        assert len(test) == 30


def test_wrong_folds_are_errors(backprop, tiny, table):
    config, _, _ = table
    Path("t.yaml").write_text(json.dumps(config))
    for words, message in (
        ((tiny, "--folds", 1), "--folds"),
        ((tiny, "fold={k: 3, i: 4}"), "i must be from 1 to k, which is 3, not 4"),
        ((tiny, "fold.k=3"), "fold.i is missing"),
        ((tiny, "--folds", 3, "--dry-run"), "--dry-run cannot be combined with --folds"),
        (("t.yaml", "dataset.split=y", "--folds", 3), "split: a column that names the splits cannot be combined"),
    ):
        done = backprop("train", *words)
        assert (done.code, message in done.err) == (2, True), done.err
    assert not Path("runs").exists() or not list(Path("runs").glob("*/run.json"))


def test_more_folds_than_examples_are_refused_before_the_first_is_trained(backprop, tiny):
    done = backprop("train", tiny, "--folds", 1498)
    assert (done.code, Path("runs").exists()) == (2, False)
    assert "fold.k: 1498 folds are more than the examples of digits" in done.err
    with pytest.raises(ConfigError, match="1498 folds are more than the examples"):
        backprop_cli.cross_validate(TINY, folds=1498, runs_dir=None)
