"""The `backprop` command: its subcommands, errors and exit codes.

Neither this file nor the top of a command's file imports anything but click, so that --help is quick.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from difflib import get_close_matches
from importlib import import_module
from io import TextIOWrapper
from typing import NoReturn

import click

from backprop_cli import __version__
from backprop_cli.errors import Exit
from backprop_cli.terminal.console import Console, error_line

COMMANDS = (
    "train",
    "sweep",
    "resume",
    "eval",
    "predict",
    "sample",
    "export",
    "plot",
    "report",
    "runs",
    "gradcheck",
    "trace",
    "check",
    "init",
    "schema",
    "data",
    "completion",
)
"""All commands in the order of --help; each is defined in cli/<name>_command.py."""

ELSEWHERE = {"fit": "train", "continue": "resume", "test": "eval", "list": "runs list", "ls": "runs list"}
"""Our commands for those of other tools."""

COMPLETE = "_BACKPROP_COMPLETE"
"""The environment variable by which a shell asks click for completions."""


class LazyGroup(click.Group):
    """A group whose commands are imported on demand."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        """Return the names in the order of COMMANDS."""
        return list(COMMANDS)

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        """Parse the words before the command, which are no options of a command."""
        try:
            return super().parse_args(ctx, args)
        except click.NoSuchOption as error:
            hint = f"options follow the command: backprop COMMAND {error.option_name}"
            raise click.UsageError(f"No such option '{error.option_name}' here; {hint}", ctx) from None

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """Return the command that the first word names; an error suggests one."""
        word = args[0]
        if word not in COMMANDS and not ctx.resilient_parsing:
            close = get_close_matches(word, COMMANDS, n=1)
            guess = ELSEWHERE.get(word) or next(iter(close), None)
            ctx.fail(f"No such command '{word}'." + (f" Did you mean 'backprop {guess}'?" if guess else ""))
        return super().resolve_command(ctx, args)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """Return a command by name."""
        if cmd_name not in COMMANDS:
            return None
        command: click.Command = import_module(f"backprop_cli.cli.{cmd_name}_command").command
        return command


@click.group(cls=LazyGroup, context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100})
@click.version_option(__version__, prog_name="backprop")
def cli() -> None:
    """Train feed-forward neural networks from a YAML file, with back-propagation in plain NumPy.

    Start with: backprop train digits. For a config of your own: backprop init
    """


def main(argv: Sequence[str] | None = None) -> NoReturn:
    """Run the command line and exit with its code."""
    if isinstance(sys.stdout, TextIOWrapper):  # file names need not be UTF-8, and not every terminal can show η
        utf8 = sys.stdout.encoding.lower() == "utf-8"
        sys.stdout.reconfigure(errors="surrogateescape" if utf8 else "backslashreplace")
    words = list(sys.argv[1:] if argv is None else argv)
    try:
        code = cli.main(words, prog_name="backprop", complete_var=COMPLETE, standalone_mode=False)
    except click.exceptions.NoArgsIsHelpError as error:
        click.echo(error.format_message(), err=True)
        code = Exit.USAGE
    except (click.ClickException, OSError) as error:  # OSError: backprop --help > /dev/full
        code = Console(json="--json" in words).error(error)
    except (click.Abort, KeyboardInterrupt):
        error_line("interrupted")
        code = Exit.SIGINT
    sys.exit(code if isinstance(code, int) else Exit.DONE)
