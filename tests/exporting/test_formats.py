"""Exported runs: predictions on whole test sets, what the files say of themselves, errors."""

import ast
import json
import os
import subprocess
import sys
from dataclasses import replace
from shutil import which

import numpy as np
import pytest

import backprop_cli
from backprop_cli.config.load import load_experiment
from backprop_cli.data.cache import Cache
from backprop_cli.errors import UsageError
from backprop_cli.exporting import c
from backprop_cli.exporting.description import Description, Step, describe
from backprop_cli.exporting.formats import FORMATS, check_export, export_bytes, format_of
from backprop_cli.results.run import DatasetCache
from backprop_cli.sources.digits import Digits
from tests.conftest import ROOT
from tests.exporting.conftest import REFUSED

FLAGS = ["-std=c99", "-Wall", "-Wextra", "-Werror", "-pedantic"]

VARIANTS = {
    "softmax": ["output=softmax", "cost=cross_entropy", "activation=relu", "eta=0.1"],
    "binary": ["targets=binary", "layers=64-12-4"],
    "scalar": ["targets=scalar", "layers=64-12-1"],
    "float64": ["dtype=float64"],
    "dropout": ["dropout=0.5", "input_dropout=0.1"],
    "average": ["average={name: ema, decay: 0.99}"],
    "one output": ["dataset=moons", "layers=2-8-1", "train_size=0.5"],
    "values": ["dataset=sine", "layers=1-8-1", "train_size=0.5", "eta=0.1", "activation=gelu"],
    "autoencoder": ["targets=inputs", "layers=64-12-64", "corrupt=0.2"],
    "tied": ["targets=inputs", "layers=64-20-5-20-64", "tied=true", "output=identity"],
    "pretrained": ["pretrain={name: rbm, epochs: 1}"],
    "machine": ["layers=64-12", "cost=cd"],
    "linear machine": ["layers=64-12", "cost=cd", "output=identity", "eta=0.001"],
    "bernoulli": ["activation=bernoulli"],
    "perceptron": ["layers=64-10", "activation=winner", "cost=perceptron", "eta=1", "batch_size=1"],
}


def export(backprop, suffix, *words, code=0):
    done = backprop("export", "@last", "-o", f"net{suffix}", *words)
    assert done.code == code, done.err
    return done


@pytest.mark.parametrize("suffix", FORMATS)
@pytest.mark.parametrize("words", VARIANTS.values(), ids=VARIANTS.keys())
def test_a_file_predicts_the_test_set_as_the_program_does(backprop, tiny, reader, words, suffix):
    reader(suffix)
    if any(f"activation={name}" in words for name in REFUSED.get(suffix, ())):
        pytest.skip("refused")
    assert backprop("train", tiny, *words).code == 0
    found = json.loads(export(backprop, suffix, "--check", "--json").out)
    assert found["check"]["passed"]
    assert found["check"]["examples"] > 200
    assert found["check"]["difference"] < 1e-5


@pytest.mark.parametrize("suffix", FORMATS)
def test_an_autoencoder_gives_inputs_in_the_units_of_the_data(tmp_path, reader, suffix):
    reader(suffix)
    rows = [f"{k % 9},{100 + k % 7},{'red' if k % 3 else 'blue'}\n" for k in range(60)]
    (tmp_path / "t.csv").write_text("a,b,colour\n" + "".join(rows))
    run = backprop_cli.train(tmp_path / "t.csv", targets="inputs", epochs=20, runs_dir=None)
    path = backprop_cli.export(run, tmp_path / f"net{suffix}")
    x = np.array([[3, 104, 0, 1], [8, 100, 1, 0]], np.float32)  # a, b, and a unit for each colour
    found = format_of(path).run(path, describe(run.model), x)
    scaled = (x - run.config.data.value_center) / run.config.data.value_scale
    a = np.maximum(scaled @ run.parameters["W1"].T + run.parameters["b1"], 0)
    z = a @ run.parameters["W2"].T + run.parameters["b2"]
    np.testing.assert_allclose(found, z * run.config.data.value_scale + run.config.data.value_center, rtol=1e-4)


