"""`backprop predict`: predictions for images and rows of numbers."""

from __future__ import annotations

from pathlib import Path

import click

from backprop_cli.cli.completion import complete_run
from backprop_cli.cli.console import Command, Console, error_line
from backprop_cli.cli.options import checkpoint_option, common_options, csv_option, runs_option


@click.command("predict", cls=Command, short_help="Predict the labels or values of examples.")
@click.argument("run", metavar="CHECKPOINT|RUN", shell_complete=complete_run)
@click.argument("files", nargs=-1, required=True, metavar="FILE...")
@checkpoint_option
@click.option("--top", type=click.IntRange(min=1), default=1, metavar="K", help="Show the K most likely classes.")
@runs_option
@common_options
@csv_option
def command(
    run: str, files: tuple[str, ...], checkpoint: str, top: int, as_csv: bool, runs_dir: Path, console: Console
) -> None:
    """Predict the label, with its probability, or the value of each example in FILEs.

    A FILE is an image of a digit, of any size and color; a .npy array of pixels or inputs; a .csv file with one
    example per row, or - for such rows on stdin. Pixels may already be scaled to 0 … 1. If a file or row cannot be
    read, the others are still predicted and the exit code is 1.

    Probabilities are the outputs of softmax, or of one sigmoid unit for two classes. For other networks the "output"
    of each class is shown, of which the largest decides, or the "distance" from the code of the class, of which the
    smallest decides.
    """
    from backprop_cli.errors import Exit, UsageError
    from backprop_cli.results.prediction import predict_files
    from backprop_cli.runs.model import load_model

    model = load_model(run, runs_dir, checkpoint)
    if top > 1 and not model.experiment.task.classes:
        raise UsageError(f"--top: {model.path} predicts values, not classes")
    found = predict_files(model, files)
    for message in found.messages:
        error_line(message)
    if as_csv:
        if lines := found.lines(top, form=".6g"):
            console.csv(lines[0], lines[1:])
    else:
        data = {
            "checkpoint": str(model.path),
            "epoch": model.epoch,
            "predictions": found.to_dict(top),
            "failed": [one._asdict() for one in found.failed],
        }
        console.result(found.to_text(top), data, quiet="\n".join(found.best()))
    if found.failed:
        click.get_current_context().exit(Exit.FAILED)
