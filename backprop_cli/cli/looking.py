"""What `plot` and `report` share: what they need installed, the runs they look at, what they could not draw."""

from __future__ import annotations

from collections.abc import Sequence
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING

from backprop_cli.cli.console import Console
from backprop_cli.errors import BackpropError, UsageError

if TYPE_CHECKING:
    from backprop_cli.data.cache import Cache
    from backprop_cli.results import Result


def need(*modules: str) -> None:
    """Raise UsageError, with what to install, if one of the modules is not there."""
    missing = [module for module in modules if find_spec(module) is None]
    if missing:
        raise UsageError(
            f"this needs {' and '.join(missing)}: pip install {' '.join(missing)}, or the program with its extra 'plot'"
        )


def read_results(
    runs: Sequence[str], runs_dir: Path, cache: Cache, console: Console, which: str, split: str
) -> list[Result]:
    """Return the runs that a user names, each once. Raises a BackpropError where there is none."""
    from backprop_cli.results import Result, Shelf
    from backprop_cli.runs.folder import find_run

    shelf = Shelf(cache)
    folders = {folder.path.resolve(): folder for folder in (find_run(text, runs_dir) for text in runs)}
    results = [Result(folder, shelf, which, split) for folder in folders.values()]
    for result in results:
        if result.record.get("status") == "running":
            console.say(f"{result.folder.path} is being trained or was killed; this is how far it got")
    return results


class Failures:
    """Pictures that could not be drawn, by what was in the way."""

    def __init__(self) -> None:
        self._kinds: dict[str, list[str]] = {}
        self._first: BackpropError | None = None

    def add(self, kind: str, error: BackpropError) -> None:
        """Remember one."""
        kinds = self._kinds.setdefault(str(error).splitlines()[0], [])
        if kind not in kinds:
            kinds.append(kind)
        self._first = self._first or error

    @property
    def lines(self) -> list[str]:
        """What to tell: a line for each thing that was in the way."""
        return [f"no {' and '.join(kinds)}: {message}" for message, kinds in self._kinds.items()]

    def tell(self, console: Console, fatal: bool) -> None:
        """Warn of them; if fatal, raise an error of the first one's kind instead."""
        *before, last = self.lines or [""]
        if self._first is None:
            return
        for line in before if fatal else self.lines:
            console.warn(line)
        if fatal:
            error = BackpropError(last)
            error.exit_code = self._first.exit_code
            raise error
