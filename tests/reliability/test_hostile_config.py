"""A hostile config is harmless: exit 2, with a place, within a second."""

import os
import resource
import subprocess
import sys
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from backprop_cli.config.load import load_experiment
from backprop_cli.errors import ConfigError
from tests.conftest import ROOT

GOOD = "dataset: digits\nlayers: [64, 10]\n"
BOMB = "a: &a [x, x, x, x, x, x, x, x, x]\n" + "".join(
    f"{b}: &{b} [*{a}, *{a}, *{a}, *{a}, *{a}, *{a}, *{a}, *{a}, *{a}]\n"
    for a, b in zip("abcdefghi", "bcdefghij", strict=True)
)
HOSTILE = {
    "alias bomb": BOMB,
    "merge bomb": "a: &a {b: 1}\n" + "c: {<<: *a}\n" * 1000,
    "nested lists": "layers: " + "[" * 1000 + "]" * 1000,
    "nested mappings": "layers: " + "{a: " * 1000 + "}" * 1000,
    "nested blocks": "\n".join(" " * i + "a:" for i in range(1000)),
    "nested keys": "? " * 1000 + "a",
    "nested dashes": "- " * 1000 + "a",
    "never closed": GOOD + "[" * 60_000,
    "5,000 digits": GOOD + "seed: " + "9" * 5000,
    "5,000 digits after the point": GOOD + "eta: 0." + "1" * 5000,
    "a great exponent": GOOD + "eta: 1e999999999",
    "a great fraction": GOOD + "validation: 1e-400",
    "duplicate keys": GOOD + "eta: 1\neta: 2\n",
    "duplicate keys in a mapping": GOOD + "optimizer: {name: sgd, name: momentum}\n",
    "a Python tag": GOOD + "eta: !!python/object/apply:os.system ['touch pwned']\n",
    "a binary tag": GOOD + "eta: !!binary aGVsbG8=\n",
    "NUL bytes": GOOD + "eta: \0\n",
    "a NUL in extends": GOOD + 'extends: "a\\0b"\n',
    "not UTF-8": GOOD.encode() + b"eta: \xff\n",
    "UTF-16": GOOD.encode("utf-16"),
    "64 KB of anchors": "".join(f"&a{i} " for i in range(9_000)),
    "64 KB of a key": "a" * 60_000 + ": 1\n",
    "64 KB of quotes": '"' * 60_000,
    "many unknown keys": "".join(f"epoch{i}: 1\n" for i in range(5_000)),
    "many unknown options": GOOD + "optimizer: {" + "".join(f"x{i}: 1, " for i in range(5_000)) + "}\n",
    "many layers": "dataset: digits\nlayers: [" + "64, " * 15_000 + "10]\n",
    "great layers": "dataset: digits\nlayers: [64, 99999999999999999999, 10]\n",
    "a circle": "extends: hostile.yaml\n",
    "a device": "extends: /dev/tty\n",
    "an endless file": "extends: /dev/zero\n",
    "directives": "%YAML 1.1\n" * 5_000 + "---\n" + GOOD,
    "another kind of file": b"PK\3\4" + bytes(range(256)) * 20,
}


@pytest.fixture
def hostile(tmp_path):
    return tmp_path / "hostile.yaml"


def check(path):
    """Run `backprop check` as a process of its own; return its end and the seconds it took of a processor."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    words = [sys.executable, "-m", "backprop_cli", "check", path.name]
    env = {**os.environ, "PYTHONPATH": str(ROOT)}
    done = subprocess.run(words, cwd=path.parent, env=env, capture_output=True, timeout=20, stdin=subprocess.DEVNULL)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return done, after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


def assert_refused(path, done):
    lines = done.err.splitlines()
    assert done.code == 2, done
    assert lines[0].startswith("error: the config has ")
    assert lines[1].startswith(f"{path}:")
    assert len(lines) <= 60


@pytest.mark.parametrize("text", HOSTILE.values(), ids=HOSTILE.keys())
def test_a_hostile_config_is_refused_with_its_place_within_a_second(backprop, hostile, text):
    hostile.write_bytes(text if isinstance(text, bytes) else text.encode())
    clock = time.process_time()  # so that a busy machine fails no test
    done = backprop("check", hostile)
    assert time.process_time() - clock < 1
    assert_refused(hostile, done)
    assert not (hostile.parent / "pwned").exists()


def test_a_config_of_100_megabytes_is_refused_unread(hostile):
    with hostile.open("wb") as file:
        file.write(GOOD.encode())
        file.truncate(100 << 20)
    done, seconds = check(hostile)
    assert done.returncode == 2
    assert b"hostile.yaml:1:1: the file is larger than 64 KB" in done.stderr
    assert seconds < 1


def test_a_pipe_is_not_waited_for_where_a_file_is_extended(backprop, hostile):
    os.mkfifo(hostile.with_name("pipe"))
    hostile.write_text("extends: pipe\n")
    assert_refused(hostile, backprop("check", hostile))


# pieces of YAML, of which chance makes more mischief than of letters
pieces = st.sampled_from(
    [
        *"[]{}:,-?!&*#|>'\"%@` \n\t",
        "\n  ",
        ": ",
        "- ",
        "? ",
        "<<",
        "&a",
        "*a",
        "!!int",
        "---\n",
        "...\n",
        "eta",
        "η",
        "layers",
    ]
    + ["dataset", "digits", "1", "1e9", ".nan", "~", "64-10", "é", "\u2028", "extends", "optimizer", "name"]
)


def problems(*arguments):
    try:
        load_experiment(*arguments)
    except ConfigError as error:
        return error.problems
    return []


@given(st.lists(pieces, max_size=60).map("".join))
def test_no_config_at_all_can_do_more_than_be_refused(tmp_path_factory, text):
    path = tmp_path_factory.getbasetemp() / "property.yaml"
    path.write_text(text, encoding="utf-8")
    assert all(problem.startswith(f"{path}:") for problem in problems(path)[:1])


@given(st.lists(pieces, max_size=20).map("".join))
def test_no_word_of_the_command_line_can_do_more_than_be_refused(tmp_path_factory, word):
    path = tmp_path_factory.getbasetemp() / "property.yaml"
    path.write_text(GOOD)
    words = [word, f"eta={word}", f"optimizer.mu={word}"]
    assert all("command line: " in problem for problem in problems(path, words))
