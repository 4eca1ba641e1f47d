"""Plots of scores, residuals and columns: what is drawn, and which runs have them."""

import csv
import json
from xml.etree import ElementTree

import numpy as np
import pytest

from backprop_cli.drawing.confusion import draw_confusion
from backprop_cli.drawing.function import Names, draw_regions
from backprop_cli.drawing.images import draw_mistakes
from backprop_cli.drawing.scores import (
    ClassCurve,
    draw_calibration,
    draw_importance,
    draw_precision_recall,
    draw_residuals,
    draw_roc,
)
from backprop_cli.drawing.style import FIRST, to_bytes
from backprop_cli.plots import registry
from backprop_cli.training.ranking import Calibration, ThresholdCurve

OWN = ["roc", "precision-recall", "calibration", "importance"]


def curve(name, area=0.75):
    return ClassCurve(name, ThresholdCurve(np.array([0, 0, 1.0]), np.array([0, 0.5, 1.0]), area), 0.25)


def lines(figure):
    return {line.get_gid(): line for axis in figure.axes for line in axis.get_lines() if line.get_gid()}


def legend(figure):
    return [text.get_text() for text in figure.legends[0].get_texts()]


def test_a_roc_curve_is_its_points_with_the_area_in_the_legend():
    figure = draw_roc([curve("yes")])
    assert lines(figure)["yes"].get_xydata().tolist() == [[0, 0], [0, 0.5], [1, 1]]
    assert legend(figure) == ["yes, AUC 0.750"]
    assert figure.axes[0].get_aspect() == 1


def test_precision_is_drawn_in_steps_over_the_share_of_the_class():
    figure = draw_precision_recall([curve("yes"), curve("no", 0.5)])
    assert {line.get_drawstyle() for line in lines(figure).values()} == {"steps-pre"}
    assert legend(figure) == ["yes, AP 0.750", "no, AP 0.500"]
    assert [line.get_ydata() for line in figure.axes[0].get_lines() if not line.get_gid()] == [[0.25, 0.25]] * 2


def test_of_many_classes_the_first_have_a_colour_and_a_name_and_the_others_are_grey():
    figure = draw_roc([curve(f"class {k}") for k in range(FIRST + 3)])
    assert len({line.get_color() for line in lines(figure).values()}) == FIRST + 1
    assert legend(figure)[FIRST - 1 :] == [f"class {FIRST - 1}, AUC 0.750", "3 others"]


def test_calibration_is_the_observed_frequency_over_the_probability_with_counts():
    found = Calibration(np.array([0.05, 0.31]), np.array([0.1, 0.4]), np.array([30, 10]))
    above, below = draw_calibration(found, "probability of yes").axes
    (points,) = [line for line in above.get_lines() if line.get_marker() == "o"]
    assert points.get_xydata().tolist() == [[0.05, 0.1], [0.31, 0.4]]
    bars = [(bar.get_x() + bar.get_width() / 2, bar.get_height()) for bar in below.patches]
    assert np.allclose(bars, [(0.05, 30), (0.35, 10)])


def test_residuals_are_predicted_minus_true():
    true, predicted = np.array([[1.0, 10], [2, 20]]), np.array([[1.5, 9], [2, 25]])
    drawn = {
        points.get_gid(): points.get_offsets().tolist()
        for axis in draw_residuals(true, predicted, ["a", "$b$"]).axes
        for points in axis.collections
    }
    assert drawn["predicted_0"] == [[1, 1.5], [2, 2]]
    assert drawn["residual_0"] == [[1.5, 0.5], [2, 0]]
    assert drawn["residual_1"] == [[9, -1], [25, 5]]


def test_importance_has_a_bar_for_each_column_the_first_at_the_top():
    axis = draw_importance(["a", "b$"], np.array([0.5, -0.1]), np.array([0.1, 0.0]), "decrease of the accuracy").axes[0]
    assert {bar.get_gid(): bar.get_width() for bar in axis.patches} == {"a": 0.5, r"b\$": -0.1}
    assert axis.yaxis_inverted()
    assert to_bytes(axis.figure, "png")


def test_names_of_any_characters_give_a_valid_svg():
    evil = "a\x00\x1b<&\"'>$^_\n"
    figures = (
        draw_roc([curve(evil)]),
        draw_confusion(np.eye(2, dtype=int), [evil, "b"]),
        draw_importance([evil], np.ones(1), np.zeros(1), "increase of the cost"),
        draw_residuals(np.ones((2, 1)), np.zeros((2, 1)), [evil]),
    )
    for figure in figures:
        assert ElementTree.fromstring(to_bytes(figure, "svg")).tag.endswith("svg")


def test_the_confusion_matrix_has_the_names_of_the_classes_long_ones_shortened():
    axis = draw_confusion(np.eye(2, dtype=int), ["a $ b", "x" * 40]).axes[0]
    assert [text.get_text() for text in axis.get_xticklabels()] == [r"a \$ b", "x" * 23 + "…"]
    assert to_bytes(axis.figure, "svg")


@pytest.fixture
def table(backprop, tmp_path, monkeypatch):
    """Returns a config for a table with a target of that name: classes or values."""
    monkeypatch.setenv("BACKPROP_DATA_DIR", str(tmp_path / "cache"))
    rng = np.random.default_rng(0)
    x = rng.normal(size=(200, 2))
    kinds = np.array(["low", "middle", "high"])[np.digitize(x[:, 0], [-0.5, 0.5])]
    with (tmp_path / "t.csv").open("w", newline="") as file:
        rows = csv.writer(file)
        rows.writerow(["width", "height", "kind", "sign", "sum"])
        rows.writerows(zip(*x.T, kinds, np.where(x[:, 1] > 0, "up", "down"), x.sum(axis=1), strict=True))

    def config(target, **keys):
        text = (
            f"dataset: {{name: table, file: t.csv, target: {target}, only: [width, height]}}\nlayers: [auto, 4, auto]\n"
        )
        path = tmp_path / f"{target}.yaml"
        path.write_text(text + "epochs: 2\n" + "".join(f"{key}: {value}\n" for key, value in keys.items()))
        return path

    return config


