"""SIGINT and SIGTERM as a request to stop after the current batch, instead of an exception at any point."""

from __future__ import annotations

import contextlib
import os
import signal
import sys
from types import FrameType, TracebackType
from typing import Any

from backprop_cli.errors import Exit


class StopOnSignal:
    """A context in which SIGINT and SIGTERM are recorded: `requested()` becomes true, `exit_code` tells which came."""

    exit_code: Exit | None = None

    def __init__(self, quiet: bool) -> None:
        self._quiet = quiet

    def requested(self) -> bool:
        """Return whether a signal was received."""
        return self.exit_code is not None

    def __enter__(self) -> StopOnSignal:
        self._before: dict[int, Any] = {
            number: signal.signal(number, self._record) for number in (signal.SIGINT, signal.SIGTERM)
        }
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        for number, handler in self._before.items():
            signal.signal(number, handler)

    def _record(self, number: int, frame: FrameType | None) -> None:
        if self.exit_code is None and not self._quiet and sys.stderr is not None:
            with contextlib.suppress(OSError, ValueError):  # not print: the signal may have interrupted one
                os.write(sys.stderr.fileno(), b"stopping after this batch and saving\n")
        self.exit_code = Exit.SIGINT if number == signal.SIGINT else Exit.SIGTERM
