"""The errors of this package, each with the exit code of a command that ends with it."""

from __future__ import annotations

import re
from enum import IntEnum


class Exit(IntEnum):
    """Exit codes of commands."""

    DONE = 0
    FAILED = 1
    USAGE = 2
    DIVERGED = 3
    CHECK_FAILED = 4
    NO_DATA = 5
    SIGINT = 130
    SIGTERM = 143


class BackpropError(Exception):
    """An error that the user can fix; the message says what is wrong, where, and what to do."""

    exit_code = Exit.FAILED


class UsageError(BackpropError):
    """The command line, or a file named on it, is invalid."""

    exit_code = Exit.USAGE


def not_installed(*packages: str, extra: str = "plot") -> str:
    """Return an error message for packages of an extra that are missing."""
    return f"{' and '.join(packages)} not installed: pip install {' '.join(packages)}, or install the extra '{extra}'"


MAX_PROBLEMS = 50
"""How many errors of a config are printed; the exception has them all."""


def without_password(text: str) -> str:
    """Return text without the user names and passwords of the URLs in it."""
    return re.sub(r"(?<=//)\S*@", "***@", text)


class ConfigError(UsageError):
    """An invalid config; `problems` has one located line per error."""

    def __init__(self, problems: list[str]) -> None:
        self.problems = problems
        count = "an error" if len(problems) == 1 else f"{len(problems)} errors"
        more = [f"… and {len(problems) - MAX_PROBLEMS} more"] if len(problems) > MAX_PROBLEMS else []
        super().__init__("\n".join([f"the config has {count}", *problems[:MAX_PROBLEMS], *more]))


class DivergedError(BackpropError):
    """The cost or a parameter became infinite or NaN in `epoch` (from 1), at `step` (from 1) of `steps`."""

    exit_code = Exit.DIVERGED

    def __init__(self, epoch: int, step: int, steps: int) -> None:
        self.epoch, self.step = epoch, step
        super().__init__(f"training diverged in epoch {epoch}, step {step} of {steps}: cost or parameters not finite")


class CheckFailed(BackpropError):
    """A requested check failed."""

    exit_code = Exit.CHECK_FAILED


class DataError(BackpropError):
    """A data set is not available."""

    exit_code = Exit.NO_DATA


class DataWarning(UserWarning):
    """The data are not those that a network was trained on."""


class UnreadableError(BackpropError):
    """A file, or a row of it, is not a valid example; the message does not name the file."""


class CheckpointError(BackpropError):
    """A file is not a valid checkpoint."""


class RunError(BackpropError):
    """A run's folder is missing, in use, or invalid."""


class RunInUseError(RunError):
    """Another process is training the run."""
