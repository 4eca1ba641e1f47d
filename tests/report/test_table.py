"""The report of a run on a table: what was done to its columns."""

import csv
import re
from pathlib import Path

import numpy as np
import pytest

from tests.cli.test_report import Page

EVIL = "<script>alert(1)</script>"
N = 120


@pytest.fixture
def report(backprop, tmp_path, monkeypatch):
    """Trains on a table and writes a report, and returns its page."""
    monkeypatch.setenv("BACKPROP_DATA_DIR", str(tmp_path / "cache"))
    rng = np.random.default_rng(0)
    columns = {
        "id": [f"customer {k}" for k in range(N)],
        "age": ["" if k % 10 == 0 else k % 7 + 20 for k in range(N)],
        EVIL: rng.choice(["red", "blue", ""], N),
        "skipped": range(N),
        "day": ["2024-01-02"] * N,
        "churned": rng.choice(["yes", f"no {EVIL}"], N),
        "price": rng.normal(100, 10, N),
    }
    with (tmp_path / "t.csv").open("w", newline="") as file:
        rows = csv.writer(file)
        rows.writerow(columns)
        rows.writerows(zip(*columns.values(), strict=True))

    def write(target="churned", before=lambda: None):
        (tmp_path / "c.yaml").write_text(
            f"dataset: {{name: table, file: t.csv, target: {target}, ignore: [skipped]}}\nlayers: [auto, 4, auto]\n"
            f"epochs: 2\noutput: {'softmax' if target == 'churned' else 'identity'}\n"
            f"cost: {'cross_entropy' if target == 'churned' else 'quadratic'}\n"
        )
        assert backprop("train", "c.yaml", "--name", "run").code == 0
        before()
        done = backprop("report", "run")
        assert done.code == 0
        return Page("runs/run/report.html"), done.err

    return write


def rows(caption):
    """The cells of the table with that caption."""
    text = Path("runs/run/report.html").read_text()
    (body,) = re.findall(rf"<caption>{caption}.*?</table>", text, re.DOTALL)
    lines = (re.findall(r"<t[hd][^>]*>(.*?)</t[hd]>", row) for row in re.findall(r"<tr.*?</tr>", body, re.DOTALL))
    return {name: cells for name, *cells in lines}


@pytest.mark.usefixtures("unrendered")
def test_the_report_says_what_was_done_to_each_column(report):
    report()
    columns = rows("What was done to each column")
    assert list(columns) == [
        "column",
        "id",
        "age",
        "&lt;script&gt;alert(1)&lt;/script&gt;",
        *["skipped", "day", "churned", "price"],
    ]
    assert columns["id"][0] == "text"
    assert "different words" in columns["id"][1]
    kind, values, missing, inputs = columns["age"]
    assert (kind, values) == ("number", "20 to 26")
    assert re.fullmatch(r"[0-9]+, filled with 23", missing)
    assert re.fullmatch(r"\(x - 2[0-9.]+\) / [12][0-9.]*", inputs)
    kind, values, missing, inputs = columns["&lt;script&gt;alert(1)&lt;/script&gt;"]
    assert (kind, values, inputs) == ("category", "blue, red", "one input per category (3)")
    assert re.fullmatch("[0-9]+, a category of their own", missing)
    assert columns["skipped"] == ["", "not used: left out by the config"]
    assert columns["day"][1].startswith("not used: dates are not inputs")
    assert columns["churned"][0] == "target"


@pytest.mark.usefixtures("unrendered")
def test_the_rows_of_each_class_add_up(report):
    page, _ = report()
    classes = rows("Rows of each class")
    assert classes.pop("class") == ["training", "validation", "test"]
    counts = np.array([list(map(int, cells)) for cells in classes.values()])
    assert counts.sum() == N
    training, validation, test = counts.sum(axis=0)
    assert f"{training} training, {validation} validation, {test} test rows." in page.text


@pytest.mark.usefixtures("unrendered")
def test_the_page_is_accessible_and_names_inject_nothing(report):
    page, _ = report()
    assert EVIL not in Path("runs/run/report.html").read_text()
    assert all(header["scope"] in ("row", "col") for header in page.all("th"))
    assert len(page.all("caption")) == len(page.all("table"))
    assert [image["class"] for image in page.all("img")] == [
        *("curves", "confusion", "roc", "precision-recall", "calibration", "importance"),
    ]


@pytest.mark.usefixtures("unrendered")
def test_the_report_of_values_has_residuals_and_no_classes(report):
    page, _ = report("price")
    assert [image["class"] for image in page.all("img")] == ["curves", "residuals", "importance"]
    assert "Rows of each class" not in page.text
    assert rows("What was done to each column")["price"][0] == "target"


@pytest.mark.usefixtures("unrendered")
@pytest.mark.parametrize("gone", [True, False], ids=["gone", "changed"])
def test_without_the_file_the_report_has_what_the_checkpoint_knows(report, gone):
    path = Path("t.csv")
    page, err = report(
        before=lambda: path.unlink() if gone else path.write_text(path.read_text().replace("red", "tan"))
    )
    assert list(rows("What was done to each column")) == [
        "column",
        "age",
        "&lt;script&gt;alert(1)&lt;/script&gt;",
        "price",
    ]
    assert ("cannot be read" if gone else "has changed since this network was trained") in page.text
    assert rows("What was done to each column")["age"][2] == "filled with 23"
