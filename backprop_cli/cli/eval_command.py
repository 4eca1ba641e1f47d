"""`backprop eval`: how good is a trained network, and what does it confuse."""

from __future__ import annotations

from collections.abc import Callable
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
    evaluated, and then the average of their outputs (model averaging).
    """
    from backprop_cli.errors import CheckFailed, UsageError
    from backprop_cli.runs.folder import find_checkpoint
    from backprop_cli.training.evaluation import judge

    paths = [find_checkpoint(text, runs_dir, which) for text in checkpoints]
    entries: list[dict[str, Any]] = []
    texts: list[str] = []
    outputs: list[Array] = []
    examples: Split | None = None
    for path in paths:
        a, cost, facts, examples = _outputs(path, split, cache(), examples)
        if outputs and a.shape != outputs[0].shape:
            raise UsageError(f"{path} has other outputs or other examples than {paths[0]}; evaluate it alone")
        outputs.append(a)
        judgement = judge(a, examples.labels)
        entries.append({"checkpoint": str(path), **facts, "cost": cost, **judgement.to_dict()})
        texts.append(_text(f"{path}  (epoch {facts['epoch']})", split, judgement, cost))
    data: dict[str, Any] = {"split": split, "results": entries}
    judgements = entries
    if len(outputs) > 1 and examples is not None:
        average = judge(sum(outputs[1:], start=outputs[0]) / len(outputs), examples.labels)
        data["average"] = average.to_dict()
        judgements = [data["average"]]
        texts.append(_text(f"the average of these {len(outputs)}", split, average, None))
    console.result("\n\n".join(texts), data, quiet=f"{judgements[-1]['accuracy']:.4f}")
    if min_accuracy is not None and (accuracy := judgements[-1]["accuracy"]) < min_accuracy:
        raise CheckFailed(f"the accuracy {accuracy:.4f} is below {min_accuracy:g}")


def _outputs(
    path: Path, split: str, cache: Cache, examples: Split | None
) -> tuple[Array, float, dict[str, Any], Split]:
    """Return a checkpoint's outputs on a split, the cost, the checkpoint's facts, and the examples."""
    import numpy as np

    from backprop_cli.errors import UsageError
    from backprop_cli.experiment import build_objective, load_data
    from backprop_cli.runs.checkpoint import read_checkpoint
    from backprop_cli.session import load_network
    from backprop_cli.training.evaluation import CHUNK, Evaluator
    from backprop_cli.training.threads import choose_threads, limit_threads

    checkpoint = read_checkpoint(path)
    experiment, theta = load_network(checkpoint, str(path))
    data = load_data(experiment, cache)
    mine = data.split(split)
    if not len(mine):
        raise UsageError(f"{path}: its experiment has no validation split; use --split train or test")
    if examples is not None and not np.array_equal(examples.labels, mine.labels):
        raise UsageError(f"{path} has another {split} split than the checkpoints before it; evaluate it alone")
    with limit_threads(choose_threads(experiment.threads, experiment.layers, CHUNK)):
        a, cost = Evaluator(build_objective(experiment), theta, data.scale).outputs(mine)
    facts = {"dataset": experiment.dataset, "layers": list(experiment.layers), "epoch": checkpoint.meta.epoch}
    return a, cost, facts, mine


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
