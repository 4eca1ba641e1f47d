"""Run the commands that a document shows, and compare or replace the output that stands below them.

A document is executed from top to bottom in one scratch folder, which has links to configs/ and scripts/:

    ```console                    each `$ command` is run; the lines below it are its output (stdout and stderr)
    <!-- run: COMMAND -->         a command that the reader does not see, such as a run that an example needs
    <!-- run -->                  on the line before a ```sh block: run the block, compare nothing
    <!-- file: NAME -->           on the line before a fenced block: write the block to a file
    <!-- slow -->                 on the line before any of these: only with --all
    <!-- not run -->              on the line before a ```console block: leave it alone

A line `…` stands for any number of lines, and `…` within a line for any text. Times are not compared. Processors round
differently, so percentages may differ by three points, and other numbers are only required to be numbers.
"""

from __future__ import annotations

import difflib
import os
import re
import subprocess
import sys
import textwrap
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parents[1]
MNIST = ROOT.parent / "shared" / "data" / "mnist"
COLUMNS = "120"
SKIP = "…"

_BLOCK = re.compile(
    r"(?P<slow>^ *<!-- slow -->\n)?"
    r"(?:^ *<!-- run: (?P<command>.*?) -->$"
    r"|(?:^ *<!-- (?P<mark>run|not run|file: (?P<file>\S+)) -->\n)?"
    r"^(?P<indent> *)```(?P<kind>console|sh|yaml)\n(?P<text>.*?)^(?P=indent)```$)",
    re.DOTALL | re.MULTILINE,
)
_TIME = re.compile(r" *\b\d+(?:\.\d+)? (?:ms|s|min)\b")
_NUMBER = re.compile(r"(?:[-+](?=\d))?\d[\d,]*(?:\.\d+)?(?:e[-+]?\d+)?(%?)")
_SPACES = re.compile(r"[ ─]+")
_POINTS = 3.0


