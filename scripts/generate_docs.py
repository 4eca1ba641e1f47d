"""Write the generated parts of the documents: help texts, tables, sources of functions, and output of commands.

    python scripts/generate_docs.py          update README.md and docs/
    python scripts/generate_docs.py --check  print what is out of date, and exit with 1 if anything is
    python scripts/generate_docs.py --all    update, with the commands marked slow and the pictures; needs MNIST

A generated part is between `<!-- generated: NAME ARGUMENTS -->` and `<!-- end -->`. A part `source FUNCTION…` is the
source of these functions, so that what a document explains is the code that runs. Output of commands: see console.py.
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
from tempfile import TemporaryDirectory

import click
import console
import pictures
from pydantic import BaseModel

from backprop_cli.cli.main import COMMANDS, cli
from backprop_cli.experiment.keys import choices_of
from backprop_cli.experiment.schema import Experiment
from backprop_cli.experiment.sweep import SweepOptions
from backprop_cli.objectives.costs import OUTPUT_PAIRS

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


def key_table(model: type[BaseModel]) -> str:
    schema = model.model_json_schema(by_alias=True)
    rows = ["| key | value | default | meaning |", "|---|---|---|---|"]
    for name, field in model.model_fields.items():
        key = field.alias or name
        properties = schema["properties"][key]
        default = getattr(field.default, "name", properties.get("default"))
        text = "required" if field.is_required() else "" if default is None else f"`{str(default).lower()}`"
        rows.append(f"| `{key}` | {value_of(properties)} | {text} | {field.description} |")
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
    if schema.get("pattern", "").startswith("^best"):
        return "`best N`"
    words = {
        "boolean": "`true` or `false`",
        "object": "mapping",
        "integer": "integer",
        "number": "number",
        "array": "list",
        "string": "`784-30-10`" if "pattern" in schema else "text",
    }
    return words.get(schema.get("type", ""), "")


def pair_table(_: str) -> str:
    rows = ["| cost | output activations |", "|---|---|"]
    for cost, pairs in groupby(OUTPUT_PAIRS, key=lambda pair: pair[0]):
        rows.append(f"| `{cost}` | {', '.join(f'`{output}`' for _, output in pairs)} |")
    return "\n".join(rows) + "\n"


def choice_table(key: str) -> str:
    key = key.strip()
    rows = [f"| `{key}` | options | meaning |", "|---|---|---|"]
    for name, kind in choices_of(key).items():
        options = ", ".join(f"`{option_text(f)}`" for f in dataclasses.fields(kind))
        summary = " ".join(line.strip() for line in inspect.getdoc(kind).split("\n\n")[0].splitlines())
        rows.append(f"| {f'`{name}`' if name else ''} | {options} | {summary.replace('|', chr(92) + '|')} |")
    return "\n".join(rows) + "\n"


def option_text(option: dataclasses.Field) -> str:
    default = "…" if option.default is dataclasses.MISSING else option.default
    return option.name if default is None else f"{option.name}: {default}"


def sources_of(names: str) -> str:
    """Return the source of functions of one file by their full names, without the indent that they have in a class."""
    functions = [pkgutil.resolve_name(name) for name in names.split()]
    (file,) = {Path(inspect.getsourcefile(inspect.unwrap(function))).relative_to(ROOT) for function in functions}
    title = ", ".join(f"`{function.__qualname__}`" for function in functions)
    code = "\n\n".join(textwrap.dedent(inspect.getsource(function)).rstrip() for function in functions)
    return f"{title} in [{file}]({file}):\n\n```python\n{code}\n```\n"


PARTS: dict[str, Callable[[str], str]] = {
    "help": help_text,
    "help-of-all": help_of_all,
    "keys": lambda _: key_table(Experiment),
    "sweep": lambda _: key_table(SweepOptions),
    "pairs": pair_table,
    "choices": choice_table,
    "source": sources_of,
}
"""The function that writes each kind of part from its arguments. Links are relative to the top of the project."""


def filled(text: str, document: Path = ROOT / "README.md") -> str:
    """Return the text of a document with its generated parts up to date."""
    up = "../" * len(document.relative_to(ROOT).parent.parts)

    def new(part: re.Match[str]) -> str:
        content = re.sub(r"(?<=\]\()(?=backprop_cli/)", up, PARTS[part[2]](part[3]))
        return f"{part[1]}{content}{part[4]}"

    return PART.sub(new, text)


def main() -> int:
    check, slow = "--check" in sys.argv, "--all" in sys.argv
    code = 0
    for path in DOCUMENTS:
        text = path.read_text(encoding="utf-8")
        new = filled(text, path)
        with TemporaryDirectory() as folder:
            executed = console.execute(new, Path(folder), slow)
            if slow:
                pictures.collect(Path(folder))
        for command in executed.skipped:
            print(f"{path.relative_to(ROOT)}: not run, as the MNIST files are not in {console.MNIST}: {command}")
        stale = executed.stale + ["generated parts"] * (new != text)
        for what in stale:
            print(f"{path.relative_to(ROOT)}: {'out of date' if check else 'updated'}: {what}")
        if check:
            code = code or int(bool(stale))
        elif executed.text != text:
            path.write_text(executed.text, encoding="utf-8")
    return code


if __name__ == "__main__":
    sys.exit(main())
