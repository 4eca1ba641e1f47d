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
