"""`backprop data show`: look at examples before anything is trained on them."""

from __future__ import annotations

import csv
import io
import shutil
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from backprop_cli.cli.console import Command, Console
from backprop_cli.cli.options import common_options, data_options

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

    from backprop_cli.cli.pictures import Pictures
    from backprop_cli.data.cache import Cache
    from backprop_cli.data.dataset import Source, Split


@click.command("show", cls=Command)
@click.argument("name", default="mnist")
@click.option("--split", type=click.Choice(["train", "val", "test"]), default="train", show_default=True)
@click.option("--count", type=click.IntRange(min=1), default=20, show_default=True, help="Show so many examples.")
@click.option("--start", type=click.IntRange(min=0), default=0, show_default=True, help="Begin with this one, from 0.")
@click.option("--class", "label", type=click.IntRange(min=0), metavar="C", help="Only examples of class C.")
@click.option(
    "-o",
    "--output",
    type=click.Path(path_type=Path, dir_okay=False),
    help="Write a sheet of images (.png) or a table (.csv).",
)
@common_options
@data_options
def show(
    name: str,
    split: str,
    count: int,
    start: int,
    label: int | None,
    output: Path | None,
    console: Console,
    cache: Callable[[], Cache],
) -> None:
    """Show examples of NAME, each with its number in the split and its label or value.

    Images are drawn: into a PNG, or in the terminal, in greys where it has them and NO_COLOR does not forbid them.
    Other examples are the rows of a table.
    """
    from backprop_cli.data.catalogue import find_source
    from backprop_cli.errors import UsageError
    from backprop_cli.files import atomic_write

    source = find_source(name)
    suffix = output.suffix.lower() if output else ""
    if output and suffix not in (".png", ".csv"):
        raise UsageError(f"{output}: the name must end in .png or .csv")
    if suffix == ".png" and not source.image:
        raise UsageError(f"{name} is no set of images; a name that ends in .csv makes a table of it")
    if label is not None and label >= source.classes:
        classes = f"has classes 0 to {source.classes - 1}" if source.classes else "has values, not classes"
        raise UsageError(f"--class {label}: {name} {classes}")
    chosen = _choose(source, split, cache(), label, start, count)
    if output:
        atomic_write(output, chosen.png() if suffix == ".png" else chosen.csv().encode())
        text = f"{len(chosen.rows)} of the {split} examples of {name}, in {output}"
        console.result(text, {"path": str(output), "examples": len(chosen.rows)}, quiet=str(output))
    else:
        text = "" if console.json else chosen.text()
        console.result(text, {"name": name, "split": split, "examples": chosen.to_list()}, quiet=text)


def _choose(source: Source, split: str, cache: Cache, label: int | None, start: int, count: int) -> _Chosen:
    """Return the examples to be shown, of a pool that is divided as it is by default."""
    import numpy as np

    from backprop_cli.errors import UsageError

    pool, test = source.load(cache)
    n_train = len(pool) - source.validation
    examples = {"train": pool[:n_train], "val": pool[n_train:], "test": test}[split]
    rows = np.arange(len(examples)) if label is None else np.flatnonzero(examples.targets == label)
    rows = rows[rows >= start][:count]
    if not len(rows):
        what = "examples" if label is None else f"examples of class {label}"
        raise UsageError(f"the {split} split of {source.name} ({len(examples):,}) has no {what} from {start} on")
    return _Chosen(source, examples, rows)


@dataclass(frozen=True)
class _Chosen:
    """The examples in these rows of a split, in the forms that they are shown in."""

    source: Source
    split: Split
    rows: npt.NDArray[np.intp]

    def png(self) -> bytes:
        from backprop_cli.cli.pictures import as_png

        return as_png(self._pictures(), self._captions())

    def csv(self) -> str:
        """Return a header and a row for each example: its inputs as the data set has them, and what is asked for."""
        lines = io.StringIO()
        writer = csv.writer(lines, lineterminator="\n")
        writer.writerow([*self._names("x", self.split.inputs[:1]), *self._targets()])
        writer.writerows([*example["inputs"], *self._answers(example)] for example in self.to_list())
        return lines.getvalue()

    def text(self) -> str:
        """Return the images as characters, or a table of what are none."""
        from backprop_cli.cli.pictures import as_text, shows_shades
        from backprop_cli.cli.tables import table

        if self.source.image:
            return as_text(self._pictures(), self._captions(), shutil.get_terminal_size().columns, shows_shades())
        header = ("example", *self._names("x", self.split.inputs[:1]), *self._targets())
        rows = [
            (example["example"], *(f"{number:.4g}" for number in (*example["inputs"], *self._answers(example))))
            for example in self.to_list()
        ]
        return table(header, rows, left=0)

    def to_list(self) -> list[dict[str, Any]]:
        """Return the examples as --json has them."""
        name = "label" if self.source.classes else "values"
        inputs, targets = (part[self.rows].tolist() for part in (self.split.inputs, self.split.targets))
        return [
            {"example": int(row), "inputs": x, name: y} for row, x, y in zip(self.rows, inputs, targets, strict=True)
        ]

    def _pictures(self) -> Pictures:
        import numpy as np

        assert self.source.image is not None
        return np.multiply(self.split.inputs[self.rows].reshape(-1, *self.source.image), self.source.scale)

    def _captions(self) -> list[str]:
        return [f"{row}: {label}" for row, label in zip(self.rows, self.split.targets[self.rows], strict=True)]

    def _targets(self) -> list[str]:
        return ["label"] if self.source.classes else self._names("y", self.split.targets[:1])

    def _answers(self, example: dict[str, Any]) -> list[float]:
        return [example["label"]] if self.source.classes else example["values"]

    def _names(self, letter: str, one: npt.NDArray[Any]) -> list[str]:
        """Return x1, x2, … for the columns of an array, or x if there is but one."""
        count = one.shape[1]
        return [letter] if count == 1 else [f"{letter}{k}" for k in range(1, count + 1)]
