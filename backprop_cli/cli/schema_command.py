"""`backprop schema`: print the JSON Schema of configs."""

from __future__ import annotations

import click

from backprop_cli.cli.options import common_options
from backprop_cli.terminal.console import Command, Console


@click.command("schema", cls=Command, short_help="Print the JSON Schema of configs.")
@common_options
def command(console: Console) -> None:
    """Print the JSON Schema of configs, for editors that complete and validate YAML."""
    from backprop_cli.config.json_schema import json_schema, schema_text

    console.result(schema_text().rstrip(), json_schema(), quiet=schema_text().rstrip())
