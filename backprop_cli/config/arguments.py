"""Experiments as Python has them: a file or a mapping, and keyword arguments that change it."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from backprop_cli.config.load import FindStart, load_experiment, override_experiment
from backprop_cli.experiment.schema import Experiment

KEYWORD = "keyword argument"
"""Where errors in overrides are located."""


def experiment_from(
    config: Path | str | Mapping[str, Any] | Experiment, words: Sequence[str], find_start: FindStart | None = None
) -> Experiment:
    """Return the experiment of a config file or a mapping, changed by overrides. Raises ConfigError."""
    if isinstance(config, Path | str):
        return load_experiment(Path(config), words, KEYWORD, find_start)
    values = config.to_dict() if isinstance(config, Experiment) else config
    return override_experiment(values, words, "config", KEYWORD, find_start=find_start)


def words_of(overrides: Mapping[str, Any]) -> list[str]:
    """Return keyword arguments as the command line has them."""
    return [f"{'lambda' if key == 'lmbda' else key}={_as_yaml(value)}" for key, value in overrides.items()]


def _as_yaml(value: Any) -> str:
    """Return a value as YAML; JSON is a part of it."""
    return json.dumps(value, default=lambda other: other.tolist() if hasattr(other, "tolist") else str(other))
