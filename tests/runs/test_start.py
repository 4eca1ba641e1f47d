"""Starting from the parameters of another run."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path

import numpy as np
import pytest

import backprop_cli as bp
from backprop_cli.config.load import load_experiment
from backprop_cli.errors import ConfigError

CONFIG = {"dataset": "digits", "layers": [64, 30, 20, 10], "train_size": 200, "epochs": 2, "eta": 1.0}


@pytest.fixture
def source(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    return bp.train(CONFIG, name="source")


def initial(run):
    """The parameters before training, which `keep_epochs` has kept."""
    return bp.load_run(run.folder.path, checkpoint="0").parameters


def test_layers_of_the_same_shapes_are_those_of_the_run(source):
    run = bp.train(CONFIG, name="next", start="source", layers="64-30-20-15-10", keep_epochs=[0])
    given, taken = source.parameters, initial(run)
    for name in ("W1", "b1", "W2", "b2"):
        np.testing.assert_array_equal(taken[name], given[name])
    assert run.record["start"]["layers"] == [
        "W1, b1 from source (30x64)",
        "W2, b2 from source (20x30)",
        "W3, b3 new",
        "W4, b4 new",
        "W3, b3 of source not used (10x20)",
    ]
    path = source.folder.checkpoint("best")
    assert run.record["start"]["sha256"] == hashlib.sha256(path.read_bytes()).hexdigest()
    assert run.config.start.run == str(path.absolute())


def test_new_layers_are_drawn_as_without_start(source):
    fresh = bp.train(CONFIG, name="fresh", keep_epochs=[0])
    run = bp.train(CONFIG, name="next", start={"run": "source", "layers": 1}, keep_epochs=[0])
    for name in ("W2", "b2", "W3", "b3"):
        np.testing.assert_array_equal(initial(run)[name], initial(fresh)[name])


def test_the_average_is_what_is_taken_where_a_run_has_one(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    source = bp.train(CONFIG, name="averaged", average="ema")
    run = bp.train(CONFIG, name="next", start="last", keep_epochs=[0])
    for name, value in initial(run).items():
        np.testing.assert_array_equal(value, source.parameters[name])


def test_a_convolutional_network_gives_its_maps(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    source = bp.train(CONFIG, name="maps", layers="8x8-conv4x3-max2-10")
    run = bp.train(CONFIG, start="maps", layers="8x8-conv4x3-max2-20-10", freeze=1)
    np.testing.assert_array_equal(run.parameters["W1"], source.parameters["W1"])
    assert run.record["start"]["layers"][0] == "W1, b1 from maps (4x1x3x3)"


def test_frozen_layers_are_those_of_the_source_after_training_and_resuming(source):
    run = bp.train(CONFIG, name="next", start="source", layers="64-30-20-10", freeze=2, optimizer="adam", eta=0.01)
    source.folder.path.rename("moved")  # to resume a run, its source is not needed
    run = bp.resume(run, epochs=4)
    given = bp.load_run("moved").parameters
    for name in ("W1", "b1", "W2", "b2"):
        np.testing.assert_array_equal(run.parameters[name], given[name])
    assert "start" in run.record


@pytest.mark.parametrize(
    ("start", "layers", "problem"),
    [
        ("source", "64-31-10", "W1 of source is 30x64, but that of this network is 31x64"),
        ("source", "64-30-9-10", "W2 of source is 20x30, but that of this network is 9x30; to take only what is below, "
         "write {run: source, layers: 1}"),
        ("{run: source, layers: 3}", "64-30-10", "this network has 2 layers with weights, so 3 cannot be taken"),
        ("{run: source, layers: 2}", "64-30-10", "W2 of source is 20x30, but that of this network is 10x30"),
        ("{run: source, layers: 4}", "64-30-20-10-10", "source has 3 layers with weights, so 4 cannot be taken"),
        ("sorce", "64-30-10", "no checkpoint, run folder or run named 'sorce' found (searched in runs); did you mean"),
    ],
)  # fmt: skip
def test_what_does_not_fit_is_an_error_at_its_place(source, backprop, tmp_path, start, layers, problem):
    path = tmp_path / "next.yaml"
    path.write_text(f"dataset: digits\nlayers: {layers}\nstart: {start}\n")
    for command in ("train", "check"):
        found = backprop(command, path)
        assert (found.code, "next.yaml:3:8: start: " in found.err) == (2, True)
        assert problem in found.err
    assert [p.name for p in (tmp_path / "runs").iterdir()] == ["source"]


def test_a_start_that_is_no_checkpoint_is_an_error_at_its_place(backprop, tmp_path):
    (tmp_path / "net.npz").write_text("not a checkpoint")
    done = backprop("train", "digits", "start=net.npz")
    assert done.code == 1
    assert f"command line: start=net.npz: start: {tmp_path / 'net.npz'}: not a whole checkpoint" in done.err


def test_a_repeat_without_the_source_says_that_it_is_missing(source, backprop):
    run = bp.train(CONFIG, name="next", start="source")
    source.folder.path.rename("moved")
    found = backprop("train", run.folder.config)
    assert found.code == 5
    assert "source/checkpoints/best.npz does not exist; restore the run that this experiment starts from" in found.err


def test_a_path_is_relative_to_the_config(source, tmp_path, monkeypatch):
    folder = tmp_path / "configs"
    folder.mkdir()
    (folder / "next.yaml").write_text("extends: base.yaml\nstart: ../runs/source/checkpoints/last.npz\n")
    (folder / "base.yaml").write_text(json.dumps(CONFIG))
    monkeypatch.chdir(folder)
    assert bp.train("next.yaml").record["start"]["checkpoint"].endswith("source/checkpoints/last.npz")


def test_train_says_what_becomes_of_each_layer(source, backprop, tmp_path):
    (tmp_path / "next.yaml").write_text(json.dumps(CONFIG))
    found = backprop("train", "next.yaml", "start=source", "start.layers=1", "freeze=1", "freeze.epochs=1")
    assert "W1, b1 from source (30x64)\nW2, b2 new\nW3, b3 new\nW2, b2 of source not used (20x30)\n" in found.err


@pytest.mark.parametrize(
    ("words", "problem"),
    [
        ("freeze=3", "freeze: every layer is frozen, so nothing is trained"),
        ("freeze=[1,4]", "freeze: there is no layer 4; the layers with weights are 1 to 3"),
        ("freeze=0", "freeze must be a number or a list of layers or a mapping such as {layers: …}, not 0"),
        ("freeze={layers: 1, epochs: 1}; optimizer=cg", "freeze.epochs: cannot be combined with cg"),
        ("layers.1.rate=0.1; optimizer=lbfgs", "layers[1].rate: has no effect on lbfgs"),
        ("layers.0.rate=0.1", "layers[0].rate: the input layer does not learn"),
        ("layers.1.rate=0; layers.2.rate=0; layers.3.rate=0", "layers: every layer is frozen"),
        (
            "layers=64-30-64; targets=inputs; tied=true; freeze=[2]",
            "freeze: layer 2 has the weights of layer 1 ('tied')",
        ),
    ],
)
def test_layers_that_cannot_be_frozen_are_located_errors(words, problem):
    with pytest.raises(ConfigError, match="command line: ") as found:
        load_experiment(Path("digits"), ["layers=64-30-20-10", *words.split("; ")])
    assert problem in str(found.value)


def test_of_an_autoencoder_only_the_layers_up_to_its_code_are_taken(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    layers = [64, 12, 5, 12, 64]
    bp.train(CONFIG, name="coder", layers=layers, targets="inputs", eta=0.1)
    run = bp.train(CONFIG, name="next", layers=[64, 12, 5, 12, 10], start="coder")
    assert run.record["start"]["layers"][:4] == [
        "W1, b1 from coder (12x64)",
        "W2, b2 from coder (5x12)",
        "W3, b3 new",
        "W4, b4 new",
    ]
    longer = bp.train(CONFIG, name="same", layers=layers, targets="inputs", start="coder", eta=0.1)
    assert [line.split(" (")[0] for line in longer.record["start"]["layers"]] == [
        f"W{l}, b{l} from coder" for l in (1, 2, 3, 4)
    ]


@pytest.mark.parametrize("tied", [True, False])
def test_tied_layers_start_from_an_autoencoder(tied, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    coder = bp.train(CONFIG, name="coder", layers=[64, 12, 64], targets="inputs", eta=0.1, tied=tied)
    run = bp.train(
        CONFIG, name="next", layers=[64, 12, 64], targets="inputs", tied=True, start="coder", freeze=1, eta=0.1
    )
    np.testing.assert_array_equal(run.parameters["W1"], coder.parameters["W1"])
    assert "W2" not in run.parameters
