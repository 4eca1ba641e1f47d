import json
import os
import subprocess
import sys

import click
import pytest
from click.testing import CliRunner

from backprop_cli.cli.options import checkpoint_option, common_options, csv_option, split_option
from backprop_cli.terminal.console import Console, printable
from tests.cli.helpers import on_a_terminal
from tests.conftest import ROOT

HOSTILE = "a\x1b]0;PWNED\x07b\x9b31mc\u202ed\r\udcff"
"""A window title, a colour by a C1 character, text from right to left, a return, and a byte that is not UTF-8."""
ESCAPED = r"a\x1b]0;PWNED\x07b\x9b31mc\u202ed\r\udcff"


def test_control_characters_become_escapes_and_text_stays():
    assert printable(HOSTILE) == ESCAPED
    assert printable("η = 0.5\n\tλ → ½ ⎡ ⎤ 数") == "η = 0.5\n\tλ → ½ ⎡ ⎤ 数"


@pytest.mark.parametrize("method", ["say", "warn", "error"])
def test_nothing_hostile_reaches_stderr(capsys, method):
    console = Console()
    getattr(console, method)(click.UsageError(HOSTILE) if method == "error" else HOSTILE)
    assert ESCAPED in capsys.readouterr().err


def test_results_are_escaped_unless_a_script_reads_them(capsys):
    name = HOSTILE.removesuffix("\udcff")
    Console().result(name, {})
    assert capsys.readouterr().out == ESCAPED.removesuffix(r"\udcff") + "\n"
    Console(quiet=True).result("", {}, quiet=name)
    assert capsys.readouterr().out == name + "\n"
    Console(json=True).result("", {"name": HOSTILE})
    out = capsys.readouterr().out
    assert printable(out) == out
    assert json.loads(out)["name"] == HOSTILE


def test_a_hostile_file_name_does_not_reach_a_terminal(tmp_path):
    path = tmp_path / "x\x1b]0;PWNED\x07.yaml"
    path.write_text("eta: no number\n")
    for words in (("check", path), ("check", path, "-q"), ("predict", "run", path)):
        _, shown = on_a_terminal(tmp_path, *words, NO_COLOR="1")
        assert "\x1b" not in shown
        assert "\x07" not in shown


def test_errors_are_json_on_request(backprop, tiny):
    done = backprop("check", tiny, "eta=-1", "epochs=0", "--json")
    error = json.loads(done.err)["error"]
    assert (done.code, error["exit_code"], error["message"]) == (2, 2, "the config has 2 errors")
    assert len(error["problems"]) == 2
    assert error["problems"][0].startswith("command line: ")
    done = backprop("eval", "none", "--json")
    assert json.loads(done.err)["error"]["exit_code"] == done.code == 2
    done = backprop("check", "--json", tiny, "--nonsense")
    assert "--nonsense" in json.loads(done.err)["error"]["message"]
    assert done.code == 2


def test_csv_is_read_back_as_it_was(capsys):
    Console().csv(("name", "η"), [("a,b", 0.5), ('"', None)])
    assert capsys.readouterr().out == 'name,η\n"a,b",0.5\n"""",\n'


@click.command()
@common_options
@csv_option
@checkpoint_option
@split_option("test")
def shared(console: Console, as_csv: bool, checkpoint: str, split: str) -> None:
    click.echo(f"{as_csv} {checkpoint} {split}")


def test_shared_options_and_their_aliases():
    def run(*words):
        return CliRunner().invoke(shared, words).output.strip()

    assert run() == "False best test"
    assert run("--checkpoint", "last", "--split", "val", "--csv") == "True last val"
    assert run("--which", "last", "--split", "validation") == "False last val"
    assert "--which" not in run("--help")
    assert "--csv and --json cannot be combined" in run("--csv", "--json")


def test_a_closed_pipe_is_no_error(tmp_path):
    command = f"{sys.executable} -m backprop_cli schema | head -c 10; exit ${{PIPESTATUS[0]}}"
    done = subprocess.run(
        ["bash", "-c", command], cwd=tmp_path, env={**os.environ, "PYTHONPATH": str(ROOT)}, capture_output=True
    )
    assert (done.returncode, done.stderr) == (0, b"")
