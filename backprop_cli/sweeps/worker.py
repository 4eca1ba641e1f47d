"""What is executed elsewhere: train some runs up to an epoch. The only part of a sweep that trains.

A task can be repeated at any time: a run that is complete is not trained again, and one that was lost continues from
its last checkpoint. What it returns depends on the run and the epoch alone.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Generator, Iterator, Mapping
from contextlib import ExitStack, closing, contextmanager, suppress
from functools import cache
from pathlib import Path

from backprop_cli.config.phases import total_epochs
from backprop_cli.data.cache import Cache
from backprop_cli.data.dataset import Dataset
from backprop_cli.errors import BackpropError, CheckpointError, DataError, DivergedError, RunError, RunInUseError
from backprop_cli.experiment.schema import Experiment
from backprop_cli.files import flush_all, flush_later, sync_folder
from backprop_cli.frozen import frozen
from backprop_cli.listing.summary import best_row
from backprop_cli.results.run import DatasetCache, Run
from backprop_cli.runs.build import limit_blas
from backprop_cli.runs.folder import RunFolder
from backprop_cli.runs.metrics import read_rows
from backprop_cli.runs.resuming import new_session, prepare_resume, resumed_session
from backprop_cli.runs.session import Session
from backprop_cli.training.loop import Waiting
from backprop_cli.training.stacks import StackedStepper, stacks_of, train_together

UNFLUSHED = 1.0
"""Seconds of a run that is repeated from its beginning if the machine fails; flushing takes longer than short runs."""


@frozen
class Task:
    """Train these runs, experiments by the names of their folders in `folder`, up to the epoch `until`, or their end.

    Epochs of pre-training, which have other metrics, come before and are not counted. Those whose steps have the same
    form are trained as one computation. All use the same number of threads.
    """

    folder: Path
    runs: Mapping[str, Experiment]
    cache: Cache
    until: int | None = None


@frozen
class Outcome:
    """How training a run went: the status in run.json, the finished epochs, and the metrics of the best of them."""

    status: str
    epochs: int = 0
    best: Mapping[str, float | None] | None = None
    seconds: float = 0.0
    error: str | None = None


Loop = Generator[Session | Waiting, None, None]

stopping: Callable[[], bool] = lambda: False  # noqa: E731 - replaced in the workers of this machine
"""Whether runs are to be saved and interrupted."""


def train_runs(task: Task) -> dict[str, Outcome]:
    """Train the runs of a task and return how it went by name. Raises DataError or RunInUseError."""
    outcomes: dict[str, Outcome] = {}
    with ExitStack() as stack:
        stack.enter_context(limit_blas(next(iter(task.runs.values()))))  # until the last of them ends
        stack.enter_context(flush_later(UNFLUSHED * len(task.runs)))
        runs = [_train(task, name, experiment, outcomes) for name, experiment in task.runs.items()]
        for run in runs:
            stack.callback(run.close)
        sessions = {run: session for run in runs if isinstance(session := next(run, None), Session)}
        if len(sessions) > 1:
            for together in stacks_of({run: StackedStepper(s.plan, s.state) for run, s in sessions.items()}):
                for run, stepper in together.items():
                    sessions[run].stepper = stepper
                train_together(together)
        for run in runs:  # those that are in no stack
            deque(run, maxlen=0)
    for name in [name for name, outcome in outcomes.items() if outcome.status != "failed"]:
        with _noting_failure(name, outcomes):
            flush_all(task.folder / name)
    sync_folder(task.folder)
    return outcomes


def evaluate_runs(where: tuple[Path, tuple[str, ...], Cache]) -> dict[str, Mapping[str, float]]:
    """Evaluate the runs of these names in a folder on the test split, once; the metrics are added to run.json.

    Those of a run without a test split are empty.
    """
    folder, names, cache = where
    return {name: _test(RunFolder(folder / name), cache) for name in names}


@cache
def _datasets(cache: Cache) -> DatasetCache:
    """Return the data sets of this process, each loaded once."""
    return DatasetCache(cache)


def _train(task: Task, name: str, experiment: Experiment, outcomes: dict[str, Outcome]) -> Loop:
    """Yield the session of a run before it starts, if there is more to train, then whenever the run waits for steps."""
    folder = RunFolder(task.folder / name)
    until = task.until and task.until + total_epochs(experiment) - experiment.epochs
    with _noting_failure(name, outcomes):
        data = _datasets(task.cache).load(experiment)
        outcome = yield from _continue(folder, experiment, data, until)
        if outcome is None:
            with new_session(experiment, data, task.folder, name, name=name, overwrite=True) as session:
                outcome = yield from _run(session, until)
        outcomes[name] = outcome


@contextmanager
def _noting_failure(name: str, outcomes: dict[str, Outcome]) -> Iterator[None]:
    """Note an error as the outcome of a run, unless it is one that the other runs would meet, too."""
    try:
        yield
    except (DataError, RunInUseError):
        raise
    except BackpropError as error:
        outcomes[name] = Outcome("failed", error=str(error))
    except OSError as error:
        place = f"{error.filename}: " if error.filename else ""
        outcomes[name] = Outcome("failed", error=f"{place}{error.strerror or error}")
    except Exception as error:
        outcomes[name] = Outcome("failed", error=f"{type(error).__name__}: {error}")


def _continue(
    folder: RunFolder, experiment: Experiment, data: Dataset, until: int | None
) -> Generator[Session | Waiting, None, Outcome | None]:
    """Train a run that has been started, if there is more to train; None if it has to be started anew."""
    if not folder.is_run():
        return None
    with folder.lock():
        record = folder.read_record()
        if record.get("experiment", experiment.to_dict()) != experiment.to_dict():
            raise RunError(f"{folder.path} is a run of another experiment; remove it, or choose another --name")
        status, seconds = record.get("status", "interrupted"), record.get("seconds") or 0.0
        if status == "diverged":
            return _outcome(folder, experiment, status, record.get("epochs") or 0, seconds)
        try:
            resumption = prepare_resume(folder)
        except CheckpointError:  # the machine failed before the files were flushed
            return None
        epochs = resumption.checkpoint.meta.status.epoch
        if resumption.complete or (until and epochs >= until):
            return _outcome(folder, experiment, status, epochs, seconds, until)
        with resumed_session(resumption, data) as session:
            return (yield from _run(session, until))


def _run(session: Session, until: int | None) -> Generator[Session | Waiting, None, Outcome]:
    session.one_of_many = True
    yield session
    with suppress(DivergedError), closing(session.run(stopping, until)) as events:  # type: ignore[type-var]  # a generator
        for event in events:
            if isinstance(event, Waiting):
                yield event
    epochs, seconds = session.state.status.epoch, session.history["seconds"]
    return _outcome(session.folder, session.experiment, session.status, epochs, seconds, until)


def _outcome(
    folder: RunFolder, experiment: Experiment, status: str, epochs: int, seconds: float, until: int | None = None
) -> Outcome:
    """Return how a run went, in its checkpoint or up to the epoch `until`, at which it counts as interrupted."""
    best: Mapping[str, float | None] = folder.read_record().get("best") or {}
    if until:  # from the same file, whether the run has been continued since or not
        status, epochs = "interrupted" if epochs > until else status, min(epochs, until)
        best = best_row(read_rows(folder.metrics, epochs), {"monitor": experiment.monitor})
    known = {name: value for name, value in best.items() if value is not None}
    validated = any(name.startswith("val_") for name in known)
    kept = ("epoch", "val_" if validated else "train_")
    return Outcome(status, epochs, {key: value for key, value in known.items() if key.startswith(kept)}, seconds)


def _test(folder: RunFolder, cache: Cache) -> Mapping[str, float]:
    with folder.lock():
        run = Run(folder, _datasets(cache))
        if not run.test and len(run.data.test):
            with limit_blas(run.config):
                score = run.model.evaluator(run.data).score(run.data.test)
            folder.write_record({**run.record, "test": score.metrics()})
    return folder.read_record().get("test") or {}
