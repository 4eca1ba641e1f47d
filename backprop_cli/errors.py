"""The kinds of error that a user can meet, each with the exit code of the command that ends on it."""

from __future__ import annotations

from enum import IntEnum


class Exit(IntEnum):
    """What the exit code of a command means."""

    DONE = 0
    FAILED = 1
    USAGE = 2
    DIVERGED = 3
    CHECK_FAILED = 4
    NO_DATA = 5
    SIGINT = 130
    SIGTERM = 143


class BackpropError(Exception):
    """Something the user can act on: a message that says what is wrong, where, and what to do."""

    exit_code = Exit.FAILED


class UsageError(BackpropError):
    """The command line, or a file named on it, asks for something that is not to be had."""

    exit_code = Exit.USAGE


MAX_PROBLEMS = 50
"""How many problems of a config are printed; the exception has them all."""


class ConfigError(UsageError):
    """An experiment that cannot be run; `problems` has one located line for each thing to mend."""

    def __init__(self, problems: list[str]) -> None:
        self.problems = problems
        count = "a problem" if len(problems) == 1 else f"{len(problems)} problems"
        more = [f"… and {len(problems) - MAX_PROBLEMS} more"] if len(problems) > MAX_PROBLEMS else []
        super().__init__("\n".join([f"the experiment has {count}", *problems[:MAX_PROBLEMS], *more]))


class DivergedError(BackpropError):
    """The cost or a parameter stopped being finite in `epoch` (from 1), at `step` (from 1) of `steps`."""

    exit_code = Exit.DIVERGED

    def __init__(self, epoch: int, step: int, steps: int) -> None:
        self.epoch, self.step = epoch, step
        super().__init__(f"training diverged in epoch {epoch}, step {step} of {steps}: no longer finite")


class CheckFailed(BackpropError):
    """A check that was asked for did not hold."""

    exit_code = Exit.CHECK_FAILED


class DataError(BackpropError):
    """A data set is not to be had."""

    exit_code = Exit.NO_DATA


class UnreadableError(BackpropError):
    """A file, or a row of it, is not an example that a network could be shown; the message leaves out its name."""


class CheckpointError(BackpropError):
    """A file is not a whole checkpoint of this program."""


class RunError(BackpropError):
    """A run's folder is missing, taken, or not as this program left it."""
