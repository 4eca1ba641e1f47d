"""A commented config for a user's data, as `init --data` writes it."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import fields
from pathlib import Path
from typing import Any

import yaml

from backprop_cli.config.load import load_short
from backprop_cli.config.shipped import SCHEMA
from backprop_cli.data.dataset import input_paths
from backprop_cli.explain.experiment import announcement
from backprop_cli.sources.registry import DATASETS

COMMENTS = {
    "layers": "units per layer, from input to output; auto: as many as the data need",
    "activation": "of the hidden layers",
    "output": "activation of the output layer",
    "initializer": "of the weights",
    "eta": "learning rate",
    "schedule": "of the learning rate, which falls to 0 in the last epoch",
    "batch_size": "training examples per step",
    "epochs": "passes over the training examples, at most",
    "early_stopping": "stop after so many epochs without a better validation metric",
    "monitor": "the validation metric that selects the best epoch",
    "lambda": "L2 regularization; more against overfitting",
}
"""What stands behind the keys."""

WIDTH = 32
"""Columns for a key and its value before a comment."""


def config_for_data(path: Path, overrides: Sequence[str], folder: Path) -> str:
    """Return a commented config, to be written in a folder, for a file or folder with data.

    Raises as `load_experiment`.
    """
    values, e = load_short(path, overrides)
    return as_config(values, [path.name, *announcement(e, chosen=False)], folder)


def as_config(values: Mapping[str, Any], notes: Sequence[str], folder: Path) -> str:
    """Return the keys of an experiment as the text of a commented config in a folder; `notes` are at its top."""
    dataset = dict(values["dataset"])
    source: Any = DATASETS[dataset["name"]]
    for option in dataset.keys() & set(input_paths(source)):
        dataset[option] = os.path.relpath(dataset[option], folder)
    lines = [f"# yaml-language-server: $schema={SCHEMA}", *(f"# {_on_one_line(note)}" for note in notes), ""]
    lines += ["dataset:", *(f"  {_line(option, value)}" for option, value in dataset.items())]
    lines += ["  # further options, with their defaults:"]
    lines += [f"  # {_line(field.name, field.default)}" for field in fields(source) if field.name not in dataset]
    for key, value in values.items():
        if key != "dataset":
            comment = COMMENTS.get(key)
            lines.append(f"{_line(key, value):<{WIDTH}}# {comment}" if comment else _line(key, value))
    return "\n".join(lines) + "\n"


def _line(key: str, value: Any) -> str:
    plain = list(value) if isinstance(value, tuple) else value
    text = yaml.safe_dump([plain], default_flow_style=True, allow_unicode=True, width=10_000).strip()
    return f"{key}: {text[1:-1] if value is not None else ''}".rstrip()


def _on_one_line(note: str) -> str:
    r"""Return a note, which names columns of a file, without characters that end a comment."""
    return "".join(letter if letter.isprintable() else ascii(letter)[1:-1] for letter in note)
