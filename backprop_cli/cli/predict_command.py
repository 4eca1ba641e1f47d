"""`backprop predict`: predictions for images and rows of numbers."""

from __future__ import annotations

from pathlib import Path

import click

from backprop_cli.cli.completion import complete_run
from backprop_cli.cli.options import checkpoint_option, common_options, csv_option, runs_option, threshold_option
from backprop_cli.terminal.console import Command, Console, error_line


@click.command("predict", cls=Command, short_help="Predict the labels or values of examples.")
@click.argument("run", metavar="CHECKPOINT|RUN", shell_complete=complete_run)
@click.argument("files", nargs=-1, required=True, metavar="FILE...")
@checkpoint_option
@click.option(
    "-o",
    "--output",
    type=click.Path(path_type=Path, dir_okay=False),
    metavar="FILE",
    help="Write all columns of the input, the prediction, and the probability of each class (.csv); or the values, or "
    "probabilities, as an array (.npy).",
)
@click.option("--layer", type=int, metavar="N", help="Write what leaves layer N, such as the code of an autoencoder.")
@click.option("--top", type=click.IntRange(min=1), default=1, metavar="K", help="Show the K most likely classes.")
@threshold_option
@runs_option
@common_options
@csv_option
def command(
    run: str,
    files: tuple[str, ...],
    checkpoint: str,
    output: Path | None,
    top: int,
    layer: int | None,
    threshold: str | None,
    as_csv: bool,
    runs_dir: Path,
    console: Console,
) -> None:
    """Predict the label, with its probability, or the value of each example in FILEs.

    A FILE is an image of a digit, of any size and color; a .npy array of pixels or inputs; a .csv file with one
    example per row, or - for such rows on stdin. Pixels may already be scaled to 0 … 1. If a file or row cannot be
    read, the others are still predicted and the exit code is 1.

    For a network trained on a table, a FILE is a table with a header; columns are found by name, in any order. If it
    has the target too, the accuracy, or the error of the values, is printed.

    Probabilities are the outputs of softmax, or of one sigmoid unit for two classes. For other networks the "output"
    of each class is shown, of which the largest decides, or the "distance" from the code of the class, of which the
    smallest decides.
    """
    from backprop_cli.cli.plotting import check_suffix
    from backprop_cli.errors import Exit, UsageError
    from backprop_cli.results.predicting import predict_files
    from backprop_cli.runs.model import load_model

    if output:
        check_suffix(output, ".csv", ".npy")
    model = load_model(run, runs_dir, checkpoint).at_layer(layer)
    if top > 1 and not model.task.classes:
        raise UsageError(f"--top: {model.path} predicts values, not classes")
    found = predict_files(model, files, threshold)
    for message in found.messages:
        error_line(message)
    for note in found.notes:
        console.warn(note)
    if output := output if len(found) else None:
        found.write(output)
    if as_csv:
        if lines := found.lines(top, form=".6g"):
            console.csv(lines[0], lines[1:])
    elif console.json:
        data = {
            "checkpoint": str(model.path),
            "epoch": model.epoch,
            "predictions": found.to_dict(top),
            "failed": [one._asdict() for one in found.failed],
            **({"metrics": found.metrics} if found.metrics else {}),
        }
        console.result("", data, quiet="")
    elif output:
        console.result(f"{output}\n{found.summary()}".rstrip(), {}, quiet=str(output))
    else:
        text = "\n".join(found.best()) if console.quiet else found.to_text(top)
        console.result(text, {}, quiet=text)
    if found.failed:
        click.get_current_context().exit(Exit.FAILED)
