"""`backprop eval`: how good is a trained network, and what does it confuse."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from backprop_cli.cli.completion import complete_run
from backprop_cli.cli.console import Command, Console
from backprop_cli.cli.options import common_options, data_options, runs_option

if TYPE_CHECKING:
    from backprop_cli.data.cache import Cache
    from backprop_cli.data.dataset import Split
    from backprop_cli.data.tasks import Task
    from backprop_cli.nn.arrays import Array


@click.command("eval", cls=Command, short_help="Evaluate a checkpoint or a run.")
@click.argument("checkpoints", nargs=-1, required=True, metavar="CHECKPOINT|RUN...", shell_complete=complete_run)
@click.option("--split", type=click.Choice(["train", "val", "test"]), default="test", show_default=True)
@click.option("--which", type=click.Choice(["best", "last"]), default="best", show_default=True, help="Of a run.")
@click.option(
    "--min-accuracy", type=click.FloatRange(0, 1), metavar="X", help="Exit with code 4 if the accuracy is below X."
)
@runs_option
@common_options
@data_options
def command(
    checkpoints: tuple[str, ...],
    split: str,
    which: str,
    min_accuracy: float | None,
    runs_dir: Path,
    console: Console,
    cache: Callable[[], Cache],
) -> None:
    """Evaluate a checkpoint: accuracy, cost, precision and recall of each class, and the confusion matrix.

    A checkpoint is a file, or a run by folder, name, beginning of its name, or @last. With several, each is
    evaluated, and then the average of their outputs (model averaging), which is what --min-accuracy judges.
    """
    from backprop_cli.errors import CheckFailed, UsageError
    from backprop_cli.runs.folder import find_checkpoint

    paths = [find_checkpoint(text, runs_dir, which) for text in checkpoints]
    members = _evaluate(paths, split, cache())
    if min_accuracy is not None and not members[0].task.classes:
        raise UsageError(f"--min-accuracy: {paths[0]} predicts values, which have no accuracy")
    texts = [_text(f"{member.path}  (epoch {member.epoch})", split, member) for member in members]
    data: dict[str, Any] = {
        "split": split,
        "results": [
            {"checkpoint": str(member.path), "epoch": member.epoch, "cost": member.cost, **_figures(member)}
            for member in members
        ],
    }
    judged = members[0]
    if len(members) > 1:
        average = sum((member.outputs for member in members[1:]), start=members[0].outputs) / len(members)
        judged = replace(members[0], outputs=average, cost=None)
        texts.append(_text(f"the average of these {len(members)}", split, judged))
        data["average"] = _figures(judged)
    figures = _figures(judged)
    result = figures["accuracy"] if "accuracy" in figures else figures["rmse"]
    console.result("\n\n".join(texts), data, quiet=f"{result:.4f}")
    if min_accuracy is not None and not result >= min_accuracy:  # NaN is no bar to pass
        raise CheckFailed(f"the accuracy {result:.4f} is below {min_accuracy:g}")


@dataclass(frozen=True)
class _Member:
    """A checkpoint's outputs on the examples of a split, and their mean cost."""

    path: Path
    epoch: int
    outputs: Array
    cost: float | None
    examples: Split
    task: Task


def _evaluate(paths: list[Path], split: str, cache: Cache) -> list[_Member]:
    """Evaluate checkpoints on the split that they must have in common."""
    import numpy as np

    from backprop_cli.data.dataset import Dataset
    from backprop_cli.errors import UsageError
    from backprop_cli.experiment import batch_size, build_objective, load_data
    from backprop_cli.restore import load_network
    from backprop_cli.runs.checkpoint import read_checkpoint
    from backprop_cli.training.evaluation import Evaluator
    from backprop_cli.training.threads import choose_threads, limit_threads

    loaded: dict[tuple[object, ...], Dataset] = {}
    members: list[_Member] = []
    for path in paths:
        checkpoint = read_checkpoint(path)
        e, theta = load_network(checkpoint, str(path))
        key = (e.dataset, e.validation, e.train_size, e.targets)
        data = loaded[key] = loaded.get(key) or load_data(e, cache)
        examples = data.split(split)
        if not len(examples):
            raise UsageError(f"{path}: its experiment has no validation split; use --split train or test")
        first = members[0].examples if members else examples
        if not (np.array_equal(first.targets, examples.targets) and np.array_equal(first.inputs, examples.inputs)):
            raise UsageError(f"{path} has another {split} split than {paths[0]}; evaluate it alone")
        if members and members[0].task != data.task:
            raise UsageError(f"{path} encodes its targets in another way than {paths[0]}; evaluate it alone")
        with limit_threads(choose_threads(e.threads, e.sizes, batch_size(e))):
            outputs, cost = Evaluator(build_objective(e), theta, data.scale, data.task).outputs(examples)
        members.append(_Member(path, checkpoint.meta.epoch, outputs, cost, examples, data.task))
    return members


def _figures(member: _Member) -> dict[str, Any]:
    """Return how good the outputs are: a judgement of classes, or the errors of values."""
    from backprop_cli.data.tasks import Classification
    from backprop_cli.training.evaluation import judge

    task, targets = member.task, member.examples.targets
    if isinstance(task, Classification):
        return judge(task.predict(member.outputs), targets, task.classes).to_dict()
    return {"examples": len(targets), **task.figures(task.measure(member.outputs, targets), targets)}


def _text(title: str, split: str, member: _Member) -> str:
    from backprop_cli.cli.tables import table

    figures = _figures(member)
    cost = "" if member.cost is None else f", cost {member.cost:.6g}"
    if "accuracy" not in figures:
        explained = f", r2 {figures['r2']:.4f}" if "r2" in figures else ""
        return f"{title}\n{split} rmse {figures['rmse']:.4g}{explained} ({figures['examples']:,} examples){cost}"
    confusion = figures["confusion"]
    per_class = [
        (c, *("nan" if share is None else f"{share:.4f}" for share in shares), sum(confusion[c]))
        for c, shares in enumerate(zip(figures["precision"], figures["recall"], strict=True))
    ]
    lines = [
        title,
        f"{split} accuracy {figures['accuracy']:.2%} ({figures['right']:,} of {figures['examples']:,}){cost}",
        "",
        table(("class", "precision", "recall", "examples"), per_class, left=0),
        "",
        "confusion: a row for each true class, a column for each predicted one",
        table(
            ("", *map(str, range(len(confusion)))),
            [(c, *(count or "." for count in row)) for c, row in enumerate(confusion)],
            left=0,
        ),
    ]
    return "\n".join(lines)
