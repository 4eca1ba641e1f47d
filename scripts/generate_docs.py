"""Fill in the generated parts of the documents: help texts, the table of keys, the names there are, the equations.

A part `source FUNCTION` is the source of that function, so that what a document explains is what runs.

    python scripts/generate_docs.py          write them
    python scripts/generate_docs.py --check  say which are stale, and exit with 1 if any is

A part stands between `<!-- generated: NAME ARGUMENTS -->` and `<!-- end -->`.
"""

from __future__ import annotations

import dataclasses
import inspect
import pkgutil
import re
import subprocess
import sys
import textwrap
from collections.abc import Callable
from itertools import groupby
from pathlib import Path
from typing import Any

import click
from pydantic.fields import FieldInfo

from backprop_cli.cli.main import COMMANDS, cli
from backprop_cli.config.schema import Experiment
from backprop_cli.data.augment import Augment
from backprop_cli.data.registry import DATASETS
from backprop_cli.nn import costs, network
from backprop_cli.nn.costs import OUTPUT_PAIRS
from backprop_cli.optim.averages import AVERAGES
from backprop_cli.optim.minimizers import MINIMIZERS
from backprop_cli.optim.optimizers import OPTIMIZERS
from backprop_cli.optim.schedules import SCHEDULES
from backprop_cli.optim.stopping import EarlyStopping

ROOT = Path(__file__).parents[1]
DOCUMENTS = [ROOT / "README.md", *sorted((ROOT / "docs").glob("**/*.md"))]
PART = re.compile(r"(<!-- generated: (\S+)((?: \S+)*) -->\n).*?(<!-- end -->)", re.DOTALL)


def help_text(command: str) -> str:
    words = [sys.executable, "-m", "backprop_cli", *command.split(), "--help"]
    text = subprocess.run(words, capture_output=True, text=True, check=True, env={"COLUMNS": "100"}).stdout
    return f"```text\n{text.rstrip()}\n```\n"


def help_of_all(_: str) -> str:
    parts = []
    for words in commands():
        parts.append(f"## backprop {words}\n\n{help_text(words)}")
    return "\n".join(parts)


def commands() -> list[str]:
    """Return every command, those of groups with their group's name."""
    found = []
    for name in COMMANDS:
        command = cli.get_command(click.Context(cli), name)
        inner = command.commands if isinstance(command, click.Group) else {"": None}
        found += [f"{name} {word}".strip() for word in inner]
    return found


def key_table(_: str) -> str:
    properties = Experiment.model_json_schema()["properties"]
    rows = ["| key | value | default | |", "|---|---|---|---|"]
    for name, field in Experiment.model_fields.items():
        key = field.alias or name
        rows.append(f"| `{key}` | {value_of(properties[key])} | {default_of(field)} | {field.description} |")
    return "\n".join(rows) + "\n"


def value_of(schema: dict) -> str:
    if "enum" in schema:
        return ", ".join(f"`{name}`" for name in schema["enum"])
    if "const" in schema:
        return f"`{schema['const']}`"
    if "$ref" in schema:
        return "mapping"
    if choices := schema.get("anyOf") or schema.get("oneOf"):
        values = (value_of(choice) for choice in choices if choice.get("type") != "null")
        return " or ".join(dict.fromkeys(value for value in values if value))
    if schema.get("exclusiveMaximum") == 1:
        return "fraction"
    words = {
        "boolean": "`true` or `false`",
        "object": "mapping",
        "integer": "whole number",
        "number": "number",
        "array": "list",
        "string": "`784-30-10`",
    }
    return words.get(schema.get("type", ""), "")


def default_of(field: FieldInfo) -> str:
    if field.is_required():
        return "required"
    default = (field.json_schema_extra or {}).get("default", field.default)
    return "" if default is None else f"`{getattr(default, 'name', default)}`"


