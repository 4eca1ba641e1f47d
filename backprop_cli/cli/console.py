"""What every command shares: its flags, its way of printing, its way of failing.

stdout carries results, stderr carries everything else.
"""

from __future__ import annotations

import contextlib
import functools
import os
import sys
import traceback
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from backprop_cli.errors import BackpropError, Exit
from backprop_cli.files import to_json

if TYPE_CHECKING:
    from backprop_cli.data.cache import Cache

_DEBUG = "backprop_cli.debug"


@dataclass(frozen=True)
class Console:
    """Where a command's words go: results to stdout, the rest to stderr unless --quiet."""

    quiet: bool = False
    verbose: bool = False
    json: bool = False

    def result(self, text: str, data: Any, quiet: str = "") -> None:
        """Print the result: `data` with --json, `quiet` with --quiet, else `text`."""
        words = to_json(data) if self.json else quiet if self.quiet else text
        if not words:
            return
        if sys.stdout is None:
            raise BackpropError("the result cannot be written to stdout: it is closed")
        try:
            click.echo(words)
            sys.stdout.flush()
        except BrokenPipeError:  # the reader has seen enough
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        except OSError as error:
            raise BackpropError(f"the result cannot be written to stdout: {error.strerror}") from error

    def say(self, line: str) -> None:
        """Tell what is going on."""
        if not self.quiet:
            to_stderr(line)

    def warn(self, line: str) -> None:
        """Tell what the user should know, also with --quiet."""
        to_stderr(f"warning: {line}")

    def detail(self, line: str) -> None:
        """Tell what is of interest with --verbose."""
        if self.verbose:
            self.say(line)


def error_line(message: str) -> None:
    """Print an error."""
    word = "error:" if os.environ.get("NO_COLOR") else click.style("error:", fg="red", bold=True)
    to_stderr(f"{word} {message}")


def to_stderr(line: str) -> None:
    """Print a line on stderr if there is one that takes it; losing it must not end what is going on."""
    with contextlib.suppress(OSError):
        click.echo(line, err=True)


class Command(click.Command):
    """A command whose errors become lines on stderr and exit codes; tracebacks only with --debug."""

    def invoke(self, ctx: click.Context) -> Any:
        """Run the command."""
        try:
            return super().invoke(ctx)
        except (click.ClickException, click.exceptions.Exit, click.Abort):
            raise
        except Exception as error:
            if ctx.meta.get(_DEBUG):
                traceback.print_exception(error)
            message, code = _explain(error)
            error_line(message)
            ctx.exit(code)


def _explain(error: Exception) -> tuple[str, Exit]:
    """Return what to tell the user about an error, and the exit code."""
    if isinstance(error, BackpropError):
        return str(error), error.exit_code
    if isinstance(error, OSError):
        place = f"{error.filename}: " if error.filename else ""
        return f"{place}{error.strerror or error}", Exit.FAILED
    if isinstance(error, MemoryError):
        return f"out of memory ({error}); make the network or the batch smaller", Exit.FAILED
    return f"unexpected {type(error).__name__}: {error}\nThis is a defect; --debug shows where it is.", Exit.FAILED


def common_options(function: Callable[..., Any]) -> Callable[..., Any]:
    """Give a command -q, -v, --json and --debug, and pass it a `console`."""

    @click.option("-q", "--quiet", is_flag=True, help="Print nothing but the result.")
    @click.option("-v", "--verbose", is_flag=True, help="Print more of what happens.")
    @click.option("--json", "as_json", is_flag=True, help="Print the result as one JSON object.")
    @click.option("--debug", is_flag=True, expose_value=False, callback=_remember, help="Show tracebacks.")
    @functools.wraps(function)
    def wrapper(quiet: bool, verbose: bool, as_json: bool, **arguments: Any) -> Any:
        return function(console=Console(quiet, verbose, as_json), **arguments)

    return wrapper


def data_options(function: Callable[..., Any]) -> Callable[..., Any]:
    """Give a command --data-dir, --mirror and --offline, and pass it a function that makes the `cache`."""

    @click.option(
        "--data-dir",
        type=click.Path(path_type=Path, file_okay=False),
        envvar="BACKPROP_DATA_DIR",
        show_envvar=True,
        help="Where downloaded data is kept.  [default: the platform's cache folder]",
    )
    @click.option("--mirror", envvar="BACKPROP_MIRROR", show_envvar=True, metavar="URL", help="Ask this server first.")
    @click.option("--offline", is_flag=True, help="Never touch the network.")
    @functools.wraps(function)
    def wrapper(console: Console, data_dir: Path | None, mirror: str | None, offline: bool, **arguments: Any) -> Any:
        def cache() -> Cache:
            from backprop_cli.data.cache import Cache

            return Cache(data_dir, mirror, offline, console.say)

        return function(console=console, cache=cache, **arguments)

    return wrapper


runs_option = click.option(
    "--runs-dir",
    type=click.Path(path_type=Path, file_okay=False),
    default=Path("runs"),
    show_default=True,
    help="The folder that holds the runs.",
)

live_option = click.option("--live", is_flag=True, help="In a terminal, draw the curves as training goes on.")


def _remember(ctx: click.Context, _: click.Parameter, value: bool) -> None:
    ctx.meta[_DEBUG] = value
