"""Evaluation of runs on a user's table: names of classes and values, metrics per value, thresholds."""

import json

import numpy as np
import pytest

import backprop_cli

sk = pytest.importorskip("sklearn.metrics", reason="needs the extra 'sklearn'")


@pytest.fixture
def churn(tmp_path):
    """A table with one positive among six."""
    rng = np.random.default_rng(0)
    x = rng.normal(size=(600, 2))
    positive = x.sum(axis=1) + rng.normal(size=600) > 1.8
    rows = [f"{a:.6f},{b:.6f},{'yes' if c else 'no'}" for (a, b), c in zip(x, positive, strict=True)]
    path = tmp_path / "churn.csv"
    path.write_text("\n".join(["a,b,left", *rows]) + "\n")
    return {
        **{"dataset": {"name": "table", "file": str(path), "target": "left"}, "layers": ["auto", 8, "auto"]},
        **{"output": "softmax", "cost": "cross_entropy", "epochs": 5},
    }


@pytest.fixture
def values(tmp_path):
    rng = np.random.default_rng(0)
    x = rng.random((300, 2))
    rows = [f"{a},{b},{a + 100 * b},{3 * a - b}" for a, b in x]
    path = tmp_path / "values.csv"
    path.write_text("\n".join(["a,b,far,near", *rows]) + "\n")
    dataset = {"name": "table", "file": str(path), "target": ["far", "near"]}
    return {"dataset": dataset, "layers": ["auto", 8, "auto"], "epochs": 5}


def test_classes_are_called_by_their_names(churn, tmp_path, backprop):
    run = backprop_cli.train(churn, runs_dir="runs", name="churn")
    blocks = [[line.split() for line in block.splitlines()] for block in backprop("eval", "churn").out.split("\n\n")]
    assert [row[0] for row in blocks[1][1:]] == ["no", "yes"]
    assert blocks[2][1] == ["no", "yes"]
    assert run.evaluate().names == ("no", "yes")


def test_each_of_several_values_has_its_own_metrics_in_its_own_units(values, backprop):
    backprop_cli.train(values, runs_dir="runs", name="two")
    found = json.loads(backprop("eval", "two", "--json").out)["results"][0]
    one = backprop_cli.evaluate("two")
    y, predicted = one.examples.targets, one.predictions
    for k, name in enumerate(("far", "near")):
        assert found["values"][name] == pytest.approx(
            {
                "rmse": sk.root_mean_squared_error(y[:, k], predicted[:, k]),
                "r2": sk.r2_score(y[:, k], predicted[:, k]),
                "mae": sk.mean_absolute_error(y[:, k], predicted[:, k]),
            }
        )
    assert found["mae"] == pytest.approx(sk.mean_absolute_error(y, predicted))
    assert found["r2"] == pytest.approx(sk.r2_score(y, predicted, multioutput="variance_weighted"))
    assert [line.split()[0] for line in backprop("eval", "two").out.splitlines()[-2:]] == ["far", "near"]


def f1_at(chances, labels, threshold):
    return sk.f1_score(labels, chances >= threshold, zero_division=0)


def test_a_threshold_decides_between_two_classes(churn, backprop):
    run = backprop_cli.train(churn, runs_dir="runs", name="churn")
    chances, labels = run.evaluate().outputs[:, 1], run.evaluate().examples.targets
    for threshold in (0.0, 0.2, 0.5, 1.0):
        found = json.loads(backprop("eval", "churn", "--threshold", threshold, "--json").out)["results"][0]
        expected = (chances >= threshold).astype(int)
        assert found["confusion"] == sk.confusion_matrix(labels, expected).tolist()
        assert found["f1"] == pytest.approx(f1_at(chances, labels, threshold))
        assert found["threshold"] == threshold
    assert found["roc_auc"] == pytest.approx(sk.roc_auc_score(labels, chances))


def test_the_best_threshold_has_the_highest_f1_on_the_validation_split(churn, backprop):
    run = backprop_cli.train(churn, runs_dir="runs", name="churn")
    chances, labels = run.evaluate("val").outputs[:, 1], run.evaluate("val").examples.targets
    highest = max(f1_at(chances, labels, threshold) for threshold in np.unique(chances))
    chosen = backprop_cli.evaluate(run, "val", threshold="best-f1")
    assert chosen.metrics["f1"] == pytest.approx(highest)
    on_test = backprop("eval", "churn", "--threshold", "best-f1").out
    assert f"threshold {chosen.task.threshold:.6g}: class yes is predicted from this probability on" in on_test


def test_predict_uses_the_threshold(churn, backprop, tmp_path):
    run = backprop_cli.train(churn, runs_dir="runs", name="churn")
    rows = tmp_path / "new.csv"
    rows.write_text("a,b\n0.6,0.6\n-1,-1\n2,2\n")
    found = json.loads(backprop("predict", "churn", rows, "--threshold", 0.1, "--top", 2, "--json").out)["predictions"]
    chances = [{one["label"]: one["probability"] for one in row["top"]}["yes"] for row in found]
    assert [row["label"] for row in found] == ["yes" if chance >= 0.1 else "no" for chance in chances]
    assert "yes" in {row["label"] for row in found if row["probability"] < 0.5}
    assert list(backprop_cli.predict(run, [rows], threshold=0.1).labels) == [chance >= 0.1 for chance in chances]


def test_a_threshold_needs_two_classes_with_probabilities(churn, values, tiny, backprop, tmp_path):
    backprop_cli.train(values, runs_dir="runs", name="values")
    backprop_cli.train({**churn, "output": "tanh", "cost": "quadratic"}, runs_dir="runs", name="tanh")
    backprop_cli.train(churn, validation=0, runs_dir="runs", name="all")
    backprop("train", tiny, "--name", "ten", "-q")
    backprop_cli.train(churn, runs_dir="runs", name="churn")
    for words, message in (
        (("eval", "ten", "--threshold", 0.3), "a threshold needs two classes, but there are 10"),
        (("eval", "values", "--threshold", 0.3), "a threshold needs two classes, but this is a regression task"),
        (("eval", "values", "--threshold", "best-f1"), "a threshold needs two classes"),
        (("predict", "values", "x.csv", "--threshold", 0.3), "a threshold needs two classes"),
        (("eval", "tanh", "--threshold", 0.3), "a threshold needs probabilities: train with output: softmax"),
        (("eval", "all", "--threshold", "best-f1"), "the experiment has no validation split"),
        (("eval", "churn", "--threshold", 30), "a threshold must be a number from 0 to 1, not '30'"),
    ):
        done = backprop(*words)
        assert (done.code, message in done.err, done.out) == (2, True, ""), done


def test_an_ensemble_has_one_threshold(churn, backprop):
    for seed in (0, 1):
        backprop_cli.train(churn, seed=seed, runs_dir="runs", name=f"s{seed}")
    assert backprop("eval", "s0", "s1", "--ensemble", "--threshold", 0.3).code == 0
    done = backprop("eval", "s0", "s1", "--ensemble", "--threshold", "best-f1")
    assert (done.code, "the networks have different thresholds" in done.err) == (2, True)
