"""`backprop`, and `python -m backprop_cli`: what must hold before anything else is imported."""

import os
import signal
import sys
from types import FrameType
from typing import NoReturn


def main() -> NoReturn:
    """Run the command line and exit with its code."""
    signal.signal(signal.SIGINT, _leave)
    signal.signal(signal.SIGTERM, _leave)
    _fill_standard_descriptors()

    from backprop_cli.cli.main import main

    main()


def _leave(number: int, frame: FrameType | None) -> NoReturn:
    """Leave at once: where no run is being trained (see cli/signals.py) there is nothing to save.

    An exception would come out as a traceback from the middle of an import, or be swallowed there.
    """
    try:
        os.write(2, b"error: interrupted\n")
    finally:  # whether or not anybody hears it
        os._exit(128 + number)


def _fill_standard_descriptors() -> None:
    """Open /dev/null where stdin, stdout or stderr is closed; a checkpoint could otherwise be what is called stderr."""
    while (descriptor := os.open(os.devnull, os.O_RDWR)) <= 2:
        pass
    os.close(descriptor)
    if sys.stderr is None:  # which libraries write to without asking
        sys.stderr = os.fdopen(2, "w", closefd=False)


if __name__ == "__main__":
    main()
