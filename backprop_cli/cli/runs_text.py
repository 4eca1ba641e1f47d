"""Runs in words: the cells and columns of `backprop runs`."""

from __future__ import annotations

import csv
import io
import json
import shlex
from collections.abc import Iterable, Sequence
from typing import Any

from backprop_cli.cli.console import Console
from backprop_cli.cli.progress import duration
from backprop_cli.cli.tables import fitted, table, terminal_width
from backprop_cli.runs.folder import RunFolder
from backprop_cli.runs.listing import Row, Run, differing
from backprop_cli.runs.metrics import read_rows

JUDGED_BY = ("accuracy", "r2")
"""The figures that a listing shows: of runs that predict classes, and of runs that predict values."""


def own_columns(rows: Sequence[Row], grouped: bool) -> list[str]:
    """Return the columns that every listing has, with the figures that these runs have."""
    have = {name for row in rows for run in row.runs for name in run.figures}
    figures = [f"{split}_{name}" for name in JUDGED_BY for split in ("val", "test") if f"{split}_{name}" in have]
    if not any(name.startswith("val_") for name in figures):  # no validation split, or no figure but the cost
        figures = [name for name in ("val_cost", "train_accuracy", "train_r2") if name in have] + figures
    return ["run", "status", *(["n"] if grouped else []), *figures, "epochs", "seconds"]


def config_columns(rows: Sequence[Row], grouped: bool) -> list[str]:
    """Return the keys in which the configs of the rows differ; of the epochs, `epochs` tells already."""
    known = ("epochs", "seed") if grouped else ("epochs",)
    return [key for key in differing([row.runs[0] for row in rows]) if key not in known]


def list_text(rows: Sequence[Row], own: Sequence[str], keys: Sequence[str], console: Console) -> str:
    """Return the table of the rows: their own columns whole, the keys of the config as the terminal has room for."""
    lines = [[*own, *keys], *([_cell(row, column) for column in (*own, *keys)] for row in rows)]
    return fitted_table(lines, len(own), 2, console)


def fitted_table(lines: Sequence[Sequence[str]], fixed: int, left: int, console: Console) -> str:
    """Return lines as a table that the terminal has room for, and say which columns are left out."""
    header, *rows = fitted(lines, terminal_width(), fixed)
    if missing := lines[0][len(header) :]:
        console.say(f"the terminal is too narrow for: {', '.join(missing)}; --json has them all")
    return table(header, rows, left)


def list_csv(rows: Sequence[Row], own: Sequence[str], keys: Sequence[str], grouped: bool) -> str:
    """Return the rows as CSV: figures in full, in groups each with its standard deviation, and the run as its path."""
    deviating = [name for name in own if grouped and is_figure(name)]
    file = io.StringIO()
    writer = csv.writer(file, lineterminator="\n")
    header = [part for name in own for part in ((name, f"{name}_std") if name in deviating else (name,))]
    writer.writerow([*header, *keys])
    for row in rows:
        cells: list[Any] = []
        for name in own:
            cells.append(str(row.runs[0].path) if name == "run" else row.value(name))
            cells += [row.deviation(name)] if name in deviating else []
        writer.writerow([*cells, *(config_text(row.value(key)) for key in keys)])
    return file.getvalue().rstrip("\n")


def run_data(run: Run) -> dict[str, Any]:
    """Return what --json tells of a run in a list."""
    about = {"run": str(run.path), "status": run.status, "started": run.record.get("started")}
    return {**about, **run.figures, "experiment": run.experiment}


def group_data(row: Row) -> dict[str, Any]:
    """Return what --json tells of the runs of a group."""
    names = dict.fromkeys(name for run in row.runs for name in run.figures)
    figures = {name: {"mean": row.value(name), "std": row.deviation(name)} for name in names}
    experiment = {key: value for key, value in row.runs[0].experiment.items() if key != "seed"}
    runs = [str(run.path) for run in row.runs]
    return {"runs": runs, "n": len(runs), "status": row.value("status"), **figures, "experiment": experiment}


def comparison(runs: Sequence[Run]) -> dict[str, list[Any]]:
    """Return what differs between runs, by name: keys of the config, figures, and what the bits depend on."""
    rows = [Row((run,)) for run in runs]
    keys = [key for key in differing(runs) if key != "epochs"]
    names = dict.fromkeys(("status", *(name for run in runs for name in run.figures)))
    values = {name: [row.value(name) for row in rows] for name in (*keys, *names)}
    surroundings = [_surroundings(run) for run in runs]
    values |= {name: [there.get(name) for there in surroundings] for there in surroundings for name in there}
    return {name: there for name, there in values.items() if any(value != there[0] for value in there)}


