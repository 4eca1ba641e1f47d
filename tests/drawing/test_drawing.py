import csv

import matplotlib as mpl
import numpy as np
import pytest
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.colors import to_rgb

from backprop_cli.drawing.confusion import draw_confusion
from backprop_cli.drawing.curves import OTHER, Curves, draw_curves
from backprop_cli.drawing.function import draw_fit, draw_points, draw_regions, draw_values
from backprop_cli.drawing.images import draw_mistakes, draw_weights
from backprop_cli.drawing.layers import draw_layers
from backprop_cli.drawing.parallel import Coordinate, draw_parallel
from backprop_cli.drawing.style import COLOURS, STYLE, UNDATED, to_bytes
from backprop_cli.drawing.tiles import Scale
from backprop_cli.plots import FORMATS, KINDS, ON_REQUEST, learning_curves, registry

EPOCHS = np.arange(1.0, 6)
COSTS = ((1, "quadratic"), (2, "cross_entropy"), (3, "quadratic"))


def curves(label="a", runs=1, best=None, **columns):
    return Curves(label, EPOCHS, {name: np.tile(values, (runs, 1)) for name, values in columns.items()}, best)


def lines(figure):
    """The coordinates of the lines, by the name of their column."""
    drawn = {}
    for axis in figure.axes:
        for line in axis.get_lines():
            drawn.setdefault(line.get_gid(), []).append(np.asarray(line.get_xydata()))
    return drawn


def test_curves_are_the_columns_with_a_ring_at_the_best_epoch():
    cost = np.array([5.0, 4, 3, 2, 4])
    figure = draw_curves([curves(best=4, train_cost=cost - 1, val_cost=cost)])
    drawn = lines(figure)
    assert np.array_equal(drawn["val_cost"][0], np.stack([EPOCHS, cost], axis=1))
    assert np.array_equal(drawn["train_cost"][0][:, 1], cost - 1)
    assert drawn["best_val_cost"][0].tolist() == [[4, 2]]
    assert [axis.get_title(loc="left") for axis in figure.axes] == ["cost"]


def test_training_and_validation_have_one_style_in_every_chart():
    draw_curves([curves("a", train_cost=EPOCHS)])  # without validation, the training has markers
    alone = draw_curves([curves("a", train_cost=EPOCHS, val_cost=EPOCHS)])
    several = draw_curves([curves(name, train_cost=EPOCHS, val_cost=EPOCHS * n) for n, name in enumerate("abc", 1)])
    for figure in (alone, several):
        for line in figure.axes[0].get_lines():
            training = line.get_gid() == "train_cost"
            assert line.is_dashed() == training
            assert (line.get_marker() in ("", "None")) == training


def test_curves_without_a_name_are_grey_and_counted_in_the_legend():
    figure = draw_curves([curves(label, train_cost=EPOCHS, val_cost=EPOCHS) for label in ("a", "", "")])
    grey = [line for line in figure.axes[0].get_lines() if line.get_color() == OTHER["color"]]
    assert [line.get_gid() for line in grey] == ["val_cost", "val_cost"]
    assert [text.get_text() for text in figure.legends[-1].get_texts()] == ["a", "2 others"]


def test_a_short_run_beside_a_long_one_is_on_a_logarithmic_axis_of_epochs():
    def of_length(n):
        return Curves(str(n), np.arange(0, n + 1), {"train_cost": np.ones((1, n + 1))})

    assert draw_curves([of_length(5), of_length(100)]).axes[0].get_xscale() == "symlog"
    assert draw_curves([of_length(60), of_length(100)]).axes[0].get_xscale() == "linear"
    assert to_bytes(draw_curves([of_length(5), of_length(100)]), "png")


def test_costs_to_be_compared_are_on_the_same_kind_of_axis():
    flat, steep = EPOCHS[None], 10.0 ** -EPOCHS[None]
    pairs = {("linear", "linear"): (flat, steep), ("log", "log"): (steep, steep)}
    for scales, values in pairs.items():
        runs = [Curves(cost, EPOCHS, {"train_cost": v}, None, cost) for cost, v in zip("qc", values, strict=True)]
        assert tuple(axis.get_yscale() for axis in draw_curves(runs).axes) == scales


def test_replicates_are_drawn_as_mean_and_standard_deviation():
    values = np.array([[1.0, 2, 3, 4, 5], [3, 4, 5, 6, 7]])
    figure = draw_curves([Curves("two", EPOCHS, {"val_cost": values}), curves("one", val_cost=EPOCHS)])
    assert np.array_equal(lines(figure)["val_cost"][0][:, 1], [2, 3, 4, 5, 6])
    (band,) = figure.axes[0].collections
    (path,) = band.get_paths()
    at_first = path.vertices[path.vertices[:, 0] == 1, 1]
    assert (at_first.min(), at_first.max()) == pytest.approx((2 - 2**0.5, 2 + 2**0.5))


