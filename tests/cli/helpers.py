import csv
import json
import os
import pty
import re
import subprocess
import sys
import termios
from contextlib import contextmanager
from pathlib import Path

from backprop_cli.runs.checkpoint import read_checkpoint
from tests.conftest import ROOT


def numbers(path):
    """The rows of a metrics file without their times."""
    with path.open() as file:
        return [{key: value for key, value in row.items() if key != "seconds"} for row in csv.DictReader(file)]


def same_bits(one, other):
    a, b = read_checkpoint(Path(one)), read_checkpoint(Path(other))
    one, other = ({**c.parameters, **c.arrays} for c in (a, b))
    return one.keys() == other.keys() and all(one[name].tobytes() == other[name].tobytes() for name in one)


@contextmanager
def running(*words):
    """A `backprop` process of its own that has finished its first epoch."""
    process = subprocess.Popen(
        [sys.executable, "-m", "backprop_cli", *map(str, words)],
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        stderr=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert process.stderr is not None
    for line in process.stderr:
        if re.match(r"epoch +\d+/", line):
            break
    try:
        yield process
    finally:
        process.kill()
        process.communicate(timeout=10)


def record_of(name):
    return json.loads(Path("runs", name, "run.json").read_text())


def on_a_terminal(folder, *words, size=(24, 80), react=None, **env):
    """The exit code of `backprop WORDS…` on a terminal of so many lines and columns, and what it wrote there.

    react(process, terminal) is called once, when the first escape sequence has come.
    """
    main, other = pty.openpty()
    termios.tcsetwinsize(other, size)
    keep = {name: value for name, value in os.environ.items() if name not in ("NO_COLOR", "COLORTERM", "COLUMNS")}
    process = subprocess.Popen(
        [sys.executable, "-m", "backprop_cli", *map(str, words)],
        stdout=other,
        stderr=other,
        cwd=folder,
        env={**keep, "TERM": "xterm-256color", "PYTHONPATH": str(ROOT), "PYTHONIOENCODING": "utf-8", **env},
    )
    os.close(other)
    shown = b""
    with os.fdopen(main, "rb", buffering=0) as terminal:
        try:
            while part := terminal.read(1 << 16):
                shown += part
                if react and b"\x1b" in shown:
                    react(process, terminal)
                    react = None
        except OSError:  # how a terminal ends on Linux
            pass
    return process.wait(10), shown.decode()
