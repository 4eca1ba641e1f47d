"""One run in detail, and several side by side."""

from __future__ import annotations

import shlex
from collections.abc import Sequence
from typing import Any

from backprop_cli.errors import UsageError
from backprop_cli.listing.columns import is_metric, metric_text
from backprop_cli.listing.settings import differing_keys
from backprop_cli.listing.summary import RunSummary
from backprop_cli.listing.table import RunGroup
from backprop_cli.runs.folder import RunFolder
from backprop_cli.runs.metrics import read_rows
from backprop_cli.text import duration, table


def details(run: RunSummary) -> str:
    """Return all about a run as text: command, status, metrics, the first, best and last epoch, config."""
    import yaml

    record = run.record
    done = RunGroup((run,)).cell("epochs").partition("/")[0]
    took = f", {duration(run.metrics['seconds'])}" if "seconds" in run.metrics else ""
    tested = {name: value for name, value in run.metrics.items() if name.startswith("test_")}
    facts = {
        "run": f"{run.path}  ({run.status}{took})",
        "command": command_text(record.get("argv")),
        "started": record.get("started"),
        "resumed": record.get("resumed"),
        "ended": record.get("ended"),
        "epochs": f"{done} of {run.planned}" + (f": {record['reason']}" if record.get("reason") else ""),
        "warning": "; ".join(run.warnings),
        "diverged": _pairs(record.get("diverged")),
        "parameters": f"{record['parameters']:,}" if record.get("parameters") is not None else None,
        "test": ", ".join(f"{name.removeprefix('test_')} {metric_text(name, v)}" for name, v in tested.items()),
        "versions": _pairs(record.get("versions")),
        "blas": _pairs(record.get("blas")),
        "platform": record.get("platform"),
    }
    lines = [f"{name:<10}  {fact}" for name, fact in facts.items() if fact]
    config = yaml.safe_dump(dict(run.experiment), sort_keys=False, default_flow_style=None, allow_unicode=True)
    return "\n\n".join(part for part in ("\n".join(lines), _epochs(run), config.rstrip()) if part)


def compare(runs: Sequence[RunSummary]) -> dict[str, list[Any]]:
    """Return what differs between runs, a value for each: config keys, metrics, and the software and hardware.

    Raises UsageError for fewer than two runs, or if a run is given twice.
    """
    if len(runs) < 2:
        raise UsageError("a comparison needs at least two runs")
    paths = [run.path.resolve() for run in runs]
    if repeated := [run for run, path in zip(runs, paths, strict=True) if paths.count(path) > 1]:
        raise UsageError(f"{repeated[0].path} is given twice; a comparison needs different runs")
    keys = [key for key in differing_keys([run.config for run in runs]) if key != "epochs"]
    names = dict.fromkeys(("status", *(name for run in runs for name in run.metrics)))
    groups = [RunGroup((run,)) for run in runs]
    values = {name: [group.value(name) for group in groups] for name in (*keys, *names)}
    environments = [_environment(run) for run in runs]
    values |= {name: [one.get(name) for one in environments] for one in environments for name in one}
    return {name: row for name, row in values.items() if any(value != row[0] for value in row)}


def comparison_lines(runs: Sequence[RunSummary], differences: dict[str, list[Any]]) -> list[list[str]]:
    """Return a comparison as the header and the rows of a table."""
    header = ["", *(run.name for run in runs)]
    return [header, *([name, *(metric_text(name, v) for v in values)] for name, values in differences.items())]


def command_text(argv: list[str] | None) -> str:
    """Return the command line that a record contains; nothing for None."""
    return "" if argv is None else shlex.join(["backprop", *argv])


def _environment(run: RunSummary) -> dict[str, Any]:
    record = run.record
    flat = {f"{name}.{key}": v for name in ("versions", "blas") for key, v in (record.get(name) or {}).items()}
    return {"parameters": record.get("parameters"), **flat, "platform": record.get("platform")}


def _epochs(run: RunSummary) -> str:
    rows = {int(row["epoch"]): row for row in read_rows(RunFolder(run.path).metrics) if row["epoch"] > 0}
    if not rows:
        return ""
    named: dict[int, str] = {}
    for name, epoch in (("first", min(rows)), ("best", run.metrics.get("best_epoch")), ("last", max(rows))):
        if isinstance(epoch, int) and epoch in rows:
            named[epoch] = f"{named[epoch]}, {name}" if epoch in named else name
    columns = [name for name in rows[max(rows)] if is_metric(name) and name != "seconds"]
    lines = [
        [which, epoch, *(metric_text(column, rows[epoch].get(column)) for column in columns)]
        for epoch, which in named.items()
    ]
    return table(["", "epoch", *columns], lines)


def _pairs(data: dict[str, Any] | None) -> str:
    return ", ".join(f"{key} {value}" for key, value in (data or {}).items())
