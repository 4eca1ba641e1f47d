import json
import re
import shutil
import subprocess
from html.parser import HTMLParser
from pathlib import Path

import pytest

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
SELF_TEST = """
<script>
const column = (i) => [...document.querySelector(".sortable").tBodies[0].rows].map((row) => row.cells[i].textContent);
const headers = [...document.querySelectorAll(".sortable thead th")];
const eta = headers.findIndex((header) => header.textContent === "eta");
const found = { width: document.documentElement.scrollWidth <= innerWidth, orders: [], sorts: [], filtered: [] };
const field = document.querySelector("input[type=search]");
for (const words of ["", "0.5", "ETA9", "eta>0.01", "eta>0.01 eta<=9%", "eta!=0.1", "status=diverged", "eta="]) {
  field.value = words;
  field.dispatchEvent(new Event("input"));
  const shown = [...document.querySelector(".sortable").tBodies[0].rows].filter((row) => !row.hidden);
  found.filtered.push(shown.map((row) => row.cells[0].textContent).sort());
}
found.counted = document.querySelector("output").textContent;
field.value = "";
field.dispatchEvent(new Event("input"));
for (let click = 0; click < 2; click++) {
  headers[eta].querySelector("button").click();
  found.orders.push(column(eta));
  found.sorts.push(headers.map((header) => header.getAttribute("aria-sort")).filter(Boolean));
}
addEventListener("load", () => {
  found.pictures = [...document.images].every((image) => image.naturalWidth > 100);
  found.fetched = performance.getEntriesByType("resource").map((e) => e.name).filter((url) => !url.startsWith("data:"));
  document.title = JSON.stringify(found);
});
</script>
"""


@pytest.fixture
def runs(backprop, tiny):
    for eta in (10.0, 9.0, 0.5):
        assert backprop("train", tiny, f"eta={eta}", "--name", f"eta{eta:g}").code == 0


class Page(HTMLParser):
    """All elements with their attributes, in order, and all text."""

    def __init__(self, path):
        super().__init__()
        self.elements, self.text = [], ""
        self.feed(Path(path).read_text(encoding="utf-8"))

    def handle_starttag(self, tag, attrs):
        self.elements.append((tag, dict(attrs)))

    def handle_data(self, data):
        self.text += data

    def all(self, tag):
        return [attributes for name, attributes in self.elements if name == tag]


def test_the_report_of_a_run_has_metrics_config_and_environment(backprop, runs):
    done = backprop("report", "eta9")
    assert (done.code, done.out, done.err) == (0, "runs/eta9/report.html\n", "")
    page = Page("runs/eta9/report.html")
    record = json.loads(Path("runs/eta9/run.json").read_text())
    assert Path("runs/eta9/config.yaml").read_text() in page.text
    assert "backprop train runs/eta9/config.yaml" in page.text
    assert f"{record['test']['accuracy']:.2%}" in page.text
    assert f"{record['best']['val_cost']:.4g}" in page.text
    assert record["versions"]["numpy"] in page.text
    assert record["data"]["sha256"]["digits.npz"] in page.text
    assert len(page.all("img")) == 4


@pytest.mark.usefixtures("unrendered")
def test_the_report_is_self_contained_and_accessible(backprop, runs):
    backprop("report", "eta9", "eta10")
    page = Page("report.html")
    assert all(image["src"].startswith("data:image/") and len(image["alt"]) > 20 for image in page.all("img"))
    assert all(link["href"].startswith(("data:", "#")) for tag in ("a", "link") for link in page.all(tag))
    assert not any("src" in script for script in page.all("script"))
    assert all(header["scope"] in ("row", "col") for header in page.all("th"))
    assert len(page.all("caption")) == len(page.all("table"))
    identifiers = {attributes.get("id") for _, attributes in page.elements}
    assert {link["href"][1:] for link in page.all("a")} <= identifiers
    levels = [int(tag[1]) for tag, _ in page.elements if re.fullmatch("h[1-6]", tag)]
    assert levels.count(1) == 1
    assert all(below <= above + 1 for above, below in zip(levels, levels[1:], strict=False))


