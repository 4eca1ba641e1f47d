import csv
import io
import json
import sys

import numpy as np
import pytest
from PIL import Image, ImageFilter

from backprop_cli.cli.main import main
from backprop_cli.data.cache import Cache
from backprop_cli.formats import images
from backprop_cli.sources.digits import Digits
from backprop_cli.sources.mnist import Mnist
from backprop_cli.sources.synthetic import Moons
from tests.conftest import ROOT


@pytest.fixture
def digits(backprop, tiny):
    assert backprop("train", tiny, "activation=relu", "output=softmax", "cost=cross_entropy", "eta=0.1").code == 0
    return Digits().load(Cache(ROOT))[1]


def predictions(done):
    return json.loads(done.out)["predictions"]


def as_csv(rows, header=""):
    return header + "".join(",".join(map(str, row)) + "\n" for row in rows)


@pytest.mark.parametrize(
    ("source", "overrides"),
    [
        (Digits(), ["output=softmax", "cost=cross_entropy"]),
        (Digits(), ["layers=64-12-4", "targets=binary"]),
        (Digits(), ["average={name: ema, decay: 0.99}"]),
        (Digits(), ["dtype=float64"]),
        (Moons(), ["dataset=moons", "layers=2-8-1", "batch_size=10", "train_size=0.5"]),
    ],
    ids=["softmax", "binary", "average", "float64", "one output"],
)
def test_predictions_agree_with_eval(backprop, tiny, tmp_path, source, overrides):
    assert backprop("train", tiny, *overrides).code == 0
    split = source.load(Cache(tmp_path))[1]
    np.save("test.npy", split.inputs)
    labels = [answer["label"] for answer in predictions(backprop("predict", "@last", "test.npy", "--json"))]
    accuracy = json.loads(backprop("eval", "@last", "--json").out)["results"][0]["accuracy"]
    assert np.mean(labels == split.targets) == accuracy


def test_probabilities_are_the_softmax_outputs(backprop, digits):
    np.save("one.npy", digits.inputs[0])
    with np.load("runs/tiny-001/checkpoints/best.npz") as file:
        z = np.maximum(file["W1"] @ (digits.inputs[0] / 16) + file["b1"], 0)
        e = np.exp(file["W2"] @ z + file["b2"])
    (answer,) = predictions(backprop("predict", "tiny", "one.npy", "--top", 10, "--json"))
    assert [entry["label"] for entry in answer["top"]] == list(np.argsort(-e))
    assert [entry["probability"] for entry in answer["top"]] == pytest.approx(sorted(e / e.sum(), reverse=True), 1e-4)
    assert answer["label"] == np.argmax(e)


def test_outputs_that_are_not_probabilities_are_named_otherwise(backprop, tiny):
    backprop("train", tiny)
    backprop("train", tiny, "layers=64-12-4", "targets=binary")
    np.save("one.npy", np.full(64, 0.5))
    assert backprop("predict", "tiny-001", "one.npy").out.split()[:3] == ["input", "label", "output"]
    assert backprop("predict", "tiny-002", "one.npy").out.split()[:3] == ["input", "label", "distance"]


def test_one_sigmoid_output_is_the_probability_of_the_second_class(backprop, tmp_path):
    (tmp_path / "and.yaml").write_text(
        "dataset: and\nlayers: 2-1\ncost: cross_entropy\nbatch_size: 1\neta: 10\nepochs: 30\n"
    )
    backprop("train", "and.yaml")
    (tmp_path / "x.csv").write_text("0,0\n1,1\n")
    no, yes = predictions(backprop("predict", "@last", "x.csv", "--json", "--top", 2))
    assert (no["label"], yes["label"]) == (0, 1)
    assert min(no["probability"], yes["probability"]) > 0.9
    assert sum(entry["probability"] for entry in yes["top"]) == pytest.approx(1)


def test_regression_gives_values(backprop, tmp_path):
    (tmp_path / "sine.yaml").write_text("dataset: sine\nlayers: 1-10-1\noutput: identity\nepochs: 1\neta: 0.1\n")
    backprop("train", "sine.yaml")
    np.save("x.npy", np.linspace(-1, 1, 3))
    with np.load("runs/sine-001/checkpoints/best.npz") as file:
        hidden = 1 / (1 + np.exp(-(np.linspace(-1, 1, 3)[:, None] @ file["W1"].T + file["b1"])))
        expected = hidden @ file["W2"].T + file["b2"]
    values = [answer["values"] for answer in predictions(backprop("predict", "@last", "x.npy", "--json"))]
    assert np.array(values) == pytest.approx(expected, abs=1e-5)
    assert backprop("predict", "@last", "x.npy").out.startswith("input")
    assert backprop("predict", "@last", "x.npy", "--top", 2).code == 2


