"""Exported runs on tables: the files take numbers as they are in the table, and give values in their own units."""

import csv
import json
import subprocess
from shutil import which

import numpy as np
import pytest

import backprop_cli
from backprop_cli.data.cache import Cache
from backprop_cli.exporting.formats import FORMATS, check_export
from backprop_cli.exporting.html import run_scripts
from backprop_cli.results.run import DatasetCache
from tests.exporting.browser import browser

N = 300
NETWORKS = {
    "classes": {"target": "kind", "output": "softmax", "cost": "cross_entropy"},
    "two classes": {"target": "yes", "output": "softmax", "cost": "cross_entropy"},
    "codes": {"target": "kind", "layers": ["auto", 6, 2], "targets": "binary"},
    "one output": {"target": "yes", "layers": ["auto", 6, 1], "targets": "scalar", "output": "sigmoid"},
    "values": {"target": ["price", "area"], "output": "identity", "cost": "quadratic"},
    "float64": {"target": "price", "output": "identity", "cost": "quadratic", "dtype": "float64"},
}


@pytest.fixture(scope="module")
def cells():
    """The rows of a table as text: numbers far from 0, missing ones, words with spaces and quotes."""
    rng = np.random.default_rng(0)
    kind = rng.choice(["a", 'b "2"', "c, d"], N)
    age = np.where(rng.random(N) < 0.1, "", rng.normal(1950, 20, N).round().astype(int).astype(str))
    colour = np.where(rng.random(N) < 0.1, "", rng.choice(["dark red", "blue"], N))
    shop = rng.choice(["x", "y", "z"], N)
    area = rng.normal(80, 25, N).round(1)
    price = (3000 * area + 1e5 * (shop == "y") + rng.normal(0, 1e4, N)).round()
    columns = {"age": age, "colour": colour, "shop": shop, "noise": rng.normal(0, 1e-4, N), "kind": kind}
    columns |= {"yes": np.where(kind == "a", "yes", "no"), "price": price, "area": area}
    return [dict(zip(columns, map(str, row), strict=True)) for row in zip(*columns.values(), strict=True)]


@pytest.fixture(scope="module")
def table(cells, tmp_path_factory):
    path = tmp_path_factory.mktemp("table") / "t.csv"
    with path.open("w", newline="") as file:
        rows = csv.DictWriter(file, list(cells[0]))
        rows.writeheader()
        rows.writerows(cells)
    return path


@pytest.fixture(scope="module")
def trained(table):
    """Returns the run with that target and network, trained once."""
    runs = {}

    def train(name):
        if name not in runs:
            options = dict(NETWORKS[name])
            dataset = {"name": "table", "file": str(table), "target": options.pop("target"), "ignore": ["kind", "yes"]}
            config = {"dataset": dataset, "layers": ["auto", 6, "auto"], "activation": "tanh", **options}
            runs[name] = backprop_cli.train(config, runs_dir=None, optimizer="adam", eta=0.02, epochs=4)
        return runs[name]

    return train


@pytest.fixture(autouse=True)
def cache(tmp_path, monkeypatch):
    monkeypatch.setenv("BACKPROP_DATA_DIR", str(tmp_path / "cache"))


def raw(run, cells):
    """The inputs of rows, made by hand from the names of the inputs: a number, NaN, or whether it is that word."""
    rows = []
    for row in cells:
        x = []
        for name in run.config.data.preprocessing.inputs:
            column, is_category, word = name.partition("=")
            cell = row[column]
            x.append(cell == word.replace("(missing)", "") if is_category else float(cell or "nan"))
        rows.append(x)
    return np.array(rows, np.float32)


@pytest.mark.parametrize("suffix", FORMATS)
@pytest.mark.parametrize("name", NETWORKS)
def test_a_file_predicts_the_test_rows_as_the_program_does(trained, reader, tmp_path, name, suffix):
    reader(suffix)
    run = trained(name)
    path = backprop_cli.export(run, tmp_path / f"net{suffix}")
    for split in ("test", "train"):
        found = check_export(run.model, path, DatasetCache(Cache()).load, split)
        assert found.passed
        assert found.difference < 2e-5


@pytest.mark.parametrize("name", ["classes", "codes", "values"])
def test_onnx_takes_rows_as_they_are_in_the_table(trained, table, cells, tmp_path, name):
    onnx, onnxruntime = pytest.importorskip("onnx"), pytest.importorskip("onnxruntime")
    run = trained(name)
    path = backprop_cli.export(run, tmp_path / "net.onnx")
    session = onnxruntime.InferenceSession(path)
    expected = backprop_cli.predict(run, table)
    found = dict(
        zip([o.name for o in session.get_outputs()], session.run(None, {"input": raw(run, cells)}), strict=True)
    )
    about = {entry.key: entry.value for entry in onnx.load(path).metadata_props}
    assert json.loads(about["inputs"]) == list(run.config.data.preprocessing.inputs)
    assert [c["name"] for c in json.loads(about["columns"])][:2] == ["age", "colour"]
    if run.config.task.classes:
        assert json.loads(about["classes"]) == ["a", 'b "2"', "c, d"]
        np.testing.assert_array_equal(found["label"], expected.labels)
    else:
        assert json.loads(about["targets"]) == ["price", "area"]
        np.testing.assert_allclose(found["output"], expected.values, rtol=1e-4)


