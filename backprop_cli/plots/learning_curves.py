"""From runs to one chart of their learning curves."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from functools import reduce

import numpy as np

from backprop_cli.drawing.curves import Curves, draw_curves
from backprop_cli.drawing.style import COLOURS, FIRST, title
from backprop_cli.errors import RunError
from backprop_cli.listing.settings import config_differences, group_by_seed, group_name, split_duplicates
from backprop_cli.plots import PlotResult
from backprop_cli.results.evaluation import SPLITS
from backprop_cli.results.run import Run

MAX_LABEL = 44
"""The longest label; longer ones leave out the config values."""


def plot_learning_curves(runs: Sequence[Run], each: bool = False) -> PlotResult:
    """Draw the curves of all runs; those that differ only by seed as their mean, unless `each`.

    A run that repeats config and seed of another one is not drawn again, which a note says. If there are more curves
    than colours, the best have a colour and a name, and the others are grey. Raises RunError if no run has finished
    an epoch.
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
    labels = _labels(groups)
    if len(groups) > len(COLOURS):
        notes.append(f"{len(groups)} curves: the best {FIRST} have a name, the other {len(groups) - FIRST} are grey")
        best = sorted(range(len(groups)), key=lambda number: _rank(groups[number]))[:FIRST]
        labels = [label if number in best else "" for number, label in enumerate(labels)]
    curves = [_aggregate(group, label) for group, label in zip(groups, labels, strict=True)]
    caption = "Learning curves" + (", with a ring around the best epoch." if any(one.best for one in curves) else ".")
    if any(len(group) > 1 for group in groups):
        caption += " A line with a band is the mean of runs that differ by seed, ± one standard deviation."
    if len({one.cost for one in curves}) > 1:
        caption += " Different cost functions are drawn in separate panels, as their values cannot be compared."
    caption += "".join(f" {note[0].upper()}{note[1:]}." for note in notes)
    shown = [run for group, label in zip(groups, labels, strict=True) if label for run in group]
    alt = " ".join(["Learning curves.", *map(_summary, shown)])
    figure = draw_curves(curves)
    return PlotResult(title(figure, labels[0]) if len(groups) == 1 else figure, caption, alt, tuple(notes))


def _rank(group: Sequence[Run]) -> float:
    """Return a number that is lower for better runs: by the mean of the accuracy, or else of the cost."""
    costs = [run.best.get("val_cost", run.best.get("train_cost", np.inf)) for run in group]
    accuracies = [run.best.get("val_accuracy", -cost) for run, cost in zip(group, costs, strict=True)]
    return -float(np.mean(accuracies))


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
    epochs = reduce(np.intersect1d, (run.table["epoch"] for run in group))
    names = [name for name in group[0].table if name.startswith(("train_", "val_"))]
    columns = {
        name: np.stack([run.table[name][np.isin(run.table["epoch"], epochs)] for run in group]) for name in names
    }
    validated = not np.isnan(columns.get("val_cost", np.nan)).all()  # otherwise the best epoch is just the last one
    best = group[0].best_epoch if len(group) == 1 and validated else None
    return Curves(label, epochs, columns, best, group[0].config.cost.name)


def _summary(run: Run) -> str:
    parts: list[str] = []
    for name, noun in (
        ("accuracy", "accuracy"),
        ("rmse", "RMSE"),
        ("squared_error", "squared error"),
        ("pseudo_likelihood", "pseudo-likelihood"),
        ("reconstruction", "reconstruction error"),
        ("cost", "cost"),
    ):
        for split in ("val", "train"):
            values = run.metrics.get(f"{split}_{name}", np.empty(0))
            values = values[~np.isnan(values)]  # of the epochs that were evaluated
            if len(values) and np.isfinite(values).all() and not any(noun in part for part in parts):
                first, last = (f"{v:.2%}" if name == "accuracy" else f"{v:.4g}" for v in (values[0], values[-1]))
                parts.append(f"{SPLITS[split]} {noun} goes from {first} to {last}")
    best = f"; the best epoch is {run.best_epoch}" if run.best_epoch else ""
    return f"{run.name}: in {len(run.epochs)} epochs, {', '.join(parts)}{best}."
