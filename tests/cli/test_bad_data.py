"""Files that cannot be trained on: one clear message with the place, the right exit code, and nothing lost."""

import gzip
import re
import shlex

import numpy as np
import pytest
from PIL import Image

from backprop_cli.tables import delimited

ROWS = "".join(f"{k % 7},{'red' if k % 2 else 'blue'},{'yes' if k % 3 else 'no'}\n" for k in range(60))
GOOD = "size,colour,bought\n" + ROWS


@pytest.fixture(autouse=True)
def cache(backprop, tmp_path, monkeypatch):
    monkeypatch.setenv("BACKPROP_DATA_DIR", str(tmp_path / "cache"))


def refused(done, code, *parts):
    """Whether a command ended with a code and one message of a few lines that contains these parts."""
    assert done.code == code, done.err
    assert done.out == ""
    assert "Traceback" not in done.err
    assert "bug" not in done.err
    assert done.err.count("error: ") == 1
    assert len(done.err.splitlines()) <= 7
    for part in parts:
        assert re.search(part, done.err), done.err


def with_cells(column, *cells):
    """The table with cells of a column replaced, from line 10 on."""
    lines = [line.split(",") for line in GOOD.splitlines()]
    for number, cell in enumerate(cells, start=9):
        lines[number][column] = cell
    return "\n".join(",".join(line) for line in lines) + "\n"


