"""The result of training, from the record of a run: as data, and as a few lines of text."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from backprop_cli.text import duration

COMPLETE = ("finished", "stopped_early")
"""The statuses of runs whose training is complete."""


def outcome(path: Path, record: Mapping[str, Any]) -> dict[str, Any]:
    """Return the folder of a run, and its status and metrics."""
    keys = ("status", "epochs", "seconds", "parameters", "best", "final", "test", "diverged", "reason")
    return {"run": str(path), **{key: record.get(key) for key in keys}}


def outcome_text(path: Path, record: Mapping[str, Any]) -> str:
    """Return the best epoch, the reason for stopping early, the folder, and the commands for the next steps."""
    status, epochs, best = record.get("status"), record.get("epochs", 0), record.get("best")
    lines = []
    if best:
        metrics = "the last one, as there is no validation split"
        validation = {name.removeprefix("val_"): value for name, value in best.items() if name.startswith("val_")}
        if validation.get("cost") is not None:
            metrics = f"validation {_main_metric(validation)}"
        if test := record.get("test"):
            metrics += f", test {_main_metric(test)}"
        lines.append(f"best epoch  {best['epoch']} of {epochs}: {metrics}")
    if status == "stopped_early":
        lines.append(f"stopped     after epoch {epochs}: {record.get('reason')}")
    lines.append(f"run         {path}  ({status}, {duration(record.get('seconds') or 0)})")
    if status in COMPLETE:
        lines.append(f"next        backprop eval {path}")
        if status == "finished":
            lines.append(f"            backprop resume {path} --epochs {2 * epochs}")
    return "\n".join(lines)


def _main_metric(metrics: Mapping[str, Any]) -> str:
    """Return the accuracy, or the errors of a regression."""
    if metrics.get("accuracy") is not None:
        return f"accuracy {metrics['accuracy']:.2%}"
    return f"rmse {metrics['rmse']:.4f}" + (f", r2 {metrics['r2']:.4f}" if metrics.get("r2") is not None else "")
