"""The content of a report, and the HTML page made of it. The text and its order are in page.html."""

from __future__ import annotations

import base64
import shlex
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import yaml
from jinja2 import Environment, PackageLoader, StrictUndefined

from backprop_cli.drawing import style
from backprop_cli.errors import BackpropError
from backprop_cli.listing.details import command_text
from backprop_cli.plots import KINDS, PlotResult, View
from backprop_cli.plots.comparisons import Comparison
from backprop_cli.plots.registry import plan_plots
from backprop_cli.report.comparison import MAX_CURVES, Overview
from backprop_cli.report.sweep import sweeps_of
from backprop_cli.results.evaluation import SPLITS
from backprop_cli.results.preparation import TableSummary, summarize_table
from backprop_cli.results.run import Run

NAMES = {"accuracy": "accuracy", "rmse": "RMSE", "r2": "R²", "squared_error": "squared error", "cost": "cost"}
NAMES |= {"pseudo_likelihood": "pseudo-likelihood", "reconstruction": "reconstruction error"}
RASTER = ("mistakes", "reconstructions", "manifold", "weights", "maps", "residuals")
"""Plots of pixels, which browsers would blur in an SVG, and of many points."""

SHOWN = tuple(kind for kind in KINDS if kind != "maximal")
"""The plots of a run on the page; `maximal` has as many bytes as all others."""

OnError = Callable[[str, BackpropError], None]


def page(comparison: Comparison, on_error: OnError, split: str = "test", details: int = 3) -> str:
    """Return the HTML of a report, with details of this many of the runs, the best ones.

    `on_error` is called with the kind of each plot that cannot be drawn.
    """

    def drawn(compared: Comparison, *kinds: str) -> list[dict[str, str]]:
        plots = []
        for job in plan_plots(compared, view=View(split)):
            if job.kind in kinds:
                try:
                    plots.append(_embedded(job.kind, job.draw()))
                except BackpropError as error:
                    on_error(job.kind, error)
        return plots

    def table_of(run: Run) -> TableSummary | None:
        try:
            return summarize_table(run.model.experiment) if run.config.data.preprocessing else None
        except BackpropError as error:
            on_error("columns", error)
            return None

    def sweeps() -> list[dict[str, Any]]:
        try:
            return sweeps_of(run.path.parent for run in comparison.runs.summaries)
        except BackpropError as error:
            on_error("sweep", error)
            return []

    overview = Overview(comparison, details) if len(comparison.runs) > 1 else None
    best = comparison.only(comparison.table.top(MAX_CURVES).runs)
    detailed = overview.detailed if overview else comparison.runs.open()
    environment = Environment(
        loader=PackageLoader("backprop_cli", "report"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    return environment.get_template("page.html").render(
        title=f"Comparison of {len(comparison.runs):,} runs" if overview else detailed[0].name,
        sweeps=sweeps() if overview else [],
        comparison=overview.to_dict() if overview else None,
        charts=[*drawn(comparison, "heatmap", "parallel"), *drawn(best, "curves")] if overview else [],
        runs=[_details(run, drawn(comparison.only([run]), *SHOWN)) | {"table": table_of(run)} for run in detailed],
    )


def _embedded(kind: str, plot: PlotResult) -> dict[str, str]:
    """Return a plot as the page contains it: `uri` is the image itself."""
    format, mime = ("png", "image/png") if kind in RASTER else ("svg", "image/svg+xml")
    data = base64.b64encode(style.to_bytes(plot.figure, format)).decode("ascii")
    return {"kind": kind, "caption": plot.caption, "alt": plot.alt, "uri": f"data:{mime};base64,{data}"}


def _text(value: float | None, name: str = "") -> str:
    """Return the value of the metric `name`; None is a dash."""
    if value is None:
        return "–"
    return format(value, ".2%" if name.endswith("accuracy") else "," if isinstance(value, int) else ".4g")


def _details(run: Run, plots: Sequence[dict[str, str]]) -> dict[str, Any]:
    e, record = run.config, run.record
    names = [name for name in dict.fromkeys((*NAMES, *run.test)) if f"train_{name}" in run.best or name in run.test]
    scores = {
        split: [_text(run.test.get(n) if split == "test" else run.best.get(f"{split}_{n}"), n) for n in names]
        for split in SPLITS
    }
    return {
        "name": run.name,
        "facts": {
            "status": _status(run),
            "data set": e.dataset.name,
            "network": e.architecture,
            "parameters": _text(record.get("parameters")),
            "epochs": f"{len(run.epochs)} of {e.epochs + (run.record.get('pretraining') or 0)}",
            "seconds": _text(record.get("seconds")),
            "started": str(record.get("started", "–"))[:16].replace("T", " "),
        },
        "warnings": run.warnings,
        "best_epoch": run.best_epoch,
        "metrics": [NAMES.get(name, name.replace("_", " ")) for name in names],
        "scores": {SPLITS[split]: row for split, row in scores.items() if set(row) - {"–"}},
        "plots": plots,
        "config": yaml.safe_dump(e.to_dict(), sort_keys=False, default_flow_style=None, allow_unicode=True),
        "environment": _lines({name: record.get(name) for name in ("versions", "blas", "platform", "data")}),
        "repeat": f"backprop train {shlex.quote(str(run.folder.config))}",
        "started_with": command_text(record.get("argv")),
    }


def _status(run: Run) -> str:
    return run.status.replace("_", " ")


def _lines(values: Mapping[str, Any], prefix: str = "") -> list[tuple[str, str]]:
    """Return nested values as lines: `versions numpy`, 2.4."""
    lines = []
    for key, value in values.items():
        if isinstance(value, dict):
            lines += _lines(value, f"{prefix}{key} ")
        elif value is not None:
            lines.append((prefix + key, str(value)))
    return lines
