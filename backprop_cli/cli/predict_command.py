"""`backprop predict`: what a trained network sees in files."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from backprop_cli.cli.console import Command, Console, error_line
from backprop_cli.cli.options import common_options, runs_option

if TYPE_CHECKING:
    from backprop_cli.config.schema import Experiment
    from backprop_cli.data.inputs import Reading
    from backprop_cli.nn.arrays import Array

MAX_PROBLEMS = 10
"""How many rows of one file are named as unreadable."""


@click.command("predict", cls=Command, short_help="Predict what images, or rows of numbers, are.")
@click.argument("checkpoint", metavar="CHECKPOINT|RUN")
@click.argument("files", nargs=-1, required=True, metavar="FILE...")
@click.option("--which", type=click.Choice(["best", "last"]), default="best", show_default=True, help="Of a run.")
@click.option("--top", type=click.IntRange(min=1), default=1, metavar="K", help="Show the K likeliest classes.")
@click.option("--csv", "as_csv", is_flag=True, help="Print the result as CSV.")
@runs_option
@common_options
def command(
    checkpoint: str,
    files: tuple[str, ...],
    which: str,
    top: int,
    as_csv: bool,
    runs_dir: Path,
    console: Console,
) -> None:
    """Predict what is in each FILE: its label and how much speaks for it, or its value.

    A FILE is an image of a digit, of any size and colour; a .npy array of pixels or inputs; a .csv file with an
    example in each row, or - for such rows on stdin. Pixels may be scaled to 0 … 1 already. Exit code 1 if any of
    it cannot be read; the rest is predicted all the same.

    "probability" is that of softmax, or of one sigmoid between two classes. Other networks give an "output" for each
    class, the largest of which decides, or the "distance" from the code of a class, the smallest of which does.
    """
    from backprop_cli.errors import Exit, UsageError
    from backprop_cli.experiment import batch_size, build_network
    from backprop_cli.restore import load_network
    from backprop_cli.runs.checkpoint import read_checkpoint
    from backprop_cli.runs.folder import find_checkpoint
    from backprop_cli.training.prediction import outputs_of
    from backprop_cli.training.threads import choose_threads, limit_threads

    if as_csv and console.json:
        raise UsageError("--csv and --json: choose one")
    path = find_checkpoint(checkpoint, runs_dir, which)
    saved = read_checkpoint(path)
    e, theta = load_network(saved, str(path))
    if top > 1 and not e.dataset.classes:
        raise UsageError(f"--top: {path} predicts values, not classes")
    network = build_network(e)
    answers: list[_Answer] = []
    failed: list[dict[str, str]] = []
    with limit_threads(choose_threads(e.threads, e.sizes, batch_size(e))):
        for reading in _readings(files, e, failed):
            answers += _answers(e, reading.names, outputs_of(network, theta, reading.x), top)
    data = {
        "checkpoint": str(path),
        "epoch": saved.meta.epoch,
        "predictions": [answer.to_dict() for answer in answers],
        "failed": failed,
    }
    text = _csv(answers) if as_csv else _table(answers)
    console.result(text, data, quiet=text if as_csv else "\n".join(str(answer.best) for answer in answers))
    if failed:
        click.get_current_context().exit(Exit.FAILED)


@dataclass(frozen=True)
class _Answer:
    """What is predicted of one example: its values, or labels, the likeliest first, with a value of `measure` each."""

    input: str
    measure: str
    values: Sequence[float]
    labels: Sequence[int] = ()

    @property
    def best(self) -> str:
        """The label, or the values, in a word."""
        return str(self.labels[0]) if self.labels else " ".join(f"{value:.6g}" for value in self.values)

    @property
    def columns(self) -> list[str]:
        """The names of the cells."""
        count = len(self.values)
        names = ("label", self.measure) if self.labels else (self.measure,)
        return [f"{name}_{k}" if k > 1 else name for k in range(1, count + 1) for name in names]

    def cells(self, form: str) -> list[object]:
        """Return the labels and values, one after the other, the values in that form."""
        values = [format(value, form) for value in self.values]
        return [cell for pair in zip(self.labels, values, strict=True) for cell in pair] if self.labels else [*values]

    def to_dict(self) -> dict[str, Any]:
        """Return it as --json has it."""
        if not self.labels:
            return {"input": self.input, "values": list(self.values)}
        top = [{"label": l, self.measure: v} for l, v in zip(self.labels, self.values, strict=True)]
        return {"input": self.input, **top[0], "top": top}


def _readings(files: Iterable[str], e: Experiment, failed: list[dict[str, str]]) -> Iterable[Reading]:
    """Yield what each file holds; say what cannot be read, and note it in `failed`."""
    from backprop_cli.data.inputs import read_inputs
    from backprop_cli.errors import BackpropError, UnreadableError

    said = set()
    for name in files:
        try:
            reading = read_inputs(name, e.dataset, e.dtype)
        except (BackpropError, OSError) as error:
            reason = (error.strerror or str(error)) if isinstance(error, OSError) else str(error)
            line = f"{name}: {reason}" if isinstance(error, UnreadableError | OSError) else reason
            if line not in said:  # that Pillow is missing is said once, not for every image
                error_line(line)
            said.add(line)
            failed.append({"input": name, "reason": reason})
            continue
        for place, reason in reading.problems[:MAX_PROBLEMS]:
            error_line(f"{place}: {reason}")
        if (more := len(reading.problems) - MAX_PROBLEMS) > 0:
            error_line(f"{name}: … and {more:,} more rows that cannot be read")
        failed += [{"input": place, "reason": reason} for place, reason in reading.problems]
        yield reading


def _answers(e: Experiment, names: list[str], outputs: Array, top: int) -> Iterable[_Answer]:
    from backprop_cli.data.tasks import Classification
    from backprop_cli.training.prediction import rank

    if not isinstance(e.task, Classification):
        return [_Answer(name, "value", row.tolist()) for name, row in zip(names, outputs, strict=True)]
    ranking = rank(e.task, e.activations[-1], outputs)
    rows = zip(names, ranking.values[:, :top].tolist(), ranking.labels[:, :top].tolist(), strict=True)
    return [_Answer(name, ranking.measure, values, labels) for name, values, labels in rows]


def _table(answers: list[_Answer]) -> str:
    from backprop_cli.cli.tables import table

    if not answers:
        return ""
    form = ".4f" if answers[0].labels else ".6g"
    header = ("input", *(column.replace("_", " ") for column in answers[0].columns))
    return table(header, [(answer.input, *answer.cells(form)) for answer in answers])


def _csv(answers: list[_Answer]) -> str:
    if not answers:
        return ""
    lines = io.StringIO()
    writer = csv.writer(lines, lineterminator="\n")
    writer.writerow(["input", *answers[0].columns])
    writer.writerows([answer.input, *answer.cells(".6g")] for answer in answers)
    return lines.getvalue().removesuffix("\n")