def test_a_run_without_validation_and_one_of_one_epoch_are_drawn():
    nothing = np.full(5, np.nan)
    figure = draw_curves([curves(train_cost=EPOCHS, val_cost=nothing)])
    assert "val_cost" not in lines(figure)
    one = Curves("one", np.ones(1), {"train_cost": np.ones((1, 1)), "train_accuracy": np.ones((1, 1))}, best=1)
    assert lines(draw_curves([one]))["train_accuracy"][0].tolist() == [[1, 1]]
    assert to_bytes(draw_curves([one]), "png")


def test_costs_that_span_powers_of_ten_get_a_logarithmic_axis():
    wide = draw_curves([curves(train_cost=10.0**-EPOCHS, train_r2=EPOCHS)])
    assert [axis.get_yscale() for axis in wide.axes] == ["log", "linear"]
    assert draw_curves([curves(train_cost=EPOCHS)]).axes[0].get_yscale() == "linear"


def test_costs_of_different_functions_have_panels_of_their_own():
    columns = {"train_cost": EPOCHS, "train_accuracy": EPOCHS / 10}
    runs = [Curves(str(n), EPOCHS, {k: v[None] * n for k, v in columns.items()}, None, cost) for n, cost in COSTS]
    figure = draw_curves(runs)
    shown = {
        axis.get_title(loc="left"): [line.get_ydata()[0] for line in axis.get_lines()]
        for axis in figure.axes
        if axis.get_visible()
    }
    assert shown["cost: quadratic"] == [1, 3]
    assert shown["cost: cross_entropy"] == [2]
    assert shown["accuracy"] == pytest.approx([0.1, 0.2, 0.3])
    assert set(shown) == {"cost: quadratic", "cost: cross_entropy", "accuracy"}
    same = draw_curves([runs[0], runs[2]])
    assert [axis.get_title(loc="left") for axis in same.axes] == ["cost", "accuracy"]


def test_runs_keep_their_colour_in_every_panel_and_no_two_share_one():
    runs = [
        Curves(str(n), EPOCHS, {"val_cost": EPOCHS[None], "val_accuracy": EPOCHS[None]}) for n in range(len(COLOURS))
    ]
    figure = draw_curves(runs)
    panels = [[line.get_color() for line in axis.get_lines()] for axis in figure.axes]
    assert panels[0] == panels[1]
    assert len(set(panels[0])) == len(runs)


@pytest.mark.parametrize("count", [1, 2, 10])
def test_legends_do_not_cover_the_curves(count):
    columns = {"train_cost": EPOCHS[None], "val_cost": EPOCHS[None] * 2, "val_accuracy": EPOCHS[None]}
    figure = draw_curves([Curves("a label of some length", EPOCHS, columns, 4)] * count)
    canvas = FigureCanvasAgg(figure)
    with mpl.rc_context(STYLE):
        canvas.draw()
    renderer = canvas.get_renderer()
    boxes = [axis.get_window_extent(renderer) for axis in figure.axes]
    assert figure.legends
    assert not any(axis.get_legend() for axis in figure.axes)
    assert not any(legend.get_window_extent(renderer).overlaps(box) for legend in figure.legends for box in boxes)


def test_the_confusion_matrix_shows_its_counts_recall_and_precision():
    confusion = np.array([[8, 2, 0], [0, 10, 0], [3, 0, 1]])
    axis = draw_confusion(confusion).axes[0]
    counts = {text.get_gid(): text.get_text() for text in axis.texts if text.get_gid()}
    assert counts == {f"{t},{p}": str(n) for (t, p), n in np.ndenumerate(confusion) if n}
    words = [text.get_text() for text in axis.texts]
    assert {"80.0", "100.0", "25.0", "72.7", "83.3"} <= set(words)
    assert axis.images[0].get_array()[2].tolist() == [0.75, 0, 0.25]
    assert to_bytes(draw_confusion(np.eye(60, dtype=int)), "png")


def test_images_are_drawn_as_they_are_with_their_labels():
    images = np.arange(3 * 2 * 2).reshape(3, 2, 2)
    figure = draw_mistakes(images, np.array([1, 2, 3]), np.array([4, 5, 6]), np.array([[0.9, 0.1]] * 3))
    (axis,) = figure.axes
    assert [text.get_text() for text in axis.texts] == [
        *("1 → 4", "0.90 | 0.10"),
        *("2 → 5", "0.90 | 0.10"),
        *("3 → 6", "0.90 | 0.10"),
    ]
    assert all(np.array_equal(drawn.get_array(), image) for drawn, image in zip(axis.images, images, strict=True))


