"""The JSON Schema of a config file, for editors and other programs."""

from __future__ import annotations

import json
from typing import Any

from backprop_cli.config.reader import ALIASES
from backprop_cli.experiment.schema import Experiment
from backprop_cli.experiment.sweep import SweepOptions


def json_schema() -> dict[str, Any]:
    """Return the JSON Schema of a config file; `extends` and `sweep` do not belong to the experiment."""
    schema = Experiment.model_json_schema(by_alias=True)
    extends = {"type": "string", "description": "Path of a config whose keys are the defaults of this one."}
    aliases = {symbol: schema["properties"][key] for symbol, key in ALIASES.items()}
    schema["title"] = "backprop experiment"
    sweep = {**SweepOptions.model_json_schema(), "description": "Values that the runs of `backprop sweep` take."}
    schema["properties"] = {"extends": extends, **schema["properties"], **aliases, "sweep": sweep}
    schema["anyOf"] = [{"required": ["extends"]}, {"required": schema.pop("required")}]
    return {"$schema": "https://json-schema.org/draft/2020-12/schema", **schema}


def schema_text() -> str:
    """Return the JSON Schema as the text of a file."""
    return json.dumps(json_schema(), indent=2, ensure_ascii=False) + "\n"
