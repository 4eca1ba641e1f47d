"""What a report says of runs, and the page that it becomes. The words and their order are in page.html."""

from __future__ import annotations

import base64
import shlex
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import yaml
from jinja2 import Environment, PackageLoader, StrictUndefined

from backprop_cli.gallery import SPLITS, Job, Picture, plan
from backprop_cli.plots import KINDS, style
from backprop_cli.results import Result, differences

NAMES = {"accuracy": "accuracy", "rmse": "RMSE", "r2": "R²", "cost": "cost"}
RASTER = ("mistakes", "weights")
"""Kinds that are made of pixels, which browsers would blur in an SVG."""


@dataclass(frozen=True)
class Shown:
    """A picture as a page shows it: `uri` holds the image itself."""

    kind: str
    caption: str
    alt: str
    uri: str

    @classmethod
    def of(cls, kind: str, picture: Picture) -> Shown:
        """Return a picture of a kind, encoded."""
        format, mime = ("png", "image/png") if kind in RASTER else ("svg", "image/svg+xml")
        data = base64.b64encode(style.to_bytes(picture.figure, format)).decode("ascii")
        return cls(kind, picture.caption, picture.alt, f"data:{mime};base64,{data}")


@dataclass(frozen=True)
class Cell:
    """What a table shows, and the number by which it is sorted, if it is one."""

    text: str
    value: float | None = None

    @classmethod
    def of(cls, value: Any, name: str = "") -> Cell:
        """Return a cell for a number, by the name of what it counts, or for a text; None is a dash."""
        if value is None or value == "":
            return cls("–")
        try:
            number = float(value)
        except (TypeError, ValueError):
            return cls(str(value))
        if isinstance(value, str):
            return cls(value, number)
        return cls(
            f"{value:.2%}" if name == "accuracy" else f"{value:,}" if isinstance(value, int) else f"{value:.4g}", number
        )


def page(results: Sequence[Result], draw: Callable[[Job], Shown | None], each: bool = False) -> str:
    """Return the HTML of a report; `draw` returns the picture of a job, or None if it cannot be had."""

    def drawn(some: Sequence[Result], kinds: Sequence[str]) -> list[Shown]:
        shown = [draw(job) for job in plan(some, each=each) if job.kind in kinds]
        return [picture for picture in shown if picture is not None]

    several = len(results) > 1
    environment = Environment(
        loader=PackageLoader("backprop_cli", "report"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    return environment.get_template("page.html").render(
        title=f"{len(results)} runs compared" if several else results[0].name,
        comparison=_comparison(results) if several else None,
        overlaid=drawn(results, ["curves"]) if several else [],
        runs=[_account(result, drawn([result], KINDS)) for result in results],
    )


def _comparison(results: Sequence[Result]) -> dict[str, Any]:
    """Return a row for each run: how good it is, the keys in which they differ, how it went."""
    settings = differences(results)
    names = [name for name in NAMES if any(name in result.figures("test") for result in results)]
    counts = ("parameters", "epochs done", "best epoch", "seconds")
    columns = [*(f"{split} {NAMES[n]}" for n in names for split in ("validation", "test")), *settings[0], *counts]
    rows = []
    for result, differing in zip(results, settings, strict=True):
        best, test = result.figures("best"), result.figures("test")
        figures = [Cell.of(value, n) for n in names for value in (best.get(f"val_{n}"), test.get(n))]
        record = result.record
        facts = (record.get("parameters"), len(result.epochs), result.best_epoch, record.get("seconds"))
        cells = [*figures, *map(Cell.of, differing.values()), *map(Cell.of, facts)]
        rows.append({"name": result.name, "status": _status(result), "cells": cells})
    return {"columns": columns, "rows": rows}


def _account(result: Result, pictures: Sequence[Shown]) -> dict[str, Any]:
    """Return everything that the page says of a run."""
    e, record = result.experiment, result.record
    best, test = result.figures("best"), result.figures("test")
    names = [name for name in NAMES if f"train_{name}" in best or name in test]
    scores = {
        split: [Cell.of(best.get(f"{split}_{n}") if split != "test" else test.get(n), n).text for n in names]
        for split in SPLITS
    }
    values = e.to_dict()
    return {
        "name": result.name,
        "facts": {
            "status": _status(result),
            "data set": e.dataset.name,
            "network": "-".join(map(str, e.sizes)),
            "parameters": Cell.of(record.get("parameters")).text,
            "epochs": f"{len(result.epochs)} of {e.epochs}",
            "seconds": Cell.of(record.get("seconds")).text,
            "started": str(record.get("started", "–"))[:16].replace("T", " "),
        },
        "best_epoch": result.best_epoch,
        "figures": [NAMES[name] for name in names],
        "scores": {SPLITS[split]: row for split, row in scores.items() if set(row) - {"–"}},
        "pictures": pictures,
        "config": yaml.safe_dump(values, sort_keys=False, default_flow_style=None, allow_unicode=True),
        "environment": _lines({name: record.get(name) for name in ("versions", "blas", "platform", "data")}),
        "repeat": f"backprop train {shlex.quote(str(result.folder.config))}",
        "started_with": _command(record.get("argv")),
    }


def _status(result: Result) -> str:
    return str(result.record.get("status", "unknown")).replace("_", " ")


def _command(argv: Any) -> str:
    return "backprop " + shlex.join(map(str, argv)) if isinstance(argv, list) else ""


def _lines(values: Mapping[str, Any], prefix: str = "") -> list[tuple[str, str]]:
    """Return nested facts as lines: `versions numpy`, 2.4."""
    lines = []
    for key, value in values.items():
        if isinstance(value, dict):
            lines += _lines(value, f"{prefix}{key} ")
        elif value is not None:
            lines.append((prefix + key, str(value)))
    return lines