def test_all_weights_are_on_one_scale_around_zero():
    W = np.array([[[1.0, -4.0]], [[0.5, 0.0]]])
    figure = draw_weights(W, ["unit 1", "unit 2"], Scale.around_zero(W, "weight"))
    shown = figure.axes[0].images
    assert len(shown) == 2
    assert len({image.get_clim() for image in shown}) == 1
    low, high = shown[0].get_clim()
    assert low == -high
    assert to_bytes(draw_weights(W, ["unit 1"], Scale.around_zero(np.zeros(2))), "png")


def test_layers_are_drawn_by_quantity_and_zeros_are_allowed():
    norms = {1: 10.0**-EPOCHS, 2: np.zeros(5)}
    figure = draw_layers(EPOCHS, {"gradient_norm": norms, "dead": {1: EPOCHS / 10}})
    drawn = lines(figure)
    assert np.array_equal(drawn["gradient_norm_1"][0][:, 1], norms[1])
    assert np.array_equal(drawn["dead_1"][0][:, 1], EPOCHS / 10)
    assert [axis.get_yscale() for axis in figure.axes] == ["log", "linear"]
    assert to_bytes(figure, "svg")


def test_regions_are_where_a_class_is_predicted():
    points, labels = np.array([[-1.0, 0], [1, 0], [2, 1]]), np.array([0, 1, 1])
    figure = draw_regions(points, labels, lambda x: np.stack([-x[:, 0], x[:, 0]], axis=1))
    axis = figure.axes[0]
    scattered = {
        c.get_gid(): c.get_offsets().tolist() for c in axis.collections if str(c.get_gid()).startswith("class_")
    }
    assert scattered == {"class_0": [[-1, 0]], "class_1": [[1, 0], [2, 1]]}
    assert np.allclose(np.concatenate(contours(axis)["boundary"])[:, 0], 0)


def contours(axis):
    """The points of the contour lines, by their name."""
    drawn = {}
    for collection in axis.collections:
        if collection.get_gid() in ("boundary", "levels"):
            drawn.setdefault(collection.get_gid(), []).extend(
                path.vertices for path in collection.get_paths() if len(path.vertices)
            )
    return drawn


def sigmoid(z):
    return 1 / (1 + np.exp(-z))


def test_regions_of_two_classes_are_shaded_by_the_probability_with_lines_at_its_levels():
    points, labels = np.array([[-4.0, 0], [4, 1]]), np.array([0, 1])
    figure = draw_regions(points, labels, lambda x: np.stack([sigmoid(-x[:, 0]), sigmoid(x[:, 0])], axis=1))
    axis = figure.axes[0]
    at = sorted({round(float(sigmoid(x)), 2) for x in np.concatenate(contours(axis)["levels"])[:, 0]})
    assert at == [0.1, 0.3, 0.7, 0.9]
    shade = axis.images[0].get_array()[0, :, :3]
    for pixel, colour in ((0, COLOURS[0]), (-1, COLOURS[1])):
        assert np.allclose(shade[pixel], 0.4 + 0.6 * np.array(to_rgb(colour)), atol=0.03)
    assert np.allclose(shade[150], 1, atol=0.03)


def test_regions_of_three_classes_meet_at_their_boundaries():
    points, labels = np.array([[-1.0, -1], [1, 1], [1, -1]]), np.array([0, 1, 2])
    figure = draw_regions(points, labels, lambda x: np.stack([0.5 - x[:, 0], 0.5 + x[:, 0], 0 * x[:, 0]], axis=1))
    assert np.allclose(np.concatenate(contours(figure.axes[0])["boundary"])[:, 0], 0, atol=1e-6)
    assert to_bytes(figure, "svg")


def test_points_and_values_are_drawn_without_a_network():
    (axis,) = draw_points(np.array([[-1.0, 0], [1, 0], [2, 1]]), np.array([0, 1, 1])).axes
    assert [c.get_offsets().tolist() for c in axis.collections] == [[[-1, 0]], [[1, 0], [2, 1]]]
    assert lines(draw_values(EPOCHS[:, None], 2 * EPOCHS[:, None]))["data"][0].tolist() == [[x, 2 * x] for x in EPOCHS]


def test_a_class_that_is_never_predicted_is_not_an_error():
    flat = draw_regions(np.eye(2), np.array([0, 1]), lambda x: np.stack([np.ones(len(x)), np.zeros(len(x))], axis=1))
    assert to_bytes(flat, "png")


