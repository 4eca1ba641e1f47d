"""The content of a report, and the HTML page made of it. The text and its order are in page.html."""

from __future__ import annotations

import base64
import contextlib
import shlex
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import yaml
from jinja2 import Environment, PackageLoader, StrictUndefined

from backprop_cli.errors import BackpropError
from backprop_cli.plots import KINDS, PlotResult, style
from backprop_cli.plots.registry import plan_plots
from backprop_cli.results.details import command_text
from backprop_cli.results.evaluation import SPLITS
from backprop_cli.results.run import Run
from backprop_cli.results.settings import config_differences

NAMES = {"accuracy": "accuracy", "rmse": "RMSE", "r2": "R²", "cost": "cost"}
RASTER = ("mistakes", "weights")
"""Plots of pixels, which browsers would blur in an SVG."""

OnError = Callable[[str, BackpropError], None]


@dataclass(frozen=True)
class Cell:
    """The text of a cell, and the number by which it is sorted, if it is one."""

    text: str
    value: float | None = None

    @classmethod
    def of(cls, value: str | float | None, name: str = "") -> Cell:
        """Return the cell of a value of the metric `name`; None is a dash."""
        if value is None or value == "":
            return cls("–")
        if isinstance(value, str):  # of a config
            with contextlib.suppress(ValueError):
                return cls(value, float(value))
            return cls(value)
        form = ".2%" if name == "accuracy" else "," if isinstance(value, int) else ".4g"
        return cls(format(value, form), float(value))


def page(runs: Sequence[Run], on_error: OnError, each: bool = False, split: str = "test") -> str:
    """Return the HTML of a report; `on_error` is called with the kind of each plot that cannot be drawn."""

    def drawn(some: Sequence[Run], kinds: Sequence[str]) -> list[dict[str, str]]:
        plots = []
        for job in plan_plots(some, each=each, split=split):
            if job.kind in kinds:
                try:
                    plots.append(_embedded(job.kind, job.draw()))
                except BackpropError as error:
                    on_error(job.kind, error)
        return plots

    several = len(runs) > 1
    environment = Environment(
        loader=PackageLoader("backprop_cli", "report"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    return environment.get_template("page.html").render(
        title=f"Comparison of {len(runs)} runs" if several else runs[0].name,
        comparison=_comparison(runs) if several else None,
        overlaid=drawn(runs, ["curves"]) if several else [],
        runs=[_details(run, drawn([run], KINDS)) for run in runs],
    )


def _embedded(kind: str, plot: PlotResult) -> dict[str, str]:
    """Return a plot as the page contains it: `uri` is the image itself."""
    format, mime = ("png", "image/png") if kind in RASTER else ("svg", "image/svg+xml")
    data = base64.b64encode(style.to_bytes(plot.figure, format)).decode("ascii")
    return {"kind": kind, "caption": plot.caption, "alt": plot.alt, "uri": f"data:{mime};base64,{data}"}


def _comparison(runs: Sequence[Run]) -> dict[str, Any]:
    """Return a row for each run: metrics, the config values that differ, epochs and time."""
    settings = config_differences([run.flat_config for run in runs])
    names = [name for name in NAMES if any(name in run.test for run in runs)]
    counts = ("parameters", "epochs", "best epoch", "seconds")
    columns = [*(f"{split} {NAMES[n]}" for n in names for split in ("validation", "test")), *settings[0], *counts]
    rows = []
    for run, differing in zip(runs, settings, strict=True):
        metrics = [Cell.of(value, n) for n in names for value in (run.best.get(f"val_{n}"), run.test.get(n))]
        facts = (run.record.get("parameters"), len(run.epochs), run.best_epoch, run.record.get("seconds"))
        cells = [*metrics, *map(Cell.of, differing.values()), *map(Cell.of, facts)]
        rows.append({"name": run.name, "status": _status(run), "cells": cells})
    return {"columns": columns, "rows": rows}


def _details(run: Run, plots: Sequence[dict[str, str]]) -> dict[str, Any]:
    e, record = run.config, run.record
    names = [name for name in NAMES if f"train_{name}" in run.best or name in run.test]
    scores = {
        split: [Cell.of(run.test.get(n) if split == "test" else run.best.get(f"{split}_{n}"), n).text for n in names]
        for split in SPLITS
    }
    return {
        "name": run.name,
        "facts": {
            "status": _status(run),
            "data set": e.dataset.name,
            "network": "-".join(map(str, e.sizes)),
            "parameters": Cell.of(record.get("parameters")).text,
            "epochs": f"{len(run.epochs)} of {e.epochs}",
            "seconds": Cell.of(record.get("seconds")).text,
            "started": str(record.get("started", "–"))[:16].replace("T", " "),
        },
        "best_epoch": run.best_epoch,
        "metrics": [NAMES[name] for name in names],
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
