"""From runs to one chart of their learning curves."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import numpy as np

from backprop_cli.errors import RunError
from backprop_cli.plots import PlotResult
from backprop_cli.plots.curves import Curves, draw_curves
from backprop_cli.plots.style import COLOURS
from backprop_cli.results.evaluation import SPLITS
from backprop_cli.results.run import Run
from backprop_cli.results.settings import config_differences, group_by_seed, group_name, split_duplicates

MAX_LABEL = 44
"""The longest label; longer ones leave out the config values."""


def plot_learning_curves(runs: Sequence[Run], each: bool = False) -> PlotResult:
    """Draw the curves of all runs; those that differ only by seed as their mean, unless `each`.

    A run that repeats config and seed of another one is not drawn again, and there are no more curves than colours;
    the notes name what is left out. Raises RunError if no run has finished an epoch.
    """
    started = [run for run in runs if len(run.epochs)]
    if not started:
        raise RunError(f"{runs[0].path}: no epoch was completed, so there are no learning curves")
    groups, notes = [[run] for run in started], []
    if not each:
        groups = []
        for group in group_by_seed(started, lambda run: run.flat_config):
            kept, repeated = split_duplicates(group, lambda run: run.flat_config, lambda run: len(run.epochs))
            groups.append(kept)
            if repeated:
                notes.append(f"not drawn, same config and seed as another run: {_names(repeated)}")
    if missing := groups[len(COLOURS) :]:
        notes.append(f"{len(COLOURS)} of {len(groups)} curves are drawn; not drawn: {_names(g[0] for g in missing)}")
        groups = groups[: len(COLOURS)]
    labels = _labels(groups)
    curves = [_aggregate(group, label) for group, label in zip(groups, labels, strict=True)]
    caption = "Learning curves" + (", with a ring around the best epoch." if any(one.best for one in curves) else ".")
    if any(len(group) > 1 for group in groups):
        caption += " A line with a band is the mean of runs that differ by seed, ± one standard deviation."
    if len({one.cost for one in curves}) > 1:
        caption += " Different cost functions are drawn in separate panels, as their values cannot be compared."
    caption += "".join(f" {note[0].upper()}{note[1:]}." for note in notes)
    shown = [run for group in groups for run in group]
    return PlotResult(draw_curves(curves), caption, " ".join(["Learning curves.", *map(_summary, shown)]), tuple(notes))


def _names(runs: Iterable[Run]) -> str:
    return ", ".join(run.name for run in runs)


def _labels(groups: Sequence[Sequence[Run]]) -> list[str]:
    """Return the labels of the groups, all of the same form: name and config values, only values, or only names."""
    names = [group_name([run.name for run in group]) for group in groups]
    differences = config_differences([group[0].flat_config for group in groups])
    replicated = any(len(group) > 1 for group in groups)
    values = [
        " ".join(f"{key}={value}" for key, value in one.items() if value and not (key == "seed" and replicated))
        for one in differences
    ]
    means = [f" (mean of {len(group)} seeds)" if len(group) > 1 else "" for group in groups]
    forms = [[f"{n}  {v}".strip() for n, v in zip(names, values, strict=True)]]
    if all(values) and len(set(values)) == len(values):
        forms.append(values)
    chosen = next((form for form in forms if max(map(len, form)) <= MAX_LABEL), names)
    return [label + mean for label, mean in zip(chosen, means, strict=True)]


def _aggregate(group: Sequence[Run], label: str) -> Curves:
    """Return the curves of runs that differ by seed over the epochs that all of them have."""
    shortest = min(group, key=lambda run: len(run.epochs))
    n = len(shortest.epochs)
    names = [name for name in shortest.metrics if name.startswith(("train_", "val_"))]
    columns = {name: np.stack([run.metrics[name][:n] for run in group]) for name in names}
    validated = not np.isnan(columns.get("val_cost", np.nan)).all()  # otherwise the best epoch is just the last one
    best = group[0].best_epoch if len(group) == 1 and validated else None
    return Curves(label, shortest.epochs, columns, best, group[0].config.cost.name)


def _summary(run: Run) -> str:
    parts: list[str] = []
    for name, noun in (("accuracy", "accuracy"), ("rmse", "RMSE"), ("cost", "cost")):
        for split in ("val", "train"):
            values = run.metrics.get(f"{split}_{name}", np.empty(0))
            values = values[~np.isnan(values)]  # of the epochs that were evaluated
            if len(values) and np.isfinite(values).all() and not any(noun in part for part in parts):
                first, last = (f"{v:.2%}" if name == "accuracy" else f"{v:.4g}" for v in (values[0], values[-1]))
                parts.append(f"{SPLITS[split]} {noun} goes from {first} to {last}")
    best = f"; the best epoch is {run.best_epoch}" if run.best_epoch else ""
    return f"{run.name}: in {len(run.epochs)} epochs, {', '.join(parts)}{best}."