def _surroundings(run: Run) -> dict[str, Any]:
    record = run.record
    groups = {name: record[name] for name in ("versions", "blas") if isinstance(record.get(name), dict)}
    flat = {f"{name}.{key}": value for name, group in groups.items() for key, value in group.items()}
    return {"parameters": record.get("parameters"), **flat, "platform": record.get("platform")}


def show_text(run: Run) -> str:
    """Return all about a run: how it came about, what came of it, its epochs in short, its config."""
    import yaml

    record, epochs = run.record, run.config.get("epochs")
    done = _cell(Row((run,)), "epochs").partition("/")[0]
    took = f", {duration(run.figures['seconds'])}" if "seconds" in run.figures else ""
    facts = {
        "run": f"{run.path}  ({run.status}{took})",
        "command": _command(record.get("argv")),
        "started": record.get("started"),
        "resumed": record.get("resumed"),
        "ended": record.get("ended"),
        "epochs": f"{done} of {epochs}" + (f": {record['reason']}" if record.get("reason") else ""),
        "diverged": _pairs(record.get("diverged")),
        "parameters": f"{record['parameters']:,}" if isinstance(record.get("parameters"), int) else None,
        "test": ", ".join(
            f"{name.removeprefix('test_')} {value_text(name, value)}"
            for name, value in run.figures.items()
            if name.startswith("test_")
        ),
        "versions": _pairs(record.get("versions")),
        "blas": _pairs(record.get("blas")),
        "platform": record.get("platform"),
    }
    lines = [f"{name:<10}  {fact}" for name, fact in facts.items() if fact]
    config = yaml.safe_dump(dict(run.experiment), sort_keys=False, default_flow_style=None, allow_unicode=True)
    return "\n\n".join(part for part in ("\n".join(lines), _epochs_text(run), config.rstrip()) if part)


def _epochs_text(run: Run) -> str:
    """Return the figures of the first, the best and the last epoch."""
    rows = {int(row["epoch"]): row for row in read_rows(RunFolder(run.path).metrics)}
    if not rows:
        return ""
    named: dict[int, str] = {}
    for name, epoch in (("first", min(rows)), ("best", run.figures.get("best_epoch")), ("last", max(rows))):
        if isinstance(epoch, int) and epoch in rows:
            named[epoch] = f"{named[epoch]}, {name}" if epoch in named else name
    columns = [name for name in rows[max(rows)] if is_figure(name) and name != "seconds"]
    lines = [
        [which, epoch, *(value_text(column, rows[epoch].get(column)) for column in columns)]
        for epoch, which in named.items()
    ]
    return table(["", "epoch", *columns], lines)


def _command(argv: Any) -> str:
    return shlex.join(["backprop", *map(str, argv)]) if isinstance(argv, list) else ""


def _pairs(data: Any) -> str:
    return ", ".join(f"{key} {value}" for key, value in data.items()) if isinstance(data, dict) else ""


def is_figure(column: str) -> bool:
    """Whether a column holds a measured figure, with a mean and a deviation over seeds."""
    return column == "seconds" or column.endswith(("_accuracy", "_cost", "_rmse", "_r2"))


def value_text(column: str, value: Any, deviation: float | None = None) -> str:
    """Return a value as its column shows it; nothing for None."""
    if value is None:
        return ""
    if not isinstance(value, int | float):  # a key of the config that has the name of a metric
        return config_text(value)
    if column == "seconds":
        return duration(value)
    if column.endswith("_accuracy"):
        return f"{value:.2%}" if deviation is None else f"{100 * value:.2f} ± {100 * deviation:.2f}%"
    if is_figure(column):
        return f"{value:.4f}" if deviation is None else f"{value:.4f} ± {deviation:.4f}"
    return config_text(value)


def config_text(value: Any) -> str:
    """Return a value of a config as a file could have it."""
    if value is None:
        return ""
    return json.dumps(value, ensure_ascii=False) if isinstance(value, bool | list | dict) else str(value)


def _cell(row: Row, column: str) -> str:
    value = row.value(column)
    if column == "epochs" and value is not None:
        wanted = row.runs[0].config.get("epochs")
        return f"{value:g}" if value == wanted else f"{value:g}/{wanted}"
    return value_text(column, value, row.deviation(column))


def paths(runs: Iterable[Run]) -> str:
    """Return the folders of runs, one a line."""
    return "\n".join(str(run.path) for run in runs)
