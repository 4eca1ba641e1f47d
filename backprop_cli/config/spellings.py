"""Other spellings of keys, for everything that reads a key; it imports nothing, so that a listing can use it too."""

from __future__ import annotations

SPELLINGS = {"η": "eta", "λ": "lambda"}