def pair_table(_: str) -> str:
    rows = ["| cost | output activations |", "|---|---|"]
    for cost, pairs in groupby(OUTPUT_PAIRS, key=lambda pair: pair[0]):
        rows.append(f"| `{cost}` | {', '.join(f'`{output}`' for _, output in pairs)} |")
    return "\n".join(rows) + "\n"


CHOICES: dict[str, dict[str, Any]] = {
    "dataset": DATASETS,
    "cost": costs.COSTS,
    "optimizer": {**OPTIMIZERS, **MINIMIZERS},
    "schedule": SCHEDULES,
    "average": AVERAGES,
    "augment": {"": Augment},
    "early_stopping": {"": EarlyStopping},
}
"""The keys whose values have options of their own."""


def choice_table(key: str) -> str:
    key = key.strip()
    rows = [f"| `{key}` | options | |", "|---|---|---|"]
    for name, kind in CHOICES[key].items():
        options = ", ".join(f"`{option_text(f)}`" for f in dataclasses.fields(kind))
        summary = " ".join(line.strip() for line in inspect.getdoc(kind).split("\n\n")[0].splitlines())
        rows.append(f"| {f'`{name}`' if name else ''} | {options} | {summary.replace('|', chr(92) + '|')} |")
    return "\n".join(rows) + "\n"


def option_text(option: dataclasses.Field) -> str:
    return option.name if option.default is None else f"{option.name}: {option.default}"


EQUATIONS: list[tuple[str, str, Callable]] = [
    ("BP1", "delta^L = dC/da ⊙ f'(z^L)", costs.Quadratic.delta),
    ("BP1", "delta^L = a - y, for the two pairs of which that is a theorem", costs.CrossEntropy.delta),
    ("BP2", "delta^l = (delta^{l+1} W^{l+1}) ⊙ f'(z^l)", network.deltas),
    ("BP3", "dC/db = sum of delta over the batch", network.backward),
    ("BP4", "dC/dW = delta^T a_prev", network.backward),
]


def equation_table(_: str) -> str:
    rows = ["| | equation | where |", "|---|---|---|"]
    for name, formula, function in EQUATIONS:
        source = Path(inspect.getsourcefile(function)).relative_to(ROOT)
        rows.append(f"| {name} | `{formula}` | `{function.__qualname__}` in [{source}]({source}) |")
    return "\n".join(rows) + "\n"


def source_of(name: str) -> str:
    """Return the source of a function by its full name, without the indent that it has in a class."""
    function = pkgutil.resolve_name(name.strip())
    source = Path(inspect.getsourcefile(function)).relative_to(ROOT)
    code = textwrap.dedent(inspect.getsource(function)).rstrip()
    return f"`{function.__qualname__}` in [{source}]({source}):\n\n```python\n{code}\n```\n"


PARTS: dict[str, Callable[[str], str]] = {
    "help": help_text,
    "help-of-all": help_of_all,
    "keys": key_table,
    "pairs": pair_table,
    "choices": choice_table,
    "equations": equation_table,
    "source": source_of,
}
"""What makes each part of its arguments. Links are written as from the top of the project."""


def filled(text: str, document: Path = ROOT / "README.md") -> str:
    """Return the text of a document with its generated parts made anew."""
    up = "../" * len(document.relative_to(ROOT).parent.parts)

    def made(part: re.Match[str]) -> str:
        content = re.sub(r"(?<=\]\()(?=backprop_cli/)", up, PARTS[part[2]](part[3]))
        return f"{part[1]}{content}{part[4]}"

    return PART.sub(made, text)


def main() -> int:
    stale = []
    for path in DOCUMENTS:
        text = path.read_text(encoding="utf-8")
        if (new := filled(text, path)) != text:
            stale.append(path)
            if "--check" not in sys.argv:
                path.write_text(new, encoding="utf-8")
    for path in stale:
        print(f"{path.relative_to(ROOT)}: {'stale' if '--check' in sys.argv else 'written'}")
    return 1 if stale and "--check" in sys.argv else 0


if __name__ == "__main__":
    sys.exit(main())
