"""From runs to one chart of their learning curves."""

from __future__ import annotations

from collections.abc import Sequence
from functools import reduce

import numpy as np

from backprop_cli.drawing.curves import Curves, draw_curves
from backprop_cli.drawing.style import COLOURS, FIRST, title
from backprop_cli.errors import RunError
from backprop_cli.listing.settings import config_differences, group_name
from backprop_cli.plots import PlotResult
from backprop_cli.plots.comparisons import Comparison
from backprop_cli.results.evaluation import SPLITS
from backprop_cli.results.run import Run
from backprop_cli.text import some_of

MAX_LABEL = 44
"""The longest label; longer ones leave out the config values."""

MAX_CURVES = 100
"""The most curves; lines of more cannot be told apart."""


def plot_learning_curves(comparison: Comparison) -> PlotResult:
    """Draw the curves of the groups: runs that differ only by seed as their mean.

    A run that repeats config and seed of another one is not drawn again, which a note says. If there are more curves
    than colours, the best have a colour and a name, and the others are grey; of more than MAX_CURVES, the best are
    drawn. Raises RunError if no run has finished an epoch.
    """
    runs, ranked, notes = comparison.runs, comparison.table.groups, []
    opened = (runs.open(group.replicates) for group in ranked[:MAX_CURVES])
    by_rank = [started for group in opened if (started := [run for run in group if len(run.epochs)])]
    if not by_rank:
        raise RunError(f"{runs.summaries[0].path}: no epoch was completed, so there are no learning curves")
    place = {run.path: number for number, run in enumerate(runs.summaries)}
    groups = sorted(by_rank, key=lambda group: place[group[0].path])
    labels, differences = _labels(groups)
    if repeated := [run.name for group in ranked for run in group.duplicates]:
        notes.append(f"not drawn, same config and seed as another run: {some_of(repeated)}")
    if len(groups) > len(COLOURS):
        notes.append(f"{len(groups)} curves: the best {FIRST} have a name, the other {len(groups) - FIRST} are grey")
        labels = [label if group in by_rank[:FIRST] else "" for group, label in zip(groups, labels, strict=True)]
    if (more := len(ranked) - MAX_CURVES) > 0:
        notes.append(f"not drawn: {more} settings that are worse than these {MAX_CURVES}")
    curves = [_aggregate(group, label) for group, label in zip(groups, labels, strict=True)]
    caption = "Learning curves" + (", with a ring around the best epoch." if any(one.best for one in curves) else ".")
    if any(len(group) > 1 for group in groups):
        caption += " A line with a band is the mean of runs that differ by seed, ± one standard deviation."
    if len({one.cost for one in curves}) > 1:
        caption += " Different cost functions are drawn in separate panels, as their values cannot be compared."
    caption += "".join(f" {note[0].upper()}{note[1:]}." for note in notes)
    shown = [run for group, label in zip(groups, labels, strict=True) if label for run in group]
    alt = " ".join(["Learning curves.", *map(_summary, shown)])
    figure = draw_curves(curves, differences)
    return PlotResult(title(figure, labels[0]) if len(groups) == 1 else figure, caption, alt, tuple(notes))


def _labels(groups: Sequence[Sequence[Run]]) -> tuple[list[str], str]:
    """Return the labels of the groups, all of the same form: name and config values, only values, or only names.

    Where there is no room for the values, the second is a sentence about the keys in which the groups differ.
    """
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
    keys = [key for key in differences[0] if not (key == "seed" and replicated)]
    untold = f"differences: {some_of(keys)}" if chosen is names and keys else ""
    return [label + mean for label, mean in zip(chosen, means, strict=True)], untold


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
