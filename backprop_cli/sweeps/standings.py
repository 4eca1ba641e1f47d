"""The results of a sweep: the loss of each setting, over its seeds, and the settings in order."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from statistics import fmean, stdev
from typing import Any

from backprop_cli.frozen import frozen
from backprop_cli.listing.columns import higher_is_better, main_metric, metric_text
from backprop_cli.search.spaces import Setting, setting_text
from backprop_cli.sweeps.journal import Entry

DONE = ("finished", "stopped_early", "diverged", "failed", "pruned")
"""The statuses of runs that a sweep does not train again."""


@frozen
class Standing:
    """A setting, and its runs with all seeds: `values` are those of the metric that settings are compared by."""

    trial: int
    setting: Setting
    runs: tuple[str, ...]
    statuses: tuple[str, ...]
    metric: str
    values: tuple[float, ...]
    costs: tuple[float, ...] = ()

    @property
    def mean(self) -> float:
        """The mean over the seeds; NaN if there is no value."""
        return fmean(self.values) if self.values else math.nan

    @property
    def deviation(self) -> float | None:
        """The sample standard deviation over the seeds, None for fewer than two."""
        return stdev(self.values) if len(self.values) > 1 else None

    @property
    def loss(self) -> float | None:
        """The mean, lower being better; infinite if a run diverged, None if one failed."""
        if "failed" in self.statuses:
            return None
        if "diverged" in self.statuses or not self.values:
            return math.inf
        return -self.mean if higher_is_better(self.metric) else self.mean

    @property
    def unusable(self) -> bool:
        """Whether a run diverged or failed."""
        return self.loss in (None, math.inf)

    @property
    def complete(self) -> bool:
        """Whether all runs were trained to their end."""
        return not self.unusable and "pruned" not in self.statuses

    @property
    def rank(self) -> tuple[float, ...]:
        """What settings are sorted by: whole before pruned, diverged and failed ones, then the best."""
        loss, cost = self.loss, fmean(self.costs) if self.costs else 0.0
        return (loss is None, loss == math.inf, "pruned" in self.statuses, loss or 0.0, cost, self.trial)

    @property
    def status(self) -> str:
        """The statuses of the runs, with their numbers if they differ."""
        counts = Counter(self.statuses)
        return ", ".join(f"{n} {name}" for name, n in counts.items()) if len(counts) > 1 else self.statuses[0]

    @property
    def value_text(self) -> str:
        """The mean and the deviation as text."""
        return metric_text(self.metric, self.mean, self.deviation) if self.values else ""

    @property
    def text(self) -> str:
        """The setting as words of the command line."""
        return setting_text(self.setting) or "the settings of the config"

    def to_dict(self) -> dict[str, Any]:
        """Return the setting and its results as plain data."""
        return {
            "setting": self.setting,
            "runs": list(self.runs),
            "status": self.status,
            self.metric: {"mean": self.mean, "std": self.deviation, "values": list(self.values)},
        }


@dataclass
class Standings:
    """The entries of a sweep by setting and seed."""

    seeds: Sequence[int]
    metric: str | None = None
    counts: Counter[str] = field(default_factory=Counter)
    _entries: dict[int, dict[int, Entry]] = field(default_factory=dict)
    _rungs: dict[tuple[int, int], Entry] = field(default_factory=dict)

    def add(self, entry: Entry) -> None:
        """Take an entry; a later one replaces an earlier one of the same run."""
        self.metric = self.metric or main_metric(entry.best or {})
        if entry.until:
            self._rungs[entry.trial, entry.until] = entry
            return
        of_trial = self._entries.setdefault(entry.trial, {})
        if before := of_trial.get(entry.seed):
            self.counts[before.status] -= 1
        of_trial[entry.seed] = entry
        self.counts[entry.status] += 1

    def forget(self, status: str) -> None:
        """Remove the entries with a status, so that their runs are trained again."""
        for entries in self._entries.values():
            for seed in [seed for seed, entry in entries.items() if entry.status == status]:
                del entries[seed]
        del self.counts[status]

    def has(self, trial: int, seed: int) -> bool:
        """Whether the run of a setting and a seed is done."""
        return seed in self._entries.get(trial, {})

    def at(self, trial: int, until: int) -> Entry | None:
        """Return the result of a run up to an epoch at which it was paused, None if it is not known."""
        return self._rungs.get((trial, until))

    def status(self, trial: int, seed: int) -> str:
        """Return the status of a run that is done."""
        return self._entries[trial][seed].status

    def standing(self, trial: int) -> Standing | None:
        """Return a setting of which all runs are done, else None."""
        entries = self._entries.get(trial, {})
        statuses = tuple(entry.status for entry in entries.values())
        if len(entries) < len(self.seeds) and "pruned" not in statuses:
            return None
        metric = self.metric or "val_cost"
        ordered = [entries[seed] for seed in sorted(entries)]
        return Standing(
            trial,
            ordered[0].setting,
            tuple(entry.run for entry in ordered),
            statuses,
            metric,
            self._values(ordered, metric),
            self._values(ordered, metric.partition("_")[0] + "_cost"),
        )

    def known(self, before: int) -> list[tuple[Setting, float | None]]:
        """Return the settings before a number, with their losses."""
        standings = (self.standing(trial) for trial in range(before))
        return [(standing.setting, standing.loss) for standing in standings if standing]

    def ranking(self) -> list[Standing]:
        """Return the settings that are done, the best first."""
        found = (self.standing(trial) for trial in self._entries)
        return sorted((standing for standing in found if standing), key=lambda standing: standing.rank)

    def failures(self) -> list[Entry]:
        """Return the runs that failed."""
        return [entry for runs in self._entries.values() for entry in runs.values() if entry.status == "failed"]

    def _values(self, entries: Sequence[Entry], metric: str) -> tuple[float, ...]:
        best: list[Mapping[str, float]] = [entry.best or {} for entry in entries if entry.status != "diverged"]
        return tuple(metrics[metric] for metrics in best if metric in metrics)

    def loss_at(self, trial: int, until: int) -> float | None:
        """Return the loss of a run up to an epoch at which it was paused, None if it is not known."""
        if (entry := self.at(trial, until)) is None:
            return None
        value = (entry.best or {}).get(self.metric or "")
        if value is None or entry.status in ("diverged", "failed"):
            return math.inf
        return -value if higher_is_better(str(self.metric)) else value
