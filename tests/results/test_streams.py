"""Rows are predicted and written some at a time: same result, little memory, and nothing half-written."""

import tracemalloc
from pathlib import Path

import numpy as np
import pytest

from backprop_cli import api
from backprop_cli.errors import DataError
from backprop_cli.inputs import files
from backprop_cli.results import prediction
from backprop_cli.tables import columns

WORDS = ("red", "green", "blue", "")


@pytest.fixture
def run(tmp_path, monkeypatch):
    """A network that was trained on a table."""
    monkeypatch.chdir(tmp_path)
    write("train.csv", 60, seed=1)
    table = {"name": "table", "file": "train.csv", "target": "y"}
    return api.train({"dataset": table, "layers": ["auto", 4, "auto"], "epochs": 1}, runs_dir="runs")


def write(path, n, seed=0):
    rng = np.random.default_rng(seed)
    x, words = rng.normal(size=(n, 2)), rng.integers(0, 4, n)
    rows = [f"{a:.4f},{b:.4f},{WORDS[k]},{'no' if a < 0 else 'yes'}" for (a, b), k in zip(x, words, strict=True)]
    Path(path).write_text("\n".join(["a,b,colour,y", *rows]) + "\n")
    return rows


def in_small_parts(monkeypatch, rows):
    for module, name in ((columns, "CHUNK"), (files, "ROWS"), (prediction, "BLOCK")):
        monkeypatch.setattr(module, name, rows)


@pytest.mark.parametrize("rows", [1, 7, 100])
def test_a_table_in_parts_has_the_predictions_problems_and_notes_of_the_whole(run, monkeypatch, rows):
    lines = write("x.csv", 1100)
    for row in (3, 500, 1050):
        lines[row] = f"word,1,purple,{'new' if row == 500 else 'yes'}"
    lines += ["1,2,purple,other", "1,2,red,yes"]
    Path("x.csv").write_text("\n".join(["a,b,colour,y", *lines]) + "\n")
    whole = api.predict(run, "x.csv")
    text, names = whole.to_csv(), whole.names
    in_small_parts(monkeypatch, rows)
    parts = api.predict(run, "x.csv")
    np.testing.assert_array_equal(parts.outputs, whole.outputs)
    assert (parts.to_csv(), parts.names, parts.metrics) == (text, names, whole.metrics)
    assert [one.input for one in parts.failed] == ["x.csv:5", "x.csv:502", "x.csv:1052"]
    assert parts.notes == whole.notes
    assert "x.csv: column colour: 4 cells with words that training did not have, counted as no category" in parts.notes
    assert "x.csv: column y: 2 cells with classes that training did not have" in parts.notes
    assert len(parts.to_csv().splitlines()) == 1 + len(lines)


def test_an_array_in_parts_is_scaled_as_a_whole(monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    run = api.train({"dataset": "digits", "layers": [64, 10], "epochs": 1}, runs_dir="runs")
    x = run.data.test.inputs[:9].astype(np.float32)
    x[:8] = 0.5  # one pixel of the last image alone tells that none of them is scaled
    np.save("x.npy", x)
    in_small_parts(monkeypatch, 2)
    np.testing.assert_array_equal(api.predict(run, "x.npy").outputs, api.predict(run, x).outputs)


def test_an_error_late_in_a_file_is_located_and_nothing_is_written(run, backprop, monkeypatch):
    rows = write("x.csv", 50)
    Path("x.csv").write_text("\n".join(["a,b,colour,y", *rows, "1,2,red"]) + "\n")
    write("good.csv", 3)
    Path("o.csv").write_text("before\n")
    in_small_parts(monkeypatch, 7)
    done = backprop("predict", "@last", "x.csv", "-o", "o.csv")
    assert done.code == 1
    assert done.err.startswith("error: x.csv: 52: 3 cells, but the first row has 4")
    assert Path("o.csv").read_text() == "before\n"
    assert not list(Path().glob(".*.tmp"))
    assert backprop("predict", "@last", "x.csv", "good.csv", "-o", "o.csv").code == 1
    assert len(Path("o.csv").read_text().splitlines()) == 4, "the other file is not predicted"


def test_the_memory_of_a_prediction_grows_by_a_few_bytes_per_row(run, monkeypatch):
    in_small_parts(monkeypatch, 500)
    peaks = []
    for n in (1000, 3000, 9000):
        write("x.csv", n)
        tracemalloc.start()
        api.predict(run, "x.csv").write(Path("o.csv"))
        peaks.append(tracemalloc.get_traced_memory()[1])
        tracemalloc.stop()
        assert len(Path("o.csv").read_text().splitlines()) == n + 1
    assert peaks[2] - peaks[1] < 80 * 6000


def test_a_file_that_changes_between_prediction_and_output_is_an_error(run):
    write("x.csv", 20)
    found = api.predict(run, "x.csv")
    write("x.csv", 21)
    with pytest.raises(DataError, match="x.csv: the file changed while it was read; try again"):
        found.to_csv()
