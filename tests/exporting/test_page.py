"""The HTML page: how drawings become inputs, in node; the page itself, in a browser."""

import base64
import json
import math
import re

import numpy as np
import pytest
from PIL import Image, ImageDraw

import backprop_cli
from backprop_cli.config.load import load_experiment
from backprop_cli.exporting.description import Description, Step
from backprop_cli.exporting.formats import export_bytes
from backprop_cli.exporting.html import run_scripts
from backprop_cli.formats.images import PREPROCESSORS
from tests.conftest import ROOT
from tests.exporting.browser import browser

SIDE, PEN = 280, 24
"""Of the canvas of the page."""


def arc(x, y, rx, ry, start, end, n=24):
    angles = [start + (end - start) * k / n for k in range(n + 1)]
    return [(x + rx * math.cos(a), y + ry * math.sin(a)) for a in angles]


THREE = arc(0.48, 0.32, 0.2, 0.17, -2.6, 1.3) + arc(0.5, 0.68, 0.23, 0.19, -1.3, 2.6)
"""A 3 on a square with sides of 1."""


def drawing(rng):
    """Random strokes of the pen of the page, some of them small or at the border."""
    ink = Image.new("L", (SIDE, SIDE))
    pen = ImageDraw.Draw(ink)
    centre, reach = rng.uniform(40, 240, 2), rng.uniform(5, 130)
    points = [tuple(map(float, centre + rng.uniform(-reach, reach, 2))) for _ in range(rng.integers(2, 7))]
    pen.line(points, fill=255, width=PEN)
    for x, y in points:
        pen.ellipse((x - PEN / 2, y - PEN / 2, x + PEN / 2, y + PEN / 2), fill=255)
    return ink


@pytest.fixture(scope="module")
def page(tmp_path_factory):
    """Returns the exported page of a network on a data set, and its run."""

    def make(dataset, layers):
        folder = tmp_path_factory.mktemp("page")
        run = backprop_cli.train({"dataset": dataset, "layers": layers}, runs_dir=None, epochs=3, eta=1.0)
        return backprop_cli.export(run, folder / "net.html"), run

    return make


@pytest.mark.parametrize("dataset", ["mnist", "digits"])
def test_drawings_are_prepared_as_predict_prepares_images(page, reader, dataset):
    reader(".html")
    path, _ = page("digits", [64, 10])  # its scripts can prepare for both
    rng = np.random.default_rng(0)
    drawings = [drawing(rng) for _ in range(40)]
    call = f"""data => {{
        const all = new Uint8Array(data), size = {SIDE * SIDE}, inputs = [];
        for (let k = 0; k < all.length; k += size) {{
            const image = {{ width: {SIDE}, height: {SIDE}, data: all.subarray(k, k + size) }};
            inputs.push(...prepare({{ dataset: "{dataset}" }}, image));
        }}
        return Float32Array.from(inputs);
    }}"""
    found = np.frombuffer(run_scripts(path, call, b"".join(ink.tobytes() for ink in drawings)), np.float32)
    expected = np.array([PREPROCESSORS[dataset](ink) for ink in drawings], np.float32)
    difference = np.abs(found.reshape(expected.shape) - expected)
    assert difference.max() <= 1, "at most one pixel value, or one dot of the bitmap, is rounded differently"


def test_a_blank_drawing_is_no_input(page, reader):
    reader(".html")
    path, _ = page("digits", [64, 10])
    blank = "data => Float32Array.of(prepare(network, {width: 280, height: 280, data: new Uint8Array(data)}) === null)"
    assert np.frombuffer(run_scripts(path, blank, bytes(SIDE * SIDE)), np.float32) == 1


