"""`backprop init`: write a commented config."""

from __future__ import annotations

from pathlib import Path

import click

from backprop_cli.cli.completion import complete_words
from backprop_cli.cli.console import Command, Console
from backprop_cli.cli.options import common_options
from backprop_cli.config.shipped import SCHEMA, templates


@click.command("init", cls=Command, short_help="Write a commented config.")
@click.argument("path", type=click.Path(path_type=Path, dir_okay=False), required=False)
@click.option(
    "--template",
    metavar="NAME",
    default="digits",
    show_default=True,
    shell_complete=complete_words(templates),
    help="The shipped config to write.",
)
@click.option("--list", "as_list", is_flag=True, help="List the shipped configs.")
@click.option("--force", is_flag=True, help="Replace existing files.")
@common_options
def command(path: Path | None, template: str, as_list: bool, force: bool, console: Console) -> None:
    """Write a commented config to PATH (<template>.yaml by default) and, in the same folder, the schema for editors."""
    from backprop_cli.config.schema import schema_text
    from backprop_cli.errors import UsageError
    from backprop_cli.files import atomic_write

    shipped = templates()
    if as_list:
        console.result("\n".join(shipped), list(shipped), quiet="\n".join(shipped))
        return
    if template not in shipped:
        raise UsageError(f"unknown template '{template}'; available: {', '.join(shipped)}")
    path = path or Path(f"{template}.yaml")
    schema = path.with_name(SCHEMA)
    if path == schema:
        raise UsageError(f"{SCHEMA} is reserved for the schema; use another name for the config")
    text = shipped[template].read_bytes().replace(b"$schema=../", b"$schema=")
    contents = {path: text, schema: schema_text().encode()}
    for file, content in contents.items():
        if file.exists() and not force and file.read_bytes() != content:
            raise UsageError(f"{file} already exists and differs; use --force to replace it")
    for file, content in contents.items():
        atomic_write(file, content)
    words = f"wrote {path} and {schema}\nnext  backprop train {path}"
    console.result(words, {"config": str(path), "schema": str(schema)}, quiet=str(path))
