"""Data frames and words in the Python API."""

import numpy as np
import pytest

import backprop_cli
from backprop_cli.errors import UsageError

pd = pytest.importorskip("pandas", reason="needs pandas")
RNG = np.random.default_rng(0)
FRAME = pd.DataFrame({"a": RNG.normal(size=80), "b": RNG.integers(0, 5, 80), "c": RNG.random(80) < 0.5})
NAMES = pd.Series(np.where(FRAME["a"] > 0, "yes", "no"))
SETTINGS = {"epochs": 30, "eta": 0.02}


@pytest.fixture(scope="module")
def fitted():
    return backprop_cli.fit([8, 2], FRAME, NAMES, **SETTINGS)


def test_a_data_frame_is_its_numbers_and_words_are_classes(fitted):
    numbers = FRAME.to_numpy(dtype=float)
    same = backprop_cli.fit([8, 2], numbers, (NAMES == "yes").to_numpy().astype(int), **SETTINGS)
    np.testing.assert_array_equal(fitted.theta, same.theta)
    assert fitted.form.words == ("no", "yes")
    np.testing.assert_array_equal(fitted.predict(FRAME), np.array(["no", "yes"])[same.predict(numbers)])
    assert fitted.evaluate(FRAME, NAMES) == same.evaluate(numbers, (NAMES == "yes").to_numpy().astype(int))
    assert fitted.evaluate(FRAME, NAMES)["accuracy"] > 0.9


@pytest.mark.parametrize("kind", ["object", "category", "string"])
def test_words_may_have_any_type_of_pandas(fitted, kind):
    assert backprop_cli.fit([8, 2], FRAME, NAMES.astype(kind), **SETTINGS).form == fitted.form


def test_columns_are_found_by_name_in_any_order_and_others_are_ignored(fitted):
    shuffled = FRAME[["c", "a", "b"]].assign(extra="word")
    np.testing.assert_array_equal(fitted.outputs(shuffled), fitted.outputs(FRAME))
    with pytest.raises(UsageError, match="x has no column 'b'"):
        fitted.predict(FRAME.drop(columns="b"))


def test_a_column_of_words_is_named():
    with pytest.raises(UsageError, match="x must be numbers, but these columns are not: 'd'"):
        backprop_cli.fit([8, 2], FRAME.assign(d="word"), NAMES)


def test_a_class_that_training_did_not_have_is_named(fitted):
    with pytest.raises(UsageError, match="y has the class 'maybe'; the network was trained on no, yes"):
        fitted.evaluate(FRAME, NAMES.replace("no", "maybe"))


@pytest.mark.parametrize("missing", [None, np.nan])
def test_a_missing_class_is_refused(missing):
    names = NAMES.astype(object).copy()
    names[3] = missing
    with pytest.raises(UsageError, match="y must be labels 0, 1, … .*, words"):
        backprop_cli.fit([8, 2], FRAME, names)


def test_several_columns_are_several_values():
    y = pd.DataFrame({"sum": FRAME["a"] + FRAME["b"], "difference": FRAME["a"] - FRAME["b"]})
    found = backprop_cli.fit([16, 2], FRAME, y, **SETTINGS)
    assert found.predict(FRAME).shape == (80, 2)


@pytest.fixture
def run(tmp_path):
    path = tmp_path / "table.csv"
    FRAME.assign(colour=np.where(FRAME["b"] > 2, "red", "blue"), y=NAMES).to_csv(path, index=False)
    dataset = {"name": "table", "file": str(path), "target": "y"}
    config = {"dataset": dataset, "layers": ["auto", 4, "auto"], "output": "softmax", "cost": "cross_entropy"}
    return backprop_cli.train(config, runs_dir=tmp_path / "runs", epochs=3), path


def test_a_run_predicts_the_rows_of_a_data_frame_as_those_of_its_file(run):
    trained, path = run
    frame = pd.read_csv(path).drop(columns="y")
    of_frame, of_file = backprop_cli.predict(trained, frame), backprop_cli.predict(trained, path)
    np.testing.assert_array_equal(of_frame.outputs, of_file.outputs)
    np.testing.assert_array_equal(
        backprop_cli.predict(trained, frame[["colour", "c", "b", "a"]]).labels, of_file.labels
    )
    frame.loc[3, "colour"] = "green"
    assert "1 cell with words that training did not have" in backprop_cli.predict(trained, frame).notes[0]


def test_a_data_frame_of_pixels_is_an_array():
    digits = backprop_cli.train({"dataset": "digits", "layers": [64, 10], "epochs": 1}, runs_dir=None)
    x = digits.data.test.inputs[:5]
    labels = backprop_cli.predict(digits, pd.DataFrame(x)).labels
    np.testing.assert_array_equal(labels, backprop_cli.predict(digits, x).labels)


def test_polars_frames_work_too(run, fitted):
    pl = pytest.importorskip("polars", reason="needs polars")
    trained, path = run
    rows = pl.read_csv(path, schema_overrides={"c": pl.String})  # booleans are words, and polars writes others
    np.testing.assert_array_equal(
        backprop_cli.predict(trained, rows).outputs, backprop_cli.predict(trained, path).outputs
    )
    frame = pl.DataFrame({name: FRAME[name].to_numpy() for name in ("c", "b", "a")})
    np.testing.assert_array_equal(fitted.predict(frame), fitted.predict(FRAME))