CASES = {
    "a binary file": (b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR" * 9, 5, r"t\.csv:1: not UTF-8 text"),
    "zeros": (b"\0" * 999, 5, r"t\.csv:1: a binary file"),
    "an empty file": (b"", 5, r"t\.csv: the file is empty"),
    "blank lines": (b"\n\n \n", 5, r"t\.csv: the file is empty"),
    "no rows": (b"size,colour,bought\n", 5, r"t\.csv: "),
    "one column": (b"bought\n" + b"yes\nno\n" * 30, 5, "no column can be an input"),
    "duplicate columns": (b"bought,a,a\n" + b"yes,1,2\n" * 9, 5, r"t\.csv:1: duplicate column name a"),
    "one class": (GOOD.replace("no\n", "yes\n").encode(), 5, "column 'bought' has only one class, 'yes'"),
    "no targets": (re.sub(",(yes|no)\n", ",\n", GOOD).encode(), 5, "column 'bought' has no values"),
    "one row": (b"size,colour,bought\n1,red,yes\n", 5, r"t\.csv: "),
    "a short row": ((GOOD + "3,red\n").encode(), 5, r"t\.csv:62: 2 cells, but the first row has 3"),
    "a long cell": (GOOD.encode() + b"3," + b"x" * 1_000_000 + b",yes\n", 5, r"t\.csv:62: a cell of more than"),
    "latin-1": (GOOD.replace("red", "grün").encode("latin-1"), 5, r"t\.csv:3: not UTF-8 text, at byte \d; save it"),
    "UTF-16": (GOOD.encode("utf-16"), 5, r"t\.csv:1: not UTF-8 text"),
    "an open quote": ((GOOD + '3,"red,yes\n').encode(), 5, r"t\.csv:62: a double quote opens here and is never closed"),
    "a word among numbers": (with_cells(0, "n/a").encode(), 5, r"t\.csv:10: size: 'n/a' is not .*missing=n/a"),
    "words among numbers": (with_cells(0, *"??").encode(), 5, r"size: '\?' .*no value: 'dataset.missing=\"\?\"'"),
}  # fmt: skip


@pytest.mark.parametrize("case", CASES)
def test_a_bad_table_is_refused_with_its_place(backprop, tmp_path, case):
    content, code, message = CASES[case]
    (tmp_path / "t.csv").write_bytes(content)
    for command in (["train"], ["data", "check"]) if "word" not in case else (["train"],):
        refused(backprop(*command, "t.csv", "target=bought"), code, message)
    assert not (tmp_path / "runs").exists()


@pytest.mark.parametrize("word", ["n/a", "?", "-", "null", "NA", "1,2", "#REF!", "it's"])
def test_the_remedy_for_a_word_among_numbers_works_in_a_shell(backprop, tmp_path, word):
    (tmp_path / "t.csv").write_text(with_cells(0, f'"{word}"' if "," in word else word))
    remedy = re.search(r"no value: (.*)", backprop("train", "t.csv", "target=bought").err)
    assert remedy
    assert backprop("train", "t.csv", "target=bought", "epochs=1", *shlex.split(remedy[1])).code == 0


def test_a_cell_of_a_hundred_megabytes_is_refused(backprop, tmp_path):
    with (tmp_path / "t.csv").open("wb") as file:
        file.write(GOOD.encode() + b"3,")
        file.truncate(100 << 20)
    refused(backprop("train", "t.csv", "target=bought"), 5, r"t\.csv:62: ")


def test_a_gzip_bomb_is_refused(backprop, tmp_path, monkeypatch):
    monkeypatch.setattr(delimited, "FREE_BYTES", 1 << 16)
    monkeypatch.setattr(delimited, "MAX_RATIO", 100)  # rows, unlike zeros, are packed to a 500th at best
    (tmp_path / "t.csv.gz").write_bytes(gzip.compress(GOOD.encode() + b"1,red,yes\n" * 300_000))
    refused(backprop("train", "t.csv.gz", "target=bought"), 5, r"t\.csv\.gz:\d+: the file grows to more than 100 times")


@pytest.mark.parametrize("data", [b"not gzip", gzip.compress(GOOD.encode(), mtime=0)[:-9], b"\x1f\x8b\x08"])
def test_a_damaged_gzip_file_is_refused(backprop, tmp_path, data):
    (tmp_path / "t.csv.gz").write_bytes(data)
    refused(backprop("train", "t.csv.gz", "target=bought"), 5, r"t\.csv\.gz: not a complete gzip file")


def test_a_wrong_column_is_a_usage_error_with_the_nearest(backprop, tmp_path):
    (tmp_path / "t.csv").write_text(GOOD)
    refused(backprop("train", "t.csv", "target=bougth"), 2, "there is no column 'bougth'; did you mean 'bought'")
    refused(backprop("train", "t.csv"), 2, "which column is to be predicted.*size, colour, bought")
    for option in ("ignore=[sise]", "only=[sise]", "group=sise", "split=sise", "categories=[sise]"):
        refused(backprop("train", "t.csv", "target=bought", f"dataset.{option}"), 2, "there is no column 'sise'")
    refused(
        backprop("train", "t.csv", "target=bought", "dataset.taget=x"), 2, "unknown key 'taget'; did you mean 'target'"
    )


def test_a_missing_file_is_data_that_is_not_available(backprop, tmp_path):
    for name in ("none.csv", "none.npz", "none.npy"):
        refused(
            backprop("train", name, "target=bought" if name == "none.csv" else "epochs=1"), 5, f"{name}.*No such file"
        )


def test_an_archive_of_pickles_is_never_read(backprop, tmp_path):
    np.savez(tmp_path / "d.npz", x=np.zeros((9, 2)), y=np.array([{}] * 9, object))
    refused(backprop("train", "d.npz"), 5, r"d\.npz: y: it contains Python objects")


def test_labels_are_asked_for_where_they_are_not_found(backprop, tmp_path):
    np.save(tmp_path / "inputs.npy", np.zeros((9, 2)))
    refused(backprop("train", "inputs.npy"), 2, r"y: FILE\.npy")
    np.savez(tmp_path / "d.npz", x=np.zeros((9, 2)))
    refused(backprop("train", "d.npz"), 5, r"d\.npz: there is no array 'y' in it, but x")


def test_broken_images_are_named(backprop, tmp_path):
    for name in ("cat", "dog"):
        (tmp_path / "pets" / name).mkdir(parents=True)
        for k in range(5):
            Image.new("L", (9, 9), 20 * k).save(tmp_path / "pets" / name / f"{k}.png")
    (tmp_path / "pets/cat/3.png").write_bytes(b"GIF89a")
    (tmp_path / "pets/dog/torn.png").write_bytes((tmp_path / "pets/dog/1.png").read_bytes()[:40])
    (tmp_path / "pets/dog/.DS_Store").write_bytes(b"hidden")
    refused(backprop("train", "pets"), 5, r"cat/3\.png", r"dog/torn\.png")


@pytest.mark.parametrize("content", [b"", b"\0\1\2", b"size\n1\n", b'size,colour\n1,"red\n', GOOD.encode("utf-16")])
def test_a_bad_file_to_predict_is_an_error_and_writes_nothing(backprop, tmp_path, content):
    (tmp_path / "t.csv").write_text(GOOD)
    assert backprop("train", "t.csv", "target=bought", "epochs=1").code == 0
    (tmp_path / "new.csv").write_bytes(content)
    (tmp_path / "out.csv").write_text("before")
    done = backprop("predict", "@last", "new.csv", "-o", "out.csv")
    assert (done.code, done.out) == (1, "")
    assert done.err.startswith("error: new.csv")
    assert (tmp_path / "out.csv").read_text() == "before"