def test_maps_as_outputs_are_reconstructed_by_onnx(backprop, tiny, reader):
    reader(".onnx")
    words = ("targets=inputs", "layers=8x8-conv4x3same-max2-conv2x3same-up2-conv1x3same", "activation=relu")
    assert backprop("train", tiny, *words).code == 0
    found = json.loads(export(backprop, ".onnx", "--check", "--json").out)["check"]
    assert found["passed"]


def test_the_arrays_of_tied_layers_are_both_in_the_file(tiny, tmp_path):
    safetensors = pytest.importorskip("safetensors")
    run = backprop_cli.train(tiny, runs_dir=None, targets="inputs", layers="64-12-64", tied=True)
    with safetensors.safe_open(backprop_cli.export(run, tmp_path / "net.safetensors"), "np") as file:
        W1, W2 = file.get_tensor("0.weight"), file.get_tensor("2.weight")
        lines = json.loads(file.metadata()["backprop"])["pytorch"]
    np.testing.assert_array_equal(W1, run.parameters["W1"])
    np.testing.assert_array_equal(W2, W1.T)
    assert "outputs = outputs * torch.tensor([16.0]).to(x) + torch.tensor([0.0]).to(x)" in lines  # pixels


@pytest.mark.parametrize("suffix", FORMATS)
@pytest.mark.parametrize("words", [(), VARIANTS["autoencoder"]], ids=["classes", "autoencoder"])
def test_a_file_cuts_pixels_as_the_program_does(backprop, tiny, tmp_path, reader, words, suffix):
    reader(suffix)
    assert backprop("train", tiny, *words, "dataset.binary=0.25", "--name", "cut").code == 0  # 4 of 16
    assert json.loads(export(backprop, suffix, "--check", "--json").out)["check"]["passed"]
    model = backprop_cli.load_run(tmp_path / "runs" / "cut").model
    grey = Digits().splits(Cache(), 300, 1197)[2].inputs.astype(np.float32)
    black = np.where(grey > 4, np.float32(16), np.float32(0))
    of_grey, of_black = (
        format_of(path).run(path, describe(model), x) for path in [tmp_path / f"net{suffix}"] for x in (grey, black)
    )
    np.testing.assert_array_equal(of_grey, of_black)


def test_the_check_feeds_images_that_are_not_cut(tiny, reader, tmp_path):
    reader(".h")
    run = backprop_cli.train(load_experiment(tiny, ["dataset.binary=0.25"]), runs_dir=None)
    path, scaling = tmp_path / "net.h", replace(describe(run.model), prepare=None)
    path.write_bytes(export_bytes(scaling, path))
    assert not check_export(run.model, path, DatasetCache(Cache()).load).passed


@pytest.mark.parametrize("suffix", FORMATS)
def test_a_file_predicts_all_test_images_of_mnist_as_the_program_does(backprop, mnist_cache, reader, suffix):
    reader(suffix)
    where = ("--data-dir", mnist_cache, "--offline")
    config = ROOT / "configs" / "mnist.yaml"
    assert backprop("train", config, "train_size=5000", "epochs=1", *where).code == 0
    out = export(backprop, suffix, "--check", *where).out
    assert "test split, 10,000 examples: same predictions" in out


def test_a_file_that_computes_something_else_fails_the_check(backprop, tiny, reader, monkeypatch):
    reader(".h")
    assert backprop("train", tiny).code == 0
    monkeypatch.setitem(c.OPERATIONS, "sigmoid", c.OPERATIONS["tanh"])
    done = export(backprop, ".h", "--check", code=4)
    assert "net.h does not compute what" in done.err
    assert "largest difference" in done.out


def test_the_check_notices_another_network(tiny, reader, tmp_path):
    reader(".onnx")
    one, other = (backprop_cli.train(tiny, runs_dir=None, seed=seed) for seed in (0, 1))
    path = backprop_cli.export(one, tmp_path / "net.onnx")
    load = DatasetCache(Cache()).load
    assert check_export(one.model, path, load).passed
    found = check_export(other.model, path, load)
    assert not found.passed
    assert found.differing > 0


def test_equal_weights_give_equal_bytes_in_every_process(tiny, tmp_path):
    runs = [backprop_cli.train(tiny, runs_dir=tmp_path / "runs") for _ in range(2)]
    script = f"""import backprop_cli
for suffix in {list(FORMATS)}:
    backprop_cli.export({str(runs[1].path)!r}, "other" + suffix)"""
    env = {**os.environ, "PYTHONHASHSEED": "7", "PYTHONPATH": str(ROOT)}
    subprocess.run([sys.executable, "-c", script], cwd=tmp_path, env=env, check=True)
    for suffix in FORMATS:
        path = backprop_cli.export(runs[0], tmp_path / f"one{suffix}")
        assert path.read_bytes() == (tmp_path / f"other{suffix}").read_bytes()


