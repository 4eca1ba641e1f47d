import json
import shutil
import sys
from pathlib import Path
from xml.etree import ElementTree

import numpy as np
import pytest
from PIL import Image

from backprop_cli.data.cache import Cache
from backprop_cli.data.tasks import Classification
from backprop_cli.drawing import style
from backprop_cli.plots import film, learning_curves, registry
from backprop_cli.runs.checkpoint import Checkpoint, read_checkpoint, to_bytes
from backprop_cli.sources.digits import Digits
from backprop_cli.sources.registry import load_dataset

MAGIC = {"png": b"\x89PNG\r\n", "svg": b"<?xml", "pdf": b"%PDF"}
IMAGES = ["curves", "confusion", "mistakes", "weights"]


@pytest.fixture
def run(backprop, tiny):
    assert backprop("train", tiny, "--name", "run").code == 0
    return Path("runs/run")


def kinds(done):
    return [picture["kind"] for picture in json.loads(done.out)["pictures"]]


def test_all_available_plots_are_written_to_the_folder_of_the_run(backprop, run):
    done = backprop("plot", "run")
    assert (done.code, done.err) == (0, "")
    paths = [run / "plots" / f"{kind}.png" for kind in IMAGES]
    assert done.out.splitlines() == list(map(str, paths))
    for path in paths:
        data = path.read_bytes()
        width, height = (int.from_bytes(data[i : i + 4], "big") for i in (16, 20))
        assert data.startswith(MAGIC["png"])
        assert 600 < width < 1500
        assert 200 < height < 2000


def test_output_is_a_file_of_any_format_or_a_folder(backprop, run, tmp_path):
    for format, magic in MAGIC.items():
        assert backprop("plot", "run", "--kind", "curves", "-o", f"new/c.{format}").code == 0
        assert (tmp_path / "new" / f"c.{format}").read_bytes().startswith(magic)
    done = backprop("plot", "run", "-o", "all", "--format", "svg", "--kind", "weights", "--json")
    assert [picture["path"] for picture in json.loads(done.out)["pictures"]] == ["all/weights.svg"]


@pytest.mark.usefixtures("unrendered")
def test_several_runs_share_one_chart_of_learning_curves(backprop, run, tiny, tmp_path):
    assert backprop("train", tiny, "eta=0.1", "layers=64-10", "--name", "v1.5").code == 0
    done = backprop("plot", "run", "v1.5", "run", "--kind", "curves", "--kind", "weights", "--json")
    pictures = json.loads(done.out)["pictures"]
    assert [(p["path"], p["runs"]) for p in pictures] == [
        ("plots/curves.png", ["runs/run", "runs/v1.5"]),
        ("runs/run/plots/weights.png", ["runs/run"]),
        ("runs/v1.5/plots/weights.png", ["runs/v1.5"]),
    ]
    assert backprop("plot", "run", "v1.5", "-o", "f").code == 0
    assert (tmp_path / "f" / "v1.5-weights.png").exists()


@pytest.mark.usefixtures("unrendered")
def test_many_runs_have_only_the_charts_for_all_of_them_by_default(backprop, run, unrendered):
    for number in range(3):
        shutil.copytree(run, f"runs/run-{number}")
    assert kinds(backprop("plot", "runs", "--json")) == ["curves"]
    assert kinds(backprop("plot", "runs", "--json", "--kind", "confusion")) == ["confusion"] * 4
    shutil.rmtree("runs/run-0")
    assert kinds(backprop("plot", "runs", "--json")) == ["curves"] + [k for k in IMAGES[1:] for _ in range(3)]


