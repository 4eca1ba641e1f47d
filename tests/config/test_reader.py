import json

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from backprop_cli.config import reader
from backprop_cli.config.reader import read_file, read_text
from backprop_cli.errors import ConfigError

LOADERS = {"python": yaml.SafeLoader, "c": getattr(yaml, "CSafeLoader", None)}


@pytest.fixture(params=[name for name, loader in LOADERS.items() if loader], autouse=True)
def loader(request, monkeypatch):
    """PyYAML comes with and without libyaml, and the two report differently."""
    monkeypatch.setattr(reader, "_Loader", LOADERS[request.param])


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("1e-3", 0.001),
        ("1E5", 100000.0),
        (".5", 0.5),
        ("-2.", -2.0),
        ("+7", 7),
        ("010", 10),
        ("yes", "yes"),
        ("off", "off"),
        ("True", True),
        ("~", None),
        ("'3'", "3"),
        ('"true"', "true"),
        ("1_000", "1_000"),
        ("12:30", "12:30"),
        ("784-30-10", "784-30-10"),
        ("[784, 30, 10]", [784, 30, 10]),
        ("{name: momentum, mu: 0.9}", {"name": "momentum", "mu": 0.9}),
    ],
)
def test_scalars_follow_yaml_1_2(text, value):
    document = read_text(text, "x")
    assert not document.problems
    assert document.values == value
    assert type(document.values) is type(value)


def test_every_key_and_value_has_a_location():
    document = read_text("# a comment\nlayers: [64,\n  10]\noptimizer: {name: sgd}\n", "c.yaml")
    assert document.key_places == {
        ("layers",): "c.yaml:2:1",
        ("optimizer",): "c.yaml:4:1",
        ("optimizer", "name"): "c.yaml:4:13",
    }
    assert document.value_places[("layers", 1)] == "c.yaml:3:3"
    assert document.value_places[("optimizer", "name")] == "c.yaml:4:19"


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("a: 1\nb: 2\na: 3", "c.yaml:3:1: duplicate key 'a' (first defined at c.yaml:1:1)"),
        ("a: &x 1\nb: *x", "c.yaml:2:4: aliases (*x) are not supported; repeat the value"),
        ("a: !!python/object:os.system 1", "c.yaml:1:4: tags (tag:yaml.org,2002:python/object:os.system) are"),
        ("a: !thing {b: 1}", "c.yaml:1:4: tags (!thing) are not supported"),
        ("a: .inf", "c.yaml:1:4: .inf is not a finite number"),
        ("a: -.INF", "c.yaml:1:4: -.INF is not a finite number"),
        ("a: .nan", "c.yaml:1:4: .nan is not a finite number"),
        ("a: 1e999", "c.yaml:1:4: 1e999 is not a finite number"),
        ("a: " + "9" * 5000, "c.yaml:1:4: a number of 5000 digits"),
        ("a: [1, 2", "c.yaml:"),
        ("a: b: c", "c.yaml:1:5: invalid YAML"),
        ("a: 1\n\tb: 2", "c.yaml:2:1: invalid YAML: a tab cannot be used here; use spaces"),
        ("é: ü\na:\n\tb: 2", "c.yaml:3:1: invalid YAML: a tab cannot be used here; use spaces"),
        ("a: 1\x00", "c.yaml:1:5: invalid control character U+0000"),
        ("a: 1\n---\na: 2", "c.yaml:2:1: a second document starts here"),
        ("? [1, 2]\n: 3", "c.yaml:1:3: a key must be a string"),
        ("a: " + "[" * 1000, "c.yaml:1:23: nested more than 20 levels deep"),
    ],
)
def test_unsupported_yaml_is_an_error_with_its_location(text, problem):
    problems = read_text(text, "c.yaml").problems
    assert any(line.startswith(problem) for line in problems), problems


def test_all_errors_are_reported_together():
    assert len(read_text("a: .inf\na: 2\nb: !x 1\nc: *d", "c.yaml").problems) == 4


@pytest.mark.parametrize(
    ("data", "problem"),
    [
        (b"a: 1\nb: \xff", "2:4: the file is not UTF-8 text; save it as UTF-8"),
        (b"a: 1\n" * 20_000, "1:1: the file is larger than 64 KB"),
        (b"- 1\n- 2", "1:1: expected lines of the form 'key: value'"),
        (b"just words", "1:1: expected lines of the form 'key: value'"),
    ],
)
def test_a_file_that_is_not_a_config_is_refused_with_its_location(tmp_path, data, problem):
    path = tmp_path / "c.yaml"
    path.write_bytes(data)
    with pytest.raises(ConfigError) as error:
        read_file(path)
    assert error.value.problems[0].startswith(f"{path}:{problem}")


def test_missing_files_and_folders_are_reported_as_such(tmp_path):
    for path, reason in ((tmp_path / "none.yaml", "No such file"), (tmp_path, "Is a directory")):
        with pytest.raises(ConfigError, match=reason):
            read_file(path)


def test_an_alias_bomb_is_refused_before_it_grows():
    bomb = "a: &a [x, x, x, x]\n" + "".join(
        f"{b}: &{b} [*{a}, *{a}, *{a}, *{a}]\n" for a, b in zip("abcdefghijkl", "bcdefghijklm", strict=True)
    )
    assert all("aliases" in line for line in read_text(bomb, "x").problems)


@given(st.text(max_size=200))
def test_any_text_is_read_or_refused_without_an_exception(text):
    read_text(text, "x")


NOT_IN_YAML = "\u2028\u2029\ufeff\ufffe\uffff"  # line breaks, byte-order marks and noncharacters, which JSON allows
TEXT = st.text(st.characters(exclude_categories=("Cs", "Cc"), exclude_characters=NOT_IN_YAML), max_size=30)
SCALARS = st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | TEXT
VALUES = st.recursive(
    SCALARS, lambda inner: st.lists(inner, max_size=5) | st.dictionaries(TEXT, inner, max_size=5), max_leaves=20
)


@given(st.dictionaries(TEXT, VALUES, max_size=5))
def test_json_is_read_as_python_reads_json(values):
    text = json.dumps(values, ensure_ascii=False)
    document = read_text(text, "x")
    assert document.problems == []
    assert json.dumps(document.values, ensure_ascii=False) == text  # also tells 1 from 1.0 and true
