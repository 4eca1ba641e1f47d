"""`backprop init`: write a commented config."""

from __future__ import annotations

from pathlib import Path

import click

from backprop_cli.cli.completion import complete_override, complete_words
from backprop_cli.cli.options import common_options
from backprop_cli.config.shipped import SCHEMA, shipped_configs, template
from backprop_cli.terminal.console import Command, Console


@click.command("init", cls=Command, short_help="Write a commented config.")
@click.argument("path", type=click.Path(path_type=Path, dir_okay=False), required=False)
@click.option(
    "--template",
    "name",
    metavar="NAME",
    shell_complete=complete_words(shipped_configs),
    help="The shipped config to write.  [default: digits]",
)
@click.argument("overrides", nargs=-1, metavar="[KEY=VALUE]...", shell_complete=complete_override)
@click.option("--data", type=click.Path(path_type=Path), help="A file or folder with data: write a config for it.")
@click.option("--list", "as_list", is_flag=True, help="List the shipped configs.")
@click.option("--force", is_flag=True, help="Replace existing files.")
@common_options
def command(
    path: Path | None,
    overrides: tuple[str, ...],
    data: Path | None,
    name: str | None,
    as_list: bool,
    force: bool,
    console: Console,
) -> None:
    """Write a commented config to PATH (<template>.yaml by default) and, in the same folder, the schema for editors.

    A PATH without .yaml is the name of a shipped config: backprop init mnist

    With --data, the config is one for your own data: backprop init --data churn.csv target=churned
    """
    from backprop_cli.config.data_files import stem_of
    from backprop_cli.config.json_schema import schema_text
    from backprop_cli.config.shipped import shipped_config, summary
    from backprop_cli.errors import UsageError
    from backprop_cli.explain.commented import config_for_data
    from backprop_cli.files import atomic_write
    from backprop_cli.text import table

    names = shipped_configs()
    if as_list:
        text = table(("config", "description"), [(name, summary(file)) for name, file in names.items()], 2)
        console.result(text, list(names), quiet="\n".join(names))
        return
    if path and "=" in str(path):
        path, overrides = None, (str(path), *overrides)
    if overrides and "=" not in overrides[0]:
        raise UsageError(f"one PATH only; to name the file: backprop init {overrides[0]} --template {path}")
    if overrides and data is None:
        raise UsageError(
            f"{overrides[0]}: KEY=VALUE goes with --data FILE; change keys of a shipped config in the file"
        )
    if path and not path.suffix and name is None and data is None:
        path, name = None, str(path)
    if data:
        path = path or Path(f"{stem_of(data)}.yaml")
        content = config_for_data(data, overrides, path.parent).encode()
    else:
        source = shipped_config(name or "digits")
        if source is None:
            some = ", ".join(name for name in names if "/" not in name)
            raise UsageError(f"no shipped config '{name}'; available: {some}, and others ('backprop init --list')")
        path, content = path or Path(f"{source.stem}.yaml"), template(source)
    schema = path.with_name(SCHEMA)
    if path == schema:
        raise UsageError(f"{SCHEMA} is reserved for the schema; use another name for the config")
    contents = {path: content, schema: schema_text().encode()}
    for file, content in contents.items():
        if file.exists() and not force and file.read_bytes() != content:
            raise UsageError(f"{file} already exists and differs; use --force to replace it")
    for file, content in contents.items():
        atomic_write(file, content)
    words = f"wrote {path} and {schema}\nnext  backprop train {path}"
    console.result(words, {"config": str(path), "schema": str(schema)}, quiet=str(path))
