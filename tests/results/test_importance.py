"""Permutation importance: against scikit-learn with the same permutations, and on tables whose answer is known."""

import csv
import json

import numpy as np
import pytest

import backprop_cli
from backprop_cli.errors import UsageError
from backprop_cli.results.importance import input_columns, permuted_scores

N = 400


def write(path, **columns):
    with path.open("w", newline="") as file:
        rows = csv.writer(file)
        rows.writerow(columns)
        rows.writerows(zip(*columns.values(), strict=True))


@pytest.fixture
def run(tmp_path, monkeypatch):
    """A run on a table of which only `colour`, a category with missing values, tells the class."""
    monkeypatch.setenv("BACKPROP_DATA_DIR", str(tmp_path / "cache"))
    monkeypatch.chdir(tmp_path)
    rng = np.random.default_rng(0)
    label = rng.integers(0, 2, N)
    colour = np.where(label, np.where(rng.random(N) < 0.3, "", "red"), "blue")
    write(tmp_path / "t.csv", noise=rng.normal(size=N), colour=colour, other=rng.choice(["a", "b"], N), y=label)
    config = {
        "dataset": {"name": "table", "file": str(tmp_path / "t.csv"), "target": "y"},
        "layers": ["auto", 8, "auto"],
    }
    return backprop_cli.train(
        config,
        name="run",
        activation="relu",
        output="softmax",
        cost="cross_entropy",
        optimizer="adam",
        eta=0.03,
        epochs=20,
    )


def test_the_only_informative_column_takes_all_and_noise_nothing(run):
    found = run.importance()
    assert found.columns[0] == "colour"
    assert (found.metric, found.baseline, found.examples) == ("accuracy", 1.0, 80)
    assert found.mean[0] == pytest.approx(0.5, abs=0.06), "all its inputs together: the classes are guessed"
    assert np.all(np.abs(found.mean[1:]) < 0.02)


def test_importance_repeats_with_the_seed(run):
    one, same, other = run.importance(seed=1), run.importance(seed=1), run.importance(seed=2)
    assert np.array_equal(one.differences, same.differences)
    assert not np.array_equal(one.differences, other.differences)
    assert run.importance(repeats=3).differences.shape == (3, 3)


def test_with_the_same_permutations_importance_is_that_of_scikit_learn(run):
    inspection = pytest.importorskip("sklearn.inspection")
    base = pytest.importorskip("sklearn.base")

    class Wrapped(base.ClassifierMixin, base.BaseEstimator):
        classes_ = np.arange(2)

        def fit(self, x, y):
            return self

        def predict(self, x):
            return run.predict(x)

    test = run.data.test
    x, y = np.array(test.inputs), test.targets
    theirs = inspection.permutation_importance(Wrapped(), x, y, n_repeats=4, random_state=7)
    # scikit-learn uses NumPy's generator of old
    random = np.random.RandomState(np.random.RandomState(7).randint(np.iinfo(np.int32).max + 1))  # noqa: NPY002
    shuffled, orders = np.arange(len(x)), [np.arange(len(x))]
    for _ in range(4):  # it shuffles what it has shuffled before
        random.shuffle(shuffled)
        orders.append(orders[-1][shuffled])
    inputs = {str(k): slice(k, k + 1) for k in range(x.shape[1])}
    scores = permuted_scores(lambda x: float(np.mean(run.predict(x) == y)), x, inputs, np.array(orders[1:]))
    ours = float(np.mean(run.predict(x) == y)) - scores
    np.testing.assert_allclose(ours, theirs.importances, atol=1e-12)
    np.testing.assert_allclose(ours.mean(axis=1), theirs.importances_mean, atol=1e-12)
    np.testing.assert_allclose(ours.std(axis=1), theirs.importances_std, atol=1e-12)


def test_all_inputs_of_a_category_belong_to_its_column(run):
    assert input_columns(run.config.data) == {"noise": slice(0, 1), "colour": slice(1, 4), "other": slice(4, 6)}


def test_permuting_leaves_the_examples_as_they_are():
    x = np.arange(12.0).reshape(4, 3)
    seen = []
    permuted_scores(
        lambda x: seen.append(x.copy()) or 0.0, x, {"a": slice(0, 2), "b": slice(2, 3)}, np.array([[3, 2, 1, 0]])
    )
    assert np.array_equal(x, np.arange(12.0).reshape(4, 3))
    assert np.array_equal(seen[0], np.column_stack([x[::-1, :2], x[:, 2]]))
    assert np.array_equal(seen[1], np.column_stack([x[:, :2], x[::-1, 2]]))


def test_of_values_the_importance_is_the_increase_of_the_monitored_cost(tmp_path):
    run = backprop_cli.train({"dataset": "sine", "layers": [1, 8, 1]}, runs_dir=None, epochs=30, eta=0.3)
    found = run.importance()
    assert (found.metric, found.columns) == ("cost", ("input 1",))
    assert found.mean[0] > found.sd[0] > 0
    assert "increase of the cost" in found.title()


def test_eval_prints_the_importance_and_has_it_in_json(run, backprop):
    done = backprop("eval", run.path, "--importance")
    assert (done.code, done.err) == (0, "")
    lines = done.out.splitlines()
    start = lines.index(f"{run.path}/checkpoints/best.npz  (permutation importance)")
    assert lines[start + 1].startswith(
        "decrease of the accuracy (100.00%) when a column is permuted, 10 times, 80 examples"
    )
    assert [line.split()[0] for line in lines[start + 3 :]][:2] == ["column", "colour"]
    (result,) = json.loads(backprop("eval", run.path, "--importance", "--split", "val", "--json").out)["results"]
    assert result["importance"]["split"] == "val"
    assert {row["column"] for row in result["importance"]["columns"]} == {"noise", "colour", "other"}


def test_pixels_have_no_importance(backprop, tiny):
    assert backprop("train", tiny, "--name", "run").code == 0
    done = backprop("eval", "run", "--importance")
    assert (done.code, done.out) == (2, "")
    assert done.err.count("\n") == 1
    assert "no importance: the inputs are pixels of images" in done.err
    with pytest.raises(UsageError, match="pixels"):
        backprop_cli.load_run("run").importance()
