"""`backprop eval`: how good is a trained network, and what does it confuse."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from backprop_cli.cli.console import Command, Console, common_options, data_options, runs_option

if TYPE_CHECKING:
    from backprop_cli.data.cache import Cache
    from backprop_cli.data.dataset import Split
    from backprop_cli.nn.arrays import Array
    from backprop_cli.training.evaluation import Judgement


@click.command("eval", cls=Command, short_help="Evaluate a checkpoint or a run.")
@click.argument("checkpoints", nargs=-1, required=True, metavar="CHECKPOINT|RUN...")
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
    from backprop_cli.errors import CheckFailed
    from backprop_cli.runs.folder import find_checkpoint
    from backprop_cli.training.evaluation import judge

    paths = [find_checkpoint(text, runs_dir, which) for text in checkpoints]
    members = _evaluate(paths, split, cache())
    labels = members[0].examples.labels
    judgements = [judge(member.outputs, labels) for member in members]
    texts = [
        _text(f"{member.path}  (epoch {member.epoch})", split, judgement, member.cost)
        for member, judgement in zip(members, judgements, strict=True)
    ]
    data: dict[str, Any] = {
        "split": split,
        "results": [
            {"checkpoint": str(member.path), "epoch": member.epoch, "cost": member.cost, **judgement.to_dict()}
            for member, judgement in zip(members, judgements, strict=True)
        ],
    }
    if len(members) > 1:
        average = sum((member.outputs for member in members[1:]), start=members[0].outputs) / len(members)
        judgements.append(judge(average, labels))
        texts.append(_text(f"the average of these {len(members)}", split, judgements[-1], None))
        data["average"] = judgements[-1].to_dict()
    accuracy = judgements[-1].accuracy
    console.result("\n\n".join(texts), data, quiet=f"{accuracy:.4f}")
    if min_accuracy is not None and not accuracy >= min_accuracy:  # NaN is no bar to pass
        raise CheckFailed(f"the accuracy {accuracy:.4f} is below {min_accuracy:g}")


@dataclass(frozen=True)
class _Member:
    """A checkpoint's outputs on the examples of a split, and their mean cost."""

    path: Path
    epoch: int
    outputs: Array
    cost: float
    examples: Split


def _evaluate(paths: list[Path], split: str, cache: Cache) -> list[_Member]:
    """Evaluate checkpoints on the split that they must have in common."""
    import numpy as np

    from backprop_cli.data.dataset import Dataset
    from backprop_cli.errors import UsageError
    from backprop_cli.experiment import build_objective, load_data
    from backprop_cli.runs.checkpoint import read_checkpoint
    from backprop_cli.session import load_network
    from backprop_cli.training.evaluation import Evaluator
    from backprop_cli.training.threads import choose_threads, limit_threads

    loaded: dict[tuple[object, ...], Dataset] = {}
    members: list[_Member] = []
    for path in paths:
        checkpoint = read_checkpoint(path)
        e, theta = load_network(checkpoint, str(path))
        key = (e.dataset, e.validation, e.train_size)
        data = loaded[key] = loaded.get(key) or load_data(e, cache)
        examples = data.split(split)
        if not len(examples):
            raise UsageError(f"{path}: its experiment has no validation split; use --split train or test")
        if members and not np.array_equal(members[0].examples.labels, examples.labels):
            raise UsageError(f"{path} has another {split} split than {paths[0]}; evaluate it alone")
        with limit_threads(choose_threads(e.threads, e.layers, e.batch_size)):
            outputs, cost = Evaluator(build_objective(e), theta, data.scale).outputs(examples)
        members.append(_Member(path, checkpoint.meta.epoch, outputs, cost, examples))
    return members


def _text(title: str, split: str, judgement: Judgement, cost: float | None) -> str:
    from backprop_cli.cli.tables import table

    classes = range(len(judgement.confusion))
    per_class = [
        (c, f"{judgement.precision[c]:.4f}", f"{judgement.recall[c]:.4f}", int(judgement.confusion[c].sum()))
        for c in classes
    ]
    confusion = [(c, *(int(count) or "." for count in judgement.confusion[c])) for c in classes]
    lines = [
        title,
        f"{split} accuracy {judgement.accuracy:.2%} ({judgement.right:,} of {judgement.n:,})"
        + ("" if cost is None else f", cost {cost:.6g}"),
        "",
        table(("class", "precision", "recall", "examples"), per_class, left=0),
        "",
        "confusion: a row for each true class, a column for each predicted one",
        table(("", *map(str, classes)), confusion, left=0),
    ]
    return "\n".join(lines)
