"""Running the programs that check an exported file."""

from __future__ import annotations

import subprocess
from collections.abc import Sequence
from pathlib import Path

from backprop_cli.errors import BackpropError


def output_of(command: Sequence[str | Path], data: bytes = b"", folder: Path | None = None) -> bytes:
    """Return what a program writes to stdout, given data on stdin. Raises BackpropError if it fails."""
    done = subprocess.run(command, input=data, cwd=folder, capture_output=True)
    if done.returncode:
        raise BackpropError(f"{command[0]} failed:\n{done.stderr.decode(errors='replace')[:2000]}")
    return done.stdout
