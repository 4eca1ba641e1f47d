"""What a sweep found: the settings in order, as objects, text and plain data."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from itertools import chain
from pathlib import Path
from statistics import fmean, stdev
from typing import Any

from backprop_cli.data.cache import Cache
from backprop_cli.errors import BackpropError, CheckFailed, Exit
from backprop_cli.frozen import frozen
from backprop_cli.listing.columns import metric_text
from backprop_cli.listing.settings import value_text
from backprop_cli.results.run import DatasetCache, Run
from backprop_cli.runs.folder import RunFolder
from backprop_cli.sweeps.journal import Entry
from backprop_cli.sweeps.standings import Standing
from backprop_cli.text import some_of, table

TOP = 5
"""Settings in the table."""


@frozen
class SweepResult:
    """A sweep after training: `settings` are those that are done, the best first; `counts` are runs by status.

    Of the runs, `missing` are still to be trained. `test` has the metrics of the best setting on the test split, one
    for each seed; it is empty unless the sweep is complete and there is a test split. Of several `shards`, this is the
    result of one.
    """

    path: Path
    settings: list[Standing]
    counts: Mapping[str, int]
    missing: int
    failed: list[Entry]
    test: Mapping[str, tuple[float, ...]]
    cache: Cache
    shards: int = 1

    @property
    def best(self) -> Standing:
        """The best setting. Raises BackpropError if no run can be used."""
        if not self.settings or self.settings[0].unusable:
            raise BackpropError(f"{self.path}: no run was finished")
        return self.settings[0]

    def runs(self, setting: Standing) -> list[Run]:
        """Return the runs of a setting, one for each seed. Raises RunError if they are not kept."""
        datasets = DatasetCache(self.cache)
        return [Run(RunFolder(self.path / name), datasets) for name in setting.runs]

    @property
    def exit_code(self) -> Exit:
        """The exit code of a command that ends with this result."""
        if self.failed:
            return Exit.FAILED
        return Exit.DIVERGED if self.settings and self.settings[0].unusable else Exit.DONE

    @property
    def failures(self) -> str:
        """The runs that failed, why, and what to do."""
        errors = Counter(str(entry.error).replace(entry.run, "…").splitlines()[0] for entry in self.failed)
        names = some_of([entry.run for entry in self.failed])
        return f"{names}: {some_of(list(errors))}; try again with --retry-failed"

    def require_accuracy(self, least: float | None) -> None:
        """Raise CheckFailed if the best setting has a lower accuracy on the validation split than `least`, if given."""
        if least is None:
            return
        found = self.best.mean
        if self.best.metric != "val_accuracy" or found < least:
            raise CheckFailed(f"{self.best.metric} {metric_text(self.best.metric, found)} is below {least:.2%}")

    def to_text(self) -> str:
        """Return the best settings, how many runs there are, and the next commands."""
        counts = ", ".join(f"{count} {status}" for status, count in self.counts.items() if count)
        lines, eval_option = [self._table()] if self.settings else [], ""
        if self.test:
            metrics = (f"{name} {_over_seeds(name, values)}" for name, values in self.test.items() if name != "cost")
            lines.append(f"\nbest        {self.best.text}: test {', '.join(metrics) or 'cost'}")
        elif self.settings and self.settings[0].complete and not self.missing and self.shards == 1:
            lines.append(f"\nbest        {self.best.text}: not tested, as there is no test split")
            eval_option = f" --split {self.best.metric.partition('_')[0]}"
        more = f"{self.missing:,} to train: repeat the command" if self.missing else "complete"
        lines.append(f"sweep       {self.path}  ({counts or 'no runs'}; {more})")
        if self.failed:
            lines.append(f"failed      {self.failures}")
        if self.shards > 1:
            lines.append(f"next        backprop runs merge {self.path}, when all {self.shards} shards have ended")
        elif self.settings and not self.settings[0].unusable:
            lines.append(f"next        backprop eval {self.path / self.best.runs[0]}{eval_option}")
            lines.append(f"            backprop runs list --runs-dir {self.path} --group-by-seed --top 20")
        return "\n".join(lines)

    def to_dict(self) -> dict[str, Any]:
        """Return the result as plain data."""
        return {
            "sweep": str(self.path),
            "runs": {**self.counts, "missing": self.missing},
            "settings": [setting.to_dict() for setting in self.settings],
            "failed": [{"run": entry.run, "error": entry.error} for entry in self.failed],
            "test": dict(self.test),
        }

    def _table(self) -> str:
        shown = self.settings[:TOP]
        keys = dict.fromkeys(chain.from_iterable(standing.setting for standing in shown))
        rows = [
            (
                some_of(standing.runs, 1),
                standing.status,
                standing.value_text,
                *(value_text(standing.setting.get(key)) for key in keys),
            )
            for standing in shown
        ]
        return table(["run", "status", shown[0].metric, *keys], rows, left=2)


def _over_seeds(name: str, values: tuple[float, ...]) -> str:
    return metric_text(f"test_{name}", fmean(values), stdev(values) if values[1:] else None)