SOFTMAX = {"output": "softmax", "cost": "cross_entropy"}
LINEAR = {"output": "identity", "cost": "quadratic"}


@pytest.mark.parametrize(
    ("target", "keys", "expected"),
    [
        ("kind", SOFTMAX, ["curves", "function", "confusion", *OWN]),
        ("sign", SOFTMAX, ["curves", "function", "confusion", *OWN]),
        ("kind", {}, ["curves", "function", "confusion", "roc", "precision-recall", "importance"]),
        ("sum", LINEAR, ["curves", "residuals", "importance"]),
    ],
    ids=["three classes", "two classes", "no probabilities", "values"],
)
@pytest.mark.usefixtures("unrendered")
def test_a_run_on_a_table_gets_the_plots_that_fit_its_task(backprop, table, target, keys, expected):
    path = table(target, **keys)
    assert backprop("train", path, "--name", "run").code == 0
    done = backprop("plot", "run", "--json")
    assert (done.code, done.err) == (0, "")
    pictures = json.loads(done.out)["pictures"]
    assert [picture["kind"] for picture in pictures] == expected
    shown = {picture["kind"]: picture["shows"] for picture in pictures}
    if target == "sign":
        assert "ROC curve of class up, test split. Area under the curve: up 0." in shown["roc"]
    if target == "kind":
        assert all(f"{name} 0." in shown["roc"] or f"{name} 1." in shown["roc"] for name in ("high", "low", "middle"))
    if target == "sum":
        assert "RMSE" in shown["residuals"]
        assert "width" in shown["importance"]


@pytest.mark.usefixtures("unrendered")
def test_a_run_on_other_data_gets_them_only_if_they_are_asked_for(backprop, tiny):
    assert backprop("train", tiny, "--name", "run").code == 0
    done = backprop("plot", "run", "--kind", "roc", "--kind", "precision-recall", "--json")
    assert (done.code, done.err) == (0, "")
    roc, _ = json.loads(done.out)["pictures"]
    assert "ROC curve of each class against the others, test split. Area under the curve: 0 0." in roc["shows"]
    for kind, message in (
        ("residuals", "classification task: there are no residuals"),
        ("importance", "the inputs are pixels of images"),
        ("calibration", "its outputs are not probabilities; train with output=softmax"),
    ):
        done = backprop("plot", "run", "--kind", kind)
        assert (done.code, done.out) == (2, "")
        assert done.err.startswith(f"error: no {kind}: runs/run: ")
        assert message in done.err
        assert done.err.count("\n") == 1


@pytest.mark.usefixtures("unrendered")
def test_a_run_whose_file_is_gone_still_has_its_learning_curves(backprop, table, tmp_path):
    path = table("sign", **SOFTMAX)
    assert backprop("train", path, "--name", "run").code == 0
    (tmp_path / "t.csv").unlink()
    done = backprop("plot", "run")
    assert (done.code, done.out) == (0, "runs/run/plots/curves.png\n")
    assert "t.csv: cannot be read" in done.err
    assert backprop("plot", "run", "--kind", "roc").code == 5


@pytest.mark.usefixtures("unrendered")
def test_the_function_of_a_table_is_drawn_in_the_units_of_its_columns(backprop, table, tmp_path, monkeypatch):
    path = table("sum", **LINEAR)
    path.write_text(path.read_text().replace("[width, height]", "[width]"))
    drawn = []
    draw = registry.draw_fit
    monkeypatch.setattr(registry, "draw_fit", lambda *a: drawn.append(a) or draw(*a))
    assert backprop("train", path, "--name", "run").code == 0
    assert backprop("plot", "run", "--kind", "function").code == 0
    ((x, y, f, names),) = drawn
    assert names.axes == ("width", "sum")
    with (tmp_path / "t.csv").open() as file:
        rows = {(float(row["width"]), float(row["sum"])) for row in csv.DictReader(file)}
    assert all(any(np.allclose(one, row, atol=1e-5) for row in rows) for one in zip(x[:20, 0], y[:20, 0], strict=True))
    (tmp_path / "new.csv").write_text("width\n0.25\n-1\n")
    predicted = json.loads(backprop("predict", "run", "new.csv", "--json").out)["predictions"]
    expected = [one["values"][0] for one in predicted]
    np.testing.assert_allclose(f(np.array([[0.25], [-1.0]]))[:, 0], expected, rtol=1e-5)


def test_regions_have_the_names_of_classes_and_columns():
    names = Names(["no", "yes $"], ["age", "income"])
    points, scores = np.array([[20.0, 1e4], [60, 5e4]]), lambda x: np.stack([40 - x[:, 0], x[:, 0] - 40], axis=1)
    figure = draw_regions(points, np.array([0, 1]), scores, "probability", names=names)
    axis = figure.axes[0]
    assert (axis.get_xlabel(), axis.get_ylabel(), axis.get_aspect()) == ("age", "income", "auto")
    assert legend(figure) == ["no", r"yes \$"]
    assert to_bytes(figure, "png")


def test_mistakes_have_the_names_of_classes():
    images, scores = np.zeros((2, 3, 3)), np.array([[0.9, 0.1]] * 2)
    figure = draw_mistakes(images, np.array([0, 1]), np.array([1, 0]), scores, ["cat", "long-haired dog"])
    assert figure.axes[0].texts[0].get_text() == "cat →\nlong-haired dog"
