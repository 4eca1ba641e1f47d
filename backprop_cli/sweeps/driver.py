"""The one process that decides: hands runs to an engine, writes the journal, and knows the results so far."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Executor
from dataclasses import dataclass, field, replace
from heapq import heappush, heappushpop
from pathlib import Path

from backprop_cli.data.cache import Cache
from backprop_cli.errors import BackpropError, ConfigError
from backprop_cli.experiment.schema import Experiment
from backprop_cli.frozen import frozen
from backprop_cli.runs.build import threads_of
from backprop_cli.runs.folder import RunFolder, remove
from backprop_cli.search.pruning import PRUNERS
from backprop_cli.search.samplers import SAMPLERS
from backprop_cli.search.spaces import Setting
from backprop_cli.sweeps.definition import Definition
from backprop_cli.sweeps.dispatch import Call, Lost, dispatch
from backprop_cli.sweeps.journal import Entry, Journal
from backprop_cli.sweeps.result import SweepResult
from backprop_cli.sweeps.stacking import groups
from backprop_cli.sweeps.standings import DONE, Standing, Standings
from backprop_cli.sweeps.worker import Outcome, Task, evaluate_runs, train_runs

ALIKE = 3
"""If so many runs fail at the start for the same reason, the others would too."""


@frozen
class Wanted:
    """A run to be trained: a setting with a seed, up to an epoch or to its end."""

    trial: int
    setting: Setting
    seed: int
    until: int | None = None


@dataclass
class Driver:
    """A sweep while it runs, with at most `jobs` runs at a time until stop() is true.

    A run uses at most `threads` threads, unless the experiment says how many. Of each n settings, those of the `shard`
    (i, n) are trained here.
    """

    definition: Definition
    folder: Path
    journal: Journal
    executor: Executor
    jobs: int
    threads: int
    cache: Cache
    stop: Callable[[], bool]
    shard: tuple[int, int] = (0, 1)
    standings: Standings = field(init=False)
    best: Standing | None = None
    failed: list[str] = field(default_factory=list)
    finished: int = 0

    def __post_init__(self) -> None:
        self.standings = Standings(self.definition.seeds)
        for entry in self.journal.entries:
            self.standings.add(entry)
        self._kept: list[tuple[tuple[float, ...], Standing]] = []
        limit = self.definition.options.keep
        self._keep = None if limit == "all" else int(limit.removeprefix("best "))
        for standing in self.standings.ranking()[::-1]:
            self._rank(standing)

    def run(self) -> Iterator[Entry]:
        """Train what is missing; yield each result once it is in the journal.

        Raises DataError, or BackpropError if the first runs fail alike or the engine is lost.
        """
        options, sampler = self.definition.options, SAMPLERS[self.definition.sampler]
        total, (part, parts) = self.definition.settings, self.shard
        size = options.ask if self.definition.in_batches else total
        for start in range(0, total, size):
            numbers = range(start, min(start + size, total))
            known = self.standings.known(start) if sampler.adaptive else []
            settings = sampler.settings(self.definition.spaces, self.definition.seeds[0], numbers, known)
            trials = zip(numbers, settings, strict=False)
            yield from self._batch((number, setting) for number, setting in trials if number % parts == part)
            if self.stop():
                return

    @property
    def wanted(self) -> int:
        """The number of runs of the sweep, or of the shard."""
        part, parts = self.shard
        return len(range(part, self.definition.settings, parts)) * len(self.definition.seeds)

    @property
    def done(self) -> int:
        """The number of runs that are done, or not needed because the first seed of their setting was pruned."""
        counts = self.standings.counts
        return sum(counts.values()) + counts["pruned"] * (len(self.definition.seeds) - 1)

    def result(self) -> SweepResult:
        """Return the results so far; if there are all, with those of the best setting on the test split."""
        whole = self.done >= self.wanted and self.shard[1] == 1
        test = self._test(self.best) if self.best and whole else {}
        ranking, failures = self.standings.ranking(), self.standings.failures()
        counts, missing = dict(self.standings.counts), max(0, self.wanted - self.done)
        return SweepResult(self.folder, ranking, counts, missing, failures, test, self.cache, self.shard[1])

    def _test(self, best: Standing) -> dict[str, tuple[float, ...]]:
        """Evaluate the best setting's runs on the test split, if there is one; it is used for nothing else."""
        call = Call(best, evaluate_runs, (self.folder, best.runs, self.cache))
        ((_, done),) = dispatch(self.executor, 1, iter([call]))
        if isinstance(done, Lost):
            raise BackpropError(
                f"{self.folder}: the best setting could not be evaluated on the test split: {done.reason}"
            )
        names = next(iter(done.values()), {})
        return {name: tuple(metrics[name] for metrics in done.values()) for name in names}

    def name(self, trial: int, seed: int) -> str:
        """Return the name of a run: the number of its setting, from 1, and its seed if there are several."""
        return f"{trial + 1:04d}" + (f"-s{seed}" if len(self.definition.seeds) > 1 else "")

    def _batch(self, trials: Iterable[tuple[int, Setting]]) -> Iterator[Entry]:
        seeds, pruner = self.definition.seeds, PRUNERS[self.definition.options.prune]
        if pruner:
            trials = list(trials)
            yield from self._prune(dict(trials))
        yield from self._train(
            Wanted(trial, setting, seed)
            for trial, setting in trials
            for seed in seeds
            if not self.standings.has(trial, seed) and not self._is_pruned(trial)
        )

    def _is_pruned(self, trial: int) -> bool:
        first = self.definition.seeds[0]
        return self.standings.has(trial, first) and self.standings.status(trial, first) == "pruned"

    def _prune(self, settings: dict[int, Setting]) -> Iterator[Entry]:
        """Train the first seed of the settings from rung to rung; enter those that are not continued as pruned."""
        pruner, seed = PRUNERS[self.definition.options.prune], self.definition.seeds[0]
        assert pruner is not None
        e = self.definition.experiment(next(iter(settings.values())))
        rungs = {trial: pruner.rungs(e.epochs, e.evaluate_every, trial) for trial in range(max(settings) + 1)}
        for rung in sorted({rung for trial in settings for rung in rungs[trial]}):
            there = [trial for trial in settings if rung in rungs[trial] and not self._is_pruned(trial)]
            missing = [trial for trial in there if not self.standings.at(trial, rung)]
            yield from self._train(Wanted(trial, settings[trial], seed, rung) for trial in missing)
            if self.stop():
                return
            for trial in there:
                others = [t for t in range(trial) if rungs[t] == rungs[trial]]
                losses = [loss for t in others if (loss := self.standings.loss_at(t, rung)) is not None]
                paused, loss = self.standings.at(trial, rung), self.standings.loss_at(trial, rung)
                done = self.standings.has(trial, seed)
                if paused and not done and paused.status not in DONE and not pruner.keeps(loss or 0.0, losses):
                    yield from self._enter(replace(paused, status="pruned", until=None))

    def _train(self, wanted: Iterator[Wanted]) -> Iterator[Entry]:
        """Train runs; yield the results as they come."""
        invalid: list[Entry] = []

        def experiments() -> Iterator[tuple[Wanted, Experiment]]:
            for run in wanted:
                try:
                    yield run, self._experiment(run)
                except ConfigError as error:
                    invalid.append(self._entry(run, Outcome("failed", error=error.problems[0])))

        def calls() -> Iterator[Call[dict[str, Wanted], dict[str, Outcome]]]:
            for group in groups(experiments(), self.definition.options.stack, self.jobs):
                alone = tuple(self._call([run]) for run in group) if len(group) > 1 else ()
                yield replace(self._call(group), parts=alone)

        for runs, outcomes in dispatch(self.executor, self.jobs, calls(), self.stop):
            for name, run in runs.items():
                outcome = Outcome("failed", error=outcomes.reason) if isinstance(outcomes, Lost) else outcomes[name]
                if outcome.status in DONE or (run.until and outcome.epochs >= run.until):
                    yield from self._enter(self._entry(run, outcome))
        for entry in invalid:
            yield from self._enter(entry)

    def _call(self, group: list[tuple[Wanted, Experiment]]) -> Call[dict[str, Wanted], dict[str, Outcome]]:
        runs = {self.name(run.trial, run.seed): (run, experiment) for run, experiment in group}
        experiments = {name: experiment for name, (_, experiment) in runs.items()}
        task = Task(self.folder, experiments, self.cache, group[0][0].until)
        return Call({name: run for name, (run, _) in runs.items()}, train_runs, task)

    def _experiment(self, wanted: Wanted) -> Experiment:
        """Return the experiment of a run. It says how many threads it uses, on which its bits depend."""
        e = self.definition.experiment(wanted.setting, wanted.seed)
        if isinstance(e.threads, int):
            return e
        return e.model_copy(update={"threads": min(threads_of(e), self.threads)})

    def _entry(self, wanted: Wanted, outcome: Outcome) -> Entry:
        return Entry(
            trial=wanted.trial,
            seed=wanted.seed,
            run=self.name(wanted.trial, wanted.seed),
            setting=wanted.setting,
            status=outcome.status,
            epochs=outcome.epochs,
            best={key: value for key, value in (outcome.best or {}).items() if value is not None} or None,
            seconds=outcome.seconds,
            error=outcome.error,
            until=wanted.until,
        )

    def _enter(self, entry: Entry) -> Iterator[Entry]:
        """Put an entry into the journal and the results."""
        self.journal.append(entry)
        self.standings.add(entry)
        if entry.until:  # not the end of the run
            return
        self.finished += 1
        if entry.status == "failed":
            self.failed.append(str(entry.error).replace(entry.run, ""))
        if len(self.failed) == self.finished == ALIKE and len(set(self.failed)) == 1:
            raise BackpropError(f"the first {ALIKE} runs failed alike: {entry.error}")
        if standing := self.standings.standing(entry.trial):
            self._rank(standing)
        yield entry

    def _rank(self, standing: Standing) -> None:
        """Remember the best setting, and remove the folders of runs that are not to be kept."""
        if standing.complete and (self.best is None or standing.rank < self.best.rank):
            self.best = standing
        if self._keep is None or standing.loss is None:
            return
        item = tuple(-x for x in standing.rank), standing
        if len(self._kept) < self._keep:
            heappush(self._kept, item)
        else:
            _, worst = heappushpop(self._kept, item)
            for name in worst.runs:
                if (folder := RunFolder(self.folder / name)).path.exists():
                    remove(folder)
