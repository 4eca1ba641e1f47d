"""The part of a report about the sweeps that its runs belong to: counts, the best settings, importance of the keys."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Any

from backprop_cli.listing.settings import value_text
from backprop_cli.search.importance import importance
from backprop_cli.sweeps.journal import NAME, read_journal
from backprop_cli.sweeps.standings import Standings

MAX_ROWS = 10
"""The most settings in the table."""


def sweeps_of(folders: Iterable[Path]) -> list[dict[str, Any]]:
    """Return what the page shows of each of these folders that is a sweep. Raises RunError if a journal is damaged."""
    return [_section(folder) for folder in dict.fromkeys(folders) if (folder / NAME).is_file()]


def _section(folder: Path) -> dict[str, Any]:
    head, entries = read_journal(folder / NAME)
    standings = Standings(head["sweep"].get("seeds", [0]))
    for entry in entries:
        standings.add(entry)
    ranking = standings.ranking()
    complete = [standing for standing in ranking if standing.complete]
    found = importance([standing.setting for standing in complete], [standing.mean for standing in complete])
    best = ranking[:MAX_ROWS]
    keys = list(dict.fromkeys(key for standing in best for key in standing.setting))
    about = head["sweep"]
    return {
        "name": folder.resolve().name,
        "facts": {
            "settings": f"{len(ranking):,} ({about.get('sampler', 'unknown')})",
            "runs": ", ".join(f"{n:,} {status.replace('_', ' ')}" for status, n in standings.counts.items() if n),
            "seeds": f"{len(about.get('seeds', [0])):,}",
            "pruning": about.get("prune", "none"),
        },
        "metric": standings.metric or "val_cost",
        "method": found.method,
        "importance": found.shares,
        "keys": keys,
        "rows": [
            {
                "run": standing.runs[0],
                "value": standing.value_text or "–",
                "status": standing.status.replace("_", " "),
                "cells": [value_text(standing.setting.get(key)) or "–" for key in keys],
            }
            for standing in best
        ],
    }