@pytest.mark.parametrize("words", [VARIANTS["softmax"], VARIANTS["binary"]], ids=["one hot", "binary"])
def test_onnx_takes_any_number_of_raw_examples_and_returns_labels(tiny, tmp_path, words):
    onnx, onnxruntime = pytest.importorskip("onnx"), pytest.importorskip("onnxruntime")
    run = backprop_cli.train(load_experiment(tiny, words), runs_dir=None)
    path = backprop_cli.export(run, tmp_path / "net.onnx")
    model = onnx.load(path)
    assert (model.ir_version, [(one.domain, one.version) for one in model.opset_import]) == (8, [("", 13)])
    about = {entry.key: entry.value for entry in model.metadata_props}
    assert json.loads(about["classes"]) == list("0123456789")
    assert json.loads(about["image"]) == [8, 8]
    session = onnxruntime.InferenceSession(path)
    for n in (1, 7, 300):
        x = run.data.test.inputs[:n]
        outputs, labels = session.run(["output", "label"], {"input": x.astype(np.float32)})
        np.testing.assert_allclose(outputs, run.outputs(x), atol=1e-5)
        np.testing.assert_array_equal(labels, run.predict(x))


def test_safetensors_has_the_arrays_of_a_sequential_and_the_lines_that_load_them(tiny, tmp_path):
    safetensors = pytest.importorskip("safetensors")
    run = backprop_cli.train(tiny, runs_dir=None, activation="leaky_relu", output="sigmoid", dtype="float64", eta=0.1)
    path = backprop_cli.export(run, tmp_path / "net.safetensors")
    with safetensors.safe_open(path, "np") as file:
        arrays = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118 - not a mapping
        about = json.loads(file.metadata()["backprop"])
    pairs = {"0.weight": "W1", "0.bias": "b1", "2.weight": "W2", "2.bias": "b2"}
    assert arrays.keys() == pairs.keys()
    for theirs, ours in pairs.items():
        np.testing.assert_array_equal(arrays[theirs], run.parameters[ours])
        assert arrays[theirs].dtype == np.float64
    ast.parse(about["pytorch"])
    modules = [line.strip() for line in about["pytorch"].splitlines() if line.startswith("    nn.")]
    leaky = "nn.LeakyReLU(negative_slope=0.01),"
    assert modules == ["nn.Linear(64, 12),", leaky, "nn.Linear(12, 10),", "nn.Sigmoid(),"]
    assert about["classes"] == list("0123456789")


@pytest.mark.parametrize(
    "words", [VARIANTS["softmax"], VARIANTS["binary"], ["dataset.binary=0.25"]], ids=["one hot", "binary", "cut"]
)
def test_the_lines_of_pytorch_predict_as_the_program_does(tiny, tmp_path, words, monkeypatch):
    torch = pytest.importorskip("torch")
    monkeypatch.chdir(tmp_path)
    run = backprop_cli.train(load_experiment(tiny, words), runs_dir=None)
    backprop_cli.export(run, tmp_path / "net.safetensors")
    with pytest.importorskip("safetensors").safe_open("net.safetensors", "np") as file:
        lines = json.loads(file.metadata()["backprop"])["pytorch"]
    grey = Digits().splits(Cache(), 300, 1197)[2].inputs.astype(np.float32)
    names = {"x": torch.from_numpy(grey)}
    exec(lines, names)  # written above
    np.testing.assert_array_equal(names["labels"].numpy(), run.predict(grey))


