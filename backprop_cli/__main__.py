"""`backprop` and `python -m backprop_cli`: signals, streams and memory are set up before anything is imported."""

import gc
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
    gc.set_threshold(200_000, 20, 100)  # what imports make stays: with 700, looking for garbage is a tenth of a start
    os.environ.setdefault("PYDANTIC_DISABLE_PLUGINS", "__all__")  # looks through all installed packages for some

    from backprop_cli.cli.main import main

    try:
        main()
    finally:
        gc.freeze()  # at exit Python would look through all that was imported, which takes 50 ms


def _leave(number: int, frame: FrameType | None) -> NoReturn:
    """Exit at once: unless a run is trained (see cli/signals.py) there is nothing to save.

    An exception could end as a traceback in the middle of an import, or be swallowed there.
    """
    try:
        os.write(2, b"error: interrupted\n")
    finally:  # even if stderr is closed
        os._exit(128 + number)


def _fill_standard_descriptors() -> None:
    """Open /dev/null for a closed stdin, stdout or stderr, whose descriptor a checkpoint could otherwise get."""
    while (descriptor := os.open(os.devnull, os.O_RDWR)) <= 2:
        pass
    os.close(descriptor)
    if sys.stderr is None:  # libraries write to it unconditionally
        sys.stderr = os.fdopen(2, "w", closefd=False)


if __name__ == "__main__":
    main()
