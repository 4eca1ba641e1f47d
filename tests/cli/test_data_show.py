import json
import re
import sys

import numpy as np
import pytest
from PIL import Image

from backprop_cli.data.cache import Cache
from backprop_cli.sources.digits import Digits
from backprop_cli.sources.synthetic import Moons
from tests.cli.helpers import on_a_terminal


@pytest.fixture
def digits(tmp_path):
    return Digits().load(Cache(tmp_path))


def test_a_sheet_has_all_images_unchanged(backprop, digits):
    done = backprop("data", "show", "digits", "--split", "test", "--count", 12, "-o", "sheet.png")
    assert (done.code, done.out) == (0, "wrote 12 examples of digits (test) to sheet.png\n")
    sheet = np.asarray(Image.open("sheet.png"))
    for k, pixels in enumerate(digits[1].inputs[:12].reshape(-1, 8, 8)):
        y, x = 8 + 78 * (k // 10) + 14, 8 + 64 * (k % 10)
        tile = sheet[y + 3 : y + 56 : 7, x + 3 : x + 56 : 7]
        assert np.abs(255 - tile - 255 * (pixels / 16)).max() <= 1
        assert sheet[y - 14 : y, x : x + 30].min() < 128  # a caption


def test_terminals_with_256_colours_show_images_in_greys(tmp_path, digits):
    _, shown = on_a_terminal(tmp_path, "data", "show", "digits", "--count", 1)
    assert on_a_terminal(tmp_path, "data", "show", "digits", "--count", 1, "-q")[1] == shown
    caption, *lines = shown.rstrip().splitlines()
    assert caption == f"0: {digits[0].targets[0]}"
    cells = [re.findall(r"\x1b\[38;5;(\d+);48;5;(\d+)m▀", line) for line in lines]
    assert np.array(cells).shape == (8, 16, 2)
    greys = np.array(cells, int).transpose(0, 2, 1).reshape(16, 16) - 232  # upper and lower pixel of each character
    expected = digits[0].inputs[0].reshape(8, 8).repeat(2, 0).repeat(2, 1) / 16
    assert np.abs(greys / 23 - expected).max() <= 0.5 / 23 + 1e-9


@pytest.mark.parametrize(
    "env", [{"NO_COLOR": "1"}, {"TERM": "vt100"}, {"PYTHONIOENCODING": "ascii"}], ids=["NO_COLOR", "vt100", "ascii"]
)
def test_other_terminals_show_images_as_characters(tmp_path, env):
    _, shown = on_a_terminal(tmp_path, "data", "show", "digits", "--count", 4, size=(40, 60), **env)
    assert "\x1b" not in shown
    assert shown.isascii()
    assert "@@" in shown
    assert max(map(len, shown.splitlines())) <= 60
    captions = re.findall(r"\d+: \d", shown)
    assert [caption.split(":")[0] for caption in captions] == ["0", "1", "2", "3"]
    assert shown.splitlines()[0].count(":") == 3  # as many as fit into the width


def test_a_class_a_split_and_a_start_can_be_chosen(backprop, digits):
    done = backprop("data", "show", "digits", "--class", 3, "--split", "val", "--start", 50, "--count", 4, "--json")
    examples = json.loads(done.out)["examples"]
    rows = [row for row in range(50, 300) if digits[0].targets[1197 + row] == 3][:4]
    assert [example["example"] for example in examples] == rows
    assert {example["label"] for example in examples} == {3}
    assert examples[0]["inputs"] == digits[0].inputs[1197 + rows[0]].tolist()


def test_other_examples_are_a_table(backprop):
    table = [line.split() for line in backprop("data", "show", "xor").out.splitlines()]
    assert table[0] == ["example", "x1", "x2", "label"]
    assert table[1:] == [["0", "0", "0", "0"], ["1", "0", "1", "1"], ["2", "1", "0", "1"], ["3", "1", "1", "0"]]
    assert backprop("data", "show", "sine", "--count", 1).out.split()[:3] == ["example", "x", "y"]


def test_a_table_can_be_written_as_csv(backprop, tmp_path):
    assert backprop("data", "show", "moons", "--count", 7, "-o", "moons.csv").code == 0
    header, *rows = (tmp_path / "moons.csv").read_text().splitlines()
    train = Moons().load(Cache(tmp_path))[0]
    assert header == "x1,x2,label"
    assert np.array_equal(np.array([row.split(",") for row in rows], float)[:, :2], train.inputs[:7].astype(float))


@pytest.mark.parametrize("name", ["moons", "xor", "sine"])
def test_points_and_curves_are_drawn_before_training(backprop, tmp_path, name):
    done = backprop("data", "show", name, "-o", "x.png")
    assert (done.code, done.err) == (0, "")
    assert f"wrote {min(800, 4 if name == 'xor' else 800)} examples of {name} (train)" in done.out
    assert (tmp_path / "x.png").read_bytes().startswith(b"\x89PNG")
    assert "wrote 30 examples" in backprop("data", "show", "moons", "--count", 30, "-o", "x.png").out


def test_wrong_options_are_one_line_and_exit_2(backprop, monkeypatch):
    for words, message in (
        (("parity", "-o", "parity.png"), "parity has neither images nor one or two inputs to plot; use -o FILE.csv"),
        (("digits", "-o", "digits.gif"), "must end in .png or .csv"),
        (("digits", "--class", 10), "digits has classes 0 to 9"),
        (("sine", "--class", 0), "sine is a regression data set"),
        (("xor", "--split", "val"), "the val split of xor has no examples from 0 on (0 in all)"),
        (("digits", "--start", 5000), "has no examples from 5000 on"),
        (("cifar",), "no data set 'cifar'"),
    ):
        done = backprop("data", "show", *words)
        assert (done.code, done.err.count("\n")) == (2, 1)
        assert message in done.err
    monkeypatch.setitem(sys.modules, "PIL", None)
    monkeypatch.setitem(sys.modules, "PIL.Image", None)
    done = backprop("data", "show", "digits", "-o", "digits.png")
    assert (done.code, "pip install pillow, or install the extra 'plot'" in done.err) == (1, True)
    assert backprop("data", "show", "digits").code == 0