def test_the_page_encodes_words_numbers_and_no_value_as_predict_does(trained, reader, table, cells, tmp_path):
    reader(".html")
    run = trained("values")
    path = backprop_cli.export(run, tmp_path / "net.html")
    names = [column.name for column in run.config.data.preprocessing.columns]
    numeric = {column.name for column in run.config.data.preprocessing.columns if column.kind == "number"}
    rows = [[(float(c[n]) if n in numeric else c[n]) if c[n] else None for n in names] for c in cells]
    call = """data => Float32Array.from(JSON.parse(new TextDecoder().decode(data)).flatMap(
        row => [...forward(network, encode(network, row)).at(-1)]))"""
    found = np.frombuffer(run_scripts(path, call, json.dumps(rows).encode()), np.float32).reshape(N, 2)
    np.testing.assert_allclose(found, backprop_cli.predict(run, table).values, rtol=1e-5)


def test_a_c_program_knows_the_names_of_inputs_and_targets(trained, tmp_path):
    if which("cc") is None:
        pytest.skip("there is no C compiler")
    run = trained("values")
    backprop_cli.export(run, tmp_path / "net.h")
    (tmp_path / "main.c").write_text("""
        #include <stdio.h>
        #include "net.h"
        int main(void) {
            for (int i = 0; i < BACKPROP_INPUTS; i++) puts(backprop_input_name(i));
            for (int k = 0; k < BACKPROP_OUTPUTS; k++) puts(backprop_target_name(k));
            return 0;
        }""")
    flags = ["-std=c99", "-Wall", "-Wextra", "-Werror", "-pedantic", "-Wno-unused-function"]
    subprocess.run(["cc", *flags, "main.c", "-o", "main", "-lm"], cwd=tmp_path, check=True)
    out = subprocess.run([tmp_path / "main"], capture_output=True, text=True, check=True).stdout
    assert out.splitlines() == [*run.config.data.preprocessing.inputs, "price", "area"]


@pytest.mark.parametrize("name", ["classes", "values"])
def test_the_lines_of_pytorch_standardize_and_rescale(trained, table, cells, tmp_path, monkeypatch, name):
    torch = pytest.importorskip("torch")
    monkeypatch.chdir(tmp_path)
    run = trained(name)
    backprop_cli.export(run, tmp_path / "net.safetensors")
    with pytest.importorskip("safetensors").safe_open("net.safetensors", "np") as file:
        lines = json.loads(file.metadata()["backprop"])["pytorch"]
    names = {"x": torch.from_numpy(raw(run, cells))}
    exec(lines, names)  # written above
    expected = backprop_cli.predict(run, table)
    if run.config.task.classes:
        np.testing.assert_array_equal(names["labels"].numpy(), expected.labels)
    else:
        np.testing.assert_allclose(names["outputs"].detach().numpy(), expected.values, rtol=1e-4)


@pytest.mark.parametrize("suffix", FORMATS)
def test_equal_weights_give_equal_bytes(trained, tmp_path, suffix):
    run = trained("classes")
    one, other = (backprop_cli.export(run, tmp_path / f"{name}{suffix}") for name in "ab")
    assert one.read_bytes() == other.read_bytes()


def test_a_file_that_has_changed_is_not_compared(trained, tmp_path, table, reader, backprop):
    reader(".html")
    copy = tmp_path / "copy.csv"
    copy.write_bytes(table.read_bytes())
    config = {"dataset": {"name": "table", "file": str(copy), "target": "yes"}, "layers": ["auto", "auto"]}
    backprop_cli.train(config, runs_dir=tmp_path / "runs", name="run", epochs=1, output="softmax", cost="cross_entropy")
    copy.write_text(copy.read_text().replace("blue", "green"))
    assert backprop("export", "run", "-o", "net.html").code == 0
    done = backprop("export", "run", "-o", "net.html", "--check")
    assert done.code in (1, 5)
    assert "has changed" in done.err


SET = """(([name, value, kind]) => {
    const found = [...document.querySelectorAll(`[aria-label="${name}"]`)].find(e => e.matches(kind));
    if (kind === "select") found.selectedIndex = [...found.options].findIndex(o => o.textContent === value);
    else if (kind.includes("checkbox")) found.checked = value;
    else found.value = value;
    found.dispatchEvent(new Event("input"));
})"""


@pytest.mark.long
@pytest.mark.parametrize(("name", "width"), [("classes", 1280), ("values", 390)])
def test_in_a_browser_the_columns_are_set_with_fields_sliders_and_lists(trained, table, cells, tmp_path, name, width):
    run = trained(name)
    path = backprop_cli.export(run, tmp_path / "net.html")
    expected = backprop_cli.predict(run, table)
    with browser(tmp_path / "profile") as page:
        page.open(path, width=width)
        for k, row in enumerate(cells[:30]):
            for column in run.config.data.preprocessing.columns:
                cell, label = row[column.name], column.name
                if column.kind == "category":
                    page.run(f"{SET}({json.dumps([label, cell or '(no value)', 'select'])})")
                else:
                    page.run(f"{SET}({json.dumps([f'{label}: no value', not cell, 'input[type=checkbox]'])})")
                    page.run(f"{SET}({json.dumps([label, cell, 'input[type=number]'])})") if cell else None
            shown = page.run(
                "[...document.querySelectorAll('#outputs tr')].map(row => Number(row.lastChild.textContent))"
            )
            if run.config.task.classes:
                assert page.run("byId('answer').textContent") == expected.best()[k]
                np.testing.assert_allclose(shown, expected.confidences[k], atol=1e-3)
            else:
                np.testing.assert_allclose(shown, expected.values[k], rtol=1e-4)
        assert page.run("document.documentElement.scrollWidth <= innerWidth")
        page.run(f"{SET}({json.dumps(['noise', '0.0001', 'input[type=range]'])})")
        assert abs(float(page.run("document.querySelector('[aria-label=noise][type=number]').value")) - 1e-4) < 1e-6
        assert [e for e in page.events if e["method"] in ("Log.entryAdded", "Runtime.exceptionThrown")] == []
