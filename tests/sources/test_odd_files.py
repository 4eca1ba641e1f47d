"""Files that are no usual ones, and names that no terminal should get: each gives a line, and nothing waits."""

import os

import numpy as np
import pytest

from backprop_cli.errors import DataError
from backprop_cli.sources.arrays import Arrays, Idx
from backprop_cli.sources.table import Table

SOURCES = {
    "csv": lambda path: Table(path, "y"),
    "csv.gz": lambda path: Table(path, "y"),
    "parquet": lambda path: Table(path, "y"),
    "npz": lambda path: Arrays(file=path),
    "npy": lambda path: Arrays(x=path, y=path),
    "idx": lambda path: Idx(images=path, labels=path),
    "gz": lambda path: Idx(images=path, labels=path),
}


@pytest.mark.parametrize("suffix", SOURCES)
@pytest.mark.parametrize(
    "make", [os.mkfifo, lambda p: p.symlink_to("/dev/zero"), os.mkdir], ids=["pipe", "device", "folder"]
)
def test_a_pipe_a_device_and_a_folder_are_refused_at_once(tmp_path, suffix, make):
    path = tmp_path / f"odd.{suffix}"
    make(path)
    with pytest.raises(DataError, match=f"odd.{suffix}: cannot be read: not a regular file"):
        _ = SOURCES[suffix](str(path)).spec


@pytest.mark.parametrize("suffix", SOURCES)
def test_a_file_that_may_not_be_read_is_named(tmp_path, monkeypatch, suffix):
    path = tmp_path / f"mine.{suffix}"
    path.write_bytes(b"x" * 100)

    def refuse(*_, **__):
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr("pathlib.Path.open", refuse)
    with pytest.raises(DataError, match=f"mine.{suffix}: cannot be read: Permission denied"):
        _ = SOURCES[suffix](str(path)).spec


def test_numbers_too_large_to_be_scaled_are_refused_with_their_column(tmp_path):
    (tmp_path / "t.csv").write_text("a,b,y\n" + "".join(f"{k},{k}e306,{'uv'[k % 2]}\n" for k in range(1, 60)))
    with pytest.raises(DataError, match=r"column 'b': its numbers, up to \de\+307, are too large; ignore it"):
        _ = Table(str(tmp_path / "t.csv"), "y").spec


def test_a_label_beyond_all_classes_is_refused_with_its_row(tmp_path):
    np.save(tmp_path / "x.npy", np.zeros((4, 3), np.uint8))
    np.save(tmp_path / "y.npy", np.array([0, 1, 10**15, 2]))
    with pytest.raises(
        DataError, match=r"y\.npy: y has the label 1000000000000000 in row 2; labels must be 0, 1, … below"
    ):
        _ = Arrays(x=str(tmp_path / "x.npy"), y=str(tmp_path / "y.npy")).spec


CONFIG = "layers: [auto, 4, auto]\noutput: softmax\ncost: cross_entropy\nepochs: 2\n"
ROWS = "".join(f"{k % 7},{k % 5},{'uv'[k % 2]}\n" for k in range(60))


@pytest.mark.parametrize("name", ["with space.csv", "grün.csv", "new\nline.csv", "esc\x1b]0;x\x07.csv"])
def test_a_path_is_relative_to_the_config_and_may_have_any_name(backprop, tmp_path, name):
    (tmp_path / "deep").mkdir()
    (tmp_path / "deep" / name).write_text("a,b,y\n" + ROWS)
    quoted = name.replace("\n", "\\n").replace("\x1b", "\\e").replace("\x07", "\\a")
    (tmp_path / "deep" / "c.yaml").write_text(f'dataset: {{name: table, file: "{quoted}", target: y}}\n{CONFIG}')
    done = backprop("train", "deep/c.yaml", "--name", "run")
    assert done.code == 0, done.err
    (tmp_path / "deep" / name).write_text("a,b,y\n1,2\n")
    done = backprop("eval", "run")
    assert (done.code, "Traceback" in done.err) == (5, False)
    assert not any(mark in done.out + done.err for mark in ("\x1b", "\x07"))


def test_control_characters_in_a_column_name_reach_no_terminal(backprop, tmp_path):
    (tmp_path / "t.csv").write_text('a,"evil\x1b]0;x\x07\nname",y\n' + ROWS.replace("3,", "x,", 1))
    (tmp_path / "c.yaml").write_text(f"dataset: {{name: table, file: t.csv, target: y}}\n{CONFIG}")
    (tmp_path / "new.csv").write_text("a,y\n1,u\n")
    for words in (("train", "c.yaml", "--name", "run"), ("eval", "run"), ("predict", "run", "new.csv")):
        done = backprop(*words)
        assert not any(mark in done.out + done.err for mark in ("\x1b", "\x07", "Traceback"))


def test_a_share_that_is_no_example_is_an_error(backprop, tmp_path):
    (tmp_path / "c.yaml").write_text("dataset: {name: moons, n: 60}\nlayers: 2-4-1\nvalidation: 0.0001\n")
    done = backprop("check", "c.yaml")
    assert done.code == 2
    assert (
        "c.yaml:3:13: validation: 0.0001 of 60 examples is less than one; write a number of examples, or 0" in done.err
    )


def test_the_metrics_of_a_run_are_not_replaced(backprop, tmp_path):
    (tmp_path / "c.yaml").write_text("dataset: {name: moons, n: 60}\nlayers: 2-4-1\nepochs: 2\n")
    assert backprop("train", "c.yaml", "--name", "run").code == 0
    before = (tmp_path / "runs/run/metrics.csv").read_bytes()
    done = backprop("data", "show", "digits", "-o", "runs/run/metrics.csv")
    assert (done.code, "the metrics of a run; choose another name" in done.err) == (2, True)
    assert (tmp_path / "runs/run/metrics.csv").read_bytes() == before
    assert backprop("data", "show", "digits", "-o", "metrics.csv").code == 0


def test_a_clock_past_the_year_9999_is_no_error(backprop, tmp_path, monkeypatch):
    class Broken:
        max = __import__("datetime").datetime.max

        @staticmethod
        def now(zone):
            raise ValueError("year 10000 is out of range")

    monkeypatch.setattr("backprop_cli.runs.session.datetime", Broken)
    (tmp_path / "c.yaml").write_text("dataset: {name: moons, n: 60}\nlayers: 2-4-1\nepochs: 2\n")
    assert backprop("train", "c.yaml", "--name", "run").code == 0
    assert "9999-12-31T23:59:59+00:00" in (tmp_path / "runs/run/run.json").read_text()
    assert backprop("runs", "list").code == 0


def test_a_tilde_is_the_home_folder(backprop, tmp_path, monkeypatch):
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    (tmp_path / "home").mkdir()
    (tmp_path / "home" / "t.csv").write_text("a,y\n" + "".join(f"{k},{'ny'[k % 2]}\n" for k in range(40)))
    words = ("layers=auto-2-auto", "output=softmax", "epochs=1")
    (tmp_path / "c.yaml").write_text("dataset: {name: table, file: ~/t.csv, target: y}\nlayers: auto-2-auto\n")
    done = backprop("check", tmp_path / "c.yaml", *words)
    assert done.code == 0, done.err
    assert f"file: {tmp_path}/home/t.csv" in done.out
