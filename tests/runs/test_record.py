"""run.json is checked once, when it is read."""

import json

import pytest

from backprop_cli.runs.record import MAX_DEPTH, parse_record

RECORD = {
    "status": "finished",
    "argv": ["train", "caf\udce9.yaml"],
    "seconds": 1.5,
    "epochs": 3,
    "parameters": 12,
    "best": {"epoch": 2, "val_cost": 0.5, "val_accuracy": None},
    "test": {"cost": 0.5},
    "reason": None,
    "experiment": {"layers": [2, 2, 1], "seed": 2**63 - 1},
}


def nested(levels):
    return json.dumps({"x": None}).replace("null", "[" * levels + "]" * levels)


def test_a_record_is_read_as_it_was_written():
    assert parse_record(json.dumps(RECORD).encode()) == RECORD


def test_unknown_keys_and_missing_ones_are_accepted():
    assert parse_record(b'{"of_a_later_version": [1, {"x": 2}]}') == {"of_a_later_version": [1, {"x": 2}]}


@pytest.mark.parametrize(
    ("key", "value", "reason"),
    [
        ("seconds", float("nan"), "NaN is not a finite number"),
        ("seconds", float("-inf"), "-Infinity is not a finite number"),
        ("seconds", 10**400, "too large"),
        ("seconds", -1, "'seconds' is not a duration"),
        ("seconds", True, "'seconds' is not a duration"),
        ("status", 3, "'status' is not text"),
        ("status", "\ud800", "surrogates not allowed"),
        ("argv", "train", "'argv' is not a list of words"),
        ("argv", [["train"]], "'argv' is not a list of words"),
        ("epochs", 1.5, "'epochs' is not a whole number"),
        ("best", {"epoch": 1e300}, "'best' is not a set of numbers"),
        ("best", {"val_accuracy": "x"}, "'best' is not a set of numbers"),
        ("best", {"val_accuracy": {}}, "'best' is not a set of numbers"),
        ("best", [1], "'best' is not a set of numbers"),
        ("experiment", [], "'experiment' is not an object"),
        ("experiment", {"eta": 10**400}, "too large"),
        ("experiment", {"\ud800": 1}, "surrogates not allowed"),
        ("versions", "1", "'versions' is not an object"),
    ],
    ids=range(18),
)
def test_a_value_that_no_run_writes_is_refused(key, value, reason):
    with pytest.raises(ValueError, match=reason):
        parse_record(json.dumps({**RECORD, key: value}).encode())


@pytest.mark.parametrize("text", ["", "{", "null", "[1]", "1", '{"seconds": 1e400}', '{"x": ' + "9" * 5000 + "}"])
def test_what_is_not_a_record_is_refused(text):
    with pytest.raises(ValueError, match="."):
        parse_record(text.encode())


@pytest.mark.parametrize("levels", [MAX_DEPTH + 1, 600, 100_000])
def test_deep_nesting_is_refused(levels):
    with pytest.raises(ValueError, match=f"nested more than {MAX_DEPTH} levels"):
        parse_record(nested(levels).encode())


def test_moderate_nesting_is_accepted():
    assert parse_record(nested(MAX_DEPTH).encode())