def test_runs_that_differ_by_seed_become_their_mean_unless_each(backprop, run, tiny, monkeypatch):
    for seed in (1, 2):
        assert backprop("train", tiny, f"seed={seed}", "--name", f"seed{seed}").code == 0
    assert backprop("train", tiny, "eta=0.5", "--name", "slow").code == 0
    labels = []
    draw = learning_curves.draw_curves
    monkeypatch.setattr(
        learning_curves, "draw_curves", lambda c, words: labels.append([one.label for one in c]) or draw(c, words)
    )
    words = ("plot", "run", "seed1", "seed2", "slow", "--kind", "curves")
    assert backprop(*words).code == 0
    assert backprop(*words, "--each").code == 0
    assert labels == [
        ["run … seed2  eta=1.0 (mean of 3 seeds)", "slow  eta=0.5"],
        ["run  eta=1.0 seed=0", "seed1  eta=1.0 seed=1", "seed2  eta=1.0 seed=2", "slow  eta=0.5 seed=0"],
    ]


@pytest.mark.parametrize("cost", ["quadratic", "cross_entropy"])
@pytest.mark.usefixtures("unrendered")
def test_mistakes_are_those_of_the_best_checkpoint_most_confident_first(backprop, tiny, tmp_path, monkeypatch, cost):
    assert backprop("train", tiny, f"cost={cost}", "--name", "run").code == 0
    drawn = []
    draw = registry.draw_mistakes
    monkeypatch.setattr(registry, "draw_mistakes", lambda *a: drawn.append(a) or draw(*a))
    assert backprop("plot", "run", "--kind", "mistakes").code == 0
    ((images, truth, predicted, given, _),) = drawn

    split = load_dataset(Digits(), Classification(10), 300, 195, Cache(tmp_path)).test
    a = split.inputs / 16
    with np.load("runs/run/checkpoints/best.npz") as file:
        for l in (1, 2):
            a = 1 / (1 + np.exp(-(a @ file[f"W{l}"].T + file[f"b{l}"])))
    wrong = [i for i in range(300) if a[i].argmax() != split.targets[i]]
    wrong.sort(key=lambda i: a[i, split.targets[i]] - a[i].max())
    assert truth.tolist() == split.targets[wrong[:24]].tolist()
    assert predicted.tolist() == a[wrong[:24]].argmax(axis=1).tolist()
    assert np.array_equal(images.reshape(len(truth), 64), split.inputs[wrong[:24]])
    assert given[:, 0] == pytest.approx(a[wrong[:24]].max(axis=1), abs=1e-5)


@pytest.mark.parametrize(
    ("config", "expected"),
    [
        ("dataset: moons\nlayers: [2, 4, 1]\ntargets: scalar\n", ["curves", "function", "confusion"]),
        (
            "dataset: {name: blobs, classes: 4}\nlayers: [2, 4, 2]\ntargets: binary\n",
            ["curves", "function", "confusion"],
        ),
        ("dataset: xor\nlayers: [2, 2, 2]\nbatch_size: full\n", ["curves", "function", "confusion"]),
        ("dataset: parity\nlayers: [4, 4, 2]\ndiagnostics: true\n", ["curves", "confusion", "gradients"]),
        ("dataset: sine\nlayers: [1, 5, 1]\nactivation: tanh\noutput: identity\neta: 0.1\n", ["curves", "function"]),
    ],
    ids=["moons", "blobs", "xor", "parity", "sine"],
)
@pytest.mark.usefixtures("unrendered")
def test_available_kinds_depend_on_the_data_set(backprop, tmp_path, config, expected):
    (tmp_path / "c.yaml").write_text(config + "epochs: 1\n")
    assert backprop("train", "c.yaml", "--name", "run").code == 0
    done = backprop("plot", "run", "--json")
    assert (done.code, done.err) == (0, "")
    assert kinds(done) == expected


@pytest.mark.usefixtures("unrendered")
def test_confusion_agrees_with_eval_for_other_encodings(backprop, tmp_path):
    (tmp_path / "c.yaml").write_text(
        "dataset: {name: blobs, classes: 4}\nlayers: [2, 4, 2]\ntargets: binary\nepochs: 2\n"
    )
    assert backprop("train", "c.yaml", "--name", "run").code == 0
    shows = json.loads(backprop("plot", "run", "--kind", "confusion", "--json").out)["pictures"][0]["shows"]
    assert f"{json.loads(backprop('eval', 'run', '--json').out)['results'][0]['correct']} of 500" in shows


