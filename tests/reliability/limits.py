"""What every fuzzer holds the program to: bounded time and memory, usual exit codes, and a line for each failure."""

import time
from collections import Counter
from contextlib import contextmanager

from tests.reliability.mutants import Watch

SECONDS = 5
"""Of processor time: on a busy machine a command waits for its turn."""

PATIENCE = 15
"""Seconds by the clock: three times as long, for a busy machine."""

MEMORY = 300
"""MB beside what the process had before."""

INTERNAL = ("unexpected", "This is a bug", "Traceback", "Warning")


class Limits:
    """Checks one command or call after another; remembers the exit codes, the slowest and the largest."""

    def __init__(self):
        self.watch, self.codes, self.slowest, self.largest = Watch(), Counter(), 0.0, 0.0

    @contextmanager
    def hold(self, problem):
        """Time what is done in this context, and measure its memory."""
        before = time.process_time()
        try:
            with self.watch:
                yield
        finally:
            seconds = time.process_time() - before
            self.slowest, self.largest = max(self.slowest, seconds), max(self.largest, self.watch.memory)
            assert seconds < SECONDS, problem
            assert self.watch.seconds < PATIENCE, problem
            assert self.watch.memory < MEMORY, problem

    def run(self, backprop, *words, codes=(0, 1, 2, 3), problem=None):
        """Run a command; return how it ended."""
        problem = (words, problem)
        with self.hold(problem):
            done = backprop(*words)
        self.codes[done.code] += 1
        assert done.code in codes, (problem, done)
        assert not any(word in done.err for word in INTERNAL), (problem, done)
        assert "\x1b]" not in done.out + done.err, (problem, done)
        return done

    def __str__(self):
        codes = f"exit codes {dict(sorted(self.codes.items()))}, " if self.codes else ""
        return f"{codes}at most {self.slowest:.2f} s and {self.largest:.0f} MB"
