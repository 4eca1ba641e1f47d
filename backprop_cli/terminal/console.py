"""Output and errors of all commands: results on stdout, everything else on stderr."""

from __future__ import annotations

import contextlib
import csv
import io
import os
import sys
import traceback
import warnings
from collections.abc import Iterable, Sequence
from typing import Any

import click

from backprop_cli.errors import BackpropError, DataWarning, Exit
from backprop_cli.files import to_json
from backprop_cli.frozen import frozen
from backprop_cli.text import CONTROL, one_line, printable

DEBUG = "backprop_cli.debug"
"""The key of the context's `meta` that says whether --debug was given."""


@frozen
class Console:
    """Where a command prints. All text passes through `printable`, so no file or server can control a terminal."""

    quiet: bool = False
    verbose: bool = False
    json: bool = False
    results: bool = True

    def result(self, text: str, data: Any, quiet: str = "", styled: bool = False) -> None:
        """Print the result: `data` with --json, `quiet` with --quiet, else `text`.

        A `styled` text has escape sequences of its own and is not escaped, nor is `quiet` unless on a terminal.
        """
        if self.json:  # JSON allows DEL, C1 and bidi characters unescaped
            self._write(CONTROL.sub(lambda found: f"\\u{ord(found[0]):04x}", to_json(data)))
        elif self.quiet:
            self._write(quiet if styled else _for_scripts(quiet))
        else:
            self._write(text if styled else printable(text))

    def csv(self, header: Sequence[object], rows: Iterable[Sequence[object]]) -> None:
        """Print the result as CSV, escaped only on a terminal."""
        lines = io.StringIO()
        csv.writer(lines, lineterminator="\n").writerows([header, *rows])
        self._write(_for_scripts(lines.getvalue().rstrip("\n")))

    def say(self, line: str) -> None:
        """Print a line of progress on stderr, unless --quiet."""
        if not self.quiet:
            _to_stderr(printable(line))

    def warn(self, line: str) -> None:
        """Print a warning on stderr, also with --quiet."""
        _to_stderr(f"warning: {printable(line)}")

    def detail(self, line: str) -> None:
        """Print a line on stderr with --verbose."""
        if self.verbose:
            self.say(line)

    def error(self, error: Exception) -> Exit:
        """Print an error on stderr, as JSON with --json; return the exit code."""
        message, code = _explain(error)
        if self.json:
            details = {"message": message, "exit_code": int(code)}
            if problems := getattr(error, "problems", None):
                details |= {"message": message.partition("\n")[0], "problems": problems}
            _to_stderr(to_json({"error": details}))
        else:
            error_line(message)
        return code

    def _write(self, text: str) -> None:
        if not text or not self.results:
            return
        if sys.stdout is None:
            raise BackpropError("cannot write to stdout: it is closed")
        try:
            click.echo(text, color=True)  # click would remove escape sequences from names that go to a pipe
            sys.stdout.flush()
        except BrokenPipeError:  # the reader has closed the pipe, as `head` does
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        except OSError as error:
            raise BackpropError(f"cannot write to stdout: {error.strerror}") from error


def _for_scripts(text: str) -> str:
    """Return text unchanged, because scripts need names as they are, but printable on a terminal."""
    return printable(text) if sys.stdout and sys.stdout.isatty() else text


def error_line(message: str) -> None:
    """Print an error as text."""
    word = "error:" if os.environ.get("NO_COLOR") else click.style("error:", fg="red", bold=True)
    _to_stderr(f"{word} {printable(message)}")


def _to_stderr(line: str) -> None:
    """Print a line on stderr; a stderr that cannot be written to must not end training."""
    with contextlib.suppress(OSError):
        click.echo(line, err=True)


class Command(click.Command):
    """A command whose exceptions become error messages and exit codes; tracebacks only with --debug."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        """Parse the words; an error says what to write for a config key with dashes, or an option without."""
        words = list(args)
        try:
            return super().parse_args(ctx, args)
        except click.UsageError:
            from backprop_cli.config.messages import usage_hint

            options = [name for parameter in self.params for name in parameter.opts]
            if hint := usage_hint(words, options):
                raise click.UsageError(hint, ctx) from None
            raise

    def invoke(self, ctx: click.Context) -> Any:
        """Run the command."""
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("always", DataWarning)
                warnings.showwarning = _show_warning
                return super().invoke(ctx)
        except (click.ClickException, click.exceptions.Exit, click.Abort):
            raise
        except Exception as error:
            if ctx.meta.get(DEBUG):
                traceback.print_exception(error)
            ctx.exit(Console(json=bool(ctx.params.get("as_json"))).error(error))


_SHOW_OTHER = warnings.showwarning


def _show_warning(message: Warning | str, category: type[Warning], *place: Any, **more: Any) -> None:
    if issubclass(category, DataWarning):
        Console().warn(str(message))
    else:
        _SHOW_OTHER(message, category, *place, **more)


def _explain(error: Exception) -> tuple[str, Exit]:
    match error:
        case BackpropError():
            return str(error), error.exit_code
        case click.ClickException():
            context = getattr(error, "ctx", None)
            hint = f"\nTry '{context.command_path} --help'." if context else ""
            return error.format_message() + hint, Exit.USAGE
        case OSError():
            place = f"{one_line(str(error.filename))}: " if error.filename else ""
            return f"{place}{error.strerror or error}", Exit.FAILED
        case MemoryError():
            return f"out of memory{f' ({error})' if str(error) else ''}; use a smaller network or batch", Exit.FAILED
        case ImportError():
            return f"a library cannot be loaded: {error}; reinstall it, or make more memory available", Exit.FAILED
    message = f"unexpected {type(error).__name__}: {error}"
    return f"{message}\nThis is a bug; run with --debug for a traceback and please report it.", Exit.FAILED
