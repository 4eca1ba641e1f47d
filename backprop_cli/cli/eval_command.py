"""`backprop eval`: metrics of trained networks."""

from __future__ import annotations

from typing import Literal

import click

from backprop_cli.cli.completion import complete_run
from backprop_cli.cli.options import Selection, fraction, selection_options, threshold_option
from backprop_cli.terminal.console import Command, Console


@click.command("eval", cls=Command, short_help="Evaluate a checkpoint or a run.")
@click.argument("runs", nargs=-1, required=True, metavar="CHECKPOINT|RUN...", shell_complete=complete_run)
@click.option("--ensemble", is_flag=True, help="Also evaluate the ensemble: the mean of the outputs.")
@click.option(
    "--min-accuracy",
    type=fraction,
    metavar="X",
    help="Exit with code 4 if an accuracy is below X (0 to 1); with --ensemble, that of the ensemble.",
)
@click.option("--importance", is_flag=True, help="Also measure how much each column of the inputs matters.")
@click.option("--likelihood", type=click.Choice(["exact", "ais"]), help="Of a Boltzmann machine: ln Z and ln p(v).")
@click.option("--corrupt", is_flag=True, help="Add the noise of training ('corrupt') to the inputs.")
@threshold_option
@selection_options
def command(
    runs: tuple[str, ...],
    ensemble: bool,
    min_accuracy: float | None,
    importance: bool,
    likelihood: Literal["exact", "ais"] | None,
    corrupt: bool,
    threshold: str | None,
    chosen: Selection,
    console: Console,
) -> None:
    """Evaluate networks: accuracy, cost, precision and recall of each class, and the confusion matrix.

    A network is given by a checkpoint file or by a run: its folder, its name, a unique prefix of its name, or @last.
    Several networks are summarized in a table first. The threshold best-f1 has the highest F1 on the validation
    split.
    """
    from backprop_cli.errors import CheckFailed, UsageError
    from backprop_cli.results.evaluation import ensemble_of, evaluate_models, report
    from backprop_cli.results.importance import importance_of
    from backprop_cli.results.likelihood import likelihood_of
    from backprop_cli.results.run import DatasetCache
    from backprop_cli.runs.model import load_model

    models = [load_model(text, chosen.runs_dir, chosen.checkpoint) for text in runs]
    datasets = DatasetCache(chosen.cache())
    members = evaluate_models(models, datasets.load, chosen.split, threshold, corrupt)
    if min_accuracy is not None and not members[0].task.classes:
        raise UsageError(f"--min-accuracy: {members[0].name} predicts values, which have no accuracy")
    whole = ensemble_of(members) if ensemble else None
    text, data = report(members, whole)
    for result, model in zip(data["results"], models if importance else (), strict=False):
        text += f"\n\n{(found := importance_of(model, datasets.load, chosen.split))}"
        result["importance"] = found.to_dict()
    for result, model in zip(data["results"], models if likelihood else (), strict=False):
        text += f"\n\n{(of := likelihood_of(model, datasets.load, chosen.split, likelihood or 'exact'))}"
        result["likelihood"] = of.to_dict()
    checked = [whole] if whole else members
    console.result(text, data, quiet="\n".join(f"{one.headline:.4f}" for one in checked))
    for one in checked:
        if min_accuracy is not None and not one.headline >= min_accuracy:  # also if it is NaN
            raise CheckFailed(f"{one.name}: the accuracy {one.headline:.4f} is below {min_accuracy:g}")