@pytest.mark.usefixtures("unrendered")
def test_several_runs_are_compared_by_the_config_keys_that_differ(backprop, runs, tmp_path):
    done = backprop("report", "eta10", "eta9", "eta0.5", "-o", "new/r.html", "--json")
    assert json.loads(done.out) == {"report": "new/r.html", "runs": ["runs/eta10", "runs/eta9", "runs/eta0.5"]}
    header, *rows = re.findall(r"<tr>.*?</tr>", Path("new/r.html").read_text(), re.DOTALL)[:4]
    cells = [re.sub(r"\s*<[^>]*>", "|", row).split("|") for row in rows]
    assert "eta" in header
    assert "activation" not in header
    names = [row[3] for row in cells]
    records = [json.loads(Path("runs", name, "run.json").read_text()) for name in names]
    assert sorted(names) == ["eta0.5", "eta10", "eta9"]
    accuracies = [record["best"]["val_accuracy"] for record in records]
    assert accuracies == sorted(accuracies, reverse=True), "the best is not the first"
    for row, record in zip(cells, records, strict=True):
        assert f"{record['test']['accuracy']:.2%}" in row


@pytest.mark.usefixtures("unrendered")
def test_values_of_a_run_cannot_inject_code(backprop, runs):
    path = Path("runs/eta9/run.json")
    evil = "<script>alert(1)</script>"
    record = json.loads(path.read_text())
    path.write_text(json.dumps(record | {"argv": ["train", evil], "status": evil, "platform": f"'\"{evil}"}))
    assert backprop("report", "eta9").code == 0
    assert evil not in Path("runs/eta9/report.html").read_text()
    assert backprop("report", "eta9", "eta10").code == 0
    assert evil not in Path("report.html").read_text()


@pytest.mark.usefixtures("unrendered")
def test_a_report_is_written_for_damaged_runs(backprop, runs):
    Path("runs/eta9/checkpoints/best.npz").unlink()
    done = backprop("report", "eta9")
    assert done.code == 0
    assert "warning: no confusion and mistakes and weights: runs/eta9/checkpoints/best.npz" in done.err
    Path("runs/eta10/metrics.csv").unlink()
    Path("runs/eta10/run.json").write_text('{"status": "running", "best": null}')
    done = backprop("report", "eta10", "eta9", "-q")
    assert (done.code, done.out) == (0, "report.html\n")
    done = backprop("report", "nowhere")
    assert done.code == 2
    assert done.err.startswith("error: no checkpoint, run folder or run named 'nowhere' found")


@pytest.mark.skipif(CHROMIUM is None, reason="needs chromium")
def test_in_a_browser_the_table_sorts_and_nothing_is_fetched(backprop, tmp_path):
    config = tmp_path / "c.yaml"
    config.write_text("dataset: sine\nlayers: [1, 5, 1]\nactivation: tanh\noutput: identity\nepochs: 1\n")
    for eta in (10.0, 9.0, 0.5):
        assert backprop("train", config, f"eta={eta / 100}", "--name", f"eta{eta:g}").code == 0
    assert backprop("report", "eta10", "eta9", "eta0.5").code == 0
    page = tmp_path / "tested.html"
    page.write_text(Path("report.html").read_text().replace("</body>", SELF_TEST + "</body>"))
    words = "--headless --no-sandbox --disable-gpu --disable-quic --no-first-run --disable-background-networking"
    more = "--disable-component-update --disable-sync --enable-logging=stderr --dump-dom --window-size=500,800"
    done = subprocess.run(
        [CHROMIUM, *words.split(), *more.split(), f"--user-data-dir={tmp_path / 'profile'}", page.as_uri()],
        capture_output=True,
        text=True,
        timeout=60,
    )
    (title,) = re.findall("<title>(.*)</title>", done.stdout)
    found = json.loads(title)
    assert found["orders"] == [["0.005", "0.09", "0.1"], ["0.1", "0.09", "0.005"]]
    assert found["sorts"] == [["ascending"], ["descending"]]
    every = ["eta0.5", "eta10", "eta9"]
    assert found["filtered"] == [every, ["eta0.5"], ["eta9"], every[1:], ["eta9"], ["eta0.5", "eta9"], [], []]
    assert found["counted"] == "0 of 3 rows"
    assert found["fetched"] == []
    assert found["pictures"] is True
    assert found["width"] is True, "wider than a phone"
    assert "CONSOLE" not in done.stderr