def test_pixels_and_scaled_pixels_in_any_file_are_the_same_examples(backprop, digits, tmp_path, monkeypatch):
    pixels = digits.inputs[:5]
    np.save("bytes.npy", pixels)
    np.save("images.npy", pixels.reshape(-1, 8, 8).astype(float))
    np.save("scaled.npy", (pixels / 16).astype(np.float32))
    (tmp_path / "rows.csv").write_text(as_csv(pixels, header=",".join(f"pixel{i}" for i in range(64)) + "\n\n"))
    monkeypatch.setattr(sys, "stdin", io.StringIO(as_csv(pixels / 16)))
    answers = predictions(
        backprop("predict", "tiny", "bytes.npy", "images.npy", "scaled.npy", "rows.csv", "-", "--json")
    )
    assert len(answers) == 25
    for k in range(5):
        same = answers[k::5]
        assert {answer["label"] for answer in same} == {same[0]["label"]}
        assert [answer["probability"] for answer in same] == pytest.approx([same[0]["probability"]] * 5)
    assert (answers[0]["input"], answers[15]["input"], answers[20]["input"]) == (
        "bytes.npy[0]",
        "rows.csv:3",
        "stdin:1",
    )


def test_quiet_prints_labels_and_csv_prints_a_table(backprop, digits):
    np.save("some.npy", digits.inputs[:3])
    labels = backprop("predict", "tiny", "some.npy", "-q").out.split()
    done = backprop("predict", "tiny", "some.npy", "--csv", "--top", 2)
    rows = list(csv.DictReader(io.StringIO(done.out)))
    assert list(rows[0]) == ["input", "label", "probability", "label_2", "probability_2"]
    assert [row["label"] for row in rows] == labels
    assert all(float(row["probability"]) >= float(row["probability_2"]) for row in rows)
    assert backprop("predict", "tiny", "some.npy", "--csv", "--json").code == 2


def test_numbers_in_place_of_a_file_are_an_error_that_says_where_to_write_them(backprop):
    backprop("train", "xor", "epochs=1", "--name", "xor")
    done = backprop("predict", "xor", "0,1")
    assert (done.code, done.out) == (1, "")
    assert done.err.endswith("; to predict numbers, write them to stdin: echo 0,1 | backprop predict RUN -\n")


def test_unreadable_inputs_are_reported_and_the_rest_is_predicted(backprop, digits, tmp_path):
    good = as_csv(digits.inputs[:1])
    Image.new("L", (20, 20), 7).save("blank.png")
    Image.effect_noise((64, 64), 90).save("whole.png")
    (tmp_path / "torn.png").write_bytes((tmp_path / "whole.png").read_bytes()[:500])
    (tmp_path / "notes.png").write_text("hello")
    (tmp_path / "figure.eps").write_text("%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n")
    (tmp_path / "folder").mkdir()
    (tmp_path / "labels.csv").write_text(good + good.strip() + ",7\n" + good.replace("0", "zero", 1))
    (tmp_path / "empty.csv").write_text("")
    np.save("shape.npy", np.zeros((2, 28, 28)))
    np.save("standard.npy", np.linspace(-2, 2, 64))
    np.save("nan.npy", np.full(64, np.nan))
    np.save("object.npy", np.array([{}] * 64), allow_pickle=True)
    np.savez("several.npz", x=np.zeros(64))
    header = b"{'descr': '<f8', 'fortran_order': False, 'shape': (10000000000, 64), }".ljust(117) + b"\n"
    (tmp_path / "promise.npy").write_bytes(b"\x93NUMPY\x01\x00v\x00" + header)
    reasons = {
        "blank.png": "blank.png: blank",
        "torn.png": "torn.png: a broken image",
        "notes.png": "notes.png: not an image",
        "figure.eps": "figure.eps: not an image",
        "folder": "folder: a folder; give the files in it",
        "none.png": "none.png: No such file",
        "empty.csv": "empty.csv: empty; expected rows of 64 numbers (8 x 8 pixels)",
        "shape.npy": "shape.npy: an array of shape (2, 28, 28); expected (n, 64) or (n, 8, 8)",
        "standard.npy": "standard.npy: numbers from -2 to 2; digits has pixels from 0 to 16",
        "nan.npy": "nan.npy: some of its numbers are not finite",
        "object.npy": "object.npy: it contains Python objects",
        "several.npz": "several.npz: an archive of several arrays",
        "promise.npy": "promise.npy: its header announces 5,120,000,000,000 bytes, but 0 follow",
        "labels.csv": "labels.csv:2: a row of 65, expected 64 numbers (8 x 8 pixels); if one of them is the label",
    }
    done = backprop("predict", "tiny", *reasons, "--json")
    assert done.code == 1
    lines = done.err.splitlines()
    assert lines[:-1] == [line for line, reason in zip(lines, reasons.values(), strict=False) if reason in line]
    assert lines[-1].startswith("error: labels.csv:3: 'zero' is not a finite number")
    assert [answer["input"] for answer in predictions(done)] == ["labels.csv:1"]
    assert len(json.loads(done.out)["failed"]) == len(lines)