@pytest.mark.usefixtures("unrendered")
def test_plots_that_need_unavailable_data_are_skipped_with_a_warning(backprop, run, tmp_path):
    best = run / "checkpoints/best.npz"
    good = read_checkpoint(best)
    changed = {"dataset": "mnist", "layers": [784, 12, 10], "validation": 10_000}
    meta = good.meta.model_copy(update={"experiment": good.meta.experiment | changed})
    parameters = good.parameters | {"W1": np.zeros((12, 784), np.float32)}
    best.write_bytes(to_bytes(Checkpoint(meta, parameters)))
    record = json.loads((run / "run.json").read_text())
    (run / "run.json").write_text(json.dumps(record | {"experiment": meta.experiment}))
    away = ("--offline", "--data-dir", tmp_path / "none")
    done = backprop("plot", "run", *away, "--json")
    assert (done.code, kinds(done)) == (0, ["curves", "weights"])
    assert done.err.startswith("warning: no confusion and mistakes: dataset 'mnist' is not available")
    assert done.err.count("\n") == 1
    assert backprop("plot", "run", "--kind", "confusion", *away).code == 5


@pytest.mark.usefixtures("unrendered")
def test_a_checkpoint_of_another_network_is_not_drawn(backprop, run, tiny):
    assert backprop("train", tiny, "layers=64-13-10", "--name", "other").code == 0
    shutil.copy("runs/other/checkpoints/best.npz", run / "checkpoints/best.npz")
    done = backprop("plot", "run", "--kind", "weights")
    assert done.code == 1
    assert done.err.startswith(
        "error: no weights: runs/run/checkpoints/best.npz: the checkpoint belongs to another experiment"
    )


@pytest.mark.usefixtures("unrendered")
def test_an_extended_run_can_be_plotted(backprop, run):
    assert backprop("resume", "run", "--epochs", 4).code == 0
    assert backprop("plot", "run", "--kind", "weights", "--checkpoint", "last").code == 0
    assert backprop("plot", "run", "--kind", "weights").code == 0


@pytest.mark.usefixtures("unrendered")
def test_errors_are_one_line(backprop, run, tmp_path):
    (tmp_path / "empty").mkdir()
    for words, code, message in (
        (("empty",), 2, "empty: not a run's folder"),
        (("none",), 2, "no checkpoint, run folder or run named 'none' found"),
        (("run", "-o", "x.png"), 2, "one file for 4 plots (curves, confusion, mistakes, weights)"),
        (("run", "--kind", "curves", "-o", "x.jpg"), 2, "unknown format .jpg"),
        (("run", "--kind", "curves", "-o", "x.png", "--format", "svg"), 2, "does not match --format svg"),
        (("run", "--kind", "gradients"), 2, "train with diagnostics=true"),
        (("run", "--kind", "function"), 2, "digits is neither a 2-D classification nor"),
    ):
        done = backprop("plot", *words)
        assert (done.code, done.out) == (code, "")
        assert done.err.startswith("error: ")
        assert message in done.err
        assert done.err.count("\n") == 1
    assert not list(tmp_path.glob("*.png"))


@pytest.mark.usefixtures("unrendered")
def test_requested_plots_are_written_even_if_another_one_fails(backprop, run):
    (run / "checkpoints/best.npz").write_bytes(b"PK no")
    done = backprop("plot", "run", "--kind", "curves", "--kind", "weights")
    assert (done.code, done.out) == (1, "runs/run/plots/curves.png\n")
    assert "best.npz: not a whole checkpoint" in done.err
    assert backprop("plot", "run").code == 0


@pytest.mark.usefixtures("unrendered")
def test_a_run_in_training_is_plotted_up_to_its_last_epoch(backprop, run):
    record = json.loads((run / "run.json").read_text())
    (run / "run.json").write_text(json.dumps(record | {"status": "running"}))
    done = backprop("plot", "run", "--kind", "curves")
    assert done.code == 0
    assert "showing the epochs completed so far" in done.err
    (run / "metrics.csv").unlink()
    done = backprop("plot", "run", "--kind", "curves")
    assert done.code == 1
    assert "no epoch was completed" in done.err


