"""A report of the runs of a sweep has a section about the sweep."""

import json
import re
from pathlib import Path

import pytest

from tests.report.test_comparison import rows_of

SWEEP = ("sweep", "digits", "eta=0.01,0.3,1e30", "batch_size=10,20", "seed=0..1", "epochs=1", "train_size=195")

pytestmark = pytest.mark.usefixtures("unrendered")


@pytest.fixture
def found(backprop):
    words = (*SWEEP, "output=identity", "cost=quadratic", "--name", "grid", "--jobs", 1, "--json")
    return json.loads(backprop(*words).out)


def test_the_best_settings_come_first_with_mean_and_deviation(backprop, found):
    assert backprop("report", "grid", "--details", 0).code == 0
    rows = rows_of("report.html")
    assert [row["run"] for row in rows] == [setting["runs"][0] for setting in found["settings"]]
    for row, setting in zip(rows, found["settings"], strict=True):
        if setting["status"] == "finished":
            mean, std = (100 * setting["val_accuracy"][name] for name in ("mean", "std"))
            assert row["val_accuracy"] == f"{mean:.2f} ± {std:.2f}%"
        assert (row["eta"], row["batch_size"]) == tuple(f"{v:g}" for v in setting["setting"].values())
    assert rows[-1]["status"] == "diverged"


def test_counts_and_importance_are_there(backprop, found):
    backprop("report", "grid", "--details", 0)
    text = Path("report.html").read_text()
    facts = dict(re.findall(r"<dt>(.*?)</dt><dd>(.*?)</dd>", text))
    assert facts["settings"] == "6 (grid)"
    assert set(facts["runs"].split(", ")) == {f"{n} {status}" for status, n in found["runs"].items() if n}
    shares = dict(re.findall(r'<th scope="row">(\w+)</th><td><meter value="([0-9.]+)">', text))
    assert set(shares) == {"eta", "batch_size"}
    assert float(shares["eta"]) > float(shares["batch_size"])


def test_settings_whose_folders_were_not_kept_are_in_the_section(backprop, found):
    backprop(*SWEEP, "output=identity", "cost=quadratic", "--name", "kept", "--jobs", 1, "sweep.keep=best 2")
    assert len(list(Path("runs/kept").glob("*/run.json"))) == 4
    backprop("report", "kept", "--details", 0)
    assert len(rows_of("report.html")) == 6


def test_a_damaged_journal_is_named_and_the_rest_is_drawn(backprop, found):
    Path("runs/grid/trials.jsonl").write_text("nothing\n")
    done = backprop("report", "grid", "--details", 0)
    assert (done.code, "trials.jsonl:1:1: not the head of a sweep" in done.err) == (0, True)
    assert "Comparison of 12 runs" in Path("report.html").read_text()


def test_one_run_of_a_sweep_has_no_section_about_it(backprop, found):
    assert backprop("report", "runs/grid/0001-s0", "-o", "one.html").code == 0
    assert "<h2>Sweep" not in re.sub(r' id="[^"]*"', "", Path("one.html").read_text())