class Sandbox:
    """A scratch folder in which the commands of one document are run, without the user's own settings."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        for name in ("configs", "scripts"):
            (folder / name).symlink_to(ROOT / name)
        cache = folder / ".cache"
        (cache / "mnist").mkdir(parents=True)
        for file in MNIST.glob("*.gz"):
            (cache / "mnist" / file.name).symlink_to(file.resolve())
        kept = {name: value for name, value in os.environ.items() if not name.startswith(("BACKPROP_", "PYTHON"))}
        self._env = {
            **kept,
            "BACKPROP_DATA_DIR": str(cache),
            "COLUMNS": COLUMNS,
            "LC_ALL": "C.UTF-8",
            "NO_COLOR": "1",
            "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}",
            "PYTHONUNBUFFERED": "1",  # so that stdout and stderr arrive in order
        }

    def run(self, command: str, check: bool = False) -> list[str]:
        """Return what a shell command prints on stdout and stderr, as lines."""
        done = subprocess.run(
            ["bash", "-c", command],
            cwd=self.folder,
            env=self._env,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        if check and done.returncode:
            raise RuntimeError(f"{command}\n{done.stdout}")
        return done.stdout.rstrip().replace(str(self.folder), SKIP).splitlines()


@dataclass
class Executed:
    """A document after its commands were run: new text, differences, and commands that lack their data."""

    text: str
    stale: list[str]
    skipped: list[str]


def execute(text: str, folder: Path, slow: bool = False) -> Executed:
    """Run the commands of a document in an empty folder; write what they print in place of what is shown."""
    sandbox, stale, skipped = Sandbox(folder), [], []

    def replaced(block: re.Match[str]) -> str:
        whole, mark, kind = block[0], block["mark"] or "", block["kind"]
        if block["file"]:
            (folder / block["file"]).write_text(textwrap.dedent(block["text"]), encoding="utf-8")
        if block["file"] or mark == "not run" or (kind in ("sh", "yaml") and mark != "run"):
            return whole
        if block["slow"] and not slow:
            return whole
        if "mnist" in whole and not MNIST.is_dir():
            skipped.append((block["command"] or textwrap.dedent(block["text"])).splitlines()[0])
            return whole
        if block["command"] or kind == "sh":
            sandbox.run(block["command"] or textwrap.dedent(block["text"]), check=True)
            return whole
        lines: list[str] = []
        for command, shown in steps(textwrap.dedent(block["text"])):
            actual = sandbox.run(command)
            if not matches(shown, actual):
                stale.append("\n".join([f"$ {command}", *difference(shown, actual)]))
            lines += [*f"$ {command}".splitlines(), *updated(shown, actual)]
        new = textwrap.indent("\n".join(lines) + "\n", block["indent"])
        return whole.replace(block["text"], new)

    return Executed(_BLOCK.sub(replaced, text), stale, skipped)


def steps(block: str) -> Iterator[tuple[str, list[str]]]:
    """Yield the commands of a console block, each with the output below it; `\\` continues a command."""
    command, shown = "", []
    for line in block.splitlines():
        if command.endswith("\\"):
            command += "\n" + line
        elif line.startswith("$ "):
            if command:
                yield command, shown
            command, shown = line.removeprefix("$ "), []
        else:
            shown.append(line)
    if command:
        yield command, shown


def pieces(shown: list[str]) -> list[list[str]]:
    """Split shown output at its `…` lines: the first piece is anchored to the start, the last to the end."""
    found: list[list[str]] = [[]]
    for line in shown:
        if line.strip() == SKIP:
            found.append([])
        else:
            found[-1].append(line)
    return found


def matches(shown: list[str], actual: list[str]) -> bool:
    """Return whether shown output, with its gaps, agrees with what a command printed."""
    first, *others = pieces(shown)
    if not _agree(first, actual[: len(first)]):
        return False
    if not others:
        return len(actual) == len(first)
    start = len(first)
    *middle, last = others
    for piece in middle:
        places = range(start, len(actual) - len(piece) + 1)
        place = next((i for i in places if _agree(piece, actual[i : i + len(piece)])), None)
        if place is None:
            return False
        start = place + len(piece)
    return len(actual) - start >= len(last) and _agree(last, actual[len(actual) - len(last) :])


def updated(shown: list[str], actual: list[str]) -> list[str]:
    """Return shown output with the same gaps, filled from what a command printed; lines that still hold are kept."""
    first, *others = pieces(shown)
    if not others:
        same = _agree(first, actual)  # otherwise the columns of a table may have moved
        lines = zip([*first, *[""] * len(actual)], actual, strict=False)
        return [_kept(old, new) if same or SKIP in old else new.rstrip() for old, new in lines]
    lines = [_kept(old, new) for old, new in zip(first, actual, strict=False)]
    start = len(first)
    for number, piece in enumerate(others):
        end = len(actual) - len(piece)
        if number == len(others) - 1:
            place = max(end, start)
        else:
            place = max(range(start, max(end, start) + 1), key=lambda i: _likeness(piece, actual[i : i + len(piece)]))
        lines += [SKIP, *(_kept(old, new) for old, new in zip(piece, actual[place:], strict=False))]
        start = place + len(piece)
    return lines


def difference(shown: list[str], actual: list[str]) -> Iterator[str]:
    """Yield the lines in which shown output differs from what a command printed."""
    for line in difflib.ndiff([*map(_masked, shown)], [*map(_masked, actual)]):
        if not line.startswith(("  ", "? ")) and line.strip("- ") != SKIP:
            yield line


def _agree(shown: list[str], actual: list[str]) -> bool:
    return len(shown) == len(actual) and all(map(_line_agrees, shown, actual))


def _line_agrees(shown: str, actual: str) -> bool:
    pattern = re.escape(_masked(shown)).replace(re.escape(SKIP), ".*")
    if not re.fullmatch(pattern, _masked(actual)):
        return False
    if SKIP in shown:
        return True
    return all(abs(a - b) <= _POINTS for a, b in zip(_percentages(shown), _percentages(actual), strict=True))


def _masked(line: str) -> str:
    return _SPACES.sub(" ", _NUMBER.sub(r"#\1", _TIME.sub(" T", line))).strip()


def _percentages(line: str) -> list[float]:
    return [float(number[0].rstrip("%").replace(",", "")) for number in _NUMBER.finditer(line) if number[1]]


def _kept(old: str, new: str) -> str:
    """Return the old line if it differs from the new one in times, or in what `…` stands for, alone."""
    same = _TIME.sub(" T", old).split() == _TIME.sub(" T", new).split()
    return old if same or (SKIP in old and _line_agrees(old, new)) else new.rstrip()


def _likeness(piece: list[str], window: list[str]) -> float:
    return difflib.SequenceMatcher(None, "\n".join(piece), "\n".join(window), autojunk=False).ratio()