def test_a_fit_is_the_function_over_the_data():
    x = np.linspace(-1, 1, 20)[:, None]
    drawn = lines(draw_fit(x, 3 * x, lambda x: x * x))
    assert np.allclose(drawn["data"][0], np.hstack([x, 3 * x]))
    at, value = drawn["network"][0].T
    assert np.allclose(value, at * at)


@pytest.mark.parametrize("format", FORMATS)
def test_plots_are_reproducible_and_leave_settings_unchanged(format):
    before = dict(mpl.rcParams)
    one, other = (to_bytes(draw_fit(EPOCHS[:, None], EPOCHS[:, None], np.sin), format) for _ in range(2))
    assert one == other
    assert dict(mpl.rcParams) == before


def test_the_speed_of_learning_replaces_the_norm_of_the_gradient_of_the_weights():
    one = {1: EPOCHS}
    figure = draw_layers(EPOCHS, {"delta_norm": one, "gradient_norm": one})
    assert set(lines(figure)) == {"delta_norm_1"}


def test_kinds_and_formats_are_complete():
    assert {*KINDS, *ON_REQUEST} == {*registry.JOINT_PLOTS, *registry.RUN_PLOTS}
    assert tuple(UNDATED) == FORMATS


def test_neighbouring_colours_differ_in_grey():
    grey = [0.2126 * r + 0.7152 * g + 0.0722 * b for r, g, b in map(to_rgb, COLOURS)]
    assert all(abs(a - b) > 0.05 for a, b in zip(grey, grey[1:], strict=False))
    assert len(set(COLOURS)) == len(COLOURS)


def test_mistakes_are_sorted_by_confidence():
    scores = np.array([[0.9, 0.1, 0], [0.6, 0.4, 0], [0.1, 0.1, 0.8], [0.2, 0.7, 0.1]])
    assert registry.worst_mistakes(scores, np.array([0, 1, 0, 1])).tolist() == [2, 1]


def test_plots_agree_with_metrics_csv(backprop, tiny, tmp_path, monkeypatch):
    assert backprop("train", tiny, "diagnostics=true", "--name", "run").code == 0
    figures = []
    for module, name in ((learning_curves, "draw_curves"), (registry, "draw_layers")):
        draw = getattr(module, name)
        monkeypatch.setattr(module, name, lambda *a, draw=draw: figures.append(draw(*a)) or figures[-1])
    assert backprop("plot", "run", "--kind", "curves", "--kind", "gradients").code == 0
    with (tmp_path / "runs/run/metrics.csv").open() as file:
        rows = list(csv.DictReader(file))
    for figure, columns in zip(figures, (("val_accuracy", "train_cost"), ("delta_norm_1", "saturated_2")), strict=True):
        for column in columns:
            expected = [[float(row["epoch"]), float(row[column])] for row in rows]
            assert lines(figure)[column][0].tolist() == expected


def test_epochs_that_were_not_evaluated_are_left_out_of_the_line():
    cost = np.array([[np.nan, 0.5, np.nan, 0.25]])
    figure = draw_curves([Curves("run", np.arange(1, 5), {"train_cost": cost}, None)])
    (line,) = [line for line in figure.axes[0].lines if line.get_gid() == "train_cost"]
    np.testing.assert_array_equal(line.get_xydata(), [[2, 0.5], [4, 0.25]])


def test_a_band_has_only_values_that_can_be():
    values = np.array([[0.2, 0.99], [1.0, 0.99]])
    figure = draw_curves([Curves("two", np.array([1.0, 2]), {"val_accuracy": values, "val_cost": values})])
    for axis, most in zip(figure.axes, (1 + 0.6, 1.0), strict=True):
        (band,) = axis.collections
        heights = band.get_paths()[0].vertices[:, 1]
        assert heights.min() >= 0
        assert heights.max() <= most


def test_differences_of_runs_are_the_title_of_their_legend_and_lines_of_settings_have_a_key():
    runs = [Curves(name, EPOCHS, {"val_cost": EPOCHS[None]}) for name in "ab"]
    titles = [draw_curves(runs, words).legends[-1].get_title().get_text() for words in ("differences: eta", "")]
    assert titles == ["differences: eta", ""]
    coordinates = [Coordinate("eta", np.array([0.0, 1.0]), [(0, "1"), (1, "2")])] * 2
    bar = draw_parallel(coordinates, np.array([1.0, 0.0]), "two").axes[1]
    assert [label.get_text() for label in bar.get_yticklabels()] == ["worst", "best"]
