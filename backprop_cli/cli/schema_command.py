"""`backprop schema`: the JSON Schema of a config."""

from __future__ import annotations

import click

from backprop_cli.cli.console import Command, Console
from backprop_cli.cli.options import common_options


@click.command("schema", cls=Command, short_help="Print the JSON Schema of a config.")
@common_options
def command(console: Console) -> None:
    """Print the JSON Schema of a config, for editors that complete and check YAML."""
    from backprop_cli.config.schema import json_schema, schema_text

    console.result(schema_text().rstrip(), json_schema(), quiet=schema_text().rstrip())
