"""Reports of many runs: a row for each setting, details of the best, everything else counted."""

import json
import re
from pathlib import Path
from statistics import mean, stdev

import pytest

from tests.cli.test_report import Page

pytestmark = pytest.mark.usefixtures("unrendered")


@pytest.fixture
def grid(backprop, tiny):
    """Runs of 2 x 3 settings with two seeds each, by setting the validation accuracies of their best epochs."""
    accuracies = {}
    for eta in (0.01, 1.0, 5.0):
        for units in (5, 12):
            for seed in (0, 1):
                name = f"e{eta:g}-{units}-s{seed}"
                words = (f"eta={eta}", f"layers=64-{units}-10", f"seed={seed}", "epochs=1")
                assert backprop("train", tiny, *words, "--runs-dir", "runs/grid", "--name", name).code == 0
                record = json.loads(Path("runs/grid", name, "run.json").read_text())
                accuracies.setdefault(f"e{eta:g}-{units}-s0 … s1", []).append(record["best"]["val_accuracy"])
    return accuracies


def rows_of(path):
    """The cells of the table of settings, by column."""
    table = re.search(r"<table.*?</table>", Path(path).read_text(), re.DOTALL)[0]
    rows = [re.findall(r"<t[hd][^>]*>(.*?)</t[hd]>", row) for row in re.findall(r"<tr>.*?</tr>", table, re.DOTALL)]
    header, *others = [[re.sub("<[^>]*>", "", cell) for cell in row] for row in rows]
    return [dict(zip(header, row, strict=True)) for row in others]


def test_runs_of_a_folder_are_rows_by_setting_with_mean_and_deviation_the_best_first(backprop, grid):
    assert backprop("report", "grid").code == 0
    rows = rows_of("report.html")
    ranked = sorted(grid, key=lambda name: -mean(grid[name]))
    assert [row["val_accuracy"] for row in rows] == [
        f"{100 * mean(grid[name]):.2f} ± {100 * stdev(grid[name]):.2f}%" for name in ranked
    ]
    assert {row["run"] for row in rows} == set(grid)
    assert [row["n"] for row in rows] == ["2"] * 6
    assert set(list(rows[0])[2:4]) == {"eta", "layers"}, "the settings that differ are not next to the metric"


@pytest.mark.parametrize(("words", "n_details"), [((), 3), (("--details", "1"), 1), (("--details", "0"), 0)])
def test_only_the_best_settings_have_details_and_the_others_are_counted(backprop, grid, words, n_details):
    assert backprop("report", "grid", *words).code == 0
    page = Page("report.html")
    assert len(page.all("article")) == n_details
    assert f"The other {12 - n_details} runs are only in the table and the charts" in page.text
    best = max(grid, key=lambda name: mean(grid[name]))
    links = [link["href"] for link in page.all("a")]
    assert links == [f"#run-{place}" for place in range(1, n_details + 1)]
    if n_details:
        seed = max((0, 1), key=lambda seed: grid[best][seed])
        assert f"backprop train runs/grid/{best.split('-s')[0]}-s{seed}/config.yaml" in page.text


def test_charts_show_all_settings_and_each_gives_a_row_to_every_run(backprop, grid):
    assert backprop("report", "grid", "--details", "0").code == 0
    page = Page("report.html")
    assert [image["class"] for image in page.all("img")] == ["heatmap", "parallel", "curves"]
    assert backprop("report", "grid", "--details", "0", "--each").code == 0
    assert len(rows_of("report.html")) == 12


def test_identical_runs_are_named_and_not_counted(backprop, grid, tiny):
    words = ("eta=1.0", "layers=64-12-10", "seed=0", "epochs=1")
    assert backprop("train", tiny, *words, "--runs-dir", "runs/grid", "--name", "z-again").code == 0
    assert backprop("report", "grid").code == 0
    assert "Not counted, same config and seed as another run: z-again." in Page("report.html").text
    row = next(row for row in rows_of("report.html") if "again" in row["run"])
    assert row["n"] == "2"
    done = backprop("plot", "grid", "--kind", "heatmap", "--kind", "curves")
    assert done.code == 0
    assert "not counted, same config and seed as another run: z-again" in done.err
    assert "not drawn, same config and seed as another run: z-again" in done.err


def test_a_damaged_run_is_skipped_with_a_warning(backprop, grid):
    Path("runs/grid/e1-5-s0/run.json").write_text("{")
    done = backprop("report", "grid")
    assert done.code == 0
    assert done.err.startswith("warning: runs/grid/e1-5-s0/run.json: cannot be read")
    assert "11 runs" in Page("report.html").text
    done = backprop("report", "runs/grid/e1-5-s0")
    assert (done.code, done.out) == (1, "")