def test_without_matplotlib_the_error_names_what_to_install(backprop, run, monkeypatch):
    monkeypatch.setitem(sys.modules, "matplotlib", None)
    for command in ("plot", "report"):
        done = backprop(command, "run")
        assert done.code == 2
        assert done.err == "error: matplotlib not installed: pip install matplotlib, or install the extra 'plot'\n"
    assert backprop("eval", "run").code == 0


def curves_of(monkeypatch):
    """The arguments of each call of draw_curves."""
    drawn = []
    draw = learning_curves.draw_curves
    monkeypatch.setattr(
        learning_curves, "draw_curves", lambda curves, words: drawn.append(curves) or draw(curves, words)
    )
    return drawn


@pytest.mark.usefixtures("unrendered")
def test_a_run_with_the_same_config_and_seed_is_not_drawn_and_named(backprop, run, tiny, monkeypatch):
    drawn = curves_of(monkeypatch)
    for name in ("again", "other"):
        assert backprop("train", tiny, f"seed={int(name == 'other')}", "--name", name).code == 0
    done = backprop("plot", "run", "again", "other", "--kind", "curves")
    assert (done.code, done.err) == (
        0,
        "warning: plots/curves.png: not drawn, same config and seed as another run: again\n",
    )
    assert [(one.label, len(one.columns["val_cost"])) for one in drawn[0]] == [("run … other (mean of 2 seeds)", 2)]
    backprop("plot", "run", "again", "--kind", "curves")
    assert [(one.label, len(one.columns["val_cost"])) for one in drawn[1]] == [("run", 1)]
    backprop("plot", "run", "again", "--kind", "curves", "--each")
    assert [one.label for one in drawn[2]] == ["run", "again"]


@pytest.mark.usefixtures("unrendered")
def test_of_more_curves_than_colours_the_best_have_a_name_and_the_others_are_grey(backprop, tiny, monkeypatch):
    drawn = curves_of(monkeypatch)
    names = [f"r{number:02d}" for number in range(22)]
    for number, name in enumerate(names):
        assert backprop("train", tiny, "epochs=1", f"eta={number + 1}", "--name", name).code == 0
    assert backprop("plot", *names[:20], "--kind", "curves", "--json").err == ""
    assert [one.label for one in drawn[0]] == [f"{name}  eta={n}.0" for n, name in enumerate(names[:20], start=1)]
    done = backprop("plot", *names, "--kind", "curves", "--json")
    note = "22 curves: the best 10 have a name, the other 12 are grey"
    assert done.err == f"warning: plots/curves.png: {note}\n"
    assert json.loads(done.out)["pictures"][0]["notes"] == [note]
    accuracy = {one.label: one.columns["val_accuracy"][0, 0] for one in drawn[1]}
    grey = [one.columns["val_accuracy"][0, 0] for one in drawn[1] if not one.label]
    assert (len(drawn[1]), len(grey)) == (22, 12)
    assert min(value for label, value in accuracy.items() if label) >= max(grey)


@pytest.mark.parametrize(
    ("config", "frames"),
    [
        ("dataset: moons\nlayers: [2, 4, 1]\nepochs: 4\nkeep_epochs: [0, 1, 4]\n", 3),
        ("dataset: sine\nlayers: [1, 4, 1]\nactivation: tanh\neta: 0.1\nepochs: 2\nkeep_epochs: {every: 1}\n", 3),
        ("dataset: digits\nlayers: [64, 30, 10]\nepochs: 2\nkeep_epochs: [1, 2]\n", 2),
    ],
    ids=["moons", "sine", "digits"],
)
def test_a_film_has_a_frame_for_each_kept_epoch(backprop, tmp_path, config, frames):
    (tmp_path / "c.yaml").write_text(config)
    assert backprop("train", "c.yaml", "--name", "run").code == 0
    done = backprop("plot", "run", "--kind", "film", "-o", "film.gif")
    assert (done.code, done.err) == (0, "")
    with Image.open("film.gif") as film:
        assert film.n_frames == frames
        assert film.size[0] < 1000
    assert "film" not in kinds(backprop("plot", "run", "--json"))