def test_for_other_images_the_whole_drawing_is_shrunk(page, reader):
    reader(".html")
    path, _ = page("digits", [64, 10])
    ink = np.zeros((SIDE, SIDE), np.uint8)
    ink[: SIDE // 4, SIDE // 2 :] = 255
    other = "{ dataset: 'other', image: [4, 2], scale: 1 / 9 }"
    image = f"{{ width: {SIDE}, height: {SIDE}, data: new Uint8Array(data) }}"
    found = np.frombuffer(run_scripts(path, f"data => prepare({other}, {image})", ink.tobytes()), np.float32)
    np.testing.assert_allclose(found.reshape(4, 2), [[0, 9], [0, 0], [0, 0], [0, 0]], rtol=1e-6)


def test_the_page_predicts_labels_from_codes_too(reader, tmp_path):
    reader(".html")
    config = {"dataset": "digits", "layers": [64, 20, 4], "targets": "binary"}
    run = backprop_cli.train(config, runs_dir=None, epochs=3)
    path = backprop_cli.export(run, tmp_path / "net.html")
    labels = """data => {
        const x = new Float32Array(data), labels = [];
        for (let k = 0; k < x.length; k += 64) {
            labels.push(predict(network, forward(network, x.slice(k, k + 64)).at(-1)));
        }
        return Float32Array.from(labels);
    }"""
    x = run.data.test.inputs.astype(np.float32)
    np.testing.assert_array_equal(np.frombuffer(run_scripts(path, labels, x.tobytes()), np.float32), run.predict(x))


def test_the_page_needs_no_network(page):
    path, _ = page("moons", [2, 4, 1])
    text = path.read_text()
    assert not re.search(r"""https?:|src=|href=|@import|url\(""", text)
    assert text.count("<script") == text.count("</script") == 4
    assert "default-src 'none'" in text


def test_the_name_of_a_data_set_cannot_end_a_script(reader, tmp_path):
    reader(".html")
    steps = (Step("dense", (1,), (1,), {"W": np.ones((1, 1)), "b": np.zeros(1)}),)
    name = "</script><script>alert(1)</script><!-- {{ page }} $&"
    path = tmp_path / "net.html"
    path.write_bytes(export_bytes(Description(name, 1, 1.0, steps, "float32"), path))
    assert path.read_text().count("<script") == 4
    found = run_scripts(path, "data => new TextEncoder().encode(network.dataset)", b"")
    assert found.decode() == name


@pytest.fixture
def chromium(tmp_path):
    with browser(tmp_path / "profile") as one:
        yield one
        reports = ("Log.entryAdded", "Runtime.exceptionThrown", "Runtime.consoleAPICalled")
        assert [event for event in one.events if event["method"] in reports] == []
        urls = {e["params"]["request"]["url"] for e in one.events if e["method"] == "Network.requestWillBeSent"}
        assert all(url.startswith("file:") for url in urls)


def strokes(chromium, points):
    """Points of the unit square as points of the page, on the canvas."""
    left, top, side = chromium.run(
        "(({left, top, width}) => [left, top, width])(byId('paper').getBoundingClientRect())"
    )
    return [(left + x * side, top + y * side) for x, y in points]


def answer(chromium):
    return chromium.run("byId('answer').textContent")


@pytest.mark.long
@pytest.mark.parametrize(("width", "dark", "draw"), [(1280, False, "drag"), (390, True, "swipe")])
def test_a_digit_drawn_in_a_browser_is_predicted_as_from_an_image_file(
    chromium, tmp_path, monkeypatch, width, dark, draw
):
    monkeypatch.chdir(tmp_path)
    run = backprop_cli.train(ROOT / "configs" / "digits.yaml", name="run")
    chromium.open(backprop_cli.export(run, "net.html"), width=width, dark=dark)
    assert answer(chromium) == "–"
    getattr(chromium, draw)(strokes(chromium, THREE))
    assert answer(chromium) == "3"
    image = chromium.run("byId('paper').toDataURL()").partition(",")[2]
    (tmp_path / "three.png").write_bytes(base64.b64decode(image))
    found = backprop_cli.predict(run, tmp_path / "three.png")
    assert found.best() == ["3"]
    shown = chromium.run("[...document.querySelectorAll('#outputs tr')].map(row => Number(row.lastChild.textContent))")
    np.testing.assert_allclose(shown, found.confidences[0], atol=0.02)
    assert chromium.run("document.documentElement.scrollWidth <= innerWidth")
    chromium.run("byId('clear').click()")
    chromium.settle()
    assert answer(chromium) == "–"


@pytest.mark.long
@pytest.mark.parametrize("binary", [(), ("dataset.binary=0.5",)], ids=["grey", "binary"])
def test_an_autoencoder_shows_the_reconstruction_of_a_drawing(chromium, tmp_path, binary):
    words = ["targets=inputs", "layers=64-20-64", "output=sigmoid", "lambda=0", "epochs=5", *binary]
    run = backprop_cli.train(load_experiment(ROOT / "configs" / "digits.yaml", words), runs_dir=None)
    chromium.open(backprop_cli.export(run, tmp_path / "net.html"), width=390)
    chromium.drag(strokes(chromium, THREE))
    x = np.array([chromium.run("[...latest]")], np.float32)
    a, fed = run.outputs(x), x > 8 if binary else x / 16
    assert np.count_nonzero(x) > 10
    assert float(answer(chromium).removeprefix("squared error ")) == pytest.approx(np.sum((a - fed) ** 2), rel=1e-3)
    canvases = "[...document.querySelectorAll('#images canvas')]"
    opacity = (
        f"{canvases}.map(one => [...one.getContext('2d').getImageData(0, 0, 8, 8).data].filter((_, k) => k % 4 == 3))"
    )
    np.testing.assert_allclose(np.array(chromium.run(opacity)) / 255, np.concatenate([fed, a]), atol=0.005)
    assert chromium.run("document.querySelectorAll('#outputs tr').length") == 0
    assert chromium.run("document.documentElement.scrollWidth <= innerWidth")


@pytest.mark.long
def test_the_inputs_of_a_table_are_set_with_sliders_and_fields(chromium, tmp_path):
    run = backprop_cli.train(ROOT / "configs" / "xor.yaml", runs_dir=None)
    chromium.open(backprop_cli.export(run, tmp_path / "net.html"), width=390)
    for kind in ("range", "number"):
        for bits in ((0, 0), (0, 1), (1, 0), (1, 1)):
            for k, bit in enumerate(bits):
                chromium.run(
                    f"(field => {{ field.value = {bit}; field.dispatchEvent(new Event('input')); }})"
                    f"(document.querySelectorAll('input[type={kind}]')[{k}])"
                )
            assert answer(chromium) == str(run.predict(np.array([bits], np.float32))[0])


@pytest.mark.long
@pytest.mark.parametrize("dataset", ["digits", "mnist"])
def test_a_browser_computes_the_whole_test_set_as_the_program_does(chromium, tmp_path, request, dataset):
    where = {"data_dir": request.getfixturevalue("mnist_cache"), "offline": True} if dataset == "mnist" else {}
    config = ROOT / "configs" / f"{dataset}.yaml"
    run = backprop_cli.train(config, runs_dir=None, epochs=1, train_size=1000, **where)
    chromium.open(backprop_cli.export(run, tmp_path / "net.html"))
    x = run.data.test.inputs
    data = base64.b64encode(x.tobytes()).decode()
    found = chromium.run(f"""(() => {{
        const x = Float32Array.from(atob("{data}"), c => c.charCodeAt(0)), outputs = [];
        for (let k = 0; k < x.length; k += network.inputs) {{
            outputs.push([...forward(network, x.slice(k, k + network.inputs)).at(-1)]);
        }}
        return JSON.stringify(outputs);
    }})()""")
    outputs = np.array(json.loads(found))
    np.testing.assert_allclose(outputs, run.outputs(x), atol=1e-5)
    np.testing.assert_array_equal(run.config.task.predict(outputs), run.predict(x))
