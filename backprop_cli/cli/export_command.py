"""`backprop export`: trained networks as files for other programs."""

from __future__ import annotations

from pathlib import Path

import click

from backprop_cli.cli.completion import complete_run
from backprop_cli.cli.options import Selection, selection_options
from backprop_cli.terminal.console import Command, Console


@click.command("export", cls=Command, short_help="Write a network for ONNX, PyTorch, a browser, C.")
@click.argument("run", metavar="CHECKPOINT|RUN", shell_complete=complete_run)
@click.option(
    "-o",
    "--output",
    type=click.Path(path_type=Path, dir_okay=False),
    required=True,
    metavar="FILE",
    help="A file that ends in .onnx, .safetensors, .html or .h.",
)
@click.option("--check", is_flag=True, help="Compare the file with the network on --split; exit with code 4 if wrong.")
@selection_options
def command(run: str, output: Path, check: bool, chosen: Selection, console: Console) -> None:
    """Write a trained network to a file that works without this program.

    FILE.onnx is for ONNX runtimes, FILE.safetensors for PyTorch. FILE.html is a page that runs the network in a
    browser, without a network connection. FILE.h is a C99 header. Inputs are in the units of the data set, such as
    pixels from 0 to 255; scaling is included, except in .safetensors.

    --check computes the outputs from the file, with onnxruntime, PyTorch, node or cc, which have to be installed.
    """
    from backprop_cli.errors import CheckFailed
    from backprop_cli.exporting.formats import check_export, export_model
    from backprop_cli.results.run import DatasetCache
    from backprop_cli.runs.model import load_model

    model = load_model(run, chosen.runs_dir, chosen.checkpoint)
    export_model(model, output)
    found = check_export(model, output, DatasetCache(chosen.cache()).load, chosen.split) if check else None
    data = {"file": str(output), "checkpoint": str(model.path), "epoch": model.epoch}
    text = f"{output}\n{found.to_text()}" if found else str(output)
    console.result(text, data | {"check": found and found.to_dict()}, quiet=str(output))
    if found and not found.passed:
        raise CheckFailed(f"{output} does not compute what {model.path} does")
