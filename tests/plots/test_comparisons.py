"""Charts of many runs: heat maps and parallel coordinates."""

import json
from pathlib import Path

import numpy as np
import pytest

from backprop_cli.drawing.heatmap import Axis, draw_heatmap
from backprop_cli.drawing.parallel import Coordinate, draw_parallel
from backprop_cli.drawing.style import to_bytes
from backprop_cli.plots import comparisons
from tests.cli.helpers import record_of

pytestmark = pytest.mark.usefixtures("unrendered")


def train(backprop, tiny, name, **config):
    words = [f"{key}={value}" for key, value in ({"epochs": 1} | config).items()]
    assert backprop("train", tiny, "--name", name, *words).code == 0


def set_accuracy(name, accuracy):
    record = record_of(name)
    record["best"]["val_accuracy"] = accuracy
    Path("runs", name, "run.json").write_text(json.dumps(record))


def drawn_by(monkeypatch, name):
    """What is passed to a drawing function of the module."""
    calls = []
    draw = getattr(comparisons, name)
    monkeypatch.setattr(comparisons, name, lambda *args: calls.append(args) or draw(*args))
    return calls


def test_a_heat_map_shows_each_cell_and_frames_the_best():
    values = np.array([[1.0, 2.0], [np.nan, 0.5]])
    for better, best in ((1, (1, 0)), (-1, (1, 1))):
        axis = draw_heatmap(
            Axis("x", ["a", "b"]), Axis("y", ["c", "d"]), values, [["1", "2"], ["", "0.5"]], better, "t", "s"
        ).axes[0]
        assert {text.get_gid(): text.get_text() for text in axis.texts if text.get_gid()} == {
            "0,0": "1", "0,1": "2", "1,0": "", "1,1": "0.5",
        }  # fmt: skip
        (frame,) = axis.patches
        assert np.allclose(frame.get_center(), best)
        shown = axis.images[0].get_array()
        assert shown[best[1], best[0]] == 1
        assert np.ma.is_masked(shown[1, 0])


def test_a_heat_map_of_equal_values_is_drawn():
    figure = draw_heatmap(Axis("x", ["a"]), Axis("y", ["c"]), np.ones((1, 1)), [["1\n± 0"]], 1, "t", "s")
    assert figure.axes[0].texts[-1].get_text() == "1\n± 0"


def test_parallel_coordinates_are_at_the_places_of_their_values():
    numbers = Coordinate.of_numbers("eta", np.array([0.01, 0.1, 1.0]), log=True)
    assert numbers.positions.tolist() == pytest.approx([0, 0.5, 1])
    assert [text for _, text in numbers.ticks if text in ("0.01", "0.1", "1")] == ["0.01", "0.1", "1"]
    words = Coordinate.of_values("activation", ["relu", "tanh", "relu"], ["relu", "tanh"], np.array([0.5, 0.5, 0.5]))
    assert words.positions.tolist() == pytest.approx([0.25, 0.75, 0.25])
    figure = draw_parallel([numbers, words], np.array([0.0, 0.5, 1.0]), "title")
    lines = {line.get_gid(): line for line in figure.axes[0].get_lines() if line.get_gid()}
    assert lines["line_1"].get_ydata().tolist() == pytest.approx([0.5, 0.75])
    assert lines["line_2"].get_zorder() == lines["line_0"].get_zorder()
    assert list(lines) == ["line_0", "line_1", "line_2"], "the best is not on top"


def test_one_value_only_is_no_division_by_zero():
    assert Coordinate.of_numbers("eta", np.ones(2)).positions.tolist() == [0, 0]


