"""From many runs to one chart: how a metric depends on the config keys in which they differ."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from functools import cached_property
from statistics import fmean

import numpy as np

from backprop_cli.drawing.heatmap import MAX_VALUES, Axis, draw_heatmap
from backprop_cli.drawing.parallel import Coordinate, draw_parallel
from backprop_cli.errors import RunError, UsageError
from backprop_cli.frozen import frozen
from backprop_cli.listing.columns import METRICS, higher_is_better, metric_text, require_known
from backprop_cli.listing.settings import FIRST, config_keys, natural_key, setting, value_text
from backprop_cli.listing.summary import read_summary
from backprop_cli.listing.table import RunGroup, RunTable
from backprop_cli.nn.arrays import Array
from backprop_cli.plots import PlotResult
from backprop_cli.results.run import Run
from backprop_cli.text import some_of

MIN_GROUPS = 4
"""The fewest settings for which these plots are drawn without being asked for."""

MAX_AXES, MAX_LINES, MAX_TICKS = 8, 500, 10
"""The most keys and settings in parallel coordinates, and the most values of a key that are at equal distances."""

LOG_RATIO = 20
"""Numbers whose largest and smallest have a larger ratio are on a logarithmic axis."""


@frozen
class Comparison:
    """What to compare: the runs, by groups that differ only by seed unless `each`, by these keys and this metric.

    By default all keys that tell the groups apart, and the metric by which runs are ranked.
    """

    runs: Sequence[Run]
    each: bool = False
    keys: tuple[str, ...] = ()
    metric: str | None = None

    @cached_property
    def table(self) -> RunTable:
        """The groups, the best first."""
        return RunTable.of([read_summary(run.folder, run.name) for run in self.runs], not self.each).ranked()

    @cached_property
    def column(self) -> str:
        """The metric that is drawn. Raises UsageError or RunError if no run has it."""
        if self.metric:
            require_known(self.metric, METRICS, "unknown metric")
        name = self.metric or self.table.main_metric
        if name not in self.table.metrics:
            raise RunError(f"no run has {name or 'a metric'}; nothing to compare")
        return name

    @cached_property
    def groups(self) -> list[RunGroup]:
        """The groups that have the metric, the best first."""
        have = [group for group in self.table.groups if group.value(self.column) is not None]
        return sorted(have, key=lambda group: -self.sign * group.value(self.column))

    @property
    def sign(self) -> int:
        """1 if a higher metric is better, else -1."""
        return 1 if higher_is_better(self.column) else -1

    @cached_property
    def telling(self) -> list[str]:
        """The keys to compare by; by default those that change the metric most come first."""
        return list(self.keys) or sorted(
            (key for key in self.table.keys if key != "seed" and len(self.values_of(key)) > 1), key=self._effect
        )

    @property
    def notes(self) -> tuple[str, ...]:
        """What is not drawn."""
        repeated = [run.name for group in self.table.groups for run in group.duplicates]
        without = [group.value("run") for group in self.table.groups if group.value(self.column) is None]
        notes = [f"not counted, same config and seed as another run: {some_of(repeated)}"] if repeated else []
        return (*notes, *([f"not drawn, without {self.column}: {some_of(without)}"] if without else []))

    def value(self, group: RunGroup, key: str) -> str:
        """Return the value of a key as text."""
        return value_text(setting(group.runs[0].config, key))

    def values_of(self, key: str) -> list[str]:
        """Return the values of a key, in order. Raises UsageError if no run has it."""
        known = (*self.table.keys, *config_keys(group.runs[0].config for group in self.groups))
        require_known(key, known, "no run has a key")
        values = {self.value(group, key): setting(group.runs[0].config, key) for group in self.groups}
        return sorted(values, key=lambda text: natural_key(values[text]))

    def best_words(self) -> str:
        """Return the best setting in words."""
        best = self.groups[0]
        words = " ".join(f"{key}={self.value(best, key) or 'none'}" for key in self.telling[:MAX_AXES])
        return f"the best is {words}: {self.column} {best.cell(self.column)}"

    def _effect(self, key: str) -> float:
        found: dict[str, list[float]] = {}
        for group in self.groups:
            found.setdefault(self.value(group, key), []).append(group.value(self.column))
        means = [fmean(values) for values in found.values()]
        return min(means) - max(means)


def _grid_keys(comparison: Comparison) -> tuple[str, str]:
    """Return the keys of the columns and the rows of a heat map. Raises UsageError."""
    keys = [key for key in comparison.telling if comparison.keys or len(comparison.values_of(key)) <= MAX_VALUES]
    if len(keys) < 2 or (comparison.keys and len(keys) != 2):
        raise UsageError("a heat map needs runs that differ in two keys; choose them with --keys, such as eta,lambda")
    for key in keys[:2]:
        if (n := len(comparison.values_of(key))) > MAX_VALUES:
            raise UsageError(f"{key} has {n} values; a heat map shows at most {MAX_VALUES}; use --kind parallel")
    x, y = keys[:2]
    swap = not comparison.keys and len(comparison.values_of(x)) < len(comparison.values_of(y))
    return (y, x) if swap else (x, y)


def no_heatmap(comparison: Comparison) -> str | None:
    """Return why a heat map is not drawn without being asked for, None if it is: less than half of it is filled."""
    if reason := no_parallel(comparison):
        return reason
    try:
        keys = _grid_keys(comparison)
    except UsageError as error:
        return str(error)
    filled = {tuple(comparison.value(group, key) for key in keys) for group in comparison.groups}
    n_cells = len(comparison.values_of(keys[0])) * len(comparison.values_of(keys[1]))
    return None if len(filled) >= max(MIN_GROUPS, n_cells / 2) else "the runs are not a grid"


def plot_heatmap(comparison: Comparison) -> PlotResult:
    """Draw the metric over two keys; where a cell has several settings, that of the best one."""
    x, y = _grid_keys(comparison)
    rows, columns = comparison.values_of(y), comparison.values_of(x)
    values = np.full((len(rows), len(columns)), np.nan)
    texts = [["" for _ in columns] for _ in rows]
    best = {}
    for group in reversed(comparison.groups):  # the best last
        best[rows.index(comparison.value(group, y)), columns.index(comparison.value(group, x))] = group
    for (row, column), group in best.items():
        values[row, column] = group.value(comparison.column)
        texts[row][column] = _cell_text(comparison, group)
    name = comparison.column
    words = "mean ± sd over seeds" if any(len(group.replicates) > 1 for group in comparison.groups) else "single runs"
    if len(best) < len(comparison.groups):
        words = f"best setting of each cell, {words}"
    figure = draw_heatmap(_axis(x, columns), _axis(y, rows), values, texts, comparison.sign, name, words)
    caption = f"Heat map of {name} over {x} and {y}: {words}. Light is better, the best has a frame."
    notes, alt = comparison.notes, f"{caption} Of all settings {comparison.best_words()}."
    return PlotResult(figure, _with_notes(caption, notes), alt, notes)


def _axis(key: str, values: Iterable[str]) -> Axis:
    return Axis(key, [value or "–" for value in values])


def _cell_text(comparison: Comparison, group: RunGroup) -> str:
    """Return the metric, below it the deviation over seeds and how many of the runs have it, if not all."""
    name = comparison.column
    lines = [metric_text(name, group.value(name))]
    if (deviation := group.deviation(name)) is not None:
        lines.append(f"± {metric_text(name, deviation).rstrip('%')}")
    have = sum(name in run.metrics for run in group.replicates)
    return "\n".join([*lines, *([f"{have} of {len(group.replicates)}"] if have < len(group.replicates) else [])])


def no_parallel(comparison: Comparison) -> str | None:
    """Return why parallel coordinates are not drawn without being asked for, None if they are."""
    try:
        if FIRST in comparison.table.keys:
            return "runs on different data sets cannot be compared"
        if len(comparison.groups) >= MIN_GROUPS and len(comparison.telling) > 1:
            return None
    except RunError as error:
        return str(error)
    return f"needs at least {MIN_GROUPS} settings that differ in two keys"


def plot_parallel(comparison: Comparison) -> PlotResult:
    """Draw a line for each setting through its values of the keys to its metric."""
    name, keys, groups = comparison.column, comparison.telling[:MAX_AXES], comparison.groups[:MAX_LINES]
    if not keys or len(groups) < 2:
        raise UsageError("parallel coordinates need at least two runs with different settings")
    goodness = np.linspace(1, 0, len(groups))
    coordinates = [_coordinate(comparison, key, groups, goodness) for key in reversed(keys)]
    numbers = np.array([group.value(name) for group in groups], dtype=float)
    coordinates.append(Coordinate.of_numbers(name, numbers, percent=name.endswith("accuracy")))
    caption = (
        f"Parallel coordinates: a line for each of {len(groups)} settings, through its config values to its {name}; "
        "dark lines are the best. The keys that change the metric most are at the right."
    )
    notes = comparison.notes
    if hidden := comparison.telling[MAX_AXES:]:
        notes += (f"keys not shown, as they change the metric less: {some_of(hidden)}",)
    if more := len(comparison.groups) - len(groups):
        notes += (f"not drawn: {more} settings that are worse than these {len(groups)}",)
    figure = draw_parallel(coordinates, goodness, f"{name} of {len(groups)} settings")
    alt = f"{caption} Of {len(comparison.groups)} settings {comparison.best_words()}."
    return PlotResult(figure, _with_notes(caption, notes), alt, notes)


def _coordinate(comparison: Comparison, key: str, groups: Sequence[RunGroup], goodness: Array) -> Coordinate:
    texts = [comparison.value(group, key) for group in groups]
    values = [setting(group.runs[0].config, key) for group in groups]
    order = [text for text in comparison.values_of(key) if text in set(texts)]
    if len(order) <= MAX_TICKS or not all(isinstance(v, int | float) and not isinstance(v, bool) for v in values):
        return Coordinate.of_values(key, texts, order, goodness)
    numbers = np.array(values, dtype=float)
    return Coordinate.of_numbers(key, numbers, log=numbers.min() > 0 and numbers.max() > LOG_RATIO * numbers.min())


def _with_notes(caption: str, notes: Iterable[str]) -> str:
    return caption + "".join(f" {note[0].upper()}{note[1:]}." for note in notes)
