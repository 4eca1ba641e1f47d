"""The Python API: train, resume, evaluate and use networks without the command line.

These functions raise the errors of `backprop_cli.errors`; they neither print nor exit, and install no signal handlers.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack, closing, nullcontext
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, Literal, TypedDict, Unpack, overload

import numpy as np

from backprop_cli.advice.learning import Notice
from backprop_cli.advice.range_test import RangeTest
from backprop_cli.config.arguments import experiment_from, words_of
from backprop_cli.config.data_files import stem_of
from backprop_cli.config.shipped import find_config
from backprop_cli.data.cache import Cache
from backprop_cli.errors import RunError
from backprop_cli.experiment.schema import Experiment
from backprop_cli.exporting.formats import export_model
from backprop_cli.nn.arrays import Array
from backprop_cli.results.continuing import claimed_run
from backprop_cli.results.evaluation import Evaluation, ensemble_of, evaluate_models
from backprop_cli.results.predicting import Frame, predict_array, predict_files, predict_frame
from backprop_cli.results.prediction import Predictions
from backprop_cli.results.run import DatasetCache, Run
from backprop_cli.runs import build
from backprop_cli.runs.build import load_data
from backprop_cli.runs.folder import find_run
from backprop_cli.runs.model import Model, load_model
from backprop_cli.runs.resuming import environment_changes, new_session, prepare_resume, resumed_session
from backprop_cli.runs.session import Session
from backprop_cli.runs.start import find_start
from backprop_cli.training.loop import Event

RunLike = Run | Path | str
"""A run, or its folder, name, unique name prefix or `@last`; where a network is needed, also a checkpoint file."""

OnEvent = Callable[[Event], None]


def train(
    config: Path | str | Mapping[str, Any] | Experiment,
    *,
    runs_dir: Path | str | None = "runs",
    name: str | None = None,
    overwrite: bool = False,
    continue_run: bool = False,
    data_dir: Path | str | None = None,
    offline: bool = False,
    on_event: OnEvent | None = None,
    **overrides: Any,
) -> Run:
    """Train a network and return the run.

    `config` is the path of a config file, the name of a shipped one, a mapping with the same keys, or an Experiment.
    The other keywords are keys of the config, with `lmbda` for lambda, and may be mappings.

    The run is saved in a new folder in `runs_dir`, called `name`, or else after the config with a number; `overwrite`
    replaces the run with this name. With `continue_run` the run of this name, or else one with this config, is
    resumed, or returned if it is finished. With `runs_dir=None` the run is kept in memory and nothing is left on disk.
    Downloaded data is in `data_dir`, by default the cache folder of the platform; `offline` never uses the network.
    `on_event` is called with every event of `backprop_cli.training.loop.train`.

    A UserWarning says if the network has learned nothing. Raises ConfigError, DataError, RunError if the name is taken,
    UsageError if the run to continue has another config, or DivergedError.

    >>> import backprop_cli
    >>> run = backprop_cli.train(
    ...     {"dataset": "digits", "layers": [64, 30, 10]},
    ...     runs_dir=None, epochs=5, eta=0.1, optimizer={"name": "momentum", "mu": 0.9},
    ... )
    >>> run.status, len(run.epochs)
    ('finished', 5)
    """
    stem = stem_of(find_config(Path(config))) if isinstance(config, Path | str) else "run"
    experiment = experiment_from(config, words_of(overrides), lambda e: find_start(e, Path(runs_dir or "runs")))
    cache = cache_in(data_dir, offline)
    with TemporaryDirectory() if runs_dir is None else nullcontext(runs_dir) as parent, ExitStack() as stack:
        if continue_run and (found := stack.enter_context(claimed_run(experiment, Path(parent), name))):
            return resume(found.path, data_dir=data_dir, offline=offline, on_event=on_event)
        data = load_data(experiment, cache)
        with new_session(experiment, data, Path(parent), stem, name=name, overwrite=overwrite) as session:
            _run(session, on_event)
        run = Run(session.folder, DatasetCache(cache))
        return run.load() if runs_dir is None else run


def find_eta(
    config: Path | str | Mapping[str, Any] | Experiment,
    *,
    data_dir: Path | str | None = None,
    offline: bool = False,
    **overrides: Any,
) -> RangeTest:
    """Return a learning-rate range test: the cost while eta grows, and the eta that it suggests.

    The arguments are those of `train`. Raises ConfigError, DataError, or UsageError if the optimizer needs no eta.

    >>> import backprop_cli
    >>> found = backprop_cli.find_eta({"dataset": "digits", "layers": [64, 30, 10]}, activation="tanh")
    >>> 0.01 < found.suggestion < 1
    True
    """
    experiment = experiment_from(config, words_of(overrides))
    return build.find_eta(experiment, load_data(experiment, cache_in(data_dir, offline)))


def resume(
    run: RunLike,
    epochs: int | None = None,
    *,
    runs_dir: Path | str = "runs",
    data_dir: Path | str | None = None,
    offline: bool = False,
    on_event: OnEvent | None = None,
) -> Run:
    """Continue a run where it was stopped, or train it for `epochs` epochs in total; return the run.

    A run that is already finished is returned as it is. The result is bit-identical to that of an uninterrupted run;
    a UserWarning says if that cannot be promised. Raises UsageError, RunError, CheckpointError or DivergedError.

    >>> import backprop_cli
    >>> run = backprop_cli.train({"dataset": "xor", "layers": [2, 2, 1], "epochs": 10})
    >>> run = backprop_cli.resume(run, epochs=20)
    >>> len(run.epochs)
    20
    """
    folder = run.folder if isinstance(run, Run) else find_run(str(run), Path(runs_dir))
    if not folder.is_run():
        raise RunError(f"{folder.path} does not exist; a run that was kept in memory cannot be resumed")
    cache = cache_in(data_dir, offline)
    with folder.lock():
        resumption = prepare_resume(folder, epochs)
        if not resumption.complete:
            for line in resumption.warnings:
                warnings.warn(line, stacklevel=2)
            with resumed_session(resumption, load_data(resumption.experiment, cache)) as session:
                for line in environment_changes(resumption.record):
                    warnings.warn(line, stacklevel=2)
                _run(session, on_event)
    return Run(folder, DatasetCache(cache))


def load_run(
    run: Path | str,
    *,
    checkpoint: str = "best",
    runs_dir: Path | str = "runs",
    data_dir: Path | str | None = None,
    offline: bool = False,
) -> Run:
    """Return a run, given its folder, its name, a unique prefix of its name, or `@last`.

    `checkpoint`, best, last or the number of an epoch that was kept, is the one whose network is used. Raises
    UsageError if there is no such run, RunError or ConfigError if it is damaged.

    >>> import backprop_cli
    >>> _ = backprop_cli.train({"dataset": "xor", "layers": [2, 2, 1], "epochs": 10}, name="mine")
    >>> run = backprop_cli.load_run("mine")
    >>> {name: array.shape for name, array in run.parameters.items()}
    {'W1': (2, 2), 'b1': (2,), 'W2': (1, 2), 'b2': (1,)}
    """
    return Run(find_run(str(run), Path(runs_dir)), DatasetCache(cache_in(data_dir, offline)), checkpoint)


class Where(TypedDict, total=False):
    """What `evaluate` takes besides: where networks and their data are, a threshold, and whether there is noise."""

    threshold: float | str | None
    corrupt: bool
    checkpoint: str
    runs_dir: Path | str
    data_dir: Path | str | None
    offline: bool


@overload
def evaluate(  # type: ignore[overload-overlap]  # a str is a sequence too; it is a single run
    runs: RunLike, split: str = ..., *, ensemble: bool = ..., **where: Unpack[Where]
) -> Evaluation: ...


@overload
def evaluate(
    runs: Sequence[RunLike], split: str = ..., *, ensemble: Literal[True], **where: Unpack[Where]
) -> Evaluation: ...


@overload
def evaluate(
    runs: Sequence[RunLike], split: str = ..., *, ensemble: Literal[False] = ..., **where: Unpack[Where]
) -> list[Evaluation]: ...


def evaluate(
    runs: RunLike | Sequence[RunLike],
    split: str = "test",
    *,
    threshold: float | str | None = None,
    corrupt: bool = False,
    checkpoint: str = "best",
    ensemble: bool = False,
    runs_dir: Path | str = "runs",
    data_dir: Path | str | None = None,
    offline: bool = False,
) -> Evaluation | list[Evaluation]:
    """Return the metrics of a network on the train, val or test split.

    For several networks a list is returned, or with `ensemble` the metrics of their ensemble, whose outputs are the
    mean of theirs; `Evaluation.members` then has the metrics of each. `checkpoint`, best or last, applies to runs
    given by name. The second of two classes is predicted from a probability of `threshold` on, or from the one with
    the highest F1 on the validation split, `best-f1`. With `corrupt`, inputs have the noise of training. Raises
    UsageError if there is no such run, split or noise, or if the splits are not the same.

    >>> import backprop_cli
    >>> config = {"dataset": "digits", "layers": [64, 12, 10], "epochs": 3}
    >>> runs = [backprop_cli.train(config, runs_dir=None, seed=seed) for seed in (0, 1)]
    >>> both = backprop_cli.evaluate(runs, ensemble=True)
    >>> [*both.metrics]
    ['accuracy', 'balanced_accuracy', 'f1', 'roc_auc', 'log_loss']
    >>> both.confusion.shape, len(both.members)
    ((10, 10), 2)
    """
    chosen = [runs] if isinstance(runs, Run | Path | str) else runs
    models = [model_of(run, Path(runs_dir), checkpoint) for run in chosen]
    evaluations = evaluate_models(models, DatasetCache(cache_in(data_dir, offline)).load, split, threshold, corrupt)
    if ensemble:
        return ensemble_of(evaluations)
    return evaluations if chosen is runs else evaluations[0]


def predict(
    run: RunLike,
    inputs: Array | Frame | Path | str | Sequence[Path | str],
    *,
    threshold: float | None = None,
    layer: int | None = None,
    checkpoint: str = "best",
    runs_dir: Path | str = "runs",
) -> Predictions:
    """Return predictions for an array of inputs (n, n_0), the rows of a data frame, or the examples in files.

    An array has the units of the data set: pixels of MNIST are 0 to 255. Files are images, .npy arrays or .csv tables;
    those that cannot be read are listed in `Predictions.failed`. `run` may be a run or a checkpoint file. Of two
    classes, the second is predicted from a probability of `threshold` on. With `layer`, from 1, the `values` are what
    leaves that layer, after its activation and the pooling behind it: the codes of an autoencoder.

    >>> import backprop_cli
    >>> run = backprop_cli.train({"dataset": "digits", "layers": [64, 30, 10], "epochs": 3}, runs_dir=None)
    >>> found = backprop_cli.predict(run, run.data.test.inputs[:3])
    >>> found.labels.shape, found.confidences.shape, found.measure
    ((3,), (3, 10), 'output')
    """
    model = model_of(run, Path(runs_dir), checkpoint).at_layer(layer)
    if isinstance(inputs, np.ndarray):
        return predict_array(model, inputs, threshold)
    if hasattr(inputs, "to_numpy"):
        return predict_frame(model, inputs, threshold)
    return predict_files(model, list(map(str, [inputs] if isinstance(inputs, Path | str) else inputs)), threshold)


def export(run: RunLike, path: Path | str, *, checkpoint: str = "best", runs_dir: Path | str = "runs") -> Path:
    """Write a trained network to a file that works without this program; return its path.

    The suffix selects the format: .onnx, .safetensors (for PyTorch), .html (a page for a browser) or .h (C). Raises
    UsageError if it is none of these, if the format cannot express a layer, or if a package is missing.

    >>> import backprop_cli
    >>> run = backprop_cli.train({"dataset": "digits", "layers": [64, 30, 10], "epochs": 3}, runs_dir=None)
    >>> backprop_cli.export(run, "digits.html").name
    'digits.html'
    """
    export_model(model_of(run, Path(runs_dir), checkpoint), Path(path))
    return Path(path)


def _run(session: Session, on_event: OnEvent | None) -> None:
    with closing(session.run()) as events:  # type: ignore[type-var]  # a generator, which records how it ends
        for event in events:
            if isinstance(event, Notice):
                if not event.too_short:
                    warnings.warn(event.text, stacklevel=3)
            elif on_event:
                on_event(event)


def model_of(run: RunLike, runs_dir: Path, checkpoint: str) -> Model:
    """Return the network of a run, or of one that is named."""
    return run.model if isinstance(run, Run) else load_model(str(run), runs_dir, checkpoint)


def cache_in(data_dir: Path | str | None, offline: bool) -> Cache:
    """Return the cache of data sets in a folder, by default that of the platform."""
    return Cache(Path(data_dir) if data_dir else None, offline=offline)
