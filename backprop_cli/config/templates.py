"""The configs and the JSON Schema that are shipped with the program. Imports nothing heavy."""

from __future__ import annotations

from pathlib import Path

SCHEMA = "backprop.schema.json"
"""The schema that the first line of a config refers to, in the folder of the config."""


def shipped_files(pattern: str) -> list[Path]:
    """Return the shipped files that match: beside the package in a checkout, inside it when installed."""
    package = Path(__file__).parents[1]
    folders = (package / "configs", package.parent / "configs")
    return [path for folder in folders if folder.is_dir() for path in sorted(folder.glob(pattern))]


def templates() -> dict[str, Path]:
    """Return the shipped configs that extend no other, by name."""
    shipped = (*shipped_files("*.yaml"), *shipped_files("classics/*.yaml"))
    return {path.stem: path for path in shipped if b"\nextends:" not in path.read_bytes()}
