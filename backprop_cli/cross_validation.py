"""The Python API of `cross_validate`."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from backprop_cli.api import OnEvent, train
from backprop_cli.config.arguments import experiment_from, words_of
from backprop_cli.experiment.schema import Experiment
from backprop_cli.results.folds import CrossValidation, fold_runs


def cross_validate(
    config: Path | str | Mapping[str, Any] | Experiment,
    folds: int = 5,
    *,
    runs_dir: Path | str | None = "runs",
    name: str | None = None,
    data_dir: Path | str | None = None,
    offline: bool = False,
    on_event: OnEvent | None = None,
    **overrides: Any,
) -> CrossValidation:
    """Train a network for each of k folds, and return the metrics on the examples of each, with mean and deviation.

    The arguments are those of `train`. The examples that are not for testing are divided into `folds` parts, of the
    same proportions of classes; of each run, the test split is one of them. The runs are called `name`-fold-1, …; a
    run that is there already is continued, or not trained again if it is finished. Raises the errors of `train`.

    >>> import backprop_cli
    >>> config = {"dataset": "digits", "layers": [64, 30, 10], "epochs": 3}
    >>> found = backprop_cli.cross_validate(config, folds=3, runs_dir=None)
    >>> found.metrics["accuracy"].shape, found.mean["accuracy"] > 0.5
    ((3,), True)
    """
    stem = name or (Path(config).stem if isinstance(config, Path | str) else "run")
    where: dict[str, Any] = {"runs_dir": runs_dir, "data_dir": data_dir, "offline": offline, "on_event": on_event}
    words, runs = fold_runs(folds, stem), []
    experiments = {one: experiment_from(config, [*words_of(overrides), *its]) for one, its in words.items()}
    for one, experiment in experiments.items():
        saved: dict[str, Any] = {} if runs_dir is None else {"name": one, "continue_run": True}
        runs.append(train(experiment, **where, **saved))
    return CrossValidation(tuple(runs))
