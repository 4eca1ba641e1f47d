"""Progress of a sweep, as lines or a bar."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import ExitStack, closing, nullcontext
from typing import Any

from backprop_cli.data.cache import Cache
from backprop_cli.search.samplers import SAMPLERS
from backprop_cli.search.spaces import setting_text
from backprop_cli.sweeps.definition import Definition
from backprop_cli.sweeps.driver import Driver
from backprop_cli.sweeps.estimate import estimate
from backprop_cli.sweeps.sweep import RUN_BYTES, RUN_FILES, check_size
from backprop_cli.text import duration
from backprop_cli.threads import cores

FIRST_LINES, GROWTH = 10, 1.1
"""After so many lines about a new best setting, the next comes when so many times as many runs are done."""

SHOWN = 5
"""Settings in a description."""


def first_line(driver: Driver) -> str:
    """Return what is about to be done."""
    d = driver.definition
    seeds = f" x {len(d.seeds)} seeds" if len(d.seeds) > 1 else ""
    before = f", {driver.done:,} runs done before" if driver.done else ""
    workers = f"{driver.jobs} worker{'s' * (driver.jobs > 1)}"
    settings = f"{d.settings:,} setting{'s' * (d.settings != 1)}"
    return f"{settings} ({d.sampler}){seeds} on {workers}, in {driver.folder}{before}"


def describe(d: Definition, cache: Cache, jobs: int | None = None) -> tuple[str, dict[str, Any]]:
    """Return what a sweep consists of, how long it takes, and its first settings, as text and as data."""
    check_size(d)
    workers = jobs or cores()
    about = estimate(d, cache, workers, max(1, cores() // workers))
    if about.seconds is None:
        took = f"unknown: {about.reason}"
    else:
        limit = "at most " if d.in_batches and d.options.prune != "none" else "about "
        took = (
            f"{limit}{duration(about.seconds)} on {workers} worker{'s' * (workers > 1)} ({about.timed} settings timed)"
        )
    runs = d.settings * len(d.seeds)
    numbers = range(min(d.settings, d.options.ask if d.in_batches else SHOWN))
    first = list(SAMPLERS[d.sampler].settings(d.spaces, d.seeds[0], numbers, []))[:SHOWN]
    lines = [
        f"settings    {d.settings:,} ({d.sampler})",
        f"runs        {runs:,} (seeds {', '.join(map(str, d.seeds[:SHOWN]))}{', …' if d.seeds[SHOWN:] else ''})",
        f"disk        about {max(1, round(runs * RUN_BYTES / 1e6)):,} MB, {runs * RUN_FILES:,} files and folders",
        f"time        {took}",
        *(f"{'first' if not i else '':<12}{setting_text(setting)}" for i, setting in enumerate(first)),
    ]
    more = ["            …"] if d.settings > len(first) else []
    return "\n".join(lines + more), {
        **d.to_dict(),
        "settings": d.settings,
        "runs": runs,
        "seconds": about.seconds,
        "first": first,
    }


def follow(driver: Driver, say: Callable[[str], None], bar: bool) -> None:
    """Run a sweep to its end; say what is found, and draw a bar if wanted."""
    say(first_line(driver))
    best, lines, last = driver.best, 0, 0.0
    counts = driver.standings.counts
    with ExitStack() as stack:
        drawn = stack.enter_context(_bar(driver.wanted, driver.done)) if bar else None
        for _ in stack.enter_context(closing(driver.run())):  # type: ignore[type-var]  # a generator
            if drawn is not None:
                drawn.update(driver.done - drawn.n)
                drawn.set_postfix_str(", ".join(f"{n} {status}" for status, n in counts.items() if n))
            if driver.best is best or driver.best is None:
                continue
            best = driver.best
            if lines < FIRST_LINES or driver.finished >= GROWTH * last:
                lines, last = lines + 1, driver.finished
                with drawn.external_write_mode() if drawn is not None else nullcontext():
                    say(f"best so far: {best.metric} {best.value_text} with {best.text} ({best.runs[0]})")


def _bar(total: int, done: int) -> Any:
    from tqdm import tqdm

    form = "{percentage:3.0f}%|{bar}| {n_fmt}/{total_fmt} [{elapsed}<{remaining}]{postfix}"
    return tqdm(total=total, initial=done, bar_format=form, leave=True, dynamic_ncols=True)
