"""The configs and the JSON Schema that are shipped with the program. Imports nothing heavy, for completion."""

from __future__ import annotations

import json
import os
import re
from collections.abc import Iterable
from difflib import get_close_matches
from functools import cache
from glob import escape
from pathlib import Path
from typing import Any

from backprop_cli.config.data_files import FORMATS, dataset_of

SCHEMA = "backprop.schema.json"
"""The schema that the first line of a config refers to, in the folder of the config."""


def shipped_files(pattern: str) -> list[Path]:
    """Return the shipped files that match: inside the package when installed, beside it in a checkout."""
    package = Path(__file__).parents[1]
    folders = [folder for folder in (package / "configs", package.parent / "configs") if folder.is_dir()]
    return sorted(folders[0].glob(pattern), key=lambda path: (path.parent, path.stem)) if folders else []


def shipped_configs() -> dict[str, Path]:
    """Return the shipped configs by name: digits, mnist, classics/and, published/01."""
    nested = {f"{path.parent.name}/{path.stem}": path for path in shipped_files("*/*.yaml")}
    return {path.stem: path for path in shipped_files("*.yaml")} | nested


def shipped_config(name: str) -> Path | None:
    """Return a shipped config by its name, or by the last part of it: `and` for classics/and."""
    shipped = shipped_configs()
    return shipped.get(name) or next((path for path in shipped.values() if path.stem == name), None)


def find_config(path: Path, folder: Path = Path()) -> Path:
    """Return what a user means: `path` or `path.yaml` in a folder, or the shipped config of this name.

    A folder counts if it is a data set of images. `configs/digits.yaml`, its path in a checkout, is a name of a shipped
    config too. If there is none, `path` is returned, as a file that does not exist.
    """
    local = folder / path
    for file in (local, Path(f"{local}.yaml")):
        if os.path.exists(file) and (not os.path.isdir(file) or dataset_of(file)):
            return file
    name = path.as_posix()
    if name.startswith("configs/"):
        name = name.removeprefix("configs/").removesuffix(".yaml")
    return shipped_config(name) or local


def hint_for_missing(path: Path) -> str:
    """Return what to write in place of a path that is not a config, as the end of a message."""
    if path.is_dir():
        config = path / "config.yaml"  # of a run
        return f"; did you mean {config}?" if config.is_file() else "; it has no folders of images, one for each class"
    if "=" in path.name:
        return "; name a config before KEY=VALUE, as in: digits eta=0.5"
    if path.name in keys_and_words().get("dataset", ()):
        return f"; {path.name} is a data set: name a config for it, or add dataset={path.name} to another one"
    shipped = shipped_configs()
    files = [str(file) for file in path.parent.glob("*.yaml")]
    close = get_close_matches(str(path), files, n=1, cutoff=0.8) or get_close_matches(path.stem, shipped, n=1)
    if not close:
        return "; 'backprop init --list' prints the shipped configs"
    return f"; did you mean {close[0]}?" if close[0] in files else f"; did you mean '{close[0]}', a shipped config?"


def summary(config: Path) -> str:
    """Return the first sentence of the comment at the top of a shipped config."""
    lines = config.read_text(encoding="utf-8").partition("\n\n")[0].splitlines()[1:]
    text = " ".join(line.removeprefix("#").strip() for line in lines).strip()
    found = re.match(r".{20,}?(?<!et al)\.(?= |$)", text)
    return found[0] if found else text


def template(config: Path) -> bytes:
    """Return a shipped config as a file for another folder: it refers to the schema there, and extends by name."""
    text = config.read_bytes().replace(b"$schema=../", b"$schema=")
    if found := re.search(rb"^extends: (\S+)$", text, re.MULTILINE):
        base = (config.parent / found[1].decode()).resolve()
        (name,) = (name for name, path in shipped_configs().items() if path.resolve() == base)
        text = text.replace(found[0], f"extends: {name}".encode())
    return text


def config_names(start: str) -> list[str]:
    """Return what a config may be called that begins so; nothing if there are files with such a name.

    Without a beginning these are the configs and the data in this folder, and the shipped configs that are not in
    subfolders.
    """
    if start:
        return [] if any(Path().glob(f"{escape(start)}*")) else [n for n in shipped_configs() if n.startswith(start)]
    own = sorted(str(path) for path in Path().iterdir() if path.name.lower().endswith((".yaml", *FORMATS)))
    return [*own, *(name for name in shipped_configs() if "/" not in name)]


def keys_and_words_after(overrides: Iterable[str]) -> dict[str, list[str]]:
    """Return `keys_and_words` with only the options of adam after `optimizer=adam`, and likewise for other keys."""
    known = keys_and_words()
    for override in overrides:
        key, _, name = override.partition("=")
        key = key.removesuffix(".name")
        if name in (options := options_by_name().get(key, {})):
            known = {word: known[word] for word in known if word in options[name] or not word.startswith(f"{key}.")}
    return known


@cache
def options_by_name() -> dict[str, dict[str, list[str]]]:
    """Return for each key whose value is chosen by name, such as `optimizer`, the dotted options of each name."""
    found: dict[str, dict[str, list[str]]] = {}
    for key, described in _properties().items():
        for form in _forms(described):
            if name := form.get("properties", {}).get("name", {}).get("const"):
                found.setdefault(key, {})[name] = [f"{key}.{option}" for option in form["properties"]]
    return found


@cache
def keys_and_words() -> dict[str, list[str]]:
    """Return the keys that the command line can set, and their options as dotted keys, with the words they may hold."""
    return _words_of(_properties())


@cache
def sweep_words() -> dict[str, list[str]]:
    """Return the options of a sweep as dotted keys, with the words they may hold."""
    words = _words_of({"sweep": _schema()["properties"].get("sweep", {})})
    return {key: words[key] for key in words if "." in key}


def _words_of(properties: dict[str, Any]) -> dict[str, list[str]]:
    found: dict[str, list[str]] = {}
    for key, described in properties.items():
        found[key] = _words(described)
        for form in _forms(described):
            for option, value in form.get("properties", {}).items():
                words = found.setdefault(f"{key}.{option}", [])
                words += [word for word in _words(value) if word not in words]
    return found


def types_of(key: str) -> set[str]:
    """Return the JSON types that a key, an option of it (`optimizer.mu`) or a layer (`layers.1`) may have."""
    name, _, option = key.partition(".")
    forms = _forms(_properties().get(name, {}))
    if option:
        inner = (form.get("items" if option.isdecimal() else "properties", {}) for form in forms)
        forms = [form for found in inner for form in _forms(found if option.isdecimal() else found.get(option, {}))]
    return {form["type"] for form in forms if "type" in form}


@cache
def _properties() -> dict[str, Any]:
    """Return the JSON Schema of each key of an experiment, without aliases such as η."""
    apart = ("extends", "sweep")
    return {key: value for key, value in _schema()["properties"].items() if key not in apart and key.isascii()}


@cache
def _schema() -> dict[str, Any]:
    files = shipped_files(SCHEMA)
    return json.loads(files[0].read_text(encoding="utf-8")) if files else {"properties": {}}


def _forms(described: dict[str, Any]) -> list[dict[str, Any]]:
    return described.get("anyOf") or [described]


def _words(described: dict[str, Any]) -> list[str]:
    """Return the words that a value may be, such as the names of the activations."""
    words: list[str] = []
    for form in _forms(described):
        words += form.get("enum", [])
        words += [form["const"]] if "const" in form else []
        words += ["true", "false"] if form.get("type") == "boolean" else []
    return words
