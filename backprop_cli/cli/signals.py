"""Ctrl-C and SIGTERM as a wish to stop at the next batch, rather than an exception anywhere."""

from __future__ import annotations

import contextlib
import os
import signal
import sys
from types import FrameType, TracebackType
from typing import Any

from backprop_cli.errors import Exit


class StopOnSignal:
    """While entered, SIGINT and SIGTERM are only remembered: `requested()` turns true, `exit_code` says which."""

    exit_code: Exit | None = None

    def __init__(self, quiet: bool) -> None:
        self._quiet = quiet

    def requested(self) -> bool:
        """Whether a signal has come."""
        return self.exit_code is not None

    def __enter__(self) -> StopOnSignal:
        self._before: dict[int, Any] = {
            number: signal.signal(number, self._remember) for number in (signal.SIGINT, signal.SIGTERM)
        }
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        for number, handler in self._before.items():
            signal.signal(number, handler)

    def _remember(self, number: int, frame: FrameType | None) -> None:
        if self.exit_code is None and not self._quiet and sys.stderr is not None:
            with contextlib.suppress(OSError, ValueError):  # not print: the signal may have come inside a print
                os.write(sys.stderr.fileno(), b"stopping at the next batch, to save\n")
        self.exit_code = Exit.SIGINT if number == signal.SIGINT else Exit.SIGTERM