def test_an_image_too_large_to_unpack_is_refused(backprop, digits, monkeypatch):
    Image.new("1", (40, 40)).save("large.png")
    monkeypatch.setattr(images, "MAX_PIXELS", 1599)
    for limit in (10**9, 1000, 500):  # beyond its own limit Pillow warns, beyond twice the limit it refuses
        monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", limit)
        done = backprop("predict", "tiny", "large.png")
        assert (done.code, done.err) == (1, "error: large.png: more than 1,599 pixels; crop or shrink it\n")


def test_without_pillow_images_are_reported_and_arrays_are_read(backprop, digits, monkeypatch):
    Image.new("L", (9, 9)).save("a.png")
    Image.new("L", (9, 9)).save("b.png")
    np.save("array.npy", digits.inputs[:1])
    monkeypatch.setitem(sys.modules, "PIL", None)
    monkeypatch.setitem(sys.modules, "PIL.Image", None)
    done = backprop("predict", "tiny", "a.png", "b.png", "array.npy", "-q")
    assert done.code == 1
    assert done.err == "error: pillow not installed: pip install pillow, or install the extra 'plot'\n"
    assert len(done.out.split()) == 1


def test_images_need_a_network_for_images(backprop, tmp_path):
    (tmp_path / "xor.yaml").write_text("dataset: xor\nlayers: 2-2-1\nepochs: 1\n")
    backprop("train", "xor.yaml")
    Image.new("L", (9, 9)).save("a.png")
    assert "xor has no images; save 2 numbers as .csv" in backprop("predict", "@last", "a.png").err


def enlarged(image):
    return Image.fromarray(image).resize((196, 196), Image.Resampling.BICUBIC)


def inverted_as_jpeg(image):
    return Image.fromarray(255 - image).resize((150, 150))


def coloured(image):
    return Image.composite(
        Image.new("RGB", (196, 196), (200, 30, 60)), Image.new("RGB", (196, 196), "#fae8c8"), enlarged(image)
    )


def in_a_corner(image):
    page = Image.new("RGBA", (360, 300))
    page.paste((0, 0, 0, 255), (160, 5), enlarged(image))
    return page


def with_a_marker(image):
    return enlarged(image).filter(ImageFilter.MaxFilter(7))


@pytest.fixture(scope="module")
def mnist_run(mnist_cache, tmp_path_factory):
    """A network that has seen a quarter of MNIST for a moment, and the first 100 test images."""
    folder = tmp_path_factory.mktemp("runs")
    words = ["train", ROOT / "configs/mnist.yaml", "epochs=4", "train_size=12500", "-q", "--data-dir", mnist_cache]
    with pytest.raises(SystemExit, match="0"):
        main([*map(str, words), "--runs-dir", str(folder)])
    return folder / "mnist-001", Mnist().load(Cache(mnist_cache, offline=True))[1][:100]


@pytest.mark.parametrize(
    ("redraw", "suffix"),
    [(enlarged, "png"), (inverted_as_jpeg, "jpg"), (coloured, "png"), (in_a_corner, "png"), (with_a_marker, "png")],
    ids=lambda value: getattr(value, "__name__", None),
)
def test_redrawn_digits_are_recognised_as_well_as_the_originals(backprop, mnist_run, redraw, suffix):
    run, test = mnist_run
    np.save("originals.npy", test.inputs)
    for k, pixels in enumerate(test.inputs):
        redraw(pixels.reshape(28, 28)).save(f"{k:03}.{suffix}")
    files = [f"{k:03}.{suffix}" for k in range(len(test))]
    labels = np.array([answer["label"] for answer in predictions(backprop("predict", run, *files, "--json"))])
    plain = np.array([answer["label"] for answer in predictions(backprop("predict", run, "originals.npy", "--json"))])
    assert np.mean(plain == test.targets) > 0.9
    assert np.mean(labels == test.targets) >= np.mean(plain == test.targets) - 0.03


@pytest.mark.parametrize("rows", ["0,1\n1,1\n", "0;1\n1;1\n", "0\t1\n1\t1\n", "0 1\n1  1\n", "\n\na b\n0 1\n1 1\n"])
def test_numbers_may_be_separated_by_other_marks_than_commas(backprop, tmp_path, monkeypatch, rows):
    assert backprop("train", ROOT / "configs/xor.yaml", "--name", "xor", "-q").code == 0
    monkeypatch.setattr(sys, "stdin", io.StringIO(rows))
    done = backprop("predict", "xor", "-", "-q")
    assert (done.code, done.out.split()) == (0, ["1", "0"]), done.err