@pytest.mark.parametrize("words", [VARIANTS["softmax"], VARIANTS["binary"]], ids=["one hot", "binary"])
def test_a_c_program_gets_the_label_and_the_name_of_the_class(tiny, tmp_path, words):
    if which("cc") is None:
        pytest.skip("there is no C compiler")
    run = backprop_cli.train(load_experiment(tiny, words), runs_dir=None)
    backprop_cli.export(run, tmp_path / "digit.h")
    x = run.data.test.inputs[:20]
    examples = ",\n".join("{" + ",".join(map(str, row)) + "}" for row in x.tolist())
    (tmp_path / "main.c").write_text(f"""
        #include <stdio.h>
        #include "digit.h"
        #include "digit.h"
        static const float examples[20][BACKPROP_INPUTS] = {{{examples}}};
        int main(void) {{
            float y[BACKPROP_OUTPUTS];
            for (int k = 0; k < 20; k++) puts(backprop_class_name(backprop_predict(examples[k], y)));
            return 0;
        }}""")
    subprocess.run(["cc", *FLAGS, "main.c", "-o", "main", "-lm"], cwd=tmp_path, check=True)
    out = subprocess.run([tmp_path / "main"], capture_output=True, text=True, check=True).stdout
    assert out.split() == list(map(str, run.predict(x)))


def test_names_of_classes_arrive_in_c_whatever_they_contain(tmp_path):
    if which("cc") is None:
        pytest.skip("there is no C compiler")
    names = ('a "quote" and a \\ ', "*/ %s ??/ \t1", "Österreich 7", "")
    steps = (Step("dense", (1,), (4,), {"W": np.eye(4, 1), "b": np.zeros(4)}), Step("tanh", (4,), (4,)))
    (tmp_path / "net.h").write_bytes(
        export_bytes(Description("names", 1, 1.0, steps, "float32", names), tmp_path / "net.h")
    )
    (tmp_path / "main.c").write_text("""
        #include <stdio.h>
        #include "net.h"
        int main(void) { for (int k = 0; k < BACKPROP_CLASSES; k++) puts(backprop_class_name(k)); return 0; }""")
    subprocess.run(["cc", *FLAGS, "main.c", "-o", "main", "-lm"], cwd=tmp_path, check=True)
    out = subprocess.run([tmp_path / "main"], capture_output=True, check=True).stdout
    assert out.decode().splitlines() == list(names)


@pytest.mark.parametrize(("suffix", "package"), [(".onnx", "onnx"), (".safetensors", "safetensors.numpy")])
def test_a_missing_package_is_named_with_the_command_that_installs_it(backprop, tiny, monkeypatch, suffix, package):
    assert backprop("train", tiny).code == 0
    monkeypatch.setitem(sys.modules, package, None)
    done = export(backprop, suffix, code=2)
    assert "pip install 'backprop-cli[export]'" in done.err
    assert not (tiny.parent / f"net{suffix}").exists()


@pytest.mark.parametrize("suffix", FORMATS)
def test_a_check_without_a_program_that_runs_the_file_says_what_is_missing(backprop, tiny, monkeypatch, suffix):
    assert backprop("train", tiny).code == 0
    for module in ("onnxruntime", "torch"):
        monkeypatch.setitem(sys.modules, module, None)
    monkeypatch.setenv("PATH", "")
    done = export(backprop, suffix, "--check", code=2)
    assert f"net{suffix} was written, but not checked: " in done.err
    assert (tiny.parent / f"net{suffix}").stat().st_size > 1000


def test_an_unknown_format_is_refused_with_those_there_are(backprop, tiny):
    assert backprop("train", tiny).code == 0
    assert "unknown format '.pkl'; use .onnx, .safetensors, .html, .h" in export(backprop, ".pkl", code=2).err
    assert "unknown format ''" in export(backprop, "", code=2).err


def test_a_run_or_a_checkpoint_file_can_be_exported(backprop, tiny, tmp_path):
    assert backprop("train", tiny, "--name", "mine").code == 0
    assert backprop("export", "runs/mine/checkpoints/last.npz", "-o", "file.h").code == 0
    assert backprop("export", "mine", "--checkpoint", "last", "-o", "new/run.h").out == "new/run.h\n"
    assert (tmp_path / "file.h").read_bytes() == (tmp_path / "new/run.h").read_bytes()
    assert backprop("export", "nothing", "-o", "run.h").code == 2


def test_run_objects_and_names_can_be_exported(tiny, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    run = backprop_cli.train(tiny, name="mine")
    one, two = backprop_cli.export(run, "one.h"), backprop_cli.export("mine", "two.h")
    assert one.read_bytes() == two.read_bytes()
    with pytest.raises(UsageError, match="unknown format"):
        backprop_cli.export(run, "net.pt")
