"""Several runs to compare: all of them in summary, and as objects those of which more is shown."""

from __future__ import annotations

from collections.abc import Callable, Container, Iterable, Sequence
from dataclasses import field, replace
from os.path import basename, realpath
from pathlib import Path

from backprop_cli.errors import BackpropError, ConfigError, RunError
from backprop_cli.frozen import frozen
from backprop_cli.listing.summary import RunSummary, summary_of
from backprop_cli.results.run import DatasetCache, Run
from backprop_cli.runs.folder import RunFolder

OnDamage = Callable[[BackpropError], None]


@frozen
class RunCollection:
    """Runs by their summaries. One small file per run is read, and config and metrics only of those that are opened.

    Of several runs, a damaged one is left out, and `on_damage` is called with the error, once.
    """

    summaries: Sequence[RunSummary]
    datasets: DatasetCache
    checkpoint: str
    on_damage: OnDamage
    _opened: dict[Path, Run | None] = field(default_factory=dict, repr=False)

    @classmethod
    def read(
        cls, folders: Iterable[RunFolder], datasets: DatasetCache, checkpoint: str, on_damage: OnDamage
    ) -> RunCollection:
        """Return the runs in these folders, each once.

        Raises RunError or ConfigError if the only run is damaged, or the last one and all others.
        """
        unique = {realpath(folder.path): folder for folder in folders}
        found: list[RunSummary] = []
        for number, (place, folder) in enumerate(unique.items(), start=1):
            try:
                found.append(summary_of(folder, folder.read_record(), basename(place)))
            except RunError as error:
                if number == len(unique) and not found:
                    raise
                on_damage(error)
        runs = cls(found, datasets, checkpoint, on_damage)
        if len(unique) == 1:
            runs.open()
        return runs

    def __len__(self) -> int:
        return len(self.summaries)

    def only(self, paths: Container[Path]) -> RunCollection:
        """Return the collection of the runs in these folders."""
        return replace(self, summaries=[run for run in self.summaries if run.path in paths])

    def open(self, summaries: Iterable[RunSummary] | None = None) -> list[Run]:
        """Return some of the runs, by default all of them, as objects."""
        chosen = self.summaries if summaries is None else summaries
        return [run for summary in chosen if (run := self._open(summary.path))]

    def _open(self, path: Path) -> Run | None:
        if path not in self._opened:
            try:
                self._opened[path] = Run(RunFolder(path), self.datasets, self.checkpoint)
            except (RunError, ConfigError) as error:
                if len(self.summaries) == 1:
                    raise
                self._opened[path] = None
                self.on_damage(error)
        return self._opened[path]