@pytest.mark.usefixtures("unrendered")
def test_a_long_film_is_shortened_with_a_note(backprop, tmp_path, monkeypatch):
    monkeypatch.setattr(film, "MAX_FRAMES", 3)
    (tmp_path / "c.yaml").write_text("dataset: xor\nlayers: [2, 2, 1]\nepochs: 10\nkeep_epochs: {every: 1}\n")
    assert backprop("train", "c.yaml", "--name", "run").code == 0
    done = backprop("plot", "run", "--kind", "film")
    assert done.out == "runs/run/plots/film.gif\n"
    assert done.err == "warning: runs/run/plots/film.gif: 3 of the 11 kept epochs are shown\n"


@pytest.mark.usefixtures("unrendered")
def test_errors_about_films_say_what_to_do(backprop, run, tmp_path):
    (tmp_path / "c.yaml").write_text("dataset: parity\nlayers: [4, 2, 1]\nepochs: 1\n")
    assert backprop("train", "c.yaml", "--name", "table").code == 0
    for words, message in (
        (("run",), "fewer than two epochs were kept; train with keep_epochs.every=1"),
        (("table",), "parity has neither two inputs and classes, nor one input and a value, nor images"),
        (("run", "-o", "film.png"), "film.png: unknown format .png; use .gif"),
    ):
        done = backprop("plot", *words, "--kind", "film")
        assert (done.code, message in done.err) == (2, True)


@pytest.mark.usefixtures("unrendered")
def test_the_title_says_how_many_units_are_not_shown(backprop, tiny, monkeypatch):
    figures = []
    monkeypatch.setattr(style, "to_bytes", lambda figure, format: figures.append(figure) or b"")
    for layers, words in (("64-12-10", "all 12 units"), ("64-101-10", "the first 100 of 101 units")):
        assert backprop("train", tiny, f"layers={layers}", "epochs=1", "--name", f"n{layers}").code == 0
        assert backprop("plot", f"n{layers}", "--kind", "weights").code == 0
        assert figures[-1].get_suptitle() == f"n{layers}, epoch 1: weights of the first layer, {words}"


@pytest.mark.usefixtures("unrendered")
def test_all_labels_have_the_same_form(backprop, run, tiny, monkeypatch):
    drawn, titles = curves_of(monkeypatch), []
    draw = learning_curves.draw_curves
    monkeypatch.setattr(learning_curves, "draw_curves", lambda c, title: titles.append(title) or draw(c, title))
    long = ("layers=64-11-12-13-14-15-16-10", "optimizer={name: momentum, mu: 0.875}", "lambda=0.03125")
    assert backprop("train", tiny, *long, "--name", "long").code == 0
    assert backprop("plot", "run", "long", "--kind", "curves").code == 0
    assert [one.label for one in drawn[0]] == ["run", "long"]
    assert titles[0] == "differences: layers, optimizer, lambda"
    assert (
        backprop("train", tiny, "eta=0.5", "--name", "a-very-long-name-of-a-run-for-which-there-is-no-room").code == 0
    )
    assert backprop("plot", "run", "a-very", "--kind", "curves").code == 0
    assert [one.label for one in drawn[1]] == ["eta=1.0", "eta=0.5"]
    assert titles[1] == ""


def test_names_of_runs_are_drawn_as_they_are(backprop, run, tiny):
    strange = run.with_name("a$\\frac$b\x1b[31m")
    assert backprop("train", tiny, "eta=0.5", "--name", "other").code == 0
    Path("runs/other").rename(strange)
    done = backprop("plot", "run", strange, "--kind", "curves", "-o", "c.svg")
    assert (done.code, done.err) == (0, "")
    ElementTree.parse("c.svg")
    assert backprop("report", "run", strange).code == 0
