"""Of many runs one small file each is read; config and metrics are those of the few of which something is drawn."""

import json
import shutil
from collections import Counter
from pathlib import Path

import pytest

from backprop_cli.results import run as results
from tests.report.test_comparison import rows_of

pytestmark = pytest.mark.usefixtures("unrendered")

N = 120
BEST = 10
"""Settings whose learning curves a report draws; a plot draws the best hundred."""


@pytest.fixture
def many(backprop, tiny):
    """A folder of runs with different eta, the first of which are the best."""
    assert backprop("train", tiny, "--runs-dir", "runs/many", "--name", "r000", "epochs=1").code == 0
    for number in range(1, N):
        folder = Path(f"runs/many/r{number:03d}")
        shutil.copytree("runs/many/r000", folder)
        record = json.loads((folder / "run.json").read_text())
        record["experiment"]["eta"] = 1.0 + number
        record["best"]["val_accuracy"] -= number / 1000
        (folder / "run.json").write_text(json.dumps(record))


@pytest.fixture
def reads(monkeypatch):
    """How often files of each name were opened, and how many configs were validated."""
    counts, open_path, validate = Counter(), Path.open, results.override_experiment

    def counted_open(path, *arguments, **options):
        counts[path.name] += path.name in ("run.json", "config.yaml", "metrics.csv")
        return open_path(path, *arguments, **options)

    def counted_validate(*arguments, **options):
        counts["validated"] += 1
        return validate(*arguments, **options)

    monkeypatch.setattr(Path, "open", counted_open)
    monkeypatch.setattr(results, "override_experiment", counted_validate)
    return counts


def test_a_report_of_many_runs_reads_their_records_once_and_opens_the_best(backprop, many, reads):
    assert backprop("report", "runs/many").code == 0
    assert len(rows_of("report.html")) == N
    assert N <= reads["run.json"] <= N + BEST
    assert reads["metrics.csv"] == reads["validated"] == BEST
    assert reads["config.yaml"] == 0


def test_a_plot_of_many_runs_opens_those_that_are_drawn(backprop, many, reads):
    done = backprop("plot", "runs/many")
    assert (done.code, done.out) == (0, "plots/curves.png\n")
    assert "100 curves: the best 10 have a name, the other 90 are grey" in done.err
    assert f"not drawn: {N - 100} settings that are worse than these 100" in done.err
    assert reads["metrics.csv"] == reads["validated"] == 100


def test_a_run_is_left_out_of_the_curves_and_details_if_its_metrics_are_damaged(backprop, many):
    Path("runs/many/r001/metrics.csv").write_text("epoch,train_cost\n1,none\n")
    done = backprop("report", "runs/many")
    assert done.code == 0
    assert [line for line in done.err.splitlines() if "r001" in line] == [
        "warning: runs/many/r001/metrics.csv:2: cannot be read: 'none' is not a number; skipped"
    ]
    page = Path("report.html").read_text()
    links = [name for name in ("r000", "r001", "r002", "r003") if f">{name}</a>" in page]
    assert links == ["r000", "r002"]
    assert '<a href="#run-2">r002</a>' in page
    done = backprop("report", "runs/many/r001")
    assert (done.code, done.out) == (1, "")
    assert done.err == "error: runs/many/r001/metrics.csv:2: cannot be read: 'none' is not a number\n"
