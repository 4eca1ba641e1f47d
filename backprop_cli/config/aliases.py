"""Aliases of keys, for everything that reads a key. Imports nothing, so that listing runs stays fast."""

from __future__ import annotations

ALIASES = {"η": "eta", "λ": "lambda"}
