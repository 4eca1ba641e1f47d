"""The best epoch is chosen by the metric that is monitored."""

import json
from pathlib import Path

import numpy as np
import pytest

import backprop_cli
from backprop_cli.errors import UsageError

DIGITS = {"dataset": "digits", "layers": [64, 12, 10], "output": "softmax", "cost": "cross_entropy", "eta": 0.2}


@pytest.mark.parametrize(("metric", "sign"), [("f1", 1), ("roc_auc", 1), ("balanced_accuracy", 1), ("log_loss", -1)])
def test_the_monitored_metric_selects_the_best_epoch_and_has_a_column(tmp_path, metric, sign):
    run = backprop_cli.train(DIGITS, runs_dir=tmp_path, epochs=6, train_size=300, monitor=metric)
    column = sign * run.metrics[f"val_{metric}"]
    assert column[run.best_epoch - 1] == column.max()
    assert run.evaluate("val").metrics[metric] == pytest.approx(abs(column.max()), rel=1e-5)


@pytest.mark.parametrize("metric", ["mae", "rmse", "r2"])
def test_a_regression_is_monitored_by_its_own_metrics(tmp_path, metric):
    run = backprop_cli.train({"dataset": "sine", "layers": [1, 8, 1]}, runs_dir=None, epochs=5, monitor=metric)
    values = run.metrics[f"val_{metric}"]
    assert run.best_epoch == (np.argmax(values) if metric == "r2" else np.argmin(values)) + 1


def test_nothing_is_added_to_the_rows_unless_it_is_monitored(tmp_path):
    backprop_cli.train(DIGITS, runs_dir=tmp_path, epochs=1, name="plain")
    header = (tmp_path / "plain/metrics.csv").read_text().splitlines()[0]
    assert header == "epoch,train_cost,train_accuracy,val_cost,val_accuracy,eta,seconds"


def test_the_record_has_the_metrics_of_the_test_split(tmp_path):
    run = backprop_cli.train(DIGITS, runs_dir=tmp_path, epochs=1, name="one")
    record = json.loads((tmp_path / "one/run.json").read_text())
    assert record["test"] == pytest.approx({"cost": run.test["cost"], **run.evaluate().metrics})
    assert set(record["test"]) == {"cost", "accuracy", "balanced_accuracy", "f1", "roc_auc", "log_loss"}


def test_a_metric_of_another_task_is_an_error_before_training(backprop):
    for words, message in (
        (("digits", "monitor=mae"), "digits is a classification data set without mae; use 'cost', or one of accuracy"),
        (
            ("xor", "dataset=sine", "layers=1-2-1", "monitor=f1"),
            "sine is a regression data set without f1",
        ),
    ):
        done = backprop("train", *words)
        assert (done.code, message in done.err) == (2, True), done.err


def test_a_metric_that_is_undefined_on_the_validation_split_is_an_error_before_training(tmp_path):
    with pytest.raises(UsageError, match="monitor: log_loss is undefined"):
        backprop_cli.train(DIGITS, runs_dir=tmp_path, output="tanh", cost="quadratic", monitor="log_loss")
    assert not list(Path(tmp_path).glob("*/run.json"))


def test_resuming_a_monitored_run_gives_the_same_bits(tmp_path):
    settings = {**DIGITS, "monitor": "f1", "train_size": 300}
    whole = backprop_cli.train(settings, runs_dir=tmp_path, epochs=4)
    part = backprop_cli.resume(backprop_cli.train(settings, runs_dir=tmp_path, epochs=2), epochs=4)
    np.testing.assert_array_equal(whole.theta, part.theta)
    np.testing.assert_array_equal(whole.metrics["val_f1"], part.metrics["val_f1"])
    assert whole.best == part.best


def test_the_best_row_of_a_killed_run_is_that_of_the_monitored_metric(tmp_path):
    from backprop_cli.listing.summary import best_row

    rows = [{"epoch": 1, "val_log_loss": 0.5}, {"epoch": 2, "val_log_loss": 0.3}, {"epoch": 3, "val_log_loss": 0.4}]
    assert best_row(rows, {"monitor": "log_loss"})["epoch"] == 2
