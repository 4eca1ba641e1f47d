import csv
import re
import signal
import termios
from pathlib import Path

import pyte
import pytest

from backprop_cli.terminal.chart import Chart
from tests.cli.helpers import on_a_terminal


def seen(shown, lines=24, columns=80):
    """The lines that a terminal shows in the end."""
    screen = pyte.Screen(columns, lines)
    pyte.Stream(screen).feed(shown)
    return [line.rstrip() for line in screen.display]


def chart_of(lines):
    """The lines of the chart, without its title."""
    start = next(i for i, line in enumerate(lines) if line.strip() in ("accuracy", "cost"))
    return lines[start + 1 : next(i for i, line in enumerate(lines) if re.match(" +epoch 1", line)) + 1]


def metrics(folder):
    with (Path(folder) / "metrics.csv").open() as file:
        return list(csv.DictReader(file))


def diagonal(dots):
    """A chart of two rows and a scale, of which the first is the curves'."""
    (top, *_) = Chart(2, "{:.0f}".format, dots=dots).lines({"train": [(1, 0), (2, 1)]}, 11, 2)
    return re.sub("\x1b.*?m", "", top)


def test_a_line_from_corner_to_corner_has_a_dot_in_each_row_and_column():
    # dots 7 and 6 of the left character, 2 and 4 of the right one
    assert diagonal(dots=True) == "      1 │⡠⠊"


def test_plain_marks_distinguish_curves_without_colours():
    curves = {"train": [(1, 0.5), (3, 1.0)], "validation": [(1, 0.5), (3, 0.0)]}
    lines = Chart(3, "{:.1f}".format, dots=False).lines(curves, 80, 4)
    assert re.fullmatch(r" +1\.0 \| .*o +o +1\.0 train", lines[0])
    assert re.fullmatch(r" +0\.0 \| .*\+ +\+ +0\.0 validation", lines[2])
    assert lines[3].split() == ["epoch", "1", "3"]


@pytest.mark.parametrize("points", [1, 2, 10_000])
@pytest.mark.parametrize(("width", "height"), [(30, 3), (80, 12)])
@pytest.mark.parametrize("dots", [True, False])
@pytest.mark.parametrize("value", [0.0, 0.5, 1e-30])
def test_a_chart_never_exceeds_its_width_and_height(points, width, height, dots, value):
    curve = [(k, value * (k % 2 or 1)) for k in range(1, points + 1)]
    lines = Chart(points, "{:.2g}".format, log=True, dots=dots).lines({"train": curve}, width, height)
    assert len(lines) == height
    assert max(len(re.sub("\x1b.*?m", "", line)) for line in lines) <= width


def test_the_chart_stays_below_the_bar_with_the_metrics_of_the_last_epoch(tiny):
    code, shown = on_a_terminal(tiny.parent, "train", tiny, "--live", "epochs=30", size=(40, 80))
    lines = seen(shown, 40)
    assert code == 0
    assert sum(line.strip() == "accuracy" for line in lines) == 1
    last = metrics(tiny.parent / "runs/tiny-001")[-1]
    legend = "\n".join(chart_of(lines))
    assert f"{float(last['train_accuracy']):.1%} train" in legend
    assert f"{float(last['val_accuracy']):.1%} validation" in legend
    bar = next(i for i, line in enumerate(lines) if "epoch 30/30" in line)
    assert lines[bar + 1].strip() == "accuracy"
    assert any(line.startswith("best epoch") for line in lines[bar + 13 :])
    assert "\x1b[2J" not in shown


def test_a_resumed_run_shows_the_curves_from_their_beginning(tiny):
    _, whole = on_a_terminal(tiny.parent, "train", tiny, "--live", "epochs=6", "--name", "whole")
    on_a_terminal(tiny.parent, "train", tiny, "--name", "half")
    _, resumed = on_a_terminal(tiny.parent, "resume", "half", "--epochs", 6, "--live")
    assert chart_of(seen(resumed)) == chart_of(seen(whole))


def test_regression_charts_the_cost(tmp_path):
    (tmp_path / "sine.yaml").write_text("dataset: sine\nlayers: 1-5-1\noutput: identity\neta: 0.1\nepochs: 3\n")
    _, shown = on_a_terminal(tmp_path, "train", "sine.yaml", "--live")
    lines = seen(shown)
    assert "  cost" in lines
    assert f"{float(metrics(tmp_path / 'runs/sine-001')[-1]['val_cost']):.2g} validation" in "\n".join(chart_of(lines))


def test_live_changes_nothing_without_a_terminal(backprop, tiny):
    without, live = backprop("train", tiny), backprop("train", tiny, "--live")
    assert live.code == 0
    times = re.compile(r"\d+ ms|[\d.]+ s\b|tiny-00\d")
    assert times.sub("", live.err) == times.sub("", without.err)
    assert backprop("train", tiny, "--live", "-q").err == ""


@pytest.mark.parametrize("env", [{"NO_COLOR": "1"}, {"PYTHONIOENCODING": "ascii"}], ids=["NO_COLOR", "ascii"])
def test_terminals_without_colours_or_braille_show_plain_marks(tiny, env):
    _, shown = on_a_terminal(tiny.parent, "train", tiny, "--live", **env)
    chart = "\n".join(chart_of(seen(shown)))
    assert chart.isascii()
    assert "o" in chart
    assert not re.search(r"\x1b\[[0-9;]*m", shown)


@pytest.mark.parametrize("size", [(6, 80), (24, 25)], ids=["low", "narrow"])
def test_a_small_terminal_shows_only_the_bar(tiny, size):
    code, shown = on_a_terminal(tiny.parent, "train", tiny, "--live", size=size)
    assert code == 0
    assert "│" not in shown
    assert "\x1b" not in shown


def test_the_chart_fits_a_terminal_after_it_shrinks(tiny):
    def shrink(process, terminal):
        termios.tcsetwinsize(terminal, (12, 50))

    code, shown = on_a_terminal(tiny.parent, "train", tiny, "--live", "epochs=60", react=shrink)
    assert code == 0
    final = re.sub("\x1b.*?m", "", shown[shown.rindex("\x1b[J") :])
    chart = chart_of(final.replace("\x1b[J", "").splitlines())
    assert len(chart) == 9
    assert max(map(len, chart)) < 50


def test_ctrl_c_leaves_the_chart_and_a_run_that_can_be_resumed(tiny):
    def interrupt(process, terminal):
        process.send_signal(signal.SIGINT)

    code, shown = on_a_terminal(tiny.parent, "train", tiny, "--live", "epochs=100000", size=(40, 80), react=interrupt)
    lines = seen(shown, 40)
    assert code == 130
    chart = chart_of(lines)
    after = lines[lines.index(chart[-1]) + 1 :]
    assert after[0].startswith("warning: stopped in epoch")
    assert any("backprop resume" in line for line in after)