def test_cells_are_means_over_seeds_of_the_best_setting(backprop, tiny, monkeypatch):
    accuracies = {
        ("1.0", "5"): (0.5, 0.7),
        ("1.0", "9"): (0.2, 0.4),
        ("2.0", "5"): (0.9, 0.8),
        ("2.0", "9"): (0.7, 0.7),
    }
    for (eta, units), pair in accuracies.items():
        for seed, accuracy in enumerate(pair):
            for weight in ("0.0", "3.0"):
                name = f"e{eta}-{units}-{seed}-{weight}"
                train(backprop, tiny, name, eta=eta, layers=f"64-{units}-10", seed=seed, **{"lambda": weight})
                set_accuracy(name, accuracy if weight == "0.0" else accuracy - 0.1)
    calls = drawn_by(monkeypatch, "draw_heatmap")
    done = backprop("plot", "runs", "--kind", "heatmap", "--json")
    ((x, y, values, texts, better, metric, words),) = calls
    assert (x, y) == (Axis("eta", ["1.0", "2.0"]), Axis("layers", ["64-5-10", "64-9-10"]))
    assert np.allclose(values, [[0.6, 0.85], [0.3, 0.7]])
    assert texts[0][0] == "60.00%\n± 14.14"
    assert (better, metric, words) == (1, "val_accuracy", "best setting of each cell, mean ± sd over seeds")
    (picture,) = json.loads(done.out)["pictures"]
    assert "the best is eta=2.0 layers=64-5-10 lambda=0.0: val_accuracy 85.00 ± 7.07%" in picture["shows"]

    assert backprop("plot", "runs", "--kind", "heatmap", "--keys", "lambda,eta", "--metric", "val_cost").code == 0
    x, y, _, _, better, metric, _ = calls[1]
    assert (x.key, y.key, better, metric) == ("lambda", "eta", -1, "val_cost")

    lines = drawn_by(monkeypatch, "draw_parallel")
    assert backprop("plot", "runs", "--kind", "parallel").code == 0
    (coordinates, goodness, title), = lines  # fmt: skip
    assert [one.name for one in coordinates] == ["lambda", "layers", "eta", "val_accuracy"]
    assert title == "val_accuracy of 8 settings"
    assert coordinates[-1].positions.tolist() == sorted(coordinates[-1].positions, reverse=True)
    assert goodness.tolist() == sorted(goodness, reverse=True)


def test_runs_without_the_metric_are_named(backprop, tiny):
    for name, eta in (("a", 0.1), ("b", 0.2), ("c", 0.3)):
        train(backprop, tiny, name, eta=eta)
    set_accuracy("c", None)
    done = backprop("plot", "runs", "--kind", "parallel")
    assert done.code == 0
    assert done.err == "warning: plots/parallel.png: not drawn, without val_accuracy: c\n"


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("a", "--kind", "heatmap"), "a heat map needs runs that differ in two keys"),
        (("runs", "--kind", "heatmap"), "a heat map needs runs that differ in two keys"),
        (("a", "--kind", "parallel"), "parallel coordinates need at least two runs with different settings"),
        (("runs", "--kind", "heatmap", "--keys", "eta,lamda"), "no run has a key 'lamda'; did you mean 'lambda'?"),
        (("runs", "--kind", "heatmap", "--keys", "eta"), "choose them with --keys, such as eta,lambda"),
        (("runs", "--kind", "parallel", "--metric", "accuracy"), "unknown metric 'accuracy'"),
        (("runs", "--kind", "parallel", "--metric", "val_r2"), "no run has val_r2"),
    ],
)
def test_what_cannot_be_compared_is_an_error(backprop, tiny, words, said):
    for name, eta in (("a", 0.1), ("b", 0.2)):
        train(backprop, tiny, name, eta=eta)
    done = backprop("plot", *words)
    assert (done.code, done.out) == (1 if "val_r2" in words else 2, "")
    assert said in done.err


def test_charts_of_many_runs_are_drawn_by_default_only_for_grids(backprop, tiny):
    for name, eta, units in (("a", 0.1, 5), ("b", 0.2, 5), ("c", 0.1, 9), ("d", 0.2, 9)):
        train(backprop, tiny, name, eta=eta, layers=f"64-{units}-10")
    for runs, kinds in ((("a", "b", "c"), ["curves"]), (("runs",), ["curves", "heatmap", "parallel"])):
        done = backprop("plot", *runs, "--json")
        joint = [p["kind"] for p in json.loads(done.out)["pictures"] if len(p["runs"]) > 1]
        assert joint == kinds


def test_drawings_are_the_same_bytes_each_time():
    def draw():
        return draw_parallel([Coordinate.of_numbers("x", np.array([1.0, 2.0]))] * 2, np.array([1.0, 0.0]), "t")

    assert to_bytes(draw(), "svg") == to_bytes(draw(), "svg")
