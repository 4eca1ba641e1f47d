"""Data sets described for a user, before training: their splits, classes and inputs."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

import numpy as np

from backprop_cli.frozen import frozen
from backprop_cli.text import some_of, table

if TYPE_CHECKING:
    from backprop_cli.data.dataset import DataSpec, Split

SPLITS = ("train", "validation", "test")

Note = tuple[str, str]
"""What a line is about, in a word, and the line."""

SHOWN = 8
"""Names in a line."""


def size_note(spec: DataSpec) -> Note:
    """Return how many examples each split has."""
    sizes = f"{spec.trained:,} for training, {spec.validation:,} for validation, {spec.test:,} for testing"
    return "examples", f"{spec.trained + spec.validation + spec.test:,}: {sizes}"


def target_note(spec: DataSpec) -> Note:
    """Return what is predicted: classes or values."""
    target = f"{', '.join(spec.targets)}: " if spec.targets else ""
    if not spec.classes:
        return "target", f"{target}{'values' if spec.values == 1 else f'{spec.values} values'}"
    return "target", f"{target}{spec.classes} classes ({some_of(spec.class_names or _numbers(spec.classes), SHOWN)})"


def _numbers(classes: int) -> list[str]:
    return list(map(str, range(classes)))


def class_counts(names: Sequence[str], labels: Mapping[str, Any]) -> dict[str, dict[str, int]]:
    """Return for each split how many of its labels (n,) are of each class."""
    return {
        split: dict(zip(names, np.bincount(found, minlength=len(names)).tolist(), strict=True))
        for split, found in labels.items()
    }


def class_table(classes: Mapping[str, Mapping[str, int]]) -> str:
    """Return the rows of each class in each split as a table."""
    names = next(iter(classes.values()))
    return table(("class", *classes), [(name, *(f"{c[name]:,}" for c in classes.values())) for name in names])


def lines(notes: Sequence[Note]) -> list[str]:
    """Return notes as lines, what they are about in a column; it is written once for several."""
    before = ("", *(about for about, _ in notes))
    return [f"{'' if about == last else about:<12}{text}" for (about, text), last in zip(notes, before, strict=False)]


@frozen
class ExamplesReport:
    """Examples of numbers: those of each split and class, the range of the inputs, rows that repeat an earlier one."""

    notes: tuple[Note, ...]
    rows: dict[str, int]
    classes: dict[str, dict[str, int]]
    inputs: int
    low: float
    high: float
    duplicates: int

    def to_text(self) -> str:
        """Return the report as lines and tables."""
        notes = [*self.notes, ("inputs", f"{self.inputs:,}, from {self.low:g} to {self.high:g}")]
        notes += [("warning", f"examples that repeat an earlier one: {self.duplicates:,}")] if self.duplicates else []
        return "\n\n".join(["\n".join(lines(notes)), *([class_table(self.classes)] if self.classes else [])])

    def to_dict(self) -> dict[str, Any]:
        """Return the report as plain data."""
        return {key: value for key, value in asdict(self).items() if key != "notes"}


def check_examples(spec: DataSpec, splits: Sequence[Split]) -> ExamplesReport:
    """Return what is worth knowing about the training, validation and test examples of a data set."""
    parts = dict(zip(SPLITS, splits, strict=True))
    inputs = [part.inputs for part in splits if len(part)]
    known = {hash(row.tobytes()) for x in inputs for row in x}
    names = spec.class_names or _numbers(spec.classes)
    return ExamplesReport(
        (size_note(spec), target_note(spec)),
        {name: len(part) for name, part in parts.items()},
        class_counts(names, {name: part.targets for name, part in parts.items()}) if spec.classes else {},
        spec.inputs,
        min(float(x.min()) for x in inputs),
        max(float(x.max()) for x in inputs),
        sum(map(len, inputs)) - len(known),
    )


def notes_of(spec: DataSpec) -> Iterator[Note]:
    """Yield what a user should know about a data set before training on it."""
    yield size_note(spec)
    yield target_note(spec)
